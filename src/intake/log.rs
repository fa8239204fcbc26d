//! The log as sources see it: where they append, how far each outside input is read, and what status shows of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::clock::{self, SourceClocks};
use super::meters::SourceMeters;
use super::shrink::Latest;
use super::{Batch, Expected, Problem, Said, SourceBoard};
use crate::bus::{Bus, keep_position};
use crate::event::{Draft, EventId, Timestamp};
use crate::locked::locked;
use crate::observe::metrics;
use crate::retry::{Crowd, Notices};
use crate::server::gateway::SourceStatus;
use crate::supervise::{Child, State, TaskContext};

pub struct IntakeLog {
    pub bus: Arc<Bus>,
    /// Of every source, as appended to the bus; what a source's next run goes on from.
    positions: Mutex<BTreeMap<String, Value>>,
    board: Mutex<SourceBoard>,
    meters: Mutex<SourceMeters>,
    durable: watch::Receiver<EventId>,
    pub shrink: Latest,
    /// Of the problems of each source.
    notices: Mutex<Notices>,
    crowd: Mutex<Crowd>,
    clocks: Mutex<SourceClocks>,
    /// Lists that device 54 reads were replaced: it is to take them over.
    pub renewed: Notify,
}

impl IntakeLog {
    /// `positions` as they were committed last; `durable` moves to the id up to which nothing is lost by what
    /// `store.durability` speaks of.
    pub fn new(bus: Arc<Bus>, positions: BTreeMap<String, Value>, durable: watch::Receiver<EventId>) -> Self {
        let clocks = Mutex::new(SourceClocks::load(&positions));
        let (board, meters, shrink, notices, crowd, renewed) = Default::default();
        Self { bus, positions: Mutex::new(positions), board, meters, durable, shrink, notices, crowd, clocks, renewed }
    }

    /// Whoever sent an event up to here may be told that it is safe, and a source's outside position may move.
    pub fn durable(&self) -> watch::Receiver<EventId> {
        self.durable.clone()
    }

    pub fn positions(&self) -> BTreeMap<String, Value> {
        locked(&self.positions).clone()
    }

    /// Keeps a value beside the positions of the sources; what is returned resolves after it is committed.
    pub fn remember(&self, name: &str, value: Value) -> impl Future<Output = ()> + use<> {
        let mut positions = locked(&self.positions);
        positions.insert(name.to_owned(), value.clone());
        let bus = Arc::clone(&self.bus);
        let transaction = bus.enqueue_positions(name, vec![(name.to_owned(), value)]);
        async move { bus.wait_committed(&transaction).await }
    }

    /// Runs `append` and notes the positions that it returns, as one: the next run of a source finds them, and an
    /// abandoned run that wakes up late appends nothing.
    pub fn advance(&self, task: &TaskContext, append: impl FnOnce() -> Vec<(String, Value)>) {
        let mut positions = locked(&self.positions);
        if task.is_superseded() {
            return;
        }
        for (source, position) in append() {
            keep_position(&mut positions, &source, &position);
        }
    }

    /// Appends what a source has read, and its positions after that, as one transaction.
    pub fn append(&self, task: &TaskContext, source: &'static str, batch: Batch) {
        if batch.drafts.is_empty() && batch.positions.is_empty() {
            return;
        }
        self.advance(task, || {
            self.bus.append(source, batch.drafts, batch.positions.clone(), Vec::new());
            batch.positions
        });
    }

    /// The same for lines whose times are yet to be judged, by the clocks of the sources that they name. `name` is that of
    /// the source in status.
    pub fn append_claimed(&self, task: &TaskContext, source: &'static str, name: &str, batch: Batch) {
        if batch.drafts.is_empty() {
            return self.append(task, source, batch);
        }
        self.advance(task, || {
            self.judged(source, name, batch.drafts, |drafts, mut positions| {
                positions.extend(batch.positions);
                self.bus.append(source, drafts, positions.clone(), Vec::new());
                positions
            })
        });
    }

    /// The same for what came over one channel, as one transaction. Returns its last id, or `None` if this run was replaced and
    /// nothing was appended. `channel` has clocks of its own; `name` is that of the source in status.
    pub fn append_from(
        &self,
        task: &TaskContext,
        source: &'static str,
        (channel, name): (&str, &str),
        drafts: Vec<Draft>,
    ) -> Option<EventId> {
        let mut last = None;
        self.advance(task, || {
            self.judged(channel, name, drafts, |drafts, positions| {
                last = Some(self.bus.append(source, drafts, positions.clone(), Vec::new()));
                positions
            })
        });
        last
    }

    /// Runs `append` with the drafts, their times judged, and the positions of the clocks that did. What comes over one
    /// channel is judged in the order in which it is appended. `name` is that of the source in status.
    pub fn judged<Appended>(
        &self,
        channel: &str,
        name: &str,
        mut drafts: Vec<Draft>,
        append: impl FnOnce(Vec<Draft>, Vec<(String, Value)>) -> Appended,
    ) -> Appended {
        let mut clocks = locked(&self.clocks);
        let positions = clocks.judge(channel, &mut drafts, clock::skew());
        self.note(name, &drafts);
        append(drafts, positions)
    }

    /// For status: what came from the source of this name.
    pub fn note(&self, name: &str, drafts: &[Draft]) {
        let Some(newest) = drafts.last() else { return };
        let lag = Timestamp::now().since(newest.times.believed);
        locked(&self.board).note(name, drafts.len() as u64, newest.times.arrival, lag, Instant::now());
    }

    pub fn report(&self, problem: &Problem) {
        let now = Instant::now();
        let text = format!("{}: {}", problem.source, problem.text);
        let is_news = locked(&self.notices).fails(&problem.source, problem.reason, &problem.text, now);
        if is_news && locked(&self.crowd).may_say(problem.reason, &text, now) {
            log::warn!(target: "dsmild", "{text}");
        }
        if problem.lost > 0 {
            metrics::dropped("intake", problem.reason).increment(problem.lost);
        }
        locked(&self.board).remark(&problem.source, &problem.text);
    }

    /// What status shows of a source.
    pub fn say(&self, name: &str, said: Said) {
        locked(&self.board).say(name, said);
    }

    /// The same for many at once.
    pub fn change_board(&self, change: impl FnOnce(&mut SourceBoard)) {
        change(&mut locked(&self.board));
    }

    /// These are to be read from now on.
    pub fn configure(&self, expected: Vec<Expected>) {
        locked(&self.board).configure(expected, Instant::now());
    }

    /// Brings the metrics of the sources up to date. To be called about once a second.
    pub fn measure(&self, actors: &[Arc<Child>]) {
        for (others, last) in locked(&self.crowd).of_others(Instant::now()) {
            log::warn!(target: "dsmild", "the same of {others} more sources, each in /api/v1/status; the last: {last}");
        }
        locked(&self.meters).show(&self.shown(actors));
        if let Some(age) = self.shrink.age(clock::arrival::now()) {
            metrics::shrink_age_seconds().set(age.as_secs_f64());
        }
    }

    /// What every source shows of itself; `actors` as the supervisor knows them.
    pub fn shown(&self, actors: &[Arc<Child>]) -> Vec<SourceStatus> {
        let actor = |name: &str| {
            let child = actors.iter().find(|child| child.name == name)?;
            Some(match child.state() {
                State::Up => Ok(()),
                State::Restarting | State::Failed | State::Stopped => {
                    let why = child.last_error().unwrap_or_else(|| "it was ended".to_owned());
                    Err(format!("{name}, which reads it, does not run: {why}"))
                }
            })
        };
        locked(&self.board).shown(actor, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bus::Ledger;
    use crate::event::{Body, Stream, Times};

    fn log() -> IntakeLog {
        let bus = Arc::new(Bus::new(Ledger::new([]), EventId::ZERO));
        let durable = bus.committed();
        IntakeLog::new(bus, BTreeMap::new(), durable)
    }

    fn batch(position: Value) -> Batch {
        let tick = Draft { stream: Stream::Tick, times: Times::default(), root: None, body: Body::Tick };
        Batch { drafts: vec![tick], positions: vec![("file".to_owned(), position)] }
    }

    #[test]
    fn a_run_that_was_replaced_appends_nothing_and_moves_no_position() {
        let log = log();
        let (task, supervisor) = TaskContext::under_test();
        log.append(&task, "source", batch(json!(1)));
        let last = log.bus.last();
        supervisor.replace();
        log.append(&task, "source", batch(json!(2)));
        assert_eq!(log.bus.last(), last);
        assert_eq!(log.positions(), BTreeMap::from([("file".to_owned(), json!(1))]));
    }

    #[test]
    fn what_is_lost_is_counted_each_time_and_what_is_not_is_no_loss() {
        let log = log();
        let text = |reason: &str| {
            let text = metrics::exporter().render();
            let of_reason = |line: &&str| line.starts_with("dsmil_dropped_total{") && line.contains(reason);
            text.lines().find(of_reason).and_then(|line| line.rsplit_once(' ').map(|(_, count)| count.to_owned()))
        };
        metrics::exporter();
        for lost in [3, 0, 4] {
            log.report(&Problem::new("s", "tested_loss", lost, "the same".to_owned()));
        }
        log.report(&Problem::new("s", "tested_remark", 0, "another".to_owned()));
        assert_eq!((text("tested_loss").as_deref(), text("tested_remark")), (Some("7"), None));
    }

    #[test]
    fn a_position_that_will_not_come_again_is_forgotten() {
        let log = log();
        let (task, _supervisor) = TaskContext::under_test();
        log.append(&task, "source", batch(json!(1)));
        log.append(&task, "source", batch(Value::Null));
        assert_eq!(log.positions(), BTreeMap::new());
    }
}
