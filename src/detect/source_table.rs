//! What is remembered of the sources of lines. It is bounded, and senders name sources and machines as they like: so that invented
//! names push out nothing that matters, what is configured has places of its own, and of the others those that are known best
//! stay.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recent::{Recent, clip};

/// Of the places that are not kept for configured sources, one of so many is always for those that are not known well yet.
const YOUNG_SHARE: usize = 8;

/// A source as far as its place depends on it.
pub trait Remembered {
    /// For how long it has been known; `None` while its habits are not.
    fn steady_for(&self) -> Option<Duration>;

    /// That it ended was reported.
    fn is_reported(&self) -> bool;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceTable<Source> {
    capacity: usize,
    /// Never forgotten.
    configured: BTreeMap<String, Source>,
    /// How many of them each name of the configuration has.
    shares: BTreeMap<String, usize>,
    steady: BTreeMap<String, Source>,
    /// The least recently seen of these goes first.
    young: Recent<Source>,
    /// Since it was last asked.
    forgotten: u64,
}

impl<Source: Remembered> SourceTable<Source> {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            configured: BTreeMap::new(),
            shares: BTreeMap::new(),
            steady: BTreeMap::new(),
            young: Recent::new(capacity),
            forgotten: 0,
        }
    }

    /// The source under this key, made by `fresh` where there is none. `share`: the name in the configuration that it belongs to,
    /// and how many places that name has.
    pub fn touch<'name>(
        &mut self,
        key: &str,
        share: impl FnOnce() -> Option<(&'name str, usize)>,
        fresh: impl FnOnce() -> Source,
    ) -> Option<&mut Source> {
        let key = clip(key);
        if self.configured.contains_key(key) {
            return self.configured.get_mut(key);
        }
        if let Some((name, places)) = share()
            && self.shares.get(name).copied().unwrap_or_default() < places
        {
            *self.shares.entry(name.to_owned()).or_default() += 1;
            let known = self.steady.remove(key).or_else(|| self.young.remove(key));
            return Some(self.configured.entry(key.to_owned()).or_insert_with(|| known.unwrap_or_else(fresh)));
        }
        if self.steady.contains_key(key) {
            return self.steady.get_mut(key);
        }
        if self.young.get(key).is_none() {
            self.make_room();
        }
        Some(self.young.touch(key, fresh))
    }

    fn places(&self) -> usize {
        self.capacity.saturating_sub(self.configured.len()).max(YOUNG_SHARE)
    }

    fn make_room(&mut self) {
        while self.steady.len() + self.young.len() >= self.places() {
            if self.young.pop_least_recent().is_none() && !self.pop_least_known(None) {
                return;
            }
            self.forgotten += 1;
        }
    }

    /// Gives a source a place among the steady ones, if it is one: there may be none for it while those who have it are known for
    /// longer. To be called from time to time after its lines.
    pub fn settle(&mut self, key: &str) {
        let key = clip(key);
        let Some(steady_for) = self.young.get(key).and_then(Remembered::steady_for) else { return };
        let places = self.places();
        if self.steady.len() >= places - places / YOUNG_SHARE {
            if !self.pop_least_known(Some(steady_for)) {
                return;
            }
            self.forgotten += 1;
        }
        if let Some(source) = self.young.remove(key) {
            self.steady.insert(key.to_owned(), source);
        }
    }

    /// Forgets the steady source that is missed least: one whose end was reported, else the one that is known for the shortest
    /// time, if that is shorter than this.
    fn pop_least_known(&mut self, than: Option<Duration>) -> bool {
        let known = |source: &Source| (!source.is_reported(), source.steady_for());
        let Some((key, source)) = self.steady.iter().min_by_key(|(_, source)| known(source)) else { return false };
        if than.is_some() && known(source) >= (true, than) {
            return false;
        }
        let key = key.clone();
        self.steady.remove(&key).is_some()
    }

    /// How many were forgotten since this was last asked.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    /// Those that are wanted: of what is configured, then of what is known well, then of the others, each in the order of the keys.
    pub fn select_mut(&mut self, wanted: impl Fn(&Source) -> bool) -> impl Iterator<Item = (&str, &mut Source)> {
        let kept = self.configured.iter_mut().chain(&mut self.steady).map(|(key, source)| (key.as_str(), source));
        let kept = kept.filter(|(_, source)| wanted(source)).collect::<Vec<_>>();
        kept.into_iter().chain(self.young.select_mut(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 80;

    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
    struct Known {
        seconds: u64,
        is_reported: bool,
    }

    impl Remembered for Known {
        fn steady_for(&self) -> Option<Duration> {
            (self.seconds > 0).then(|| Duration::from_secs(self.seconds))
        }

        fn is_reported(&self) -> bool {
            self.is_reported
        }
    }

    fn table() -> SourceTable<Known> {
        SourceTable::new(CAPACITY)
    }

    fn see(table: &mut SourceTable<Known>, key: &str, seconds: u64) {
        table.touch(key, || None, Known::default).unwrap().seconds = seconds;
        table.settle(key);
    }

    fn has(table: &mut SourceTable<Known>, key: &str) -> bool {
        table.select_mut(|_| true).any(|(known, _)| known == key)
    }

    fn invent(table: &mut SourceTable<Known>, prefix: &str, seconds: u64) {
        for number in 0..3 * CAPACITY {
            see(table, &format!("{prefix}{number}"), seconds);
            assert!(table.select_mut(|_| true).count() <= CAPACITY);
        }
    }

    #[test]
    fn a_source_that_is_known_well_outlives_names_without_end_and_what_is_forgotten_is_counted() {
        let mut table = table();
        see(&mut table, "steady", 100);
        see(&mut table, "young", 0);
        invent(&mut table, "x", 0);
        assert!(has(&mut table, "steady") && !has(&mut table, "young"));
        assert_eq!(table.take_forgotten(), 2 + 2 * CAPACITY as u64);
        assert_eq!(table.take_forgotten(), 0);
    }

    #[test]
    fn names_that_were_made_steady_push_out_only_what_is_known_for_a_shorter_time_or_was_reported() {
        let mut table = table();
        see(&mut table, "old", 100);
        invent(&mut table, "x", 50);
        assert!(has(&mut table, "old"));
        see(&mut table, "new", 10);
        invent(&mut table, "y", 0);
        assert!(!has(&mut table, "new"), "the others are known for longer");
        table.select_mut(|_| true).for_each(|(key, source)| source.is_reported = key.starts_with('x'));
        see(&mut table, "new", 10);
        invent(&mut table, "y", 0);
        assert!(has(&mut table, "new") && has(&mut table, "old"), "the silence of those was reported");
    }

    #[test]
    fn what_is_configured_has_its_share_of_places_from_its_first_line_on_and_no_more() {
        let mut table = table();
        for number in 0..10 {
            table.touch(&format!("file{number}"), || Some(("file", 3)), Known::default);
        }
        table.touch("other", || Some(("other", 3)), Known::default);
        invent(&mut table, "x", 50);
        let kept = (0..10).filter(|number| has(&mut table, &format!("file{number}"))).count();
        assert_eq!((kept, has(&mut table, "other")), (3, true));
    }

    #[test]
    fn a_source_that_is_configured_later_is_still_known() {
        let mut table = table();
        see(&mut table, "a", 100);
        assert_eq!(table.touch("a", || Some(("a", 1)), Known::default).unwrap().seconds, 100);
        assert_eq!(table.select_mut(|_| true).count(), 1);
    }
}
