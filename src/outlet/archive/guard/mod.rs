//! What stands between Postgres and the client that decodes its answers: the client holds a message as large as it is announced,
//! and a server, or who stands between, may announce 4 GiB. Each message is looked at before any of it is handed on.
//!
//! The client talks to a socket of this process, and a task carries bytes between that and the server. TLS ends at the task,
//! since messages cannot be looked at within it.

mod dial;
mod messages;
mod relay;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::PathBuf;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};
use tokio::net::{UnixListener, UnixStream};

pub use trust::Certificates;

/// Connects to the server that the options name.
///
/// # Errors
/// As the client says it.
pub async fn connect(options: PgConnectOptions, certificates: &Certificates) -> Result<PgConnection, sqlx::Error> {
    let server = dial::dial(&options, certificates).await?;
    // In the abstract namespace, by a name that nobody can take beforehand: there is no file to leave behind.
    let folder = PathBuf::from(format!("\0dsmild-{:016x}", RandomState::new().hash_one(std::process::id())));
    let listener = UnixListener::bind(folder.join(format!(".s.PGSQL.{}", options.get_port())))?;
    let relay = tokio::spawn(async move {
        if let Some(client) = own(listener).await {
            relay::relay(server, client).await;
        }
    });
    let connected = options.socket(folder).ssl_mode(PgSslMode::Disable).connect().await;
    if connected.is_err() {
        relay.abort();
    }
    connected
}

/// The connection of this process itself: anybody on the machine may knock.
async fn own(listener: UnixListener) -> Option<UnixStream> {
    loop {
        let (client, _) = listener.accept().await.ok()?;
        let peer = client.peer_cred().ok().and_then(|peer| peer.pid());
        if peer.and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id()) {
            return Some(client);
        }
    }
}
