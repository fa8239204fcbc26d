//! The process: what is gone when it is killed.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::disk::Disk;
use super::input::LINES_AT_ONCE;
use super::machine::Machine;
use super::outside::{Outside, SeenLog, Way};
use super::random::Random;
use crate::bus::{Bus, Ready};
use crate::commit::Progress;
use crate::daemon::Plan;
use crate::event::{Body, Draft, Interest, Stream, Times};
use crate::intake::{Batch, IntakeLog};
use crate::layer::run::StageRun;
use crate::layer::shell::Shell;
use crate::limits::{IN_FLIGHT_PART_OF_STORE, STORE_PAGE_EVENTS_MAX};
use crate::outlet::driver;
use crate::supervise::{Cause, TaskContext, TestSupervisor};

/// So small that sources wait for it again and again.
const STORE_BYTES: u64 = 256 * 1024;
/// What may wait for the hot store: what sources wait for, and what is still made of the last lines that were admitted. One
/// line here leads to some 20 kB of events at most, its own and those of all stages.
const WAITING_BYTES_MAX: usize = (STORE_BYTES / IN_FLIGHT_PART_OF_STORE) as usize + LINES_AT_ONCE as usize * 20 * 1024;
/// The state of one stage, in a story of so few lines.
const STATE_BYTES_MAX: usize = 256 * 1024;

pub struct Memory {
    pub bus: Arc<Bus>,
    pub intake: IntakeLog,
    pub task: TaskContext,
    progress: Progress,
    stages: Vec<(Arc<Shell>, StageRun)>,
    outlets: SeenLog,
    outlet: JoinHandle<()>,
    supervisor: TestSupervisor,
}

impl Memory {
    /// Starts from what is on disk, as the daemon does.
    pub fn start(plan: &Plan, disk: &Rc<RefCell<Disk>>, outside: &Rc<Outside>, machine: &Machine) -> Self {
        machine.restart();
        let known = disk.borrow();
        let recovery = known.recovery();
        let bus = Arc::new(Bus::with_clock(plan.ledger(&recovery), recovery.last_id, machine.clock()));
        bus.fit_to_store(STORE_BYTES);
        let progress = plan.progress(&recovery, |name| known.snapshots.get(name));
        let intake = IntakeLog::new(Arc::clone(&bus), recovery.positions.clone(), bus.committed());
        for consumer in bus.consumers() {
            let events = known.after(consumer.cursor, Interest::ALL, usize::MAX);
            bus.recover(bus.consumer(&consumer.name).unwrap(), &events);
        }
        bus.begin_at(plan.new_stages(&recovery));
        let stages = plan.stages.iter().map(|spec| {
            let consumer = bus.consumer(spec.name).unwrap();
            let shell = Shell::new(spec.clone(), consumer, Arc::clone(&bus), known.snapshots.get(spec.name).cloned());
            let run = begin(&shell);
            (shell, run)
        });
        let stages = stages.collect();
        drop(known);
        let outlets = SeenLog::new(Arc::clone(&bus), Rc::clone(disk));
        let (task, supervisor) = TaskContext::under_test();
        let way = Way { log: outlets.clone(), outside: Rc::clone(outside) };
        let outlet = tokio::task::spawn_local(driver::run(task.clone(), way, outlets.clone(), || true));
        Self { bus, intake, task, progress, stages, outlets, outlet, supervisor }
    }

    pub fn tick(&self, machine: &Machine) {
        let times = Times::at(machine.arrival());
        let tick = Draft { stream: Stream::Tick, times, root: None, body: Body::Tick };
        self.intake.append(&self.task, "tick", Batch { drafts: vec![tick], positions: Vec::new() });
    }

    /// Nothing grows beyond its bounds, also while nothing is committed.
    pub fn assert_bounded(&self, disk: &Disk) {
        let waiting: usize = self.bus.pending(usize::MAX).iter().map(|transaction| transaction.weight()).sum();
        assert!(waiting <= WAITING_BYTES_MAX, "{waiting} bytes wait for the hot store");
        for (stage, snapshot) in &disk.snapshots {
            assert!(snapshot.state.len() <= STATE_BYTES_MAX, "the state of {stage} has {} bytes", snapshot.state.len());
        }
    }

    /// One turn of one stage; whether it had something to do.
    pub fn step(&mut self, index: usize, disk: &Disk, saves: bool) -> bool {
        let (shell, run) = &mut self.stages[index];
        match run.next(shell) {
            Ready::Nothing => false,
            Ready::Lost(events) => panic!("{} has lost {events} events", shell.spec.name),
            Ready::Batch { events, upto } => {
                let done = run.handle(&events, upto, shell, saves);
                assert!(done.is_taken && done.quarantined == 0 && done.refused == 0, "{}: {done:?}", shell.spec.name);
                true
            }
            Ready::Behind { after, window } => {
                let events = disk.after(after, run.reads(), STORE_PAGE_EVENTS_MAX);
                let scanned = events.last().map_or(window, |event| event.id);
                run.feed(shell, events, scanned);
                true
            }
        }
    }

    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// One stage's actor ends in a panic, between two batches, and is started again.
    pub fn kill_stage(&mut self, index: usize) {
        let (shell, run) = &mut self.stages[index];
        shell.died(Cause::Panic, "simulated");
        *run = begin(shell);
    }

    /// Commits some of what waits. `is_heard`: the process learns of it. Returns whether there was something.
    pub fn commit(&self, disk: &mut Disk, events: usize, is_heard: bool) -> bool {
        let transactions = self.bus.pending(events);
        disk.commit(&transactions);
        if is_heard {
            self.bus.confirm(&transactions);
            self.progress.note(&transactions);
        }
        !transactions.is_empty()
    }

    /// Removes what nobody needs any more. Not as a store that is full does: that costs a stage what it had learned.
    pub fn remove_old(&self, disk: &mut Disk) {
        let floor = self.progress.floor(&self.bus, false).min(self.outlets.kept());
        disk.remove_through(floor.min(*self.bus.committed().borrow()));
    }

    /// Everything that was read is judged, in the hot store, and outside.
    pub fn is_settled(&self, outside: &Outside, disk: &Disk) -> bool {
        self.bus.uncommitted_transactions() == 0
            && self.bus.consumers().iter().all(|consumer| consumer.in_flight() == 0)
            && disk.history.iter().rev().find(|event| event.stream == super::outside::STREAM).map(|event| event.id)
                == outside.ids.borrow().last().copied()
    }

    /// Killed: nothing is saved.
    pub fn kill(self) {
        self.outlet.abort();
    }

    /// An orderly stop: states are saved, everything is committed, the outlet takes it outside if it can.
    pub async fn stop(mut self, disk: &Rc<RefCell<Disk>>, random: &mut Random) {
        for index in 0..self.stages.len() {
            while self.step(index, &disk.borrow(), false) {}
            let (shell, run) = &mut self.stages[index];
            if run.handled_since_save() > 0 {
                run.save(shell).unwrap();
            }
        }
        while self.commit(&mut disk.borrow_mut(), 1 + random.below(200) as usize, true) {}
        self.supervisor.stop();
        self.outlet.await.unwrap();
    }
}

fn begin(shell: &Shell) -> StageRun {
    let (run, unread) = StageRun::begin(shell, Arc::new(|| ())).unwrap();
    assert!(unread.is_none(), "{}: {unread:?}", shell.spec.name);
    run
}
