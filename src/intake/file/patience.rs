//! How long a file waits for others whose lines are to go first. Pure.
//!
//! Lines go in order of time, and those that are written now before those of files that are behind. Neither may keep a file
//! waiting without end: whoever may write one file would blind the daemon for all others. So each waits only while others hand
//! out so many lines; then it has a share of every batch, out of turn, until its turn has come or it has nothing left.

use crate::event::Timestamp;

/// Batches of lines of others that go before a line that was written while its file was followed …
const PATIENCE: usize = 8;
/// … and before one that stood there already: backlogs are read in order of time among themselves for as long as is bearable.
const PATIENCE_OF_BACKLOG: usize = 128;
/// One of so many lines of a batch is for those that have waited for too long.
const SHARE: usize = 4;

/// The next line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// That is believed of it.
    pub time: Timestamp,
    /// It was written long before it is read.
    pub is_behind: bool,
    /// It was there when the file was opened.
    pub is_backlog: bool,
}

impl Next {
    /// What is least goes first.
    pub fn order(self) -> (bool, Timestamp) {
        (self.is_behind, self.time)
    }

    /// In lines, of which a batch has so many.
    fn patience(self, batch: usize) -> usize {
        batch * if self.is_backlog { PATIENCE_OF_BACKLOG } else { PATIENCE }
    }
}

/// How many lines of others went before a file's next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waited(usize);

impl Waited {
    /// By how many lines it has waited for too long; `None` while it has not.
    pub fn too_long(self, next: Next, batch: usize) -> Option<usize> {
        self.0.checked_sub(next.patience(batch))
    }

    /// So many lines of others were handed out, and none of its own.
    pub fn goes_on(&mut self, lines: usize) {
        self.0 = self.0.saturating_add(lines);
    }

    /// It had a share out of turn: it goes on waiting for its turn, behind those that had none.
    pub fn had_share(&mut self, next: Next, batch: usize) {
        self.0 = self.0.min(next.patience(batch));
    }

    /// Its turn has come, or it has no line.
    pub fn ends(&mut self) {
        self.0 = 0;
    }
}

/// Of a batch of `max` (lines or bytes), what each of so many that have waited for too long may hand out.
pub fn share_of_each(max: usize, waiting: usize) -> usize {
    (max / SHARE / waiting.max(1)).max(1)
}

/// And all of them together.
pub fn share_of_all(max: usize) -> usize {
    (max / SHARE).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(is_backlog: bool) -> Next {
        Next { time: Timestamp::ZERO, is_behind: true, is_backlog }
    }

    #[test]
    fn what_is_written_now_goes_before_what_is_older_and_that_in_order_of_time() {
        let at = |second: u64, is_behind| {
            Next { time: Timestamp::from_millis(second * 1000), is_behind, is_backlog: false }.order()
        };
        assert!(at(9, false) < at(1, true) && at(1, true) < at(2, true) && at(8, false) < at(9, false));
    }

    #[test]
    fn a_line_waits_for_a_bounded_number_of_others_and_longer_if_it_was_there_before() {
        let mut waited = Waited::default();
        let too_long = |waited: Waited, is_backlog| waited.too_long(next(is_backlog), 100);
        waited.goes_on(100 * PATIENCE - 1);
        assert_eq!(too_long(waited, false), None);
        waited.goes_on(11);
        assert_eq!((too_long(waited, false), too_long(waited, true)), (Some(10), None));
        waited.goes_on(100 * PATIENCE_OF_BACKLOG);
        assert!(too_long(waited, true).is_some());
        waited.had_share(next(true), 100);
        assert_eq!(too_long(waited, true), Some(0), "until its turn comes");
        waited.ends();
        assert_eq!(too_long(waited, false), None);
    }

    #[test]
    fn however_many_have_waited_each_may_hand_out_something_and_all_together_leave_most_of_the_batch() {
        assert_eq!([1, 2, 256, 1000].map(|waiting| share_of_each(1024, waiting)), [256, 128, 1, 1]);
        assert_eq!((share_of_all(1024), share_of_all(1)), (256, 1));
    }
}
