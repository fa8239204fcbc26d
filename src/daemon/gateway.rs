//! The daemon as the HTTP side sees it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;

use super::core::{Core, locked};
use crate::bus::Consumer;
use crate::event::{Draft, Event, EventId, Interest, Stream};
use crate::outlet::archive::Archive;
use crate::outlet::driver::Outlet;
use crate::server::gateway::{ActorState, ActorStatus, Gateway, GatewayError, IngestError, Status, StoreStatus};
use crate::supervise::{Child, State};

/// What a sender waits at most for its events to be durable; then it is told to send them again.
const DURABLE_PATIENCE: Duration = Duration::from_secs(10);

pub struct DaemonGateway {
    core: Arc<Core>,
}

impl DaemonGateway {
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn actors(&self) -> Vec<ActorStatus> {
        let consumers = self.core.bus.consumers();
        locked(&self.core.board.children)
            .iter()
            .map(|child| actor_status(child, consumers.iter().find(|consumer| consumer.name == child.name)))
            .collect()
    }

    fn archive_is_up(&self) -> bool {
        self.core.outlets.is_up(Archive::ABOUT.name)
    }

    fn store_status(&self) -> StoreStatus {
        let size = self.core.store_size();
        StoreStatus {
            bytes: size.map_or(0, |size| size.used_bytes),
            max_bytes: self.core.config().store.max_size.get(),
            oldest: size.and_then(|size| size.oldest),
            last_id: Some(*self.core.bus.committed().borrow()).filter(|id| *id != EventId::ZERO),
        }
    }
}

fn actor_status(child: &Child, consumer: Option<&Consumer>) -> ActorStatus {
    ActorStatus {
        name: child.name.clone(),
        state: match child.state() {
            State::Up => ActorState::Up,
            State::Restarting => ActorState::Restarting,
            State::Failed => ActorState::Failed,
            State::Stopped => ActorState::Stopped,
        },
        critical: child.critical,
        restarts: u64::from(child.restarts()),
        lag_events: consumer.map_or(0, Consumer::in_flight),
        refused_outputs: consumer.map_or(0, |consumer| consumer.refused),
        last_error: child.last_error(),
    }
}

impl Gateway for DaemonGateway {
    fn status(&self) -> Status {
        let config = self.core.config();
        let actors = self.actors();
        let mut reasons: Vec<String> = actors
            .iter()
            .filter(|actor| actor.critical && actor.state != ActorState::Up)
            .map(|actor| format!("critical actor {} is {}", actor.name, actor.state.name()))
            .collect();
        if actors.is_empty() {
            reasons.push("starting".to_owned());
        }
        reasons.extend(self.core.store_trouble().map(|trouble| format!("the hot store takes nothing: {trouble}")));
        reasons.extend(self.core.memory_trouble());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: config.daemon.instance.clone(),
            uptime_s: self.core.started.elapsed().as_secs_f64(),
            ready: reasons.is_empty(),
            reasons,
            actors,
            sources: locked(&self.core.board.sources).values().cloned().collect(),
            outlets: self.core.outlets.shown(),
            store: self.store_status(),
            shrink: self.core.shrink_status(),
            config: locked(&self.core.board.config).clone(),
        }
    }

    fn after(&self, stream: Stream, after: EventId, count: usize) -> BoxFuture<'_, Result<Vec<Event>, GatewayError>> {
        let reads = Interest::NONE.stream(stream);
        async move {
            if let Some((events, _)) = self.core.bus.committed_after(after, reads, count) {
                return Ok(events.iter().map(|event| Event::clone(event)).collect());
            }
            self.core.store.after(after, reads, count).await.map_err(|error| GatewayError::Store(error.to_string()))
        }
        .boxed()
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>> {
        async move { self.core.store.event(id).await.map_err(|error| GatewayError::Store(error.to_string())) }.boxed()
    }

    fn committed(&self) -> watch::Receiver<EventId> {
        self.core.bus.committed()
    }

    fn remembered(&self, name: &str) -> Option<Value> {
        self.core.positions().remove(name)
    }

    fn remember(&self, name: &str, value: Value) -> BoxFuture<'_, Result<(), GatewayError>> {
        let kept = self.core.remember(name, value);
        async move {
            let patience = DURABLE_PATIENCE;
            tokio::time::timeout(patience, kept).await.map_err(|_| GatewayError::NotKept(patience))
        }
        .boxed()
    }

    fn ingest(&self, drafts: Vec<Draft>) -> BoxFuture<'_, Result<(), IngestError>> {
        async move {
            if !self.core.bus.has_room() {
                return Err(IngestError::Busy);
            }
            if self.core.is_power_durable() && !self.archive_is_up() {
                return Err(IngestError::Busy);
            }
            let last = self.core.bus.append("http", drafts, Vec::new(), Vec::new());
            let mut durable = self.core.durable();
            let done = tokio::time::timeout(DURABLE_PATIENCE, durable.wait_for(|durable| *durable >= last));
            match done.await {
                Ok(done) => done.map(|_| ()).map_err(|error| IngestError::Failed(error.to_string())),
                Err(_) => Err(IngestError::Failed(format!("not durable within {DURABLE_PATIENCE:?}"))),
            }
        }
        .boxed()
    }
}
