//! What the log tells of silences: those that people have made, and what each has covered.

use std::collections::BTreeMap;

use super::book::Book;
use crate::event::{Body, Event, EventId};
use crate::limits::SILENCES_KEPT;
use crate::server::seen::Fold;
use crate::silence::change::Change;

/// What a silence has covered, as far as the hot store goes back.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hits {
    pub count: u64,
    pub last: EventId,
    /// Epoch seconds.
    pub last_ts: f64,
}

#[derive(Debug, Clone, Default)]
pub struct Heard {
    pub book: Book,
    hits: BTreeMap<String, Hits>,
}

impl Heard {
    pub fn hits(&self, id: &str) -> Hits {
        self.hits.get(id).copied().unwrap_or_default()
    }
}

impl Fold for Heard {
    fn step(&mut self, event: &Event) {
        let Body::Soc(soc) = &event.body else { return };
        if let Some(change) = Change::read(soc) {
            self.book.step(change, event.times.taken_in());
        }
        let Some(id) = &soc.silence_id else { return };
        let hits = self.hits.entry(id.clone()).or_default();
        *hits = Hits { count: hits.count + 1, last: event.id, last_ts: event.ts().seconds() };
        if self.hits.len() > SILENCES_KEPT {
            let oldest = self.hits.iter().min_by_key(|(_, hits)| hits.last).map(|(id, _)| id.clone());
            oldest.map(|id| self.hits.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Soc, Stream, Times, Timestamp};
    use crate::silence::spec::Silence;

    fn event(number: u64, soc: Soc) -> Event {
        let id = EventId::new(number, 0);
        let times = Times::at(Timestamp::from_millis(number * 1000));
        Event { id, stream: Stream::SocEvents, times, root: id, body: Body::Soc(Box::new(soc)) }
    }

    fn silence(id: &str) -> Silence {
        let text = serde_json::json!({ "id": id, "rule": "x", "until": "2030-01-01T00:00:00Z", "who": "alice" });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn what_was_added_and_ended_and_what_each_has_covered_follows_from_the_log() {
        let hit = |id: &str| Soc { silence_id: Some(id.into()), ..Soc::default() };
        let end = Change::End { id: "1-0".into(), who: "bob".into(), note: "done".into() };
        let mut heard = Heard::default();
        let socs = [Change::Add(silence("1-0")).event(), hit("1-0"), hit("ours"), hit("1-0"), end.event()];
        (1..).zip(socs).for_each(|(number, soc)| heard.step(&event(number, soc)));
        assert_eq!(heard.hits("1-0"), Hits { count: 2, last: EventId::new(4, 0), last_ts: 4.0 });
        assert_eq!((heard.hits("ours").count, heard.hits("2-0").count), (1, 0));
        let recorded = heard.book.get("1-0").unwrap();
        assert_eq!((&recorded.silence, &recorded.ended), (&silence("1-0"), &Some(("bob".into(), "done".into()))));
    }

    #[test]
    fn as_many_are_remembered_as_may_be_and_those_that_are_over_go_first() {
        let mut book = Book::default();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let add = |book: &mut Book, number: usize| book.step(Change::Add(silence(&format!("{number}-0"))), now);
        (1..=SILENCES_KEPT).for_each(|number| add(&mut book, number));
        book.step(Change::End { id: "500-0".into(), who: String::new(), note: String::new() }, now);
        add(&mut book, SILENCES_KEPT + 1);
        assert!(book.get("500-0").is_none() && book.get("1-0").is_some());
        assert_eq!(book.iter().count(), SILENCES_KEPT);
    }
}
