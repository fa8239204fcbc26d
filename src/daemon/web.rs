//! The HTTP server as this daemon needs it.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use super::core::Core;
use super::gateway::DaemonGateway;
use crate::intake::entry;
use crate::server::{HttpError, Parts, Server, start};

/// Shows the console page's link with its token on a terminal, as notebooks do, and nowhere else: not in the log.
pub fn show_link(server: &Server) {
    if let Some(link) = server.link().filter(|_| io::stderr().is_terminal()) {
        eprintln!("dsmild: as long as it runs, its page with the right to decide is {link}");
    }
}

/// Opens the port and serves on the current runtime.
///
/// # Errors
/// As [`start`].
pub async fn serve(core: Arc<Core>) -> Result<Server, HttpError> {
    let config = core.config();
    let parts = Parts {
        gateway: Arc::new(DaemonGateway::new(core)),
        read_entry: |stream, fields, arrival| {
            entry::from_entry(fields, stream, &Arc::from("http"), arrival).map_err(|error| error.to_string())
        },
        ingest_enabled: config.intake.http.enabled,
        socket: config.api_socket(),
        audit_file: config.daemon.state_dir.join("audit.log"),
    };
    start(&config.http, parts).await
}
