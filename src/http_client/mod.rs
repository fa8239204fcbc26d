//! Asks a server over HTTP: the connection, with TLS where the address wants it, and one question at a time within
//! limits. SHRINK, Loki and the commands that talk to a running daemon all ask through here.

mod authorization;
mod client;
mod peer;
mod tls;

pub use authorization::Credentials;
pub use client::{Answer, Client, End, HttpError, Limits, Opened};
pub use peer::{ConnectError, Io, Peer};
pub use tls::{Authorities, connector};

/// What the other side said, which may have said the secret back.
pub fn without_secret(said: &str, secret: Option<&str>) -> String {
    secret.map_or_else(|| said.to_owned(), |secret| said.replace(secret, "…"))
}
