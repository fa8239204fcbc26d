//! What the HTTP side needs of the daemon: its state, its committed events, and a way in for new ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::event::{Draft, Event, EventId, ShrinkState, Stream};
use crate::knowledge::loaded_rules::LoadedRules;
use crate::layer::rule_hits::RuleHits;
use crate::observe::history;
use crate::respond::config::Mode;
use crate::retry::OutsideError;
use crate::store::entities::{Extent, LookUp};
use crate::store::{IdSpan, Order, Searched, StoreError};

/// Implemented by the daemon, and by a list in memory in tests.
pub trait Gateway: Send + Sync + 'static {
    /// A snapshot of the whole daemon; cheap, for it is asked for by every probe.
    fn status(&self) -> Status;

    /// The last hour or day of the daemon itself.
    fn history(&self, span: history::Span) -> history::Answer;

    /// The first `count` committed events of a stream with ids greater than `after`, in order.
    fn after(&self, stream: Stream, after: EventId, count: usize) -> BoxFuture<'_, Result<Vec<Event>, GatewayError>>;

    /// A bounded look at the committed events of a stream, in either direction.
    fn search(
        &self,
        stream: Stream,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>>;

    /// A bounded look at the SOC events that have one of these values, in either direction.
    fn search_about(
        &self,
        look_ups: Vec<LookUp>,
        span: IdSpan,
        order: Order,
        count: usize,
    ) -> BoxFuture<'_, Result<Searched, GatewayError>>;

    /// The first events after `after` that tell of incidents, proposals and silences, in order: those that
    /// [`is_told_of`](crate::store::entities::is_told_of) takes, at most `count`.
    fn told(&self, after: EventId, count: usize) -> BoxFuture<'_, Result<Told, GatewayError>>;

    /// One committed event; `None` when there never was one or it is past its retention.
    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>>;

    /// The oldest event of the hot store; `None`: it has none. What is older is in the archive alone.
    fn oldest(&self) -> BoxFuture<'_, Result<Option<EventId>, GatewayError>>;

    /// Whether there is an archive to go on into.
    fn has_archive(&self) -> bool;

    /// A bounded look at the SOC events that the archive has of a span of ids.
    fn search_archive(&self, span: IdSpan, order: Order, count: usize)
    -> BoxFuture<'_, Result<Searched, GatewayError>>;

    /// One event of the archive.
    fn archived(&self, id: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>>;

    /// How many SOC events have this value, and the oldest; at most `counted_max` are counted.
    fn extent(&self, look_up: LookUp, counted_max: usize) -> BoxFuture<'_, Result<Extent, GatewayError>>;

    /// How often each of these rules has matched, and up to which event that was counted; `None` before anything was.
    fn rule_hits(&self, rules: Arc<LoadedRules>) -> BoxFuture<'_, Result<Option<(RuleHits, EventId)>, GatewayError>>;

    /// The greatest committed id: everything up to it is committed. Moves at every commit.
    fn committed(&self) -> watch::Receiver<EventId>;

    /// What was remembered under this name, last or by an earlier process.
    fn remembered(&self, name: &str) -> Option<Value>;

    /// Keeps a value beside the positions of the sources; resolves after it is committed.
    fn remember(&self, name: &str, value: Value) -> BoxFuture<'_, Result<(), GatewayError>>;

    /// Appends the first events of a request if there is room for more from outside. Returns the last id.
    ///
    /// # Errors
    /// There is no room.
    fn ingest(&self, drafts: Vec<Draft>) -> Result<EventId, IngestError>;

    /// Appends further ones. Returns the last id.
    fn ingest_rest(&self, drafts: Vec<Draft>) -> EventId;

    /// Resolves when there is room for the rest of a request whose first events were taken.
    fn room(&self) -> BoxFuture<'_, ()>;

    /// Resolves after everything up to this id is committed.
    fn durable(&self, upto: EventId) -> BoxFuture<'_, Result<(), IngestError>>;
}

/// A piece of what the log tells of incidents, proposals and silences.
#[derive(Debug, Default)]
pub struct Told {
    pub events: Vec<Event>,
    /// All events up to here were looked at.
    pub through: EventId,
    /// There are more that are committed.
    pub is_more: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("the hot store could not be read: {0}")]
    Store(String),
    #[error("the hot store did not take it within {0:?}")]
    NotKept(Duration),
    #[error("the archive could not be asked: {0}")]
    Archive(String),
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<OutsideError> for GatewayError {
    fn from(error: OutsideError) -> Self {
        Self::Archive(error.to_string())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Too much is in flight; the same request succeeds later.
    #[error("the daemon has as many events in flight as it may have")]
    Busy,
    /// Nothing of the request is known to be committed.
    #[error("the events could not be committed: {0}")]
    Failed(String),
}

/// The answer of `/api/v1/status`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    pub version: String,
    pub instance: String,
    pub uptime_s: f64,
    /// All critical actors are up.
    pub ready: bool,
    /// Why it is not ready; empty when it is.
    pub reasons: Vec<String>,
    /// Sources and outlets that are down: what it does not see, or cannot hand on.
    pub warnings: Vec<String>,
    pub actors: Vec<ActorStatus>,
    pub sources: Vec<SourceStatus>,
    pub outlets: Vec<OutletStatus>,
    pub store: StoreStatus,
    pub shrink: ShrinkStatus,
    pub config: ConfigStatus,
    /// What approving a proposal leads to: `respond.mode`.
    pub respond: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorState {
    Up,
    Restarting,
    /// Past its restart intensity; stays down until a reload or restart.
    Failed,
    #[default]
    Stopped,
}

impl ActorState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ActorStatus {
    pub name: String,
    pub state: ActorState,
    pub critical: bool,
    /// Since the process started.
    pub restarts: u64,
    /// Since when it is in this state, or runs after a restart; RFC 3339, as far as this process has seen it.
    pub since: Option<String>,
    /// Of a stage: events that it has handled since the process started …
    pub handled: u64,
    /// … and in a second, over about the last half minute.
    pub rate: f64,
    /// Committed or in-flight events that it reads and has not handled.
    pub lag_events: u64,
    /// What it wanted to say since the process started, beyond what one event may lead to.
    pub refused_outputs: u64,
    pub last_error: Option<String>,
}

impl ActorStatus {
    /// What a person should know of it beside its numbers.
    pub fn remarks(&self) -> String {
        let refused = (self.refused_outputs > 0).then(|| format!("{} outputs refused", self.refused_outputs));
        let remarks: Vec<String> = self.last_error.clone().into_iter().chain(refused).collect();
        remarks.join("; ")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    Up,
    /// Nothing is wrong with it as far as is known, and nothing came yet.
    #[default]
    Waiting,
    /// It is not read; `last_error` says why.
    Down,
}

impl SourceState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Waiting => "waiting",
            Self::Down => "down",
        }
    }
}

/// Every source that is configured is shown, and every file that a pattern has found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    /// `journal`, `file:/var/log/auth.log`, `file:/var/log/app/*.log`, `redis:L3_IN`, `http`, `shrink`, `boot`,
    /// `feed:NAME`.
    pub name: String,
    pub state: SourceState,
    /// It is not down.
    pub up: bool,
    /// Since when it is in this state, RFC 3339, as far as this process has seen it.
    pub since: Option<String>,
    pub events: u64,
    /// When its newest event was taken in, RFC 3339; `None` before the first.
    pub last_event: Option<String>,
    /// Events a second, over about the last half minute.
    pub rate: f64,
    /// Between what an event says of its time and its arrival; `None` before the first event.
    pub lag_s: Option<f64>,
    /// Why it is down, or what went wrong last.
    pub last_error: Option<String>,
    /// Of `feed:NAME`, a list that is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<FeedStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedStatus {
    /// Indicators of the list that is used.
    pub entries: u64,
    /// When it came, RFC 3339; `None` before the first.
    pub fetched: Option<String>,
    /// When the server last said that it is the newest, RFC 3339.
    pub confirmed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OutletStatus {
    /// `mirror`, `archive`, `flat-log`, `loki`.
    pub name: String,
    pub up: bool,
    /// Since when it is up or down, RFC 3339, as far as this process has seen it.
    pub since: Option<String>,
    /// Events that it has passed on since it was started …
    pub events: u64,
    /// … and in a second, over about the last half minute.
    pub rate: f64,
    /// Committed events that it has not passed on.
    pub lag_events: u64,
    pub last_error: Option<String>,
    /// How far it is with catching up; `None` while it is not far behind.
    pub progress: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreStatus {
    pub bytes: u64,
    pub max_bytes: u64,
    /// Events of all streams that are committed in a second, over about the last half minute.
    pub rate: f64,
    /// The oldest event kept; `None` when the store is empty.
    pub oldest: Option<EventId>,
    /// The newest committed event.
    pub last_id: Option<EventId>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ShrinkStatus {
    pub state: ShrinkState,
    /// Seconds since the last good sample; `None` when there was none.
    pub age_s: Option<f64>,
    pub values: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigStatus {
    /// `None`: the built-in defaults.
    pub path: Option<String>,
    /// RFC 3339.
    pub loaded_at: String,
    /// How the last reload went; `None` before the first.
    pub last_reload: Option<String>,
    /// What was wrong with the configuration that it refused.
    pub findings: Vec<String>,
}
