//! The log as sources see it: where they append, how far each outside input is read, and what status shows of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use super::clock::{self, SourceClocks};
use super::shrink::Latest;
use super::{Batch, Problem};
use crate::bus::Bus;
use crate::event::{Body, Draft, EventId, Timestamp};
use crate::limits;
use crate::locked::locked;
use crate::observe::metrics;
use crate::retry::Notices;
use crate::server::gateway::SourceStatus;
use crate::supervise::TaskContext;

pub struct IntakeLog {
    pub bus: Arc<Bus>,
    /// Of every source, as appended to the bus; what a source's next run goes on from.
    positions: Mutex<BTreeMap<String, Value>>,
    shown: Mutex<BTreeMap<String, SourceStatus>>,
    durable: watch::Receiver<EventId>,
    pub shrink: Latest,
    /// Of the problems of each source.
    notices: Mutex<Notices>,
    clocks: Mutex<SourceClocks>,
}

impl IntakeLog {
    /// `positions` as they were committed last; `durable` moves to the id up to which nothing is lost by what
    /// `store.durability` speaks of.
    pub fn new(bus: Arc<Bus>, positions: BTreeMap<String, Value>, durable: watch::Receiver<EventId>) -> Self {
        let clocks = Mutex::new(SourceClocks::load(&positions));
        let (shown, shrink, notices) = Default::default();
        Self { bus, positions: Mutex::new(positions), shown, durable, shrink, notices, clocks }
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
            if position.is_null() {
                positions.remove(&source);
            } else {
                positions.insert(source, position);
            }
        }
    }

    /// Appends what a source has read, and its positions after that, as one transaction.
    pub fn append(&self, task: &TaskContext, source: &'static str, batch: Batch) {
        if batch.drafts.is_empty() && batch.positions.is_empty() {
            return;
        }
        self.note(&batch.drafts);
        self.advance(task, || {
            self.bus.append(source, batch.drafts, batch.positions.clone(), Vec::new());
            batch.positions
        });
    }

    /// The same for lines whose times are yet to be judged, by the clocks of the sources that they name.
    pub fn append_told(&self, task: &TaskContext, source: &'static str, batch: Batch) {
        if batch.drafts.is_empty() {
            return self.append(task, source, batch);
        }
        self.note(&batch.drafts);
        self.advance(task, || {
            self.judged(source, batch.drafts, |drafts, mut positions| {
                positions.extend(batch.positions);
                self.bus.append(source, drafts, positions.clone(), Vec::new());
                positions
            })
        });
    }

    /// Runs `append` with the drafts, their times judged, and the positions of the clocks that did. What comes over one
    /// channel is judged in the order in which it is appended.
    pub fn judged<Appended>(
        &self,
        channel: &str,
        mut drafts: Vec<Draft>,
        append: impl FnOnce(Vec<Draft>, Vec<(String, Value)>) -> Appended,
    ) -> Appended {
        let mut clocks = locked(&self.clocks);
        let positions = clocks.judge(channel, &mut drafts, clock::skew());
        append(drafts, positions)
    }

    /// For status: the newest event of each source.
    fn note(&self, drafts: &[Draft]) {
        let mut shown = locked(&self.shown);
        let now = Timestamp::now();
        for draft in drafts {
            let Body::Raw(raw) = &draft.body else { continue };
            if shown.len() >= limits::SOURCES_SHOWN_MAX && !shown.contains_key(&*raw.source) {
                continue;
            }
            let status = entry(&mut shown, &raw.source);
            status.up = true;
            status.events += 1;
            status.lag_s = Some(now.since(draft.times.believed).as_secs_f64());
        }
    }

    pub fn report(&self, problem: &Problem) {
        let is_news = locked(&self.notices).fails(&problem.source, problem.reason, &problem.text, Instant::now());
        if is_news {
            log::warn!(target: "dsmild", "{}: {}", problem.source, problem.text);
        }
        if problem.lost > 0 {
            metrics::dropped("intake", problem.reason).increment(problem.lost);
        }
        if let Some(status) = locked(&self.shown).get_mut(&problem.source) {
            status.last_error = Some(problem.text.clone());
        }
    }

    /// Changes what status shows of a source.
    pub fn show(&self, source: &str, change: impl FnOnce(&mut SourceStatus)) {
        change(entry(&mut locked(&self.shown), source));
    }

    /// The source is no longer wanted.
    pub fn hide(&self, source: &str) {
        locked(&self.shown).remove(source);
    }

    /// What every source shows of itself.
    pub fn shown(&self) -> Vec<SourceStatus> {
        locked(&self.shown).values().cloned().collect()
    }
}

fn entry<'shown>(shown: &'shown mut BTreeMap<String, SourceStatus>, source: &str) -> &'shown mut SourceStatus {
    shown
        .entry(source.to_owned())
        .or_insert_with(|| SourceStatus { name: source.to_owned(), ..SourceStatus::default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bus::Ledger;
    use crate::event::{Stream, Times};

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
    fn a_position_that_will_not_come_again_is_forgotten() {
        let log = log();
        let (task, _supervisor) = TaskContext::under_test();
        log.append(&task, "source", batch(json!(1)));
        log.append(&task, "source", batch(Value::Null));
        assert_eq!(log.positions(), BTreeMap::new());
    }
}
