//! What is said in the log of what goes wrong again and again: once, not at every attempt.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::OutsideError;
use crate::limits::NOTICES_MAX;

/// The same error is said again no sooner than this …
const REPEAT_AFTER: Duration = Duration::from_secs(300);
/// … and one of the same kind with another text no sooner than this.
const REWORD_AFTER: Duration = Duration::from_secs(10);

/// What one part has said of its errors.
#[derive(Debug, Default)]
pub struct Notice {
    /// By kind.
    said: BTreeMap<&'static str, (Instant, String)>,
    current: Option<OutsideError>,
    /// The current error, or one that went over into it, has been said: then its end is said too.
    reported: bool,
}

impl Notice {
    /// The part has this error at `now`. Returns whether it is to be said.
    #[must_use]
    pub fn fails(&mut self, error: OutsideError, now: Instant) -> bool {
        let is_due = self.said.get(error.kind).is_none_or(|(at, text)| {
            now.duration_since(*at) >= if *text == error.text { REPEAT_AFTER } else { REWORD_AFTER }
        });
        if is_due {
            self.said.insert(error.kind, (now, error.text.clone()));
            self.reported = true;
        }
        self.current = Some(error);
        is_due
    }

    /// The part works. Returns whether that is to be said.
    #[must_use]
    pub fn recovers(&mut self) -> bool {
        self.current = None;
        std::mem::take(&mut self.reported)
    }

    pub fn error(&self) -> Option<&OutsideError> {
        self.current.as_ref()
    }
}

/// What is said of many things, each by its name.
#[derive(Debug, Default)]
pub struct Notices(BTreeMap<String, Notice>);

impl Notices {
    /// Something of this name goes wrong at `now`. Returns whether it is to be said.
    #[must_use]
    pub fn fails(&mut self, name: &str, kind: &'static str, text: &str, now: Instant) -> bool {
        if self.0.len() >= NOTICES_MAX && !self.0.contains_key(name) {
            self.0.pop_first();
        }
        let notice = self.0.entry(name.to_owned()).or_default();
        notice.fails(OutsideError::unexpected(kind, text.to_owned()), now)
    }
}

/// Of one kind so many are said within …
const OF_A_KIND_MAX: u64 = 10;
/// … this time; the others together after it.
const OF_A_KIND_WITHIN: Duration = Duration::from_secs(10);

/// Has what goes wrong with very many things at once said once, and not once for each.
#[derive(Debug, Default)]
pub struct Crowd(BTreeMap<&'static str, OfAKind>);

#[derive(Debug)]
struct OfAKind {
    since: Instant,
    count: u64,
    /// The last that was not said.
    unsaid: String,
}

impl Crowd {
    /// Whether this one is to be said by itself.
    #[must_use]
    pub fn may_say(&mut self, kind: &'static str, text: &str, now: Instant) -> bool {
        let kind = self.0.entry(kind).or_insert_with(|| OfAKind { since: now, count: 0, unsaid: String::new() });
        kind.count += 1;
        let is_said = kind.count <= OF_A_KIND_MAX;
        if !is_said {
            text.clone_into(&mut kind.unsaid);
        }
        is_said
    }

    /// What is to be said by now of those that were not: how many, and the last of them.
    pub fn of_others(&mut self, now: Instant) -> Vec<(u64, String)> {
        let mut said = Vec::new();
        self.0.retain(|_, kind| {
            let is_over = now.duration_since(kind.since) >= OF_A_KIND_WITHIN;
            if is_over && kind.count > OF_A_KIND_MAX {
                said.push((kind.count - OF_A_KIND_MAX, std::mem::take(&mut kind.unsaid)));
            }
            !is_over
        });
        said
    }
}

/// Lets something be said once in a while, and counts what came meanwhile.
#[derive(Debug)]
pub struct Throttle {
    every: Duration,
    said: Option<Instant>,
    /// Since it was said last.
    count: u64,
}

impl Throttle {
    pub fn new(every: Duration) -> Self {
        Self { every, said: None, count: 0 }
    }

    /// So many more at `now`. Returns how many are to be said, with those that were not said before.
    #[must_use]
    pub fn add(&mut self, count: u64, now: Instant) -> Option<u64> {
        self.count += count;
        let is_due = self.said.is_none_or(|at| now.duration_since(at) >= self.every);
        is_due.then(|| {
            self.said = Some(now);
            std::mem::take(&mut self.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Retry;

    fn error(kind: &'static str, text: &str) -> OutsideError {
        OutsideError { kind, retry: Retry::Soon, text: text.to_owned() }
    }

    #[test]
    fn an_error_is_said_once_until_it_has_lasted_and_its_end_once_too() {
        let (mut notice, start) = (Notice::default(), Instant::now());
        let said: Vec<bool> = ["refused", "silent", "refused", "silent"]
            .into_iter()
            .map(|kind| notice.fails(error(kind, kind), start))
            .collect();
        assert_eq!(said, [true, true, false, false]);
        assert!(notice.recovers() && !notice.recovers() && notice.error().is_none());
        assert!(!notice.fails(error("refused", "refused"), start), "it comes and goes");
        assert!(!notice.recovers(), "and so does its end");
        assert!(notice.fails(error("refused", "refused"), start + REPEAT_AFTER));
    }

    #[test]
    fn another_text_of_the_same_kind_is_said_soon_but_not_at_once() {
        let (mut notice, start) = (Notice::default(), Instant::now());
        assert!(notice.fails(error("permission", "schema"), start));
        assert!(!notice.fails(error("permission", "table 1"), start + REWORD_AFTER / 2));
        assert!(notice.fails(error("permission", "table 2"), start + REWORD_AFTER));
    }

    #[test]
    fn each_of_many_is_said_by_itself_and_they_are_bounded() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        let mut say = |name: &str| notices.fails(name, "unreadable", "cannot be read", now);
        assert_eq!([say("a"), say("b"), say("a"), say("b")], [true, true, false, false]);
        (0..2 * NOTICES_MAX).for_each(|number| assert!(say(&number.to_string())));
        assert!(notices.0.len() <= NOTICES_MAX);
    }

    #[test]
    fn what_happens_to_a_thousand_at_once_is_said_of_a_few_and_then_of_all_others_together() {
        let (mut crowd, start) = (Crowd::default(), Instant::now());
        let said = (0..1000).filter(|number| crowd.may_say("deleted", &number.to_string(), start)).count();
        assert_eq!(said as u64, OF_A_KIND_MAX);
        assert!(crowd.may_say("unreadable", "x", start), "of another kind");
        assert_eq!(crowd.of_others(start + OF_A_KIND_WITHIN / 2), []);
        let others = crowd.of_others(start + OF_A_KIND_WITHIN);
        assert_eq!(others, [(1000 - OF_A_KIND_MAX, "999".to_owned())]);
        assert!(crowd.may_say("deleted", "later", start + OF_A_KIND_WITHIN) && crowd.0.len() == 1);
    }

    #[test]
    fn what_was_not_said_is_in_the_next_count() {
        let (mut throttle, start) = (Throttle::new(Duration::from_secs(60)), Instant::now());
        assert_eq!(throttle.add(3, start), Some(3));
        assert_eq!(throttle.add(4, start + Duration::from_secs(59)), None);
        assert_eq!(throttle.add(5, start + Duration::from_secs(60)), Some(9));
    }
}
