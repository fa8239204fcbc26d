//! A real listener in front of a daemon that is a list in memory.

mod access;
mod budgets;
mod entities;
mod events;
mod incidents;
mod ingest;
mod live;
mod pages;
mod proposals;
mod rules;
mod silences;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use super::{Parts, Server, start};
use crate::config;
use crate::event::{Body, Decision, Draft, Event, EventId, Format, Raw, Soc, Stream, Times, Timestamp};
use crate::knowledge::loaded_rules::LoadedRules;
use crate::layer::rule_hits::RuleHits;
use crate::parse::built_in;
use crate::server::gateway::{Gateway, GatewayError, IngestError, Status, StoreStatus};
use crate::store::entities::{Extent, Part};
use crate::store::{IdSpan, Order, Searched};

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct FakeGateway {
    events: Mutex<Vec<Event>>,
    committed: watch::Sender<EventId>,
    busy: AtomicBool,
    /// What it has taken in does not become durable.
    failing: AtomicBool,
    /// Events given to readers of streams.
    handed_out: AtomicUsize,
    /// A line that is committed while the next reader of a stream reads.
    meanwhile: Mutex<Option<&'static str>>,
    pub(crate) reasons: Mutex<Vec<String>>,
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
            meanwhile: Mutex::default(),
            reasons: Mutex::default(),
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

    pub(crate) fn commit_line(&self, stream: Stream, payload: &str) -> EventId {
        self.commit(stream, line(payload))
    }
}

fn line(payload: &str) -> Body {
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
        Part::Indicator => return soc.src_device == 54 && soc.reasons.first().is_some_and(|reason| reason == value),
    };
    own.as_deref() == Some(value)
}

fn decision(input: EventId) -> Body {
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
        let within = |event: &&Event| event.stream == stream && event.id > span.after && event.id <= span.through;
        let mut events: Vec<Event> = self.events.lock().unwrap().iter().filter(within).cloned().collect();
        if order == Order::Newest {
            events.reverse();
        }
        let is_cut = events.len() > count;
        events.truncate(count);
        let rest = events.last().filter(|_| is_cut).and_then(|last| span.beyond(last.id, order));
        self.handed_out.fetch_add(events.len(), Ordering::Relaxed);
        Box::pin(async move { Ok(Searched { events, rest }) })
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<Event>, GatewayError>> {
        let found = self.events.lock().unwrap().iter().find(|event| event.id == id).cloned();
        Box::pin(async { Ok(found) })
    }

    fn about(
        &self,
        part: Part,
        value: String,
        span: IdSpan,
        count: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, GatewayError>> {
        let within = |event: &&Event| event.id > span.after && event.id <= span.through && has(event, part, &value);
        let events = self.events.lock().unwrap();
        let found: Vec<Event> = events.iter().rev().filter(within).take(count).cloned().collect();
        Box::pin(async { Ok(found) })
    }

    fn extent(&self, part: Part, value: String, counted_max: usize) -> BoxFuture<'_, Result<Extent, GatewayError>> {
        let events = self.events.lock().unwrap();
        let found: Vec<EventId> =
            events.iter().filter(|event| has(event, part, &value)).take(counted_max).map(|event| event.id).collect();
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

/// As the daemon's own: an entry needs a payload.
fn read_entry(stream: Stream, mut entry: Map<String, Value>, arrival: Timestamp) -> Result<Draft, String> {
    let Some(Value::String(payload)) = entry.remove("payload") else { return Err("the entry has no payload".into()) };
    Ok(Draft { stream, times: Times::at(arrival), root: None, body: line(&payload) })
}

pub(crate) struct Daemon {
    pub(crate) gateway: Arc<FakeGateway>,
    pub(crate) server: Server,
    pub(crate) folder: tempfile::TempDir,
}

impl Daemon {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    pub(crate) async fn with_tokens(text: &str) -> Self {
        Self::with(|config, folder| {
            std::fs::write(folder.join("tokens"), text).unwrap();
            std::fs::set_permissions(folder.join("tokens"), Permissions::from_mode(0o600)).unwrap();
            config.tokens_file = Some(folder.join("tokens"));
        })
        .await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut config::Http, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config::Http { listen: "127.0.0.1:0".parse().unwrap(), ..config::Http::default() };
        change(&mut config, folder.path());
        let gateway = FakeGateway::new();
        let parts = Parts {
            gateway: gateway.clone(),
            read_entry,
            ingest_enabled: true,
            respond: std::sync::Arc::new(crate::config::Respond::default),
            silences: std::sync::Arc::new(Vec::new),
            socket: folder.path().join("api.sock"),
            rules: std::sync::Arc::new(crate::server::tests::rules::loaded),
            audit_file: folder.path().join("audit.log"),
        };
        let server = start(&config, parts).await.unwrap();
        Self { gateway, server, folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "", body).await
    }

    /// `headers`: whole lines, each with its end.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.send_bytes(request.as_bytes()).await
    }

    async fn send_bytes(&self, request: &[u8]) -> Answer {
        Self::exchange(TcpStream::connect(self.address()).await.unwrap(), request).await
    }

    /// Over the Unix socket, whose users need no token.
    async fn send_local(&self, method: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let socket = self.folder.path().join("api.sock");
        Self::exchange(UnixStream::connect(socket).await.unwrap(), request.as_bytes()).await
    }

    pub(crate) async fn decide(&self, path: &str, body: &str) -> Answer {
        self.send_local("POST", path, body).await
    }

    async fn exchange(mut connection: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Answer {
        let exchange = async {
            // A server that refuses early may close before it has read everything.
            let _ = connection.write_all(request).await;
            let mut answer = Vec::new();
            let _ = connection.read_to_end(&mut answer).await;
            Answer::read(&String::from_utf8(answer).unwrap())
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }
}

fn unchunk(mut body: &str) -> String {
    let mut text = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").expect("a chunk or the last one");
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return text;
        }
        text.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_lowercase();
        let body = if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The detail of an error with this status; every error must be a problem.
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["type"].is_string());
        problem["detail"].as_str().unwrap().to_owned()
    }
}
