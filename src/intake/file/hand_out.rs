//! One batch of lines out of all followed paths.

use super::followed::Followed;
use super::patience::{Next, share_of_all, share_of_each};
use super::tail::{Filled, Poll};
use crate::event::Timestamp;
use crate::intake::merge::Merge;
use crate::intake::{Batch, Problem};
use crate::limits::{BATCH_BYTES_MAX, FILE_CHUNK_BYTES, FILE_POLL_BYTES_MAX, FILE_SEARCH_BYTES_MAX, LINE_BYTES_MAX};

/// A batch of lines that take their time to read may take longer than an actor may be silent.
const LINES_PER_HEARTBEAT: usize = 64;

/// Hands out at most `max_events` lines of these paths; true if there is more. What goes wrong is added to the problems.
pub fn hand_out(
    paths: Vec<&mut Followed>,
    max_events: usize,
    alive: &dyn Fn(),
    poll: &mut Poll,
    (batch, problems): (&mut Batch, &mut Vec<Problem>),
) -> bool {
    let search_bytes = FILE_POLL_BYTES_MAX / paths.len().max(1) as u64;
    let mut round = Round {
        paths,
        search_bytes: search_bytes.clamp(FILE_CHUNK_BYTES as u64, FILE_SEARCH_BYTES_MAX),
        events_left: max_events,
        bytes_left: BATCH_BYTES_MAX,
        read_left: u64::MAX,
        is_busy: false,
        merge: Merge::default(),
        poll,
        alive,
        batch,
        problems,
    };
    round.look_for_lines();
    round.hand_out_to_those_who_waited();
    let turns = round.hand_out_in_order();
    round.count_waiting(&turns);
    round.is_busy || !round.merge.is_empty()
}

struct Round<'a> {
    paths: Vec<&'a mut Followed>,
    /// Bytes that may be read of one path to find its next line. If that is not enough, the others go on without it until the
    /// next poll: a line without end, or a hole, keeps nobody waiting.
    search_bytes: u64,
    events_left: usize,
    bytes_left: usize,
    read_left: u64,
    /// A path has more to read, and its next line is not known.
    is_busy: bool,
    merge: Merge<(bool, Timestamp)>,
    poll: &'a mut Poll,
    alive: &'a dyn Fn(),
    batch: &'a mut Batch,
    problems: &'a mut Vec<Problem>,
}

impl Round<'_> {
    fn look_for_lines(&mut self) {
        for index in 0..self.paths.len() {
            self.fill(index);
            (self.alive)();
        }
        // Only from here on: however many they are, each has been looked at.
        self.read_left = FILE_POLL_BYTES_MAX;
    }

    /// Makes sure that the path's next line is known, if it has one.
    fn fill(&mut self, index: usize) -> Option<Next> {
        let path = self.paths.get_mut(index)?;
        let cut_before = self.poll.cut;
        self.poll.bytes_left = self.search_bytes;
        let filled = path.fill(self.poll, self.problems);
        self.read_left = self.read_left.saturating_sub(self.search_bytes - self.poll.bytes_left);
        if self.poll.cut > cut_before {
            let text = format!("a line was longer than {LINE_BYTES_MAX} bytes and was cut there");
            self.problems.push(Problem::new(&**path.source(), "line_too_long", self.poll.cut - cut_before, text));
        }
        self.is_busy |= filled == Filled::Busy;
        path.next()
    }

    fn is_full(&self) -> bool {
        self.events_left == 0 || self.bytes_left == 0 || self.read_left == 0
    }

    /// Takes the path's next line, and returns its bytes and the one after it.
    fn take(&mut self, index: usize) -> Option<(usize, Option<Next>)> {
        let (draft, bytes) = self.paths.get_mut(index)?.next_draft()?;
        self.batch.drafts.push(draft);
        if self.batch.drafts.len().is_multiple_of(LINES_PER_HEARTBEAT) {
            (self.alive)();
        }
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.events_left = self.events_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        Some((bytes, self.fill(index)))
    }

    /// Those first that have waited longest.
    fn hand_out_to_those_who_waited(&mut self) {
        let batch = self.poll.batch_lines;
        let too_long =
            |(index, path): (usize, &&mut Followed)| Some((path.waited.too_long(path.next()?, batch)?, index));
        let mut waiting: Vec<_> = self.paths.iter().enumerate().filter_map(too_long).collect();
        waiting.sort_by_key(|(lines, index)| (std::cmp::Reverse(*lines), *index));
        let lines_of_each = share_of_each(self.events_left, waiting.len());
        let bytes_of_each = share_of_each(self.bytes_left, waiting.len());
        let events_kept = self.events_left - share_of_all(self.events_left).min(self.events_left);
        let bytes_kept = self.bytes_left - share_of_all(self.bytes_left);
        for (_, index) in waiting {
            if self.is_full() || self.events_left <= events_kept || self.bytes_left <= bytes_kept {
                return;
            }
            let mut bytes_given = 0;
            for _ in 0..lines_of_each {
                let Some((bytes, next)) = self.take(index) else { break };
                if let (Some(path), Some(next)) = (self.paths.get_mut(index), next) {
                    path.waited.had_share(next, batch);
                }
                bytes_given += bytes;
                if bytes_given >= bytes_of_each || self.is_full() {
                    break;
                }
            }
        }
    }

    /// Returns which paths had a turn.
    fn hand_out_in_order(&mut self) -> Vec<bool> {
        let mut had_turn = vec![false; self.paths.len()];
        for (index, path) in self.paths.iter().enumerate() {
            path.next().into_iter().for_each(|next| self.merge.offer(index, next.order()));
        }
        while !self.is_full() {
            let Some(index) = self.merge.earliest() else { break };
            let Some((_, next)) = self.take(index) else { break };
            had_turn.get_mut(index).into_iter().for_each(|had| *had = true);
            next.into_iter().for_each(|next| self.merge.offer(index, next.order()));
        }
        had_turn
    }

    fn count_waiting(&mut self, had_turn: &[bool]) {
        let lines = self.batch.drafts.len();
        for (path, had_turn) in self.paths.iter_mut().zip(had_turn) {
            if *had_turn || path.next().is_none() {
                path.waited.ends();
            } else {
                path.waited.goes_on(lines);
            }
        }
    }
}
