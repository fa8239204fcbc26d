//! SHRINK, the service that measures the operator's state: asked over HTTP, each answer one sample on the log.

mod poller;
mod prometheus;
mod reading;

pub use poller::{AddressError, Poller};
pub use reading::{ReadError, Reading, read};
