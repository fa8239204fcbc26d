//! Milliseconds in classes that are added up over minutes, so that a quantile of an hour is that of all its events.

use crate::limits::HISTORY_LATENCY_CLASSES;

/// Up to here each millisecond has a class of its own.
const EXACT_BELOW: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies(pub [u32; HISTORY_LATENCY_CLASSES]);

impl Default for Latencies {
    fn default() -> Self {
        Self([0; HISTORY_LATENCY_CLASSES])
    }
}

/// Two classes for each doubling; the last one takes whatever is longer.
fn class_of(ms: u64) -> usize {
    if ms < EXACT_BELOW {
        return ms as usize;
    }
    let doublings = ms.ilog2() as usize;
    let is_upper_half = ms >> (doublings - 1) & 1 == 1;
    (2 * doublings + usize::from(is_upper_half)).min(HISTORY_LATENCY_CLASSES - 1)
}

/// The least of a class, and how many milliseconds it has.
fn bounds(class: usize) -> (f64, f64) {
    if class < EXACT_BELOW as usize {
        return (class as f64, 1.0);
    }
    let (doublings, is_upper_half) = (class / 2, class % 2 == 1);
    let width = 2_f64.powi(doublings as i32 - 1);
    (width * if is_upper_half { 3.0 } else { 2.0 }, width)
}

impl Latencies {
    pub fn count(&mut self, ms: u64) {
        if let Some(events) = self.0.get_mut(class_of(ms)) {
            *events = events.saturating_add(1);
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (events, more) in self.0.iter_mut().zip(other.0) {
            *events = events.saturating_add(more);
        }
    }

    /// The milliseconds that this share of the events did not exceed; within a class they count as evenly spread. `None`: there
    /// was no event.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let all: u64 = self.0.iter().map(|events| u64::from(*events)).sum();
        let rank = (share * all as f64).ceil().max(1.0);
        let mut before = 0.0;
        for (class, events) in self.0.iter().enumerate().filter(|(_, events)| **events > 0) {
            let events = f64::from(*events);
            if before + events >= rank {
                let (least, width) = bounds(class);
                return Some(least + (width - 1.0) * (rank - before) / events);
            }
            before += events;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_at_most_half_off_whatever_came(
            mut values in prop::collection::vec(0_u64..200_000, 1..300), share in 0.0..=1.0_f64
        ) {
            let mut latencies = Latencies::default();
            values.iter().for_each(|ms| latencies.count(*ms));
            values.sort_unstable();
            let rank = (share * values.len() as f64).ceil().max(1.0) as usize;
            let (exact, found) = (values[rank - 1] as f64, latencies.quantile(share).unwrap());
            prop_assert!((found - exact).abs() <= exact / 2.0, "{} and {}", found, exact);
            prop_assert!(exact >= 4.0 || found == exact);
        }

        #[test]
        fn every_millisecond_lies_within_its_class(ms in any::<u64>()) {
            let (least, width) = bounds(class_of(ms));
            prop_assert!(ms as f64 >= least && (class_of(ms) == HISTORY_LATENCY_CLASSES - 1 || (ms as f64) < least + width));
        }
    }

    #[test]
    fn without_an_event_there_is_no_quantile() {
        assert_eq!(Latencies::default().quantile(0.5), None);
    }
}
