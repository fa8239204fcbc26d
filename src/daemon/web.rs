//! The HTTP server as this daemon needs it.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::runtime::Handle;

use super::component::DRAIN;
use super::core::Core;
use crate::intake::entry;
use crate::locked::locked;
use crate::respond::surroundings;
use crate::server::{HttpError, Parts, Server, start};
use crate::supervise::{NamedTask, TaskContext};

/// Shows the console page's link with its token on a terminal, as notebooks do, and nowhere else: not in the log.
fn show_link(server: &Server) {
    if let Some(link) = server.link().filter(|_| io::stderr().is_terminal()) {
        eprintln!("dsmild: as long as it runs, its page with the right to decide is {link}");
    }
}

/// The server's task. Its first server is opened before anything depends on it: an address that is taken ends the start.
pub fn tasks(core: Arc<Core>, io: Handle) -> LocalBoxFuture<'static, Result<Vec<NamedTask>, String>> {
    async move {
        let first = open(&core, &io).await?;
        show_link(&first);
        locked(&core.server).replace(first);
        let listener = Arc::new(Listener { is_fresh: AtomicBool::new(true), core, io });
        Ok(vec![NamedTask::new("http", move |context| Arc::clone(&listener).run(context))])
    }
    .boxed_local()
}

/// The server itself is in [`Core::server`], outside of any run of the actor: a frozen one would hold the port for ever.
struct Listener {
    /// No run has taken the first server over.
    is_fresh: AtomicBool,
    core: Arc<Core>,
    io: Handle,
}

impl Listener {
    async fn run(self: Arc<Self>, context: TaskContext) -> Result<(), String> {
        if !self.is_fresh.swap(false, Ordering::AcqRel) {
            drop(locked(&self.core.server).take());
            let server = open(&self.core, &self.io).await?;
            locked(&self.core.server).replace(server);
        }
        context.run_until_stopped(std::future::pending::<()>()).await;
        let server = locked(&self.core.server).take();
        if let Some(server) = server {
            // Open requests get a moment; what is still open then is cut off.
            let _ = tokio::time::timeout(DRAIN / 2, server.stop()).await;
        }
        Ok(())
    }
}

/// Opens the port; serves on the threads of `io`.
async fn open(core: &Arc<Core>, io: &Handle) -> Result<Server, String> {
    let opened = io.spawn(serve(Arc::clone(core))).await.map_err(|error| error.to_string())?;
    opened.map_err(|error| error.to_string())
}

async fn serve(core: Arc<Core>) -> Result<Server, HttpError> {
    let config = core.config();
    let parts = Parts {
        gateway: Arc::new(core.for_server()),
        read_entry: |stream, fields, arrival| {
            entry::from_entry(fields, stream, &Arc::from("http"), arrival).map_err(|error| error.to_string())
        },
        respond: {
            let config = core.config.getter();
            Arc::new(move || config().respond.clone())
        },
        guard: {
            let config = core.config.getter();
            Arc::new(move || surroundings::guard(&config()))
        },
        silences: {
            let config = core.config.getter();
            Arc::new(move || config().silence.clone())
        },
        rules: core.rules_getter(),
        ingest_enabled: config.intake.http.enabled,
        socket: config.api_socket(),
        audit_file: config.daemon.state_dir.join("audit.log"),
    };
    let server = start(&config.http, parts).await?;
    server.restore_silences();
    server.read_log();
    Ok(server)
}
