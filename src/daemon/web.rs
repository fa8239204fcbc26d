//! The HTTP server as this daemon needs it.

use std::sync::Arc;

use super::core::Core;
use super::gateway::DaemonGateway;
use crate::intake::entry;
use crate::server::{HttpError, Parts, Server, start};

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
        audit_file: config.daemon.state_dir.join("audit.log"),
    };
    start(&config.http, parts).await
}
