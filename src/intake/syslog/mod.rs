//! Syslog over the network: UDP, TCP, TLS (RFC 5425) and RELP.
//!
//! `framing.rs` finds the messages in a stream, `relp.rs` the commands of RELP, `peers.rs` says what one peer may take; these are pure.
//! `task.rs` listens, `session.rs` reads a connection, `datagrams.rs` what comes without one, `inlet.rs` makes events of messages.
//!
//! Who sent a message is known by its connection and is kept beside it, in `log.source.address`. The host that the message names is a
//! claim, and the address is never taken for the source of what the message is about.

pub(crate) mod config;
mod datagrams;
pub(crate) mod framing;
mod inlet;
mod lost;
mod peers;
pub(crate) mod relp;
mod session;
mod task;
#[cfg(test)]
mod tests;
mod tls;

pub use self::task::SOURCE;
