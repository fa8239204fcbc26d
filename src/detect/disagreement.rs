//! Two layers that judge the same entity in opposite ways again and again: one of them is evaded or poisoned.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Timestamp, Verdict};

/// Judgements older than this no longer count: an attack at full speed, and one that takes its time.
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Opposite judgements that are no accident.
const REPEATED: u32 = 5;
/// A layer is calm that calls at most one of so many suspicious: one such judgement hides no long disagreement.
const CALM_SHARE: u32 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disagreement {
    /// The lower layer calls it malicious, the upper one benign.
    LowerOnly { malicious: u32, benign: u32, within: Duration },
    /// The upper layer calls it malicious, the lower one has seen nothing.
    UpperOnly { malicious: u32, benign: u32, within: Duration },
}

/// How both layers have judged one entity lately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgements {
    /// Of an hour, and of a day.
    #[serde(default)]
    spans: [Tallies; 2],
}

/// What was judged since then, and in as long a time before: together what lies back by one to two of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Tallies {
    since: Timestamp,
    now: Pair,
    before: Pair,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Pair {
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
        let count = match verdict {
            Verdict::Benign => &mut self.benign,
            Verdict::Suspicious => &mut self.suspicious,
            Verdict::Malicious => &mut self.malicious,
        };
        *count = count.saturating_add(1);
    }

    fn and(self, other: Self) -> Self {
        Self {
            benign: self.benign.saturating_add(other.benign),
            suspicious: self.suspicious.saturating_add(other.suspicious),
            malicious: self.malicious.saturating_add(other.malicious),
        }
    }

    fn is_calm(self) -> bool {
        self.benign >= REPEATED && self.malicious == 0 && self.suspicious.saturating_mul(CALM_SHARE) <= self.benign
    }
}

impl Tallies {
    fn new(since: Timestamp) -> Self {
        Self { since, now: Pair::default(), before: Pair::default() }
    }

    fn forget(&mut self, ts: Timestamp, span: Duration) {
        let apart = ts.apart(self.since);
        if apart >= span * 2 {
            *self = Self::new(ts);
        } else if apart >= span {
            *self = Self { since: ts, now: Pair::default(), before: self.now };
        }
    }

    fn verdict(&self, within: Duration) -> Option<Disagreement> {
        let lower = self.now.lower.and(self.before.lower);
        let upper = self.now.upper.and(self.before.upper);
        if lower.malicious >= REPEATED && upper.is_calm() {
            return Some(Disagreement::LowerOnly { malicious: lower.malicious, benign: upper.benign, within });
        }
        if upper.malicious >= REPEATED && lower.is_calm() {
            return Some(Disagreement::UpperOnly { malicious: upper.malicious, benign: lower.benign, within });
        }
        None
    }
}

impl Judgements {
    pub fn new(since: Timestamp) -> Self {
        Self { spans: [Tallies::new(since); 2] }
    }

    pub fn lower(&mut self, verdict: Verdict, ts: Timestamp) -> Option<Disagreement> {
        self.judged(ts, |pair| pair.lower.add(verdict))
    }

    pub fn upper(&mut self, verdict: Verdict, ts: Timestamp) -> Option<Disagreement> {
        self.judged(ts, |pair| pair.upper.add(verdict))
    }

    fn judged(&mut self, ts: Timestamp, add: impl Fn(&mut Pair)) -> Option<Disagreement> {
        let mut found = None;
        for (tallies, span) in self.spans.iter_mut().zip([HOUR, DAY]) {
            tallies.forget(ts, span);
            add(&mut tallies.now);
            found = found.or_else(|| tallies.verdict(span * 2));
        }
        found
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
        let within = HOUR * 2;
        let found = |lower, upper, times| run(lower, upper, times, 1);
        assert_eq!(found(Malicious, Benign, 5), Some(Disagreement::LowerOnly { malicious: 5, benign: 5, within }));
        assert_eq!(found(Benign, Malicious, 6), Some(Disagreement::UpperOnly { malicious: 6, benign: 6, within }));
    }

    #[test]
    fn one_that_takes_its_time_or_goes_over_the_end_of_an_hour_is_found() {
        use Verdict::*;
        assert!(run(Malicious, Benign, 8, 3 * 3600 / 2).is_some(), "one in an hour and a half");
        assert!(run(Benign, Malicious, 5, 850).is_some(), "four within the first hour, one in the next");
        assert_eq!(run(Malicious, Benign, 40, 12 * 3600), None, "twice a day");
    }

    #[test]
    fn a_single_suspicion_hides_no_long_disagreement() {
        let mut judgements = Judgements::new(at(0));
        judgements.upper(Verdict::Suspicious, at(0));
        let found: Vec<bool> = (0..12)
            .map(|turn| {
                judgements.lower(Verdict::Malicious, at(turn));
                judgements.upper(Verdict::Benign, at(turn)).is_some()
            })
            .collect();
        assert_eq!(found.iter().position(|found| *found), Some(9), "with the tenth benign one");
    }

    #[test]
    fn single_rare_or_half_hearted_differences_are_not() {
        use Verdict::*;
        assert_eq!(run(Malicious, Benign, 4, 1), None);
        assert_eq!(run(Malicious, Suspicious, 50, 1), None);
        assert_eq!(run(Malicious, Malicious, 50, 1), None);
        assert_eq!(run(Benign, Benign, 50, 1), None);
    }
}
