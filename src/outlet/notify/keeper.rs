//! What a notifier knows while it runs: kept together with its place in the log, and saved with it in the hot store.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::message::{Message, Sender};
use super::rules::Rules;
use super::state::{Looked, State};
use crate::bus::{DeadLetter, Transaction};
use crate::event::{EventId, Interest, Stream, Timestamp};
use crate::limits;
use crate::observe::metrics;
use crate::outlet::CommittedLog;
use crate::store::StoreError;

/// Of every notifier.
pub const IDENTIFIER: &str = "dsmil-notify";
/// What it tells of; ticks say when.
pub const READS: Interest = Interest::NONE.stream(Stream::SocEvents);
/// What was looked at without that anything is to be told is saved this often.
const SAVE_EVERY: Duration = Duration::from_secs(3);

pub struct Keeper {
    /// Of the outlet, and of its state in the hot store.
    pub name: String,
    pub sender: Sender,
    rules: Rules,
    log: Arc<CommittedLog>,
    /// Where the hot store is written: an actor that is abandoned in the middle of that does not hold it.
    io: Handle,
    known: RefCell<Known>,
}

struct Known {
    /// `None` before it was read from the hot store.
    state: Option<State>,
    saved: Instant,
    is_changed: bool,
    /// What was refused last, until something is taken.
    refused: Option<String>,
    letters: Vec<DeadLetter>,
}

/// A stretch of the log that was looked at.
pub struct Seen {
    pub soc_events: u64,
    pub through: EventId,
    pub more: bool,
}

impl Keeper {
    pub fn new(name: String, sender: Sender, rules: Rules, log: Arc<CommittedLog>, io: Handle) -> Self {
        for result in ["told", "refused", "over_rate", "replaced"] {
            metrics::notifications(name.clone(), result).increment(0);
        }
        for reason in ["refused", "too_many"] {
            metrics::dropped(name.clone(), reason).increment(0);
        }
        let known = Known { state: None, saved: Instant::now(), is_changed: false, refused: None, letters: Vec::new() };
        Self { name, sender, rules, log, io, known: RefCell::new(known) }
    }

    /// From the hot store, or from a while ago where nothing is known.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn load(&self) -> Result<(), StoreError> {
        if self.known.borrow().state.is_some() {
            return Ok(());
        }
        let saved = self.log.store.snapshot(&self.name).await?;
        let state = saved.as_ref().and_then(State::load).unwrap_or_else(|| {
            let since = Timestamp::now().minus(limits::NOTIFY_LOOKS_BACK);
            State::begin(EventId::new(since.millis(), 0))
        });
        self.known.borrow_mut().state = Some(state);
        Ok(())
    }

    /// Everything up to here was looked at.
    pub fn at(&self) -> EventId {
        self.known.borrow().state.as_ref().map_or(EventId::ZERO, |state| state.at)
    }

    /// Looks at what follows in the log.
    ///
    /// # Errors
    /// The hot store cannot be read.
    pub async fn look(&self) -> Result<Seen, StoreError> {
        let at = self.at();
        let count = limits::NOTIFY_EVENTS_MAX;
        let (events, through) = self.log.after(at, READS.stream(Stream::Tick), count).await?;
        let looked = match &mut self.known.borrow_mut().state {
            // Another look may have gone ahead while the store was asked.
            Some(state) if state.at == at => state.look(&self.rules, events.iter().map(|event| &**event), through),
            _ => Looked::default(),
        };
        self.note(&looked);
        let soc_events = events.iter().filter(|event| event.stream == Stream::SocEvents).count() as u64;
        Ok(Seen { soc_events, through, more: events.len() == count })
    }

    fn note(&self, looked: &Looked) {
        let count = |result, count| metrics::notifications(self.name.clone(), result).increment(count);
        count("over_rate", looked.over);
        count("replaced", looked.put.replaced);
        self.known.borrow_mut().is_changed |= looked.queued > 0;
        for message in &looked.put.dropped {
            metrics::dropped(self.name.clone(), "too_many").increment(1);
            self.bury(message, "more messages wait than may");
        }
    }

    /// The message that is to be sent next.
    pub fn first(&self) -> Option<Message> {
        self.known.borrow().state.as_ref()?.queue.first().cloned()
    }

    pub fn waiting(&self) -> u64 {
        self.known.borrow().state.as_ref().map_or(0, |state| state.queue.len()) as u64
    }

    /// Why it is not up although the other side answers.
    pub fn complaint(&self) -> Option<String> {
        self.known.borrow().refused.clone()
    }

    /// Whether there is something that should be saved, or was not for a while.
    pub fn is_save_due(&self) -> bool {
        let known = self.known.borrow();
        known.is_changed || known.saved.elapsed() >= SAVE_EVERY
    }

    /// The outside has the message of this key.
    pub fn told(&self, key: &str) {
        metrics::notifications(self.name.clone(), "told").increment(1);
        let mut known = self.known.borrow_mut();
        known.refused = None;
        known.forget(key);
    }

    /// It was not taken, and others may be.
    pub fn put_off(&self, key: &str) {
        if let Some(state) = &mut self.known.borrow_mut().state {
            state.queue.put_off(key);
        }
    }

    /// It will never be taken.
    pub fn refused(&self, message: &Message, said: &str) {
        metrics::notifications(self.name.clone(), "refused").increment(1);
        metrics::dropped(self.name.clone(), "refused").increment(1);
        self.bury(message, said);
        let mut known = self.known.borrow_mut();
        known.refused = Some(format!("the last message was refused: {said}"));
        known.forget(&message.key());
    }

    fn bury(&self, message: &Message, reason: &str) {
        let payload = message.context(&self.sender).to_string().into();
        let letter =
            DeadLetter { id: message.case.event, stream: self.name.clone(), reason: reason.to_owned(), payload };
        let mut known = self.known.borrow_mut();
        known.letters.push(letter);
        known.is_changed = true;
    }

    /// What is known, with the place in the log that it belongs to and what became a dead letter, in one transaction. A full store takes
    /// it later; the price is that more is told again after a crash.
    pub async fn save(&self) {
        let (transaction, letters) = {
            let mut known = self.known.borrow_mut();
            known.is_changed = false;
            let snapshot = known.state.as_ref().and_then(State::saved);
            let dead_letters = known.letters.clone();
            let letters = dead_letters.len();
            (Transaction { consumer: self.name.clone(), snapshot, dead_letters, ..Transaction::default() }, letters)
        };
        let store = self.log.store.clone();
        let saved = self.io.spawn(async move { store.commit(&[Arc::new(transaction)]).await }).await;
        let mut known = self.known.borrow_mut();
        if let Ok(Err(error)) = saved {
            known.is_changed = true;
            log::debug!(target: IDENTIFIER, "what was told could not be saved: {error}");
        } else {
            let saved = letters.min(known.letters.len());
            known.letters = known.letters.split_off(saved);
            known.saved = Instant::now();
        }
    }
}

impl Known {
    fn forget(&mut self, key: &str) {
        if let Some(state) = &mut self.state {
            state.queue.remove(key);
        }
    }
}
