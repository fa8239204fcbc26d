//! How far a stream has been taken, as committed with the events.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{EntryId, Joined};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which Redis and stream: ids of another one mean nothing.
    from: String,
    /// Of what was given to this consumer as new, everything up to here is committed.
    last: EntryId,
    /// Entries that were trimmed before any consumer of the group got them, as far as they have been counted.
    missed: Option<u64>,
    /// Entries that Redis had given the group when it was last asked.
    given: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    from: String,
    last: String,
    missed: Option<u64>,
    given: Option<u64>,
}

impl Place {
    /// From the committed value; the beginning where there is none or it is of another stream.
    pub fn load(from: String, committed: Option<&Value>) -> Self {
        let form = committed.and_then(|value| serde_json::from_value::<Form>(value.clone()).ok());
        match form.filter(|form| form.from == from) {
            Some(Form { last, missed, given, .. }) => {
                Self { from, last: last.parse().unwrap_or_default(), missed, given }
            }
            None => Self { from, last: EntryId::ZERO, missed: None, given: None },
        }
    }

    pub fn save(&self) -> Value {
        json!(Form { from: self.from.clone(), last: self.last.to_string(), missed: self.missed, given: self.given })
    }

    /// Whether this entry, given as new or as one's own, is to be taken; if so it counts as taken from now on.
    pub fn take(&mut self, id: EntryId) -> bool {
        let new = id > self.last;
        self.last = self.last.max(id);
        new
    }

    pub fn last(&self) -> EntryId {
        self.last
    }

    /// Where the stream ends in Redis. When that is before what was taken, Redis has lost its end or all of it, and may
    /// assign those ids to new entries; has assigned them, where its group is gone too: then it is another stream. Whether
    /// it has lost anything.
    pub fn ends_at(&mut self, Joined { end, is_new }: Joined) -> bool {
        let lost = end < self.last;
        if lost {
            self.last = if is_new { EntryId::ZERO } else { end };
            (self.missed, self.given) = (None, None);
        }
        lost
    }

    /// By Redis's account the group was `given` so many entries since the stream began, and `missed` so many, where that is
    /// known; returns how many of the missed are news. What was missed before the group was first looked at is not. Redis
    /// before 7.4 forgets much of what it returned when it is started again or a replica takes over: that was not missed.
    pub fn counts(&mut self, given: Option<u64>, missed: Option<u64>) -> u64 {
        if given < self.given {
            self.missed = None;
        }
        self.given = given;
        let Some(total) = missed else { return 0 };
        self.missed.replace(total).map_or(0, |known| total.saturating_sub(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> EntryId {
        EntryId::new(n, 0)
    }

    fn place() -> Place {
        Place::load("redis://h L3_IN".to_owned(), None)
    }

    #[test]
    fn what_was_committed_is_not_taken_again_after_a_restart() {
        let mut before = place();
        assert!(before.take(id(5)) && before.take(id(6)));
        let mut after = Place::load("redis://h L3_IN".to_owned(), Some(&before.save()));
        assert_eq!((after.take(id(5)), after.take(id(6)), after.take(id(7))), (false, false, true));
    }

    #[test]
    fn the_place_in_another_redis_means_nothing() {
        let mut before = place();
        before.take(id(9));
        assert!(Place::load("redis://other L3_IN".to_owned(), Some(&before.save())).take(id(1)));
        assert!(Place::load("redis://h L3_IN".to_owned(), Some(&json!("?"))).take(id(1)));
    }

    #[test]
    fn a_stream_that_lost_its_end_may_give_ids_again() {
        let mut place = place();
        place.take(id(9));
        let joined = |n, is_new| Joined { end: id(n), is_new };
        assert!(!place.ends_at(joined(9, false)) && !place.take(id(8)));
        assert!(!place.ends_at(joined(9, true)) && !place.take(id(8)), "the group alone was removed");
        assert!(place.ends_at(joined(4, false)));
        assert_eq!((place.take(id(4)), place.take(id(8))), (false, true));
    }

    #[test]
    fn of_a_stream_that_was_begun_anew_everything_is_taken_also_where_its_ids_are_smaller() {
        let mut place = place();
        place.take(id(9));
        assert!(place.ends_at(Joined { end: id(4), is_new: true }));
        assert_eq!([1, 4, 4, 5].map(|n| place.take(id(n))), [true, true, false, true]);
    }

    #[test]
    fn missed_entries_are_news_once() {
        let mut place = place();
        assert_eq!([3, 10, 10, 2].map(|total| place.counts(Some(100), Some(total))), [0, 7, 0, 0]);
    }

    #[test]
    fn what_redis_forgot_to_have_given_was_not_missed() {
        let mut place = place();
        assert_eq!(place.counts(Some(100), Some(0)), 0);
        assert_eq!(place.counts(Some(150), None), 0, "in the middle of the stream it cannot be known");
        let mut after = Place::load("redis://h L3_IN".to_owned(), Some(&place.save()));
        assert_eq!(place.counts(Some(120), None), 0);
        assert_eq!([30, 31].map(|total| place.counts(Some(130), Some(total))), [0, 1]);
        assert_eq!(after.counts(Some(150), Some(30)), 30, "nothing was forgotten here");
    }
}
