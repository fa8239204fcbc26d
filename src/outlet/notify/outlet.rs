//! A notifier as an outlet: it looks at the committed log, and hands on what is to be told.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::answer::Failure;
use super::config::{Notify, Of, named};
use super::message::{Message, Sender};
use super::rules::Rules;
use super::state::{Looked, State};
use super::way::Way;
use crate::bus::{DeadLetter, Transaction};
use crate::config::Config;
use crate::event::{EventId, Interest, Stream, Timestamp};
use crate::limits;
use crate::observe::metrics;
use crate::outlet::driver::{About, Aside, Batch, Keep, Lane, Look, Outlet, Portion, Position, Want, Written};
use crate::outlet::{CommittedLog, ConfiguredEach, Resources};
use crate::retry::{OutsideError, Retry};

const IDENTIFIER: &str = "dsmil-notify";
const READS: Interest = Interest::NONE.stream(Stream::SocEvents);
/// Between two looks whether somebody is there.
const KNOCK_EVERY: Duration = Duration::from_secs(300);
/// What was looked at without that anything is to be told is saved this often.
const SAVE_EVERY: Duration = Duration::from_secs(3);

pub struct Notifier {
    about: About,
    notify: Notify,
    sender: Sender,
    rules: Rules,
    log: Arc<CommittedLog>,
    io: Handle,
    known: Rc<RefCell<Known>>,
}

/// What the outlet and its lane both see.
struct Known {
    /// `None` before it was read from the hot store.
    state: Option<State>,
    saved: Instant,
    is_changed: bool,
    /// What was refused last, until something is taken.
    refused: Option<String>,
    letters: Vec<DeadLetter>,
}

impl ConfiguredEach for Notifier {
    const NAME: &'static str = "notify";
    const SECTIONS: &'static [&'static str] = &["notify", "daemon.instance"];

    fn names(config: &Config) -> Vec<String> {
        named(&config.notify).into_iter().map(|(name, _)| outlet_name(&name)).collect()
    }

    fn from_config(name: &str, config: &Config, resources: &Resources) -> Option<Self> {
        let (short, notify) = named(&config.notify).into_iter().find(|(short, _)| outlet_name(short) == name)?;
        let known = Known { state: None, saved: Instant::now(), is_changed: false, refused: None, letters: Vec::new() };
        for result in ["told", "refused", "over_rate", "replaced"] {
            metrics::notifications(name.to_owned(), result).increment(0);
        }
        Some(Self {
            about: About { name: name.to_owned().into(), outside: format!("notifier `{short}`").into(), ..Self::ABOUT },
            sender: sender(&short, notify, config),
            rules: Rules::of(notify),
            notify: notify.clone(),
            log: Arc::clone(&resources.log),
            io: resources.io.clone(),
            known: Rc::new(RefCell::new(known)),
        })
    }
}

/// Of the outlet and its state in the hot store.
fn outlet_name(short: &str) -> String {
    format!("notify-{short}")
}

pub fn sender(short: &str, notify: &Notify, config: &Config) -> Sender {
    Sender {
        notifier: short.to_owned(),
        instance: config.daemon.instance.clone(),
        link: notify.link.clone(),
        is_of_incidents: notify.of == Of::Incidents,
    }
}

impl Notifier {
    /// From the hot store, or from a while ago where nothing is known.
    async fn load(&self) -> Result<(), OutsideError> {
        if self.known.borrow().state.is_some() {
            return Ok(());
        }
        let saved = self.log.store.snapshot(&self.about.name).await?;
        let state = saved.as_ref().and_then(State::load).unwrap_or_else(|| {
            let since = Timestamp::now().minus(limits::NOTIFY_LOOKS_BACK);
            State::begin(EventId::new(since.millis(), 0))
        });
        self.known.borrow_mut().state = Some(state);
        Ok(())
    }

    fn note(&self, looked: &Looked) {
        let count = |result, count| metrics::notifications(self.about.name.clone(), result).increment(count);
        count("over_rate", looked.over);
        count("replaced", looked.put.replaced);
        let mut known = self.known.borrow_mut();
        known.is_changed |= looked.queued > 0;
        for message in &looked.put.dropped {
            metrics::dropped(self.about.name.clone(), "too_many").increment(1);
            known.letters.push(letter(&self.about, message, &self.sender, "more messages wait than may"));
        }
    }
}

fn letter(about: &About, message: &Message, sender: &Sender, reason: &str) -> DeadLetter {
    let payload = message.context(sender).to_string().into();
    DeadLetter { id: message.case.event, stream: about.name.to_string(), reason: reason.to_owned(), payload }
}

impl Outlet for Notifier {
    const ABOUT: About = About {
        name: Cow::Borrowed("notify"),
        identifier: IDENTIFIER,
        outside: Cow::Borrowed("a notifier"),
        takes: "SOC events",
        meanwhile: "messages wait, nothing else does",
        level: log::Level::Error,
        keep: Keep::Nothing,
        drain: Duration::from_secs(2),
        up: None,
        lag: None,
    };
    type Batch = Stretch;
    type Lane = Messenger;

    fn about(&self) -> About {
        self.about.clone()
    }

    fn wants(&self) -> Vec<Want> {
        vec![Want { label: None, reads: READS }]
    }

    async fn connect(&self) -> Result<Vec<Messenger>, OutsideError> {
        self.load().await?;
        let way = Way::new(&self.notify, self.sender.clone())?;
        way.knock().await?;
        Ok(vec![Messenger {
            about: self.about.clone(),
            sender: self.sender.clone(),
            way,
            log: Arc::clone(&self.log),
            io: self.io.clone(),
            known: Rc::clone(&self.known),
            knocked: Instant::now(),
        }])
    }

    /// Looks at what follows on what was looked at, which may be more than what was told.
    async fn prepare(&self, _: usize, after: EventId) -> Result<Portion<Stretch>, OutsideError> {
        let at = self.known.borrow().state.as_ref().map_or(after, |state| state.at);
        let count = limits::NOTIFY_EVENTS_MAX;
        let (events, scanned) = self.log.after(at, READS.stream(Stream::Tick), count).await?;
        let more = events.len() == count;
        let looked = match &mut self.known.borrow_mut().state {
            Some(state) if state.at == at => state.look(&self.rules, events.iter().map(|event| &**event), scanned),
            _ => Looked::default(),
        };
        self.note(&looked);
        let known = self.known.borrow();
        let waiting = known.state.as_ref().map_or(0, |state| state.queue.len());
        let is_due = known.saved.elapsed() >= SAVE_EVERY && scanned > at;
        let told = events.iter().filter(|event| event.stream == Stream::SocEvents).count() as u64;
        let has_work = waiting > 0 || known.is_changed || is_due || told > 0 || !known.letters.is_empty();
        let batch = has_work.then_some(Stretch { events: told, through: scanned });
        Ok(Portion { batch, through: scanned, more })
    }

    fn aside(&self) -> Aside {
        let known = self.known.borrow();
        let waiting = known.state.as_ref().map_or(0, |state| state.queue.len()) as u64;
        Aside { waiting, complaint: known.refused.clone() }
    }
}

/// A stretch of the log that was looked at.
pub struct Stretch {
    events: u64,
    through: EventId,
}

impl Batch for Stretch {
    fn events(&self) -> u64 {
        self.events
    }

    fn through(&self) -> EventId {
        self.through
    }
}

/// Hands on what waits, one message after the other.
pub struct Messenger {
    about: About,
    sender: Sender,
    way: Way,
    log: Arc<CommittedLog>,
    io: Handle,
    known: Rc<RefCell<Known>>,
    knocked: Instant,
}

impl Messenger {
    fn first(&self) -> Option<Message> {
        self.known.borrow().state.as_ref()?.queue.first().cloned()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if let Some(state) = &mut self.known.borrow_mut().state {
            change(state);
        }
    }

    async fn pass_on(&mut self, message: &Message) -> Result<(), OutsideError> {
        let key = message.key();
        let count = |result| metrics::notifications(self.about.name.clone(), result).increment(1);
        let failure = match self.way.send(message).await {
            Ok(_) => {
                count("told");
                self.known.borrow_mut().refused = None;
                self.change(|state| state.queue.remove(&key));
                return self.save().await;
            }
            Err(failure) => failure,
        };
        self.knocked = Instant::now();
        match failure {
            Failure::Down(error) => Err(error),
            Failure::PutOff(error) => {
                self.change(|state| {
                    state.queue.put_off(&key);
                });
                Err(error)
            }
            Failure::Refused(said) => {
                count("refused");
                metrics::dropped(self.about.name.clone(), "refused").increment(1);
                let outside = &self.about.outside;
                log::error!(
                    target: IDENTIFIER,
                    "{outside} will never take the message {key}, which is a dead letter now: {said}"
                );
                self.change(|state| state.queue.remove(&key));
                let mut known = self.known.borrow_mut();
                known.refused = Some(format!("the last message was refused: {said}"));
                known.letters.push(letter(&self.about, message, &self.sender, &said));
                drop(known);
                self.save().await
            }
        }
    }

    /// What is known, with the place in the log that it belongs to and what became a dead letter, in one transaction.
    async fn save(&self) -> Result<(), OutsideError> {
        let mut known = self.known.borrow_mut();
        let snapshot = known.state.as_ref().and_then(State::saved);
        let dead_letters = known.letters.clone();
        let letters = dead_letters.len();
        known.is_changed = false;
        drop(known);
        let transaction =
            Transaction { consumer: self.about.name.to_string(), snapshot, dead_letters, ..Transaction::default() };
        let store = self.log.store.clone();
        let saved = self.io.spawn(async move { store.commit(&[Arc::new(transaction)]).await }).await;
        let mut known = self.known.borrow_mut();
        if let Ok(Err(error)) = saved {
            // The price is that more is told again after a crash.
            known.is_changed = true;
            log::debug!(target: IDENTIFIER, "what was told could not be saved: {error}");
        } else {
            let saved = letters.min(known.letters.len());
            known.letters = known.letters.split_off(saved);
            known.saved = Instant::now();
        }
        Ok(())
    }
}

impl Lane for Messenger {
    type Batch = Stretch;

    async fn position(&mut self) -> Result<Position, OutsideError> {
        let at = self.known.borrow().state.as_ref().map_or(EventId::ZERO, |state| state.at);
        Ok(Position::At(at))
    }

    async fn write(&mut self, _: &Stretch) -> Result<Written, OutsideError> {
        while let Some(message) = self.first() {
            self.pass_on(&message).await?;
        }
        if self.known.borrow().is_changed || self.known.borrow().saved.elapsed() >= SAVE_EVERY {
            self.save().await?;
        }
        Ok(Written::All)
    }

    async fn look(&mut self) -> Result<Look, OutsideError> {
        if self.knocked.elapsed() >= KNOCK_EVERY {
            self.knocked = Instant::now();
            self.way.knock().await.map_err(|error| OutsideError { retry: Retry::Soon, ..error })?;
        }
        Ok(Look::Same)
    }

    async fn end(self) {
        // Without it, a little is looked at again.
        let _ = self.save().await;
    }
}
