//! How many entries to ask for at once.

use std::cell::Cell;

use super::Entry;
use crate::limits::{BATCH_BYTES_MAX, TRANSACTION_EVENTS_MAX};

/// One at first, since nobody knows how large they are; then twice as many each time, and about as many as fit a batch.
#[derive(Debug)]
pub struct Pace(Cell<usize>);

impl Default for Pace {
    fn default() -> Self {
        Self(Cell::new(1))
    }
}

impl Pace {
    pub fn count(&self) -> usize {
        self.0.get()
    }

    /// The connection is new: an answer may have been too large for the last one.
    pub fn reset(&self) {
        self.0.set(1);
    }

    /// The entries that the answer had room for, and whether there are more; those are held for this daemon as if the answer
    /// had never come.
    pub fn with_room(&self, entries: Vec<Entry>) -> (Vec<Entry>, bool) {
        let (entries, more) = Entry::before_left_out(entries);
        let bytes: u64 = entries.iter().map(Entry::bytes).sum();
        if let Some(each) = bytes.checked_div(entries.len() as u64) {
            let fit = usize::try_from(BATCH_BYTES_MAX as u64 / each.max(1)).unwrap_or(usize::MAX);
            let at_most = if more { entries.len() } else { 2 * self.count() };
            self.0.set(fit.min(at_most).clamp(1, TRANSACTION_EVENTS_MAX));
        }
        (entries, more)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Content, EntryId, Size};
    use super::*;

    fn entries(count: usize, content: Content) -> Vec<Entry> {
        vec![Entry { id: EntryId::ZERO, content }; count]
    }

    fn fields(bytes: usize) -> Content {
        Content::Fields(vec![(bytes::Bytes::new(), vec![b'x'; bytes].into())])
    }

    #[test]
    fn small_entries_are_asked_for_twice_as_many_each_time_up_to_a_transaction() {
        let pace = Pace::default();
        let counts: Vec<usize> = (0..12)
            .map(|_| {
                pace.with_room(entries(pace.count(), fields(10)));
                pace.count()
            })
            .collect();
        assert_eq!((counts[0], counts[1], counts[11]), (2, 4, TRANSACTION_EVENTS_MAX));
        assert!(!pace.with_room(Vec::new()).1 && pace.count() == TRANSACTION_EVENTS_MAX, "nothing new says nothing");
        pace.reset();
        assert_eq!(pace.count(), 1);
    }

    #[test]
    fn large_entries_are_asked_for_as_many_as_fit_a_batch_and_one_at_least() {
        let pace = Pace::default();
        (0..12).for_each(|_| drop(pace.with_room(entries(1, fields(10)))));
        pace.with_room(entries(3, fields(BATCH_BYTES_MAX / 8)));
        assert_eq!(pace.count(), 8);
        pace.with_room(entries(1, Content::TooLarge(Size::Bytes(1 << 30))));
        assert_eq!(pace.count(), 1);
    }

    #[test]
    fn when_an_answer_had_no_room_for_all_no_more_are_asked_for_than_it_had() {
        let pace = Pace::default();
        (0..12).for_each(|_| drop(pace.with_room(entries(1, fields(10)))));
        let (taken, more) = pace.with_room([entries(5, fields(10)), entries(9, Content::LeftOut)].concat());
        assert_eq!((taken.len(), more, pace.count()), (5, true, 5));
    }
}
