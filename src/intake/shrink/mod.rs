//! SHRINK, the service that measures the operator's state: asked over HTTP, each answer one sample on the log.

mod collector;
pub mod config;
mod json;
mod poller;
mod prometheus;
mod reading;

pub use collector::{ReadError, Reading};
pub use poller::{AddressError, Poller};
pub use reading::read;
