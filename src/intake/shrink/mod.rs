//! SHRINK, the service that measures the operator's state: asked over HTTP, each answer one sample on the log.

mod collector;
pub(crate) mod config;
mod json;
mod latest;
mod names;
mod poller;
mod prometheus;
mod reading;
mod task;

pub use collector::{ReadError, Reading};
pub use latest::Latest;
pub use poller::{AddressError, Poller};
pub use reading::read;
pub use task::SOURCE;
