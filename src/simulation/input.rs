//! What is read: files, whose position is committed with their lines, and a queue that gives an entry again until it is
//! acknowledged.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::machine::Machine;
use super::random::Random;
use super::story::Line;
use crate::bus::Bus;
use crate::event::{Draft, EventId, Format, Stream, Times};
use crate::intake::redis::{EntryId, Place};
use crate::intake::{Batch, IntakeLog, Origin};
use crate::supervise::TaskContext;

/// Lines that a source reads in one go.
pub const LINES_AT_ONCE: u64 = 40;

pub struct Input {
    pub name: &'static str,
    pub lines: Vec<Line>,
    pub queue: Option<Queue>,
}

/// A stream that a group reads: how many entries were given, and which of them must be given again.
#[derive(Default)]
pub struct Queue {
    given: Cell<usize>,
    held: RefCell<VecDeque<usize>>,
    /// In the process: what may be acknowledged once an id is committed.
    waiting: RefCell<VecDeque<(usize, EventId)>>,
    /// A new connection asks for what it holds first.
    is_new: Cell<bool>,
}

impl Input {
    fn position(&self) -> String {
        format!("simulated:{}", self.name)
    }

    /// How many lines are written by now.
    fn written(&self, up: Duration) -> usize {
        self.lines.partition_point(|line| line.written <= up)
    }

    pub fn is_read(&self, log: &IntakeLog) -> bool {
        match &self.queue {
            Some(queue) => queue.given.get() == self.lines.len() && queue.held.borrow().is_empty(),
            None => {
                log.positions().get(&self.position()).and_then(serde_json::Value::as_u64)
                    == Some(self.lines.len() as u64)
            }
        }
    }

    /// Reads some of what is written and not read yet.
    pub fn read(&self, log: &IntakeLog, task: &TaskContext, machine: &Machine, random: &mut Random) {
        if !log.bus.has_room() {
            return;
        }
        match &self.queue {
            Some(queue) => self.read_queue(queue, log, task, machine, random),
            None => self.read_file(log, task, machine, random),
        }
    }

    fn read_file(&self, log: &IntakeLog, task: &TaskContext, machine: &Machine, random: &mut Random) {
        let positions = log.positions();
        let from = positions.get(&self.position()).and_then(serde_json::Value::as_u64).unwrap_or(0) as usize;
        let end = self.written(machine.up()).min(from + 1 + random.below(LINES_AT_ONCE) as usize);
        let drafts: Vec<Draft> = self.lines[from..end.max(from)].iter().map(|line| self.draft(line, machine)).collect();
        if !drafts.is_empty() {
            let positions = vec![(self.position(), json!(end))];
            log.append_claimed(task, "simulated", self.name, Batch { drafts, positions });
        }
    }

    fn read_queue(&self, queue: &Queue, log: &IntakeLog, task: &TaskContext, machine: &Machine, random: &mut Random) {
        let mut given: Vec<usize> =
            if queue.is_new.take() { queue.held.borrow().iter().copied().collect() } else { Vec::new() };
        let end = self.written(machine.up()).min(queue.given.get() + random.below(LINES_AT_ONCE) as usize);
        given.extend(queue.given.get()..end);
        queue.held.borrow_mut().extend(queue.given.get()..end);
        queue.given.set(end.max(queue.given.get()));
        let positions = log.positions();
        let mut place = Place::load("queue".to_owned(), positions.get(&self.position()));
        let new: Vec<usize> =
            given.iter().copied().filter(|entry| place.take(EntryId::new(*entry as u64 + 1, 0))).collect();
        if !new.is_empty() {
            let drafts = new.iter().map(|entry| self.draft(&self.lines[*entry], machine)).collect();
            let positions = vec![(self.position(), place.save())];
            log.append_claimed(task, "simulated", self.name, Batch { drafts, positions });
        }
        let after = log.bus.last();
        queue.waiting.borrow_mut().extend(given.into_iter().map(|entry| (entry, after)));
    }

    /// Acknowledges what is committed.
    pub fn acknowledge(&self, bus: &Bus) {
        let Some(queue) = &self.queue else { return };
        let committed = *bus.committed().borrow();
        queue.waiting.borrow_mut().retain(|(entry, after)| {
            let is_safe = *after <= committed;
            if is_safe {
                queue.held.borrow_mut().retain(|held| held != entry);
            }
            !is_safe
        });
    }

    /// The process is gone: whoever comes asks for what was not acknowledged.
    pub fn lose_connection(&self) {
        if let Some(queue) = &self.queue {
            queue.waiting.borrow_mut().clear();
            queue.is_new.set(true);
        }
    }

    fn draft(&self, line: &Line, machine: &Machine) -> Draft {
        let (source, compartment, format) = (Arc::from(self.name), Arc::from("simulated"), Format::Auto);
        let origin = Origin { stream: Stream::L3In, source, compartment, format };
        origin.message(line.text().into(), Vec::new(), Times::claimed(line.claim, machine.arrival()))
    }
}
