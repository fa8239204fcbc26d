//! The clock of one source: which time of its next line is believed. Pure.
//!
//! A line's own time is a claim of whoever wrote it. Windows, bursts and risk follow the believed time instead, which
//! follows the source's own claims, so that yesterday's file is judged by yesterday's times, within bounds that no single
//! line moves: it is never later than the arrival by more than the skew, and it goes far forward or far back only when
//! several lines agree.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Lines that have to agree before the clock jumps: the one that claims the new time, and those after it.
pub const CONFIRMING_LINES: usize = 3;
/// Lines in a row before an earlier time is the new time: the clock of the source was set back.
const REBASE_LINES: u32 = 50;

/// A source that was set back may hold lines of a machine that was not: they go on where it was, this much later at most.
const GOES_ON_WITHIN: Duration = Duration::from_secs(3600);

/// The clock after the lines that were taken so far, as it is saved with the source's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceClock {
    /// The latest time believed; `None` before the first line.
    at: Option<Timestamp>,
    /// When the newest line was taken in; `None` where that is not known.
    arrival: Option<Timestamp>,
    /// A line of this source has a time of its own.
    is_dated: bool,
    /// Lines in a row that claimed a time far before `at`.
    earlier: u32,
    /// A jump forward that is not confirmed yet.
    jump: Option<Jump>,
    /// Where it was before it was set back, as lines since have gone on from there.
    left: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Jump {
    to: Timestamp,
    lines: usize,
}

/// One line, as far as its time goes.
#[derive(Debug, Clone, Copy)]
pub struct TimedLine<'a> {
    /// The time that the line tells; `None` for a line that tells none.
    pub claim: Option<Timestamp>,
    /// When it was taken in; `None` in a replay, which cannot know.
    pub arrival: Option<Timestamp>,
    /// The time of a line that has none, in a source where no line has had any.
    pub reference: Timestamp,
    /// No time after this is believed.
    pub limit: Timestamp,
    /// How much later or earlier than expected a line may be and is believed nevertheless.
    pub skew: Duration,
    /// What the lines after it tell, as far as they have come: one entry a line.
    pub next: &'a [Option<Timestamp>],
    /// The source ends after `next`, at least for now, and had other lines to be read at once.
    pub is_end: bool,
}

impl SourceClock {
    /// Takes the source's next line. Returns the time that is believed of it.
    pub fn take(&mut self, line: &TimedLine<'_>) -> Timestamp {
        let believed = self.judge(line).min(line.limit);
        self.arrival = line.arrival.or(self.arrival);
        self.is_dated |= line.claim.is_some();
        believed
    }

    /// When its newest line was taken in.
    pub fn used(&self) -> Option<Timestamp> {
        self.arrival
    }

    fn judge(&mut self, line: &TimedLine<'_>) -> Timestamp {
        let Some(before) = self.at else {
            let first = line.first();
            self.at = Some(first);
            return first;
        };
        // The machine's own clock was set back: nothing may stay ahead of it.
        let before = if before > line.limit { line.arrival.unwrap_or(line.limit) } else { before };
        let elapsed = self.arrival.zip(line.arrival).map_or(Duration::ZERO, |(last, now)| now.since(last));
        let passed = before.plus(elapsed).min(line.limit);
        let claim = match line.claim {
            Some(claim) => claim,
            None if self.is_dated => return self.advance(passed),
            None => line.reference,
        };
        if claim > line.limit {
            return self.advance(passed);
        }
        if claim.plus(line.skew) < before {
            return self.take_earlier(claim, before, passed);
        }
        self.earlier = 0;
        if self.goes_on(claim, line.skew) {
            return claim;
        }
        if claim <= passed.plus(line.skew) || line.is_live(claim) || self.is_confirmed(claim, before, line) {
            self.jump = None;
            self.advance(claim.max(before));
            return claim;
        }
        self.advance(passed)
    }

    fn advance(&mut self, to: Timestamp) -> Timestamp {
        self.at = Some(to);
        to
    }

    /// A line that claims a time far back: believed once enough of them have come in a row.
    fn take_earlier(&mut self, claim: Timestamp, before: Timestamp, passed: Timestamp) -> Timestamp {
        self.jump = None;
        self.earlier += 1;
        if self.earlier < REBASE_LINES {
            return self.advance(passed.max(before));
        }
        self.earlier = 0;
        self.left = self.left.max(Some(passed.max(before)));
        self.advance(claim)
    }

    /// Whether the line goes on where the source was before others set it back: in a file that many machines write into, a backlog
    /// of one of them makes no line of the others a line of the past. The clock stays where it is.
    fn goes_on(&mut self, claim: Timestamp, skew: Duration) -> bool {
        let Some(left) = self.left else { return false };
        if self.at.is_some_and(|at| at.plus(skew) >= left) {
            self.left = None;
            return false;
        }
        let goes_on = claim.plus(skew) >= left && claim <= left.plus(GOES_ON_WITHIN);
        // A single line takes it no further than any line may be ahead.
        if goes_on {
            self.left = Some(left.max(claim.min(left.plus(skew))));
        }
        goes_on
    }

    /// Whether enough lines agree that it is this late: lines before this one that claimed it too, and those after. Where all
    /// of these are there, it is enough that none tells otherwise; what is far before both tells nothing.
    fn is_confirmed(&mut self, claim: Timestamp, before: Timestamp, line: &TimedLine<'_>) -> bool {
        let agreeing = match self.jump {
            Some(jump) if jump.to <= claim.plus(line.skew) => jump.lines + 1,
            _ => 1,
        };
        let to = self.jump.filter(|_| agreeing > 1).map_or(claim, |jump| jump.to.min(claim));
        self.jump = Some(Jump { to, lines: agreeing });
        let mut later = line.later().map(|later| later.plus(line.skew)).filter(|later| *later >= before);
        if later.any(|later| later < claim) {
            return false;
        }
        line.is_end || line.next.len() + 1 >= CONFIRMING_LINES || agreeing + line.later().count() >= CONFIRMING_LINES
    }
}

impl TimedLine<'_> {
    /// The times that the lines after this one tell and that can be true.
    fn later(&self) -> impl Iterator<Item = Timestamp> {
        self.next.iter().flatten().copied().filter(|claim| *claim <= self.limit)
    }

    /// A line written just now.
    fn is_live(&self, claim: Timestamp) -> bool {
        self.arrival.is_some_and(|arrival| arrival.since(claim) <= self.skew)
    }

    /// Where a source begins: at its first time, unless all lines after it tell that it was far too late.
    fn first(&self) -> Timestamp {
        let claimed = self.claim.filter(|claim| *claim <= self.limit);
        let earliest = self.later().min();
        match (claimed, earliest) {
            (Some(claim), Some(earliest)) if self.later().all(|later| later.plus(self.skew) < claim) => earliest,
            (Some(claim), _) => claim,
            (None, Some(earliest)) => earliest,
            (None, None) if self.claim.is_none() => self.reference,
            (None, None) => self.arrival.unwrap_or(self.limit),
        }
    }
}

#[cfg(test)]
mod tests;
