//! A daemon that is a list in memory, with an archive that has what retention took.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;

use crate::event::{Body, Decision, Draft, Event, EventId, Format, Raw, Soc, Stream, Times, Timestamp};
use crate::knowledge::loaded_rules::LoadedRules;
use crate::layer::rule_hits::RuleHits;
use crate::observe::history::{self, History};
use crate::parse::built_in;
use crate::server::gateway::{Gateway, GatewayError, IngestError, Status, StoreStatus, Told};
use crate::store::entities::{Extent, LookUp, Part, is_told_of, is_unusual};
use crate::store::{IdSpan, Order, Searched};

pub(crate) struct FakeGateway {
    pub(super) events: Mutex<Vec<Event>>,
    pub(super) committed: watch::Sender<EventId>,
    pub(super) busy: AtomicBool,
    /// What it has taken in does not become durable.
    pub(super) failing: AtomicBool,
    /// Events given to readers of streams.
    pub(super) handed_out: AtomicUsize,
    /// While this is held, nobody reads what the log tells of incidents.
    pub(super) telling: tokio::sync::Mutex<()>,
    /// A line that is committed while the next reader of a stream reads.
    pub(super) meanwhile: Mutex<Option<&'static str>>,
    /// What only the archive has is before this.
    pub(super) oldest: Mutex<EventId>,
    /// What retention does at the next looks: each makes one of these the oldest event of the hot store.
    pub(super) retention: Mutex<VecDeque<EventId>>,
    /// `None`: there is no archive; otherwise whether it answers.
    pub(super) archive_answers: Mutex<Option<bool>>,
    pub(crate) reasons: Mutex<Vec<String>>,
    pub(super) history: History,
    pub(crate) remembered: Mutex<BTreeMap<String, Value>>,
}

impl FakeGateway {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            events: Mutex::default(),
            committed: watch::Sender::new(EventId::ZERO),
            busy: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            handed_out: AtomicUsize::new(0),
            telling: tokio::sync::Mutex::default(),
            meanwhile: Mutex::default(),
            oldest: Mutex::default(),
            retention: Mutex::default(),
            archive_answers: Mutex::default(),
            reasons: Mutex::default(),
            history: History::default(),
            remembered: Mutex::default(),
        })
    }

    pub(crate) fn commit(&self, stream: Stream, body: Body) -> EventId {
        let mut events = self.events.lock().unwrap();
        let id = events.last().map_or(EventId::new(1000, 0), |event| event.id.next(0));
        events.push(Event { id, stream, times: Times::at(Timestamp::from_millis(1000)), root: id, body });
        drop(events);
        self.committed.send_replace(id);
        id
    }

    /// Retention runs; returns what is the hot store's oldest event now.
    fn retain(&self) -> EventId {
        let mut oldest = self.oldest.lock().unwrap();
        *oldest = self.retention.lock().unwrap().pop_front().unwrap_or_default().max(*oldest);
        *oldest
    }

    fn found(&self, stream: Stream, span: IdSpan, order: Order, count: usize) -> Searched {
        self.found_of(&|event| event.stream == stream, span, order, count)
    }

    fn found_of(&self, is_wanted: &dyn Fn(&Event) -> bool, span: IdSpan, order: Order, count: usize) -> Searched {
        let within = |event: &&Event| is_wanted(event) && event.id > span.after && event.id <= span.through;
        let mut events: Vec<Event> = self.events.lock().unwrap().iter().filter(within).cloned().collect();
        if order == Order::Newest {
            events.reverse();
        }
        let is_cut = events.len() > count;
        events.truncate(count);
        let rest = events.last().filter(|_| is_cut).and_then(|last| span.beyond(last.id, order));
        self.handed_out.fetch_add(events.len(), Ordering::Relaxed);
        Searched { events, rest }
    }

    pub(crate) fn commit_line(&self, stream: Stream, payload: &str) -> EventId {
        self.commit(stream, line(payload))
    }
}

pub(super) fn line(payload: &str) -> Body {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Body::Raw(Raw::new("test".into(), "ops".into(), Format::Text, payload, Vec::new(), built_in()))
}

pub(crate) fn soc(input_ref: &str) -> Body {
    Body::Soc(Box::new(Soc { src_device: 52, input_ref: input_ref.into(), ..Soc::default() }))
}

pub(crate) fn proposal() -> Body {
    let proposal = Some(serde_json::json!({ "action": "block" }));
    Body::Soc(Box::new(Soc { src_device: 58, proposal, ..Soc::default() }))
}

fn has(event: &Event, part: Part, value: &str) -> bool {
    let Body::Soc(soc) = &event.body else { return false };
    let entity = &soc.entity;
    let own = match part {
        Part::User => &entity.user,
        Part::Host => &entity.host,
        Part::SrcIp => &entity.src_ip,
        Part::DstIp => &entity.dst_ip,
        Part::Process => &entity.process,
        Part::Domain => &entity.domain,
        Part::File => &entity.file,
        Part::UnusualSrcIp => return entity.src_ip.as_deref().is_some_and(is_unusual),
        Part::UnusualDstIp => return entity.dst_ip.as_deref().is_some_and(is_unusual),
        Part::Told => return is_told_of(event),
        Part::Indicator => return soc.src_device == 54 && soc.reasons.first().is_some_and(|reason| reason == value),
    };
    own.as_deref() == Some(value)
}

pub(super) fn decision(input: EventId) -> Body {
    Body::Decision(Box::new(Decision::benign("test".into(), 15, "ops".into(), input)))
}

impl Gateway for FakeGateway {
    fn status(&self) -> Status {
        let events = self.events.lock().unwrap();
        let reasons = self.reasons.lock().unwrap().clone();
        let store = StoreStatus {
            oldest: events.first().map(|event| event.id),
            last_id: events.last().map(|event| event.id),
            ..StoreStatus::default()
        };
        Status { version: "test".into(), ready: reasons.is_empty(), reasons, store, ..Status::default() }
    }

    fn history(&self, span: history::Span) -> history::Answer {
        self.history.answer(span, Timestamp::from_millis(600_000))
    }

    fn after(&self, stream: Stream, after: EventId, count: usize) -> BoxFuture<'_, Result<Vec<Event>, GatewayError>> {
        let events = self.events.lock().unwrap();
        let found = events.iter().filter(|event| event.stream == stream && event.id > after).take(count);
        let found: Vec<Event> = found.cloned().collect();
        drop(events);
        if let Some(payload) = self.meanwhile.lock().unwrap().take() {
            self.commit_line(stream, payload);
        }
        self.handed_out.fetch_add(found.len(), Ordering::Relaxed);
        Box::pin(async { Ok(found) })
    }

    fn search(
        &self,
        stream: Stream,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        let mut found = self.found(stream, span, order, count);
        let oldest = self.retain();
        found.events.retain(|event| event.id >= oldest);
        Box::pin(async move { Ok(found) })
    }

    fn search_about(
        &self,
        look_ups: Vec<LookUp>,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        let is_wanted = |event: &Event| look_ups.iter().any(|look_up| has(event, look_up.part, &look_up.value));
        let mut found = self.found_of(&is_wanted, span, order, count);
        let oldest = self.retain();
        found.events.retain(|event| event.id >= oldest);
        Box::pin(async move { Ok(found) })
    }

    fn told(&self, after: EventId, count: usize) -> BoxFuture<'_, Result<Told, GatewayError>> {
        Box::pin(async move {
            let _telling = self.telling.lock().await;
            let events = self.events.lock().unwrap();
            let mut new = events.iter().filter(|event| event.id > after && is_told_of(event));
            let found: Vec<Event> = new.by_ref().take(count).cloned().collect();
            let is_more = new.next().is_some();
            let last = if is_more { found.last() } else { events.last() };
            let through = last.map_or(after, |event| event.id.max(after));
            Ok(Told { events: found, through, is_more })
        })
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>> {
        let oldest = *self.oldest.lock().unwrap();
        let found = self.events.lock().unwrap().iter().find(|event| event.id == id && id >= oldest).cloned();
        Box::pin(async { Ok(found) })
    }

    fn oldest(&self) -> BoxFuture<'_, Result<Option<EventId>, GatewayError>> {
        let oldest = self.retain();
        let found = self.events.lock().unwrap().iter().find(|event| event.id >= oldest).map(|event| event.id);
        Box::pin(async move { Ok(found) })
    }

    fn has_archive(&self) -> bool {
        self.archive_answers.lock().unwrap().is_some()
    }

    fn search_archive(
        &self,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>> {
        assert!(span.through < *self.oldest.lock().unwrap() || self.events.lock().unwrap().is_empty(), "{span:?}");
        let found = match *self.archive_answers.lock().unwrap() {
            Some(true) => Ok(self.found(Stream::SocEvents, span, order, count.min(3))),
            _ => Err(GatewayError::Archive("it is down".to_owned())),
        };
        self.retain();
        Box::pin(async move { found })
    }

    fn archived(&self, id: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>> {
        let found = match *self.archive_answers.lock().unwrap() {
            Some(true) => Ok(self.events.lock().unwrap().iter().find(|event| event.id == id).cloned()),
            _ => Err(GatewayError::Archive("it is down".to_owned())),
        };
        Box::pin(async move { found })
    }

    fn extent(&self, look_up: LookUp, counted_max: usize) -> BoxFuture<'_, Result<Extent, GatewayError>> {
        let events = self.events.lock().unwrap();
        let found: Vec<EventId> = events
            .iter()
            .filter(|event| has(event, look_up.part, &look_up.value))
            .take(counted_max)
            .map(|event| event.id)
            .collect();
        let extent = Extent { events: found.len() as u64, oldest: found.first().copied() };
        Box::pin(async move { Ok(extent) })
    }

    fn rule_hits(&self, rules: Arc<LoadedRules>) -> BoxFuture<'_, Result<Option<(RuleHits, EventId)>, GatewayError>> {
        let mut hits = RuleHits::default();
        let events = self.events.lock().unwrap();
        events.iter().for_each(|event| hits.step(event, || &rules.catalog().names));
        let upto = events.last().map(|event| event.id);
        Box::pin(async move { Ok(upto.map(|upto| (hits, upto))) })
    }

    fn committed(&self) -> watch::Receiver<EventId> {
        self.committed.subscribe()
    }

    fn remembered(&self, name: &str) -> Option<Value> {
        self.remembered.lock().unwrap().get(name).cloned()
    }

    fn remember(&self, name: &str, value: Value) -> BoxFuture<'_, Result<(), GatewayError>> {
        self.remembered.lock().unwrap().insert(name.to_owned(), value);
        Box::pin(async { Ok(()) })
    }

    fn ingest(&self, drafts: Vec<Draft>) -> Result<EventId, IngestError> {
        if self.busy.load(Ordering::Relaxed) {
            return Err(IngestError::Busy);
        }
        Ok(self.ingest_rest(drafts))
    }

    fn ingest_rest(&self, drafts: Vec<Draft>) -> EventId {
        drafts.into_iter().map(|draft| self.commit(draft.stream, draft.body)).max().unwrap_or_default()
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn durable(&self, _: EventId) -> BoxFuture<'_, Result<(), IngestError>> {
        let failing = self.failing.load(Ordering::Relaxed);
        Box::pin(async move { if failing { Err(IngestError::Failed("the disk is full".into())) } else { Ok(()) } })
    }
}
