//! Two layers that judge the same entity in opposite ways again and again: one of them is evaded or poisoned.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Timestamp, Verdict};

/// Judgements older than this no longer count.
const WINDOW: Duration = Duration::from_secs(3600);
/// Opposite judgements that are no accident.
const REPEATED: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disagreement {
    /// The lower layer calls it malicious, the upper one benign.
    LowerOnly { times: u32 },
    /// The upper layer calls it malicious, the lower one has seen nothing.
    UpperOnly { times: u32 },
}

/// How both layers have judged one entity lately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgements {
    since: Timestamp,
    lower: Tally,
    upper: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Tally {
    benign: u32,
    suspicious: u32,
    malicious: u32,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Benign => self.benign += 1,
            Verdict::Suspicious => self.suspicious += 1,
            Verdict::Malicious => self.malicious += 1,
        }
    }

    fn only_benign(self) -> bool {
        self.benign >= REPEATED && self.suspicious == 0 && self.malicious == 0
    }
}

impl Judgements {
    pub fn new(since: Timestamp) -> Self {
        Self { since, lower: Tally::default(), upper: Tally::default() }
    }

    pub fn lower(&mut self, verdict: Verdict, ts: Timestamp) -> Option<Disagreement> {
        self.forget(ts);
        self.lower.add(verdict);
        self.verdict()
    }

    pub fn upper(&mut self, verdict: Verdict, ts: Timestamp) -> Option<Disagreement> {
        self.forget(ts);
        self.upper.add(verdict);
        self.verdict()
    }

    fn forget(&mut self, ts: Timestamp) {
        if ts.since(self.since).max(self.since.since(ts)) >= WINDOW {
            *self = Self::new(ts);
        }
    }

    fn verdict(&self) -> Option<Disagreement> {
        if self.lower.malicious >= REPEATED && self.upper.only_benign() {
            return Some(Disagreement::LowerOnly { times: self.lower.malicious });
        }
        if self.upper.malicious >= REPEATED && self.lower.only_benign() {
            return Some(Disagreement::UpperOnly { times: self.upper.malicious });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn run(lower: Verdict, upper: Verdict, times: u64, apart: u64) -> Option<Disagreement> {
        let mut judgements = Judgements::new(at(0));
        let mut last = None;
        for turn in 0..times {
            judgements.lower(lower, at(turn * apart));
            last = judgements.upper(upper, at(turn * apart));
        }
        last
    }

    #[test]
    fn repeated_opposite_judgements_are_a_disagreement_in_both_directions() {
        use Verdict::*;
        assert_eq!(run(Malicious, Benign, 5, 1), Some(Disagreement::LowerOnly { times: 5 }));
        assert_eq!(run(Benign, Malicious, 6, 1), Some(Disagreement::UpperOnly { times: 6 }));
    }

    #[test]
    fn single_rare_or_half_hearted_differences_are_not() {
        use Verdict::*;
        assert_eq!(run(Malicious, Benign, 4, 1), None);
        assert_eq!(run(Malicious, Benign, 20, 1800), None);
        assert_eq!(run(Malicious, Suspicious, 50, 1), None);
        assert_eq!(run(Malicious, Malicious, 50, 1), None);
        assert_eq!(run(Benign, Benign, 50, 1), None);
    }
}
