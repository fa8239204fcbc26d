//! The daemon's own log: the `log` crate in front, one bounded queue, one writer thread. Logging never blocks, for the
//! journal does while journald is stopped; what finds the queue full is counted and said afterwards in one line.
//!
//! The target of a line picks its SYSLOG_IDENTIFIER: `log::info!(target: "dsmil-l3", EVENT_ID:% = id; "…")`.

pub(crate) mod config;
mod line;
mod sink;

use std::fmt::Write;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use log::kv::{self, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::event::Timestamp;
use crate::limits;
use crate::observe::metrics;
use config::{LogLevel, LogTarget};
pub use line::INSTANCE_FIELD;
use line::Line;
use sink::{Journal, Sink, Texts};

/// The identifier of lines that name none.
const UNNAMED: &str = "dsmild";

/// While drops go on, they are reported this often.
const DROPS_REPORTED_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("log.target = \"journald\": the journal could not be reached: {0}; use \"auto\" or \"stderr\"")]
    NoJournal(io::Error),
    #[error("the log could not be set up: {0}")]
    NoWriter(String),
}

enum Order {
    Line(Line),
    Sink(Box<dyn Sink>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

static FRONT: OnceLock<Front> = OnceLock::new();

/// Sets the process's log up, once. `identifiers` are all that lines may have; the first is for whatever names none.
///
/// # Errors
/// The journal is asked for and not there, or another logger is installed.
pub fn install(config: &config::Log, instance: &str, identifiers: Vec<&'static str>) -> Result<(), LogError> {
    metrics::exporter(); // a counter taken before the recorder is there would count nothing
    let front = Front::start(sink_of(config.target, instance)?, identifiers, limits::LOG_QUEUE_MAX)?;
    let front = FRONT.get_or_init(|| front);
    log::set_logger(front).map_err(|error| LogError::NoWriter(error.to_string()))?;
    log::set_max_level(filter_of(config.level));
    Ok(())
}

/// Changes level and target, at a reload.
///
/// # Errors
/// The journal is asked for and not there; level and target stay.
pub fn reconfigure(config: &config::Log, instance: &str) -> Result<(), LogError> {
    let sink = sink_of(config.target, instance)?;
    if let Some(front) = FRONT.get() {
        front.queue.try_send(Order::Sink(sink)).map_err(|_| LogError::NoWriter("its queue is full".into()))?;
    }
    log::set_max_level(filter_of(config.level));
    Ok(())
}

fn sink_of(target: LogTarget, instance: &str) -> Result<Box<dyn Sink>, LogError> {
    match (target, || Journal::connect(instance)) {
        (LogTarget::Stderr, _) => Ok(Box::new(Texts::on_stderr())),
        (LogTarget::Journald, connect) => Ok(Box::new(connect().map_err(LogError::NoJournal)?)),
        (LogTarget::Auto, connect) => Ok(match connect() {
            Ok(journal) => Box::new(journal),
            Err(_) => Box::new(Texts::on_stderr()),
        }),
    }
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    }
}

/// What the `log` macros call.
struct Front {
    identifiers: Vec<&'static str>,
    queue: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
    dropped_total: ::metrics::Counter,
}

impl Front {
    fn start(sink: Box<dyn Sink>, identifiers: Vec<&'static str>, queue_max: usize) -> Result<Self, LogError> {
        let (queue, orders) = sync_channel(queue_max);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer { orders, sink, dropped: Arc::clone(&dropped), reported: Instant::now() };
        std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| LogError::NoWriter(error.to_string()))?;
        Ok(Self { identifiers, queue, dropped, dropped_total: metrics::dropped("log", "journal_slow") })
    }

    fn identifier_of(&self, target: &str) -> &'static str {
        let found = self.identifiers.iter().find(|identifier| **identifier == target);
        found.or(self.identifiers.first()).copied().unwrap_or(UNNAMED)
    }

    fn flush_within(&self, patience: Duration) -> bool {
        let (written, wait) = sync_channel(1);
        self.queue.try_send(Order::Flush(written)).is_ok() && wait.recv_timeout(patience).is_ok()
    }
}

impl Log for Front {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries speak from warnings on: their lower levels say nothing about the daemon, and much of it.
        let target = metadata.target();
        let own = target.starts_with("dsmil");
        own || metadata.level() <= Level::Warn || log::max_level() == LevelFilter::Trace
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if self.queue.try_send(Order::Line(line_of(record, self.identifier_of(record.target())))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.dropped_total.increment(1);
        }
    }

    fn flush(&self) {
        self.flush_within(Duration::from_secs(1));
    }
}

fn line_of(record: &Record<'_>, identifier: &'static str) -> Line {
    let mut message = Bounded::default();
    let _ = write!(message, "{}", record.args());
    let mut fields = Fields(Vec::new());
    let _ = record.key_values().visit(&mut fields);
    Line {
        time: Timestamp::now(),
        level: record.level(),
        identifier,
        target: record.target().to_owned(),
        message: message.0,
        fields: fields.0,
    }
}

/// A text that takes no more than a line may have.
#[derive(Default)]
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = limits::LOG_MESSAGE_BYTES_MAX - self.0.len();
        let end = if text.len() <= room { text.len() } else { text.floor_char_boundary(room) };
        self.0.push_str(text.get(..end).unwrap_or_default());
        Ok(())
    }
}

struct Fields(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut text = Bounded::default();
        let _ = write!(text, "{value}");
        self.0.push((key.as_str().to_owned(), text.0));
        Ok(())
    }
}

struct Writer {
    orders: Receiver<Order>,
    sink: Box<dyn Sink>,
    dropped: Arc<AtomicU64>,
    reported: Instant,
}

impl Writer {
    fn run(mut self) {
        loop {
            let order = match self.orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Disconnected) => return self.flush(),
                Err(TryRecvError::Empty) => {
                    self.report_drops();
                    self.flush();
                    let Ok(order) = self.orders.recv() else { return };
                    order
                }
            };
            match order {
                Order::Line(line) => self.write(&line),
                Order::Sink(sink) => {
                    self.flush();
                    self.sink = sink;
                }
                Order::Flush(written) => {
                    self.flush();
                    let _ = written.send(());
                }
            }
            if self.reported.elapsed() > DROPS_REPORTED_EVERY {
                self.report_drops();
            }
        }
    }

    /// What the journal does not take still reaches whoever watches standard error.
    fn write(&mut self, line: &Line) {
        if self.sink.write(line).is_err() {
            let mut texts = Texts::on_stderr();
            let _ = texts.write(line).and_then(|()| texts.flush());
        }
    }

    /// Where standard error takes nothing, there is nobody else to tell.
    fn flush(&mut self) {
        let _ = self.sink.flush();
    }

    fn report_drops(&mut self) {
        self.reported = Instant::now();
        let count = self.dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let message = format!("{count} log lines were dropped: the journal was slower than they came");
            let mut record = Record::builder();
            record.level(Level::Warn).target(UNNAMED);
            self.write(&line_of(&record.args(format_args!("{message}")).build(), UNNAMED));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    const IDENTIFIERS: [&str; 3] = ["dsmild", "dsmil-l3", "dsmil-soc-soar"];

    /// Writes a line for each permit, then keeps it.
    struct Gated {
        permits: Receiver<()>,
        lines: Arc<Mutex<Vec<Line>>>,
    }

    impl Sink for Gated {
        fn write(&mut self, line: &Line) -> io::Result<()> {
            self.permits.recv().map_err(io::Error::other)?;
            let line = Line {
                message: line.message.clone(),
                target: line.target.clone(),
                fields: line.fields.clone(),
                ..*line
            };
            self.lines.lock().unwrap().push(line);
            Ok(())
        }
    }

    fn gated(queue_max: usize) -> (Front, std::sync::mpsc::Sender<()>, Arc<Mutex<Vec<Line>>>) {
        let (permit, permits) = channel();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let front =
            Front::start(Box::new(Gated { permits, lines: Arc::clone(&lines) }), IDENTIFIERS.to_vec(), queue_max)
                .unwrap();
        (front, permit, lines)
    }

    fn say(front: &Front, target: &str, message: &str) {
        front.log(&Record::builder().level(Level::Info).target(target).args(format_args!("{message}")).build());
    }

    #[test]
    fn a_journal_that_hangs_blocks_nobody_and_the_drops_are_reported_afterwards() {
        let (front, permit, lines) = gated(4);
        for number in 0..100 {
            say(&front, "dsmil-l3", &number.to_string());
        }
        let dropped = front.dropped.load(Ordering::Relaxed);
        assert!((95..=96).contains(&dropped), "the queue and perhaps one line in the writer's hand: {dropped}");
        (0..200).for_each(|_| permit.send(()).unwrap());
        // The queue may still be full for a moment.
        while !front.flush_within(Duration::from_secs(20)) {
            std::thread::yield_now();
        }
        say(&front, "dsmild", "after");
        assert!(front.flush_within(Duration::from_secs(20)));
        let messages: Vec<String> = lines.lock().unwrap().iter().map(|line| line.message.clone()).collect();
        let report = format!("{dropped} log lines were dropped: the journal was slower than they came");
        assert_eq!(messages.iter().filter(|message| **message == report).count(), 1, "{messages:?}");
        assert_eq!(messages[..4], ["0", "1", "2", "3"]);
    }

    #[test]
    fn the_target_picks_the_identifier_and_fields_come_along() {
        let (front, permit, lines) = gated(16);
        (0..16).for_each(|_| permit.send(()).unwrap());
        front.log(
            &Record::builder()
                .level(Level::Info)
                .target("dsmil-soc-soar")
                .args(format_args!("proposal"))
                .key_values(&[("EVENT_ID", "1-0")])
                .build(),
        );
        say(&front, "dsmild::server", "own module");
        say(&front, "sqlx::query", "a library's gossip");
        assert!(front.flush_within(Duration::from_secs(20)));
        let lines = lines.lock().unwrap();
        let identifiers: Vec<_> = lines.iter().map(|line| line.identifier).collect();
        assert_eq!(identifiers, ["dsmil-soc-soar", "dsmild"]);
        assert_eq!(lines[0].fields, [("EVENT_ID".to_owned(), "1-0".to_owned())]);
    }

    #[test]
    fn a_message_longer_than_a_line_may_be_is_cut_between_characters() {
        let long = "ü".repeat(limits::LOG_MESSAGE_BYTES_MAX);
        let line = line_of(&Record::builder().args(format_args!("x{long}{long}")).build(), UNNAMED);
        assert!((limits::LOG_MESSAGE_BYTES_MAX - 2..=limits::LOG_MESSAGE_BYTES_MAX).contains(&line.message.len()));
    }

    #[test]
    fn a_journal_that_is_asked_for_and_missing_is_an_error_that_says_what_to_do() {
        if Journal::connect("test").is_ok() {
            eprintln!("skipped: this machine has a journal");
            return;
        }
        let error = sink_of(LogTarget::Journald, "test").err().unwrap().to_string();
        assert!(error.contains("\"auto\""), "{error}");
        assert!(sink_of(LogTarget::Auto, "test").is_ok());
    }
}
