//! What the daemon shows while it waits for Postgres before it may start: HTTP that says so.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;

use super::gateway::{Gateway, GatewayError, IngestError, OutletStatus, Status, Told};
use super::{Parts, Server, start};
use crate::config::Config;
use crate::event::{Draft, Event, EventId, Stream};
use crate::knowledge::loaded_rules::LoadedRules;
use crate::layer::rule_hits::RuleHits;
use crate::locked::locked;
use crate::observe::{audit, history, metrics, systemd};
use crate::outlet::archive;
use crate::respond::config::Respond;
use crate::retry::OutsideError;
use crate::store::entities::{Extent, LookUp};
use crate::store::positions::Positions;
use crate::store::{IdSpan, Order, Searched};

/// Serves from the first error on.
pub struct Waiting {
    config: Config,
    io: tokio::runtime::Handle,
    shown: Arc<Notice>,
    server: Option<Server>,
}

struct Notice {
    instance: String,
    state_dir: PathBuf,
    reason: std::sync::Mutex<Option<String>>,
    committed: watch::Sender<EventId>,
}

impl Waiting {
    pub fn new(config: &Config, io: tokio::runtime::Handle) -> Self {
        let instance = config.daemon.instance.clone();
        let state_dir = config.daemon.state_dir.clone();
        let shown =
            Notice { instance, state_dir, reason: Default::default(), committed: watch::Sender::new(EventId::ZERO) };
        Self { config: config.clone(), io, shown: Arc::new(shown), server: None }
    }

    pub async fn tell(&mut self, error: &OutsideError) {
        let reason = format!("waiting for Postgres, which has the state to begin from: {error}");
        metrics::archive_up().set(0.0);
        systemd::still_starting(&reason);
        let before = locked(&self.shown.reason).replace(reason.clone());
        if before.as_ref() != Some(&reason) {
            log::warn!(target: "dsmil-archive", "{reason}; sources are not read before");
        }
        if self.server.is_none() {
            self.serve().await;
        }
    }

    async fn serve(&mut self) {
        let parts = Parts {
            gateway: Arc::clone(&self.shown) as Arc<dyn Gateway>,
            read_entry: |_, _, _| Err("the daemon has not started yet".to_owned()),
            ingest_enabled: false,
            respond: Arc::new(Respond::default),
            guard: Arc::new(|| Err("the daemon has not started yet".to_owned())),
            silences: Arc::new(Vec::new),
            socket: self.config.api_socket(),
            rules: Arc::new(|| None),
            audit_file: self.config.daemon.state_dir.join(audit::FILE),
        };
        let http = self.config.http.clone();
        match self.io.spawn(async move { start(&http, parts).await }).await {
            Ok(Ok(server)) => self.server = Some(server),
            Ok(Err(error)) => log::warn!(target: "dsmil-http", "{error}"),
            Err(error) => log::warn!(target: "dsmil-http", "{error}"),
        }
    }

    /// Frees the port for the daemon's own server.
    pub async fn end(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

/// The answer to every question about stored events.
fn not_open<T: Send + 'static>() -> BoxFuture<'static, Result<T, GatewayError>> {
    async { Err(GatewayError::Store("it is not open yet".to_owned())) }.boxed()
}

impl Gateway for Notice {
    fn status(&self) -> Status {
        let reason = locked(&self.reason).clone();
        let archive = OutletStatus {
            name: archive::NAME.to_owned(),
            up: false,
            last_error: reason.clone(),
            ..OutletStatus::default()
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.instance.clone(),
            ready: false,
            reasons: reason.into_iter().collect(),
            outlets: vec![archive],
            ..Status::default()
        }
    }

    fn history(&self, _: history::Span) -> history::Answer {
        history::Answer::default()
    }

    fn after(&self, _: Stream, _: EventId, _: usize) -> BoxFuture<'_, Result<Vec<Event>, GatewayError>> {
        not_open()
    }

    fn search(&self, _: Stream, _: IdSpan, _: Order, _: usize) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        not_open()
    }

    fn search_about(
        &self,
        _: Vec<LookUp>,
        _: IdSpan,
        _: Order,
        _: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        not_open()
    }

    fn told(&self, _: EventId, _: usize) -> BoxFuture<'_, Result<Told, GatewayError>> {
        not_open()
    }

    fn event(&self, _: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>> {
        not_open()
    }

    fn oldest(&self) -> BoxFuture<'_, Result<Option<EventId>, GatewayError>> {
        not_open()
    }

    fn has_archive(&self) -> bool {
        false
    }

    fn search_archive(&self, _: IdSpan, _: Order, _: usize) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        not_open()
    }

    fn archived(&self, _: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>> {
        not_open()
    }

    fn extent(&self, _: LookUp, _: usize) -> BoxFuture<'_, Result<Extent, GatewayError>> {
        not_open()
    }

    fn rule_hits(&self, _: Arc<LoadedRules>) -> BoxFuture<'_, Result<Option<(RuleHits, EventId)>, GatewayError>> {
        not_open()
    }

    fn committed(&self) -> watch::Receiver<EventId> {
        self.committed.subscribe()
    }

    fn remembered(&self, name: &str) -> Option<Value> {
        Positions::read(&self.state_dir)?.positions.remove(name)
    }

    fn remember(&self, _: &str, _: Value) -> BoxFuture<'_, Result<(), GatewayError>> {
        async { Ok(()) }.boxed()
    }

    fn ingest(&self, _: Vec<Draft>) -> Result<EventId, IngestError> {
        Err(IngestError::Busy)
    }

    fn ingest_rest(&self, _: Vec<Draft>) -> EventId {
        EventId::ZERO
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        std::future::pending().boxed()
    }

    fn durable(&self, _: EventId) -> BoxFuture<'_, Result<(), IngestError>> {
        async { Err(IngestError::Busy) }.boxed()
    }
}
