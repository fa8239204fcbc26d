//! The way to a server that is asked over HTTP: a connection, with TLS where the address wants it. What is said on it is
//! for the caller.

mod peer;
mod tls;

pub use peer::{ConnectError, Io, Peer};
pub use tls::{Authorities, connector};
