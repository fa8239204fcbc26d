//! Asks a server over HTTP: the connection, with TLS where the address wants it, and one question at a time within
//! limits. SHRINK, Loki and the commands that talk to a running daemon all ask through here.

mod client;
mod peer;
mod tls;

pub use client::{Answer, Client, End, HttpError, Limits, Opened};
#[cfg(test)]
pub use peer::Io;
pub use peer::{ConnectError, Peer};
pub use tls::{Authorities, connector};
