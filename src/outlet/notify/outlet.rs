//! A notifier as an outlet: it looks at the committed log, and hands on what is to be told.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::Failure;
use super::config::{Notify, Of, named};
use super::keeper::{IDENTIFIER, Keeper, READS};
use super::message::{Message, Sender};
use super::rules::Rules;
use super::way::Way;
use crate::config::Config;
use crate::event::EventId;
use crate::outlet::driver::{About, Aside, Batch, Keep, Lane, Look, Outlet, Portion, Position, Want, Written};
use crate::outlet::{ConfiguredEach, Resources};
use crate::retry::{OutsideError, Retry};

/// Between two looks whether somebody is there.
const KNOCK_EVERY: Duration = Duration::from_secs(300);

pub struct Notifier {
    about: About,
    notify: Notify,
    keeper: Rc<Keeper>,
}

impl ConfiguredEach for Notifier {
    const NAME: &'static str = "notify";
    const SECTIONS: &'static [&'static str] = &["notify", "daemon.instance"];

    fn names(config: &Config) -> Vec<String> {
        named(&config.notify).into_iter().map(|(name, _)| outlet_name(&name)).collect()
    }

    fn from_config(name: &str, config: &Config, resources: &Resources) -> Option<Self> {
        let (short, notify) = named(&config.notify).into_iter().find(|(short, _)| outlet_name(short) == name)?;
        let (log, io) = (Arc::clone(&resources.log), resources.io.clone());
        let keeper = Keeper::new(name.to_owned(), sender(&short, notify, config), Rules::of(notify), log, io);
        let about =
            About { name: name.to_owned().into(), outside: format!("notifier `{short}`").into(), ..Self::ABOUT };
        Some(Self { about, notify: notify.clone(), keeper: Rc::new(keeper) })
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

    /// Before each attempt it looks at all that there is: what is to be told waits here, however long nobody takes it, and not in the
    /// log, from which it may be removed.
    async fn connect(&self) -> Result<Vec<Messenger>, OutsideError> {
        self.keeper.load().await?;
        while self.keeper.look().await?.more {}
        if self.keeper.is_save_due() {
            self.keeper.save().await;
        }
        let way = Way::new(&self.notify, self.keeper.sender.clone())?;
        way.knock().await?;
        Ok(vec![Messenger {
            outside: self.about.outside.clone(),
            way,
            keeper: Rc::clone(&self.keeper),
            knocked: Instant::now(),
        }])
    }

    async fn prepare(&self, _: usize, _: EventId) -> Result<Portion<Stretch>, OutsideError> {
        let seen = self.keeper.look().await?;
        let has_work = seen.soc_events > 0 || self.keeper.waiting() > 0 || self.keeper.is_save_due();
        let batch = has_work.then_some(Stretch { events: seen.soc_events, through: seen.through });
        Ok(Portion { batch, through: seen.through, more: seen.more })
    }

    fn aside(&self) -> Aside {
        Aside { waiting: self.keeper.waiting(), complaint: self.keeper.complaint() }
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
    outside: Cow<'static, str>,
    way: Way,
    keeper: Rc<Keeper>,
    knocked: Instant,
}

impl Messenger {
    async fn pass_on(&mut self, message: &Message) -> Result<(), OutsideError> {
        let key = message.key();
        match self.way.send(message).await {
            Ok(_) => self.keeper.told(&key),
            Err(Failure::Down(error)) => return Err(error),
            Err(Failure::PutOff(error)) => {
                self.keeper.put_off(&key);
                return Err(error);
            }
            Err(Failure::Refused(said)) => {
                let outside = &self.outside;
                log::error!(
                    target: IDENTIFIER,
                    "{outside} will never take the message {key}, which is a dead letter now: {said}"
                );
                self.keeper.refused(message, &said);
            }
        }
        self.knocked = Instant::now();
        self.keeper.save().await;
        Ok(())
    }
}

impl Lane for Messenger {
    type Batch = Stretch;

    async fn position(&mut self) -> Result<Position, OutsideError> {
        Ok(Position::At(self.keeper.at()))
    }

    async fn write(&mut self, _: &Stretch) -> Result<Written, OutsideError> {
        while let Some(message) = self.keeper.first() {
            self.pass_on(&message).await?;
        }
        if self.keeper.is_save_due() {
            self.keeper.save().await;
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
        self.keeper.save().await;
    }
}
