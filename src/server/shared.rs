//! What every handler can reach.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};

use super::access::Access;
use super::decisions::Proposals;
use super::door::Door;
use super::gateway::{Gateway, GatewayError, IngestError};
use super::incidents::fold::Incidents;
use super::metrics_text::MetricsText;
use super::parts::{Parts, ReadEntry};
use super::problem::Problem;
use super::seen::Seen;
use super::shares::{Amounts, Shares};
use super::silences::heard::Heard;
use crate::event::{Body, Draft, Event, EventId, Soc, Stream, Times};
use crate::intake::clock::arrival;
use crate::knowledge::loaded_rules::LoadedRules;
use crate::limits;
use crate::observe::audit::Kept;
use crate::respond::config::Respond;
use crate::respond::guard::Guard;
use crate::retry::Notices;
use crate::silence::config::Configured;

const LIVE_STREAMS: Amounts = Amounts {
    network: limits::HTTP_LIVE_STREAMS_MAX,
    per_peer: limits::HTTP_LIVE_STREAMS_PER_PEER_MAX,
    local: limits::HTTP_LOCAL_LIVE_STREAMS_MAX,
    per_user: limits::HTTP_LOCAL_LIVE_STREAMS_PER_USER_MAX,
};
const BODIES_BYTES: Amounts = Amounts {
    network: limits::HTTP_BODIES_BYTES_MAX,
    per_peer: limits::HTTP_BODIES_BYTES_MAX / 2,
    local: limits::HTTP_BODIES_BYTES_MAX / 2,
    per_user: limits::HTTP_BODIES_BYTES_MAX / 4,
};

pub struct Shared {
    pub gateway: Arc<dyn Gateway>,
    pub read_entry: ReadEntry,
    pub respond: Arc<dyn Fn() -> Respond + Send + Sync>,
    pub guard: Arc<dyn Fn() -> Result<Guard, String> + Send + Sync>,
    pub proposals: Proposals,
    pub incidents: Seen<Incidents>,
    pub heard: Seen<Heard>,
    pub configured_silences: Arc<dyn Fn() -> Vec<Configured> + Send + Sync>,
    pub rules: Arc<dyn Fn() -> Option<Arc<LoadedRules>> + Send + Sync>,
    /// Event streams.
    pub live: Arc<Shares>,
    pub metrics: MetricsText,
    /// Bytes of bodies with events that are in memory.
    pub bodies: Arc<Shares>,
    /// Turning lines into events is work: one request after the other, a portion each.
    pub reading: Semaphore,
    /// One permit a chunk of an answer that is made.
    pub chunks: Semaphore,
    pub stopping: watch::Receiver<bool>,
    pub door: Door,
    access: RwLock<Arc<Access>>,
    ingest_enabled: AtomicBool,
    notices: Mutex<Notices>,
}

impl Shared {
    pub fn new(parts: Parts, access: Access, stopping: watch::Receiver<bool>) -> Self {
        let kept = parts.gateway.remembered(Kept::NAME).as_ref().and_then(Kept::read);
        Self {
            proposals: Proposals::open(&parts.audit_file, kept),
            incidents: Seen::default(),
            heard: Seen::default(),
            configured_silences: parts.silences,
            rules: parts.rules,
            gateway: parts.gateway,
            read_entry: parts.read_entry,
            respond: parts.respond,
            guard: parts.guard,
            live: Shares::new(LIVE_STREAMS),
            metrics: MetricsText::default(),
            bodies: Shares::new(BODIES_BYTES),
            reading: Semaphore::new(1),
            chunks: Semaphore::new(limits::HTTP_CHUNKS_MAX),
            stopping,
            door: Door::default(),
            access: RwLock::new(Arc::new(access)),
            ingest_enabled: AtomicBool::new(parts.ingest_enabled),
            notices: Mutex::default(),
        }
    }

    /// An event that the hot store has, or the archive where it has it no more.
    pub async fn event(&self, id: EventId) -> Result<Option<Event>, GatewayError> {
        let gateway = &self.gateway;
        let found = gateway.event(id).await?;
        if found.is_some() || !gateway.has_archive() || id > *gateway.committed().borrow() {
            return Ok(found);
        }
        gateway.archived(id).await
    }

    /// Puts what was done on the event log. Returns when it is committed.
    pub async fn say(&self, done: Vec<Soc>) -> Result<(), Problem> {
        let times = Times::at(arrival::now());
        let draft = |soc| Draft { stream: Stream::SocEvents, times, root: None, body: Body::Soc(Box::new(soc)) };
        let failed = |error: IngestError| Problem::busy(error.to_string(), 5);
        let written = self.gateway.ingest(done.into_iter().map(draft).collect()).map_err(failed)?;
        self.gateway.durable(written).await.map_err(failed)
    }

    pub fn reload(&self, access: Access, ingest_enabled: bool) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
        self.ingest_enabled.store(ingest_enabled, Ordering::Relaxed);
    }

    pub fn ingest_enabled(&self) -> bool {
        self.ingest_enabled.load(Ordering::Relaxed)
    }

    /// Says what goes wrong, but not to every client again.
    pub fn warn(&self, kind: &'static str, text: &str) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.fails(kind, kind, text, Instant::now()) {
            log::warn!(target: "dsmil-http", "{text}");
        }
    }

    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Waits for the stop, or for the server to be gone.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}
