//! From messages to events, for all connections of one listener.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::config::IntakeSyslog;
use super::framing::Message;
use super::peers::Peers;
use crate::detect::client_network;
use crate::event::{Body, Draft, EventId, Format, Provenance, Stream, Times};
use crate::intake::clock::arrival;
use crate::intake::context::Context;
use crate::intake::{IntakeLog, Origin, Problem};
use crate::limits::LINE_BYTES_MAX;
use crate::parse::Calendar;
use crate::supervise::TaskContext;

/// Of the tasks, with their number behind it, and of who appends to the log.
pub const NAME: &str = "intake-syslog";
/// The field with the address of who sent the message.
const PEER: &str = "log.source.address";

pub struct Inlet {
    pub task: TaskContext,
    pub log: Arc<IntakeLog>,
    pub config: IntakeSyslog,
    pub peers: RefCell<Peers>,
    stop: watch::Sender<bool>,
    origin: Origin,
    zone: TimeZone,
}

impl Inlet {
    pub fn new(task: TaskContext, log: Arc<IntakeLog>, config: IntakeSyslog) -> Self {
        let origin = Origin {
            stream: Stream::L3In,
            source: Arc::from(name(&config)),
            compartment: Arc::from(config.compartment.as_str()),
            format: Format::Auto,
        };
        let named = config.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        let peers = RefCell::new(Peers::new(config.connections, config.rate));
        let stop = watch::Sender::new(false);
        Self { task, log, peers, stop, origin, zone: named.unwrap_or_else(TimeZone::system), config }
    }

    /// Nothing more is read.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub fn name(&self) -> &str {
        &self.origin.source
    }

    /// The event of a message. `context` is of the lines that the same peer sent before.
    pub fn draft(&self, message: Message, peer: IpAddr, context: &mut Context) -> Draft {
        if message.cut {
            let text = format!(
                "{}: a message from {peer} was longer than {LINE_BYTES_MAX} bytes and was cut there",
                self.name()
            );
            self.report("line_too_long", 1, text);
        }
        let arrival = arrival::now();
        let calendar = Calendar { zone: self.zone.clone(), reference: arrival };
        let beside = vec![(PEER.to_owned(), peer.to_canonical().to_string())];
        let (mut draft, time) = self.origin.line_with(message.text, beside, context, &calendar);
        draft.times = Times::claimed(time.stated.unwrap_or(arrival), arrival);
        if let Body::Raw(raw) = &mut draft.body {
            raw.provenance = Some(Box::new(Provenance::Syslog(peer.to_canonical())));
        }
        draft
    }

    /// Appends what one peer sent, judged by a clock of its own: no sender moves the time of another. Returns the id to wait
    /// for before it is said to be safe; `None` when this run was replaced, and nothing was taken.
    pub fn append(&self, drafts: Vec<Draft>, peer: IpAddr) -> Option<EventId> {
        let channel = format!("{} {}", self.name(), client_network::peer(peer));
        self.log.append_from(&self.task, NAME, (&channel, self.name()), drafts)
    }

    /// How long nothing more is to be read of a peer that has sent so many.
    pub fn pause_after(&self, peer: IpAddr, count: usize) -> Duration {
        self.peers.borrow_mut().take(peer, count, Instant::now())
    }

    pub fn report(&self, reason: &'static str, lost: u64, text: String) {
        self.log.report(&Problem::new(self.name(), reason, lost, text));
    }
}

/// In status, metrics and messages.
pub fn name(config: &IntakeSyslog) -> String {
    format!("syslog:{}", config.listen)
}
