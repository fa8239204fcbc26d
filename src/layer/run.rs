//! One run of a stage, whoever drives it: takes events off the log, steps the stage, hands in outputs and cursor as one
//! transaction.

use std::time::{Duration, Instant};

use super::shell::Shell;
use super::stage::{Outbox, Stage, StateError};
use crate::bus::{DeadLetter, EventRef, Reader, Ready, Snapshot, Step, Wake};
use crate::event::{Event, EventId, Interest, wire};
use crate::limits;

/// What one run of the stage holds of the log.
pub struct StageRun {
    stage: Box<dyn Stage>,
    reader: Reader,
    generation: u64,
    /// The outputs of everything up to this root are in the log already: replayed for the state alone.
    live_after: EventId,
    out: Outbox,
    handled_since_save: usize,
    save_took: Duration,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Handled {
    pub handled: u64,
    pub quarantined: u64,
    pub refused: u64,
    /// The log has taken it; not when another run has taken this one's place meanwhile.
    pub is_taken: bool,
    /// Whether the state was to be saved, and could be.
    pub saved: Option<Result<(), StateError>>,
}

impl StageRun {
    /// Takes up the newest state and the place in the log that belongs to it. `wake` is called when there may be something
    /// to read. Also returns why the newest state could not be read, where that is so. `None` when the log knows no such
    /// consumer.
    pub fn begin(shell: &Shell, wake: Wake) -> Option<(Self, Option<StateError>)> {
        let mut stage = (shell.spec.make)();
        let (mut at, mut unread) = (EventId::ZERO, None);
        if let Some(snapshot) = shell.snapshot() {
            match stage.load(&snapshot.state) {
                Ok(()) => at = snapshot.cursor,
                Err(error) => {
                    unread = Some(error);
                    shell.forget_snapshot();
                }
            }
        }
        let (generation, live_after, reader) = shell.bus.begin(shell.consumer, at, wake)?;
        let (out, handled_since_save) = (Outbox::default(), 0);
        let save_took = Duration::ZERO;
        Some((Self { stage, reader, generation, live_after, out, handled_since_save, save_took }, unread))
    }

    /// What it may handle next.
    pub fn next(&mut self, shell: &Shell) -> Ready {
        shell.bus.next(&mut self.reader, limits::TRANSACTION_EVENTS_MAX)
    }

    /// The kinds of events that it reads.
    pub fn reads(&self) -> Interest {
        self.reader.reads()
    }

    /// Takes events that were read from the hot store; everything up to `scanned` has then been seen.
    pub fn feed(&mut self, shell: &Shell, events: Vec<Event>, scanned: EventId) {
        shell.bus.feed(&mut self.reader, events, scanned);
    }

    /// How many events its saved state does not know.
    pub fn handled_since_save(&self) -> usize {
        self.handled_since_save
    }

    /// How long it took to save the state last.
    pub fn save_took(&self) -> Duration {
        self.save_took
    }

    /// Handles a batch that [`next`](Self::next) returned. With `is_due` the state is saved with it.
    pub fn handle(&mut self, events: &[EventRef], upto: EventId, shell: &Shell, is_due: bool) -> Handled {
        let careful = shell.has_crashed();
        let (mut done, mut outputs, mut dead_letters) = (Handled::default(), Vec::new(), Vec::new());
        for event in events {
            let live = event.root > self.live_after;
            if careful && let Some(reason) = shell.quarantine_reason(event.id) {
                if live {
                    dead_letters.push(dead_letter(shell.spec.name, event, reason));
                }
                continue;
            }
            shell.mark_in_flight(event.id);
            self.out.begin(event);
            self.stage.step(event, &mut self.out);
            let too_many = self.out.take_refused();
            // What is replayed for the state alone was written, and refused, before.
            if live {
                self.out.append_to(&mut outputs);
                done.refused += too_many;
                done.handled += 1;
            } else {
                self.out.clear();
            }
        }
        shell.clear_in_flight();
        self.handled_since_save += events.len();
        done.quarantined = dead_letters.len() as u64;
        let save = done.quarantined > 0 || is_due || self.handled_since_save >= limits::SNAPSHOT_EVENTS_MAX;
        let state = save.then(|| self.state(upto));
        let (handled, refused) = (done.handled, done.refused);
        let (snapshot, saved) = split(state);
        let step = Step { cursor: upto, outputs, handled, refused, dead_letters, snapshot };
        done.is_taken = self.hand_in(step, shell);
        done.saved = saved;
        done
    }

    /// Saves the state as it is.
    ///
    /// # Errors
    /// It has no form as bytes: the one that was saved before stays, and the hot store keeps what came since.
    pub fn save(&mut self, shell: &Shell) -> Result<(), StateError> {
        let cursor = self.reader.at();
        let snapshot = Some(self.state(cursor)?);
        self.hand_in(Step { cursor, snapshot, ..Step::default() }, shell);
        Ok(())
    }

    /// The state after everything up to `cursor`.
    fn state(&mut self, cursor: EventId) -> Result<Snapshot, StateError> {
        self.handled_since_save = 0;
        let begun = Instant::now();
        let state = self.stage.save();
        self.save_took = begun.elapsed();
        Ok(Snapshot { cursor, state: state?.into() })
    }

    /// Whether the transaction was taken; not when another run has taken this one's place meanwhile.
    fn hand_in(&self, step: Step, shell: &Shell) -> bool {
        let snapshot = step.snapshot.clone();
        let taken = shell.bus.step(shell.consumer, self.generation, step).is_ok();
        if taken && let Some(snapshot) = snapshot {
            shell.remember(snapshot);
        }
        taken
    }
}

fn split(state: Option<Result<Snapshot, StateError>>) -> (Option<Snapshot>, Option<Result<(), StateError>>) {
    match state {
        None => (None, None),
        Some(Ok(snapshot)) => (Some(snapshot), Some(Ok(()))),
        Some(Err(error)) => (None, Some(Err(error))),
    }
}

fn dead_letter(stage: &str, event: &EventRef, reason: String) -> DeadLetter {
    let payload = wire::to_text(event).into();
    DeadLetter { id: event.id, stream: stage.to_owned(), reason, payload }
}
