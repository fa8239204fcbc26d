//! What every outlet has in common: it connects, asks the outside how far it is, takes batches of committed events there,
//! waits longer and longer after errors, knows its backlog, says what it does, and ends in order. An outlet itself is
//! what it wants of the log and its protocol: see [`Outlet`] and [`Lane`].

mod about;
mod backlog;

mod lane;
mod log;
mod meter;
mod progress;
mod protocol;
mod run;
#[cfg(test)]
mod tests;

pub use about::{About, Keep, Want};
pub use log::Log;
pub use protocol::{Aside, Batch, Lane, Look, Outlet, Pace, Portion, Position, Written};
pub use run::run;
