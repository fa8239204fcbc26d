//! How regular times are: the interval between them, and how many keep to it.

use crate::event::Timestamp;

/// An interval within this share of the median is on time. Sleep with up to 50 % jitter stays within it.
const ON_TIME_WITHIN: f64 = 0.3;
/// Missed contacts in a row after which an interval no longer counts as on time.
const MISSED_MAX: f64 = 2.0;
/// An interval longer than this many medians is a pause: the machine slept or the network was away.
const PAUSE_FROM: f64 = 8.0;
/// Share of the intervals that are on time, from which the pair is regular; for random arrivals it is 0.21.
pub const REGULAR_FROM: f64 = 0.8;
const REGULAR_PAIRS_FROM: f64 = 0.9;

/// The interval in seconds, and the share of intervals that are on time (0 to 1): of single ones, or of pairs of them,
/// as of a client that closes a connection after one time and tries again after another. `None` when there are too few.
pub fn regularity(contacts: &[Timestamp]) -> Option<(f64, f64)> {
    let single = on_time(contacts, 1, MISSED_MAX);
    if single.is_some_and(|(_, share)| share >= REGULAR_FROM) {
        return single;
    }
    // Sums of random intervals are more even than they, so pairs have to be nearly all on time.
    let pairs = on_time(contacts, 2, 0.0).filter(|(_, share)| *share >= REGULAR_PAIRS_FROM);
    pairs.map(|(interval_s, share)| (interval_s / 2.0, share))
}

/// The median time in seconds from each contact to the one `lag` later, and the share of these times that are near it,
/// or near up to `1 + missed_max` times of it where contacts were missed. `None` when there are few, or many pauses.
fn on_time(contacts: &[Timestamp], lag: usize, missed_max: f64) -> Option<(f64, f64)> {
    let mut gaps: Vec<f64> = contacts
        .iter()
        .zip(contacts.iter().skip(lag))
        .map(|(earlier, later)| later.since(*earlier).as_secs_f64())
        .collect();
    gaps.sort_by(f64::total_cmp);
    let median = *gaps.get(gaps.len() / 2)?;
    let all = gaps.len();
    gaps.retain(|gap| *gap < median * PAUSE_FROM);
    if gaps.len() < 4 || gaps.len() * 4 < all * 3 {
        return None;
    }
    let is_on_time = |gap: &&f64| {
        let periods = (**gap / median).round().clamp(1.0, 1.0 + missed_max);
        (**gap - periods * median).abs() <= ON_TIME_WITHIN * median
    };
    let share = gaps.iter().filter(is_on_time).count() as f64 / gaps.len() as f64;
    Some((median, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_on_time_by_its_median_with_missed_contacts_and_without_pauses() {
        let judged = |gaps: &[u64], missed_max| {
            let mut at = 1_000_000;
            let times = std::iter::once(&0).chain(gaps).map(|gap| {
                at += gap;
                Timestamp::from_millis(at * 1000)
            });
            on_time(&times.collect::<Vec<_>>(), 1, missed_max)
        };
        let with = |regular: usize, others: &[u64]| [&vec![60; regular], others].concat();
        assert_eq!(judged(&with(4, &[]), 0.0), Some((60.0, 1.0)));
        assert_eq!(judged(&with(3, &[]), 0.0), None, "too few");
        assert_eq!(judged(&with(9, &[480, 481, 9000]), 0.0), Some((60.0, 1.0)), "pauses are left out");
        assert_eq!(judged(&with(9, &[480, 481, 9000, 9000]), 0.0), None, "more than a quarter are pauses");
        assert_eq!(judged(&with(4, &[180]), 2.0), Some((60.0, 1.0)), "two were missed");
        assert_eq!(judged(&with(4, &[180]), 0.0), Some((60.0, 0.8)));
        assert_eq!(judged(&with(4, &[78]), 0.0), Some((60.0, 1.0)));
        assert_eq!(judged(&with(4, &[79]), 0.0), Some((60.0, 0.8)));
        assert_eq!(judged(&with(4, &[41]), 0.0), Some((60.0, 0.8)));
    }
}
