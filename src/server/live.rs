//! The running daemon as the server sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use serde_json::Value;
use tokio::sync::watch;

use super::Board;
use super::gateway::{
    ActorState, ActorStatus, Gateway, GatewayError, IngestError, OutletStatus, SourceStatus, Status, StoreStatus, Told,
};
use crate::bus::{Bus, Consumer};
use crate::config::Config;
use crate::event::{Draft, Event, EventId, Interest, RecordParser, Stream, Timestamp};
use crate::intake::IntakeLog;
use crate::intake::clock::arrival;
use crate::knowledge::loaded_rules::LoadedRules;
use crate::layer::fusion;
use crate::layer::rule_hits::RuleHits;
use crate::limits;
use crate::observe::history::{Answer, History, Span};
use crate::outlet::{CommittedLog, archive};
use crate::store::entities::{Extent, LookUp, Part, YES, is_told_of};
use crate::store::{HotStore, IdSpan, Order, Searched};
use crate::supervise::{Child, State};

/// What a sender waits at most for its events to be durable; then it is asked to send them again.
const DURABLE_PATIENCE: Duration = Duration::from_secs(10);

pub struct Live {
    pub bus: Arc<Bus>,
    pub store: HotStore,
    pub intake: Arc<IntakeLog>,
    pub outlets: Arc<CommittedLog>,
    pub board: Arc<Board>,
    pub history: Arc<History>,
    /// As it is now; a reload changes it.
    pub config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// The outlet without which nothing becomes durable.
    pub needs: Option<&'static str>,
    /// What reads in Postgres what the hot store has no more.
    pub archive: archive::Reader,
}

impl Live {
    fn actors(&self) -> Vec<ActorStatus> {
        let consumers = self.bus.consumers();
        // After what the stages have handled, so that where all of it is nothing everything that follows is committed as well.
        let uncommitted = self.bus.uncommitted_events();
        let lag = |child: &Child, consumer: Option<&Consumer>| match consumer {
            None if child.name == STORE => uncommitted,
            consumer => consumer.map_or(0, Consumer::in_flight),
        };
        let children = self.board.children();
        let with_consumer = |child: &Arc<Child>| {
            let consumer = consumers.iter().find(|consumer| consumer.name == child.name);
            actor_status(child, lag(child, consumer), consumer)
        };
        children.iter().map(with_consumer).collect()
    }

    /// An outlet is no more up than the actor that writes to it.
    fn shown_outlets(&self) -> Vec<OutletStatus> {
        let children = self.board.children();
        let mut outlets = self.outlets.shown();
        for outlet in &mut outlets {
            let ended = children.iter().find(|child| child.name == outlet.name && child.state() != State::Up);
            if let Some(child) = ended {
                outlet.up = false;
                outlet.last_error = child.last_error().or_else(|| outlet.last_error.take());
            }
        }
        outlets
    }

    fn store_status(&self) -> StoreStatus {
        let size = self.board.store_size();
        StoreStatus {
            bytes: size.map_or(0, |size| size.used_bytes),
            max_bytes: (self.config)().store.max_size.get(),
            oldest: size.and_then(|size| size.oldest),
            last_id: Some(*self.bus.committed().borrow()).filter(|id| *id != EventId::ZERO),
            rate: 0.0,
        }
    }
}

/// What the archive is asked by this configuration.
fn asked<'a>(config: &'a Config, parser: &'a Arc<dyn RecordParser>) -> Result<archive::Asked<'a>, GatewayError> {
    let archive = config.archive.as_ref().ok_or_else(|| GatewayError::Archive("none is configured".to_owned()))?;
    Ok(archive::Asked { config: archive, instance: &config.daemon.instance, parser })
}

/// The stage that counts the hits of rules.
const FUSION: &str = "fusion";
/// The actor that commits; it lags behind by what waits for it.
const STORE: &str = "store";

fn actor_status(child: &Child, lag_events: u64, consumer: Option<&Consumer>) -> ActorStatus {
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
        handled: consumer.map_or(0, |consumer| consumer.handled),
        lag_events,
        refused_outputs: consumer.map_or(0, |consumer| consumer.refused),
        last_error: child.last_error(),
        ..ActorStatus::default()
    }
}

/// Without the reasons, which may name what not everybody should see who asks for this.
fn warnings(sources: &[SourceStatus], outlets: &[OutletStatus]) -> Vec<String> {
    let sources = sources.iter().filter(|source| !source.up).map(|source| format!("source {} is down", source.name));
    let outlets = outlets.iter().filter(|outlet| !outlet.up).map(|outlet| format!("outlet {} is down", outlet.name));
    sources.chain(outlets).collect()
}

impl Gateway for Live {
    fn status(&self) -> Status {
        let config = (self.config)();
        let actors = self.actors();
        let mut reasons: Vec<String> = actors
            .iter()
            .filter(|actor| actor.critical && actor.state != ActorState::Up)
            .map(|actor| format!("critical actor {} is {}", actor.name, actor.state.name()))
            .collect();
        if actors.is_empty() {
            reasons.push("starting".to_owned());
        }
        let store_error = self.board.store_error().or_else(|| self.store.damage().map(|error| error.to_string()));
        reasons.extend(store_error.map(|error| format!("the hot store takes nothing: {error}")));
        reasons.extend(self.board.memory_error());
        let (sources, outlets) = (self.intake.shown(&self.board.children()), self.shown_outlets());
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: config.daemon.instance.clone(),
            uptime_s: self.board.started.elapsed().as_secs_f64(),
            ready: reasons.is_empty(),
            reasons,
            actors,
            warnings: warnings(&sources, &outlets),
            sources,
            outlets,
            store: self.store_status(),
            shrink: self
                .intake
                .shrink
                .status(arrival::now(), config.shrink.clone().unwrap_or_default().stale_after.get()),
            config: self.board.config(),
            respond: config.respond.mode,
        };
        self.history.complete(&mut status, Instant::now());
        status
    }

    fn history(&self, span: Span) -> Answer {
        self.history.answer(span, Timestamp::now())
    }

    fn after(&self, stream: Stream, after: EventId, count: usize) -> BoxFuture<'_, Result<Vec<Event>, GatewayError>> {
        let reads = Interest::NONE.stream(stream);
        async move {
            if let Some((events, _)) = self.bus.committed_after(after, reads, count) {
                return Ok(events.iter().map(|event| Event::clone(event)).collect());
            }
            self.store.after(after, reads, count).await.map_err(|error| GatewayError::Store(error.to_string()))
        }
        .boxed()
    }

    fn search(
        &self,
        stream: Stream,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        let found = self.store.search(span, order, Interest::NONE.stream(stream), count);
        found.map_err(GatewayError::from).boxed()
    }

    fn search_about(
        &self,
        look_ups: Vec<LookUp>,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        async move { self.store.search_about(&look_ups, span, order, count).await.map_err(GatewayError::from) }.boxed()
    }

    fn told(&self, after: EventId, count: usize) -> BoxFuture<'_, Result<Told, GatewayError>> {
        async move {
            let socs = Interest::NONE.stream(Stream::SocEvents);
            if let Some((events, through)) = self.bus.committed_after(after, socs, count) {
                let is_more = events.len() >= count;
                let told = events.iter().filter(|event| is_told_of(event)).map(|event| Event::clone(event));
                return Ok(Told { events: told.collect(), through, is_more });
            }
            let through = self.store.committed().max(after);
            let look_up = [LookUp { part: Part::Told, value: YES.to_owned() }];
            let found = self.store.search_about(&look_up, IdSpan { after, through }, Order::Oldest, count).await?;
            let (through, is_more) = found.rest.map_or((through, false), |rest| (rest.after, true));
            Ok(Told { events: found.events, through, is_more })
        }
        .boxed()
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>> {
        async move { self.store.event(id).await.map_err(GatewayError::from) }.boxed()
    }

    fn oldest(&self) -> BoxFuture<'_, Result<Option<EventId>, GatewayError>> {
        self.store.oldest().map_err(GatewayError::from).boxed()
    }

    fn has_archive(&self) -> bool {
        (self.config)().archive.is_some()
    }

    fn search_archive(
        &self,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        async move {
            let (config, parser) = ((self.config)(), self.store.parser());
            let asked = asked(&config, &parser)?;
            self.archive.search(asked, span, order, count).await.map_err(GatewayError::from)
        }
        .boxed()
    }

    fn archived(&self, id: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>> {
        async move {
            let (config, parser) = ((self.config)(), self.store.parser());
            let asked = asked(&config, &parser)?;
            self.archive.event(asked, id).await.map_err(GatewayError::from)
        }
        .boxed()
    }

    fn extent(&self, look_up: LookUp, counted_max: usize) -> BoxFuture<'_, Result<Extent, GatewayError>> {
        async move { self.store.extent(&look_up, counted_max).await.map_err(GatewayError::from) }.boxed()
    }

    fn rule_hits(&self, rules: Arc<LoadedRules>) -> BoxFuture<'_, Result<Option<(RuleHits, EventId)>, GatewayError>> {
        async move {
            let Some(saved) = self.store.snapshot(FUSION).await? else { return Ok(None) };
            let mut hits = fusion::hits(&saved.state).map_err(|error| GatewayError::Store(error.to_string()))?;
            let (mut upto, mut counted) = (saved.cursor, 0);
            let decisions = Interest::NONE.stream(Stream::L3Out).stream(Stream::L4Out);
            while counted < limits::RULE_HITS_CAUGHT_UP_MAX {
                let events = self.store.after(upto, decisions, limits::HTTP_PAGE_EVENTS_MAX).await?;
                let Some(last) = events.last() else { break };
                events.iter().for_each(|event| hits.step(event, || &rules.catalog().names));
                (upto, counted) = (last.id, counted + events.len());
            }
            Ok(Some((hits, upto)))
        }
        .boxed()
    }

    fn committed(&self) -> watch::Receiver<EventId> {
        self.bus.committed()
    }

    fn remembered(&self, name: &str) -> Option<Value> {
        self.intake.positions().remove(name)
    }

    fn remember(&self, name: &str, value: Value) -> BoxFuture<'_, Result<(), GatewayError>> {
        let kept = self.intake.remember(name, value);
        async move {
            let patience = DURABLE_PATIENCE;
            tokio::time::timeout(patience, kept).await.map_err(|_| GatewayError::NotKept(patience))
        }
        .boxed()
    }

    fn ingest(&self, drafts: Vec<Draft>) -> Result<EventId, IngestError> {
        if !self.bus.has_room() || self.needs.is_some_and(|outlet| !self.outlets.is_up(outlet)) {
            return Err(IngestError::Busy);
        }
        Ok(self.ingest_rest(drafts))
    }

    fn ingest_rest(&self, drafts: Vec<Draft>) -> EventId {
        let append = |drafts, positions| self.bus.append("http", drafts, positions, Vec::new());
        self.intake.judged("http", "http", drafts, append)
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        self.bus.admission_of_rest().boxed()
    }

    fn durable(&self, upto: EventId) -> BoxFuture<'_, Result<(), IngestError>> {
        async move {
            let mut durable = self.intake.durable();
            let done = tokio::time::timeout(DURABLE_PATIENCE, durable.wait_for(|durable| *durable >= upto));
            match done.await {
                Ok(done) => done.map(|_| ()).map_err(|error| IngestError::Failed(error.to_string())),
                Err(_) => Err(IngestError::Failed(format!("not durable within {DURABLE_PATIENCE:?}"))),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_down_is_a_warning_and_what_is_up_is_none() {
        let source = |name: &str, up| SourceStatus { name: name.into(), up, ..SourceStatus::default() };
        let outlet = |name: &str, up| OutletStatus { name: name.into(), up, ..OutletStatus::default() };
        let sources = [source("journal", true), source("boot", false)];
        let outlets = [outlet("loki", false), outlet("mirror", true)];
        assert_eq!(warnings(&sources, &outlets), ["source boot is down", "outlet loki is down"]);
        assert_eq!(warnings(&sources[..1], &outlets[1..]), [""; 0]);
    }
}
