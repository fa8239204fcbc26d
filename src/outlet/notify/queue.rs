//! Messages that wait to be taken outside. Pure.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::message::{Kind, Message};
use crate::limits::NOTIFY_WAITING_MAX;

/// In the order in which they are sent, at most one for each case.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Queue(VecDeque<Message>);

/// What became of the messages that were put into it.
#[derive(Debug, PartialEq, Default)]
pub struct Put {
    /// How many newer ones took the place of.
    pub replaced: u64,
    /// Those that there was no room for.
    pub dropped: Vec<Message>,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn first(&self) -> Option<&Message> {
        self.0.front()
    }

    /// A newer message of a case takes the place of one that nobody was told yet: it says all that the older one says.
    pub fn put(&mut self, messages: Vec<Message>) -> Put {
        let mut put = Put::default();
        for message in messages {
            if let Some(waiting) = self.0.iter_mut().find(|waiting| waiting.case.id == message.case.id) {
                let is_first = waiting.kind == Kind::New && message.kind == Kind::Update;
                let kind = if is_first { Kind::New } else { message.kind };
                *waiting = Message { kind, ..message };
                put.replaced += 1;
            } else {
                self.0.push_back(message);
            }
        }
        while self.0.len() > NOTIFY_WAITING_MAX {
            let least =
                self.0.iter().enumerate().min_by_key(|(place, it)| (it.case.severity, *place)).map(|(place, _)| place);
            put.dropped.extend(least.and_then(|place| self.0.remove(place)));
        }
        put
    }

    /// The outside has it, or never will. One that took its place meanwhile stays.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|waiting| waiting.key() != key);
    }

    /// It was not taken, and others may be: it goes behind them. Returns how often that happened to it.
    pub fn put_off(&mut self, key: &str) -> u32 {
        let Some(place) = self.0.iter().position(|waiting| waiting.key() == key) else { return 0 };
        let Some(mut message) = self.0.remove(place) else { return 0 };
        message.tries = message.tries.saturating_add(1);
        let tries = message.tries;
        self.0.push_back(message);
        tries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, Soc, Timestamp};
    use crate::outlet::notify::message;

    fn told(id: &str, event: u64, kind: Kind) -> Message {
        let mut message = message::test(Timestamp::from_millis(event));
        message.kind = kind;
        message.case = super::super::case::Case::of(id, EventId::new(event, 0), 0.0, &Soc::default());
        message
    }

    #[test]
    fn a_newer_message_takes_the_place_of_one_of_its_case_that_nobody_was_told() {
        let mut queue = Queue::default();
        queue.put(vec![told("a", 1, Kind::New), told("b", 2, Kind::New)]);
        let put = queue.put(vec![told("a", 3, Kind::Update)]);
        assert_eq!((put.replaced, queue.len()), (1, 2));
        let first = queue.first().unwrap();
        assert_eq!((first.key().as_str(), first.kind), ("a/3-0", Kind::New));
        // The answer to the older one comes late: the newer one stays.
        queue.remove("a/1-0");
        assert_eq!(queue.len(), 2);
        queue.remove("a/3-0");
        assert_eq!(queue.first().unwrap().case.id, "b");
    }

    #[test]
    fn one_that_is_not_taken_lets_the_others_pass() {
        let mut queue = Queue::default();
        queue.put(vec![told("a", 1, Kind::New), told("b", 2, Kind::New)]);
        assert_eq!(queue.put_off("a/1-0"), 1);
        assert_eq!(queue.first().unwrap().case.id, "b");
        queue.put_off("b/2-0");
        assert_eq!(queue.put_off("a/1-0"), 2);
        assert_eq!(queue.put_off("c/9-0"), 0);
    }

    #[test]
    fn there_is_an_end_to_how_many_wait() {
        let mut queue = Queue::default();
        let many = (0..=NOTIFY_WAITING_MAX as u64).map(|number| told(&number.to_string(), number, Kind::New));
        let put = queue.put(many.collect());
        assert_eq!((queue.len(), put.dropped.len()), (NOTIFY_WAITING_MAX, 1));
        assert_eq!(put.dropped[0].case.id, "0");
    }
}
