//! When a measure that always varies is worth a word: when it is higher than ever within a week.
//!
//! Of values that come in no particular order, the newest of n is the highest with a chance of 1/n, whatever their distribution. So an
//! entity of which nothing has changed is told of ln(8/7) = 0.13 times a day once a week of it is known, and less than once on its
//! second day, which is the first that is judged.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);
const DAYS_KEPT: usize = 7;
/// Nothing is a record before it has been watched for a day and this often.
const VALUES_MIN: u32 = 100;

/// The highest value of each of the last days.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RecordHigh {
    days: VecDeque<(u64, f64)>,
    since: Option<Timestamp>,
    values: u32,
}

impl RecordHigh {
    /// Takes in a value. Returns the highest before it when it is higher than all of the last days.
    pub fn see(&mut self, value: f64, now: Timestamp) -> Option<f64> {
        let since = *self.since.get_or_insert(now);
        let is_ready = self.values >= VALUES_MIN && now.since(since) >= DAY;
        self.values = self.values.saturating_add(1);
        let before = self.days.iter().map(|(_, highest)| *highest).fold(f64::MIN, f64::max);
        // A time that goes back belongs to the newest day.
        let day = now.millis() / DAY.as_millis() as u64;
        match self.days.back_mut() {
            Some((newest, highest)) if day <= *newest => *highest = highest.max(value),
            _ => self.days.push_back((day, value)),
        }
        if self.days.len() > DAYS_KEPT {
            self.days.pop_front();
        }
        (is_ready && value > before).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u64, place: u64) -> Timestamp {
        Timestamp::from_millis(1_700_006_400_000 + day * 86_400_000 + place * 80_000)
    }

    fn noise(number: u64) -> f64 {
        (number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as f64
    }

    #[test]
    fn what_only_varies_is_told_of_less_than_once_a_day() {
        let mut high = RecordHigh::default();
        let days = 60;
        let told =
            (0..days * 1000).filter(|number| high.see(noise(*number), at(number / 1000, number % 1000)).is_some());
        let told = told.count() as u64;
        assert!(told < days / 3, "{told} in {days} days");
    }

    #[test]
    fn what_is_higher_than_all_is_told_with_what_was_highest() {
        let mut high = RecordHigh::default();
        for number in 0..2000 {
            high.see(noise(number % 10), at(number / 1000, number % 1000));
        }
        assert_eq!(high.see(1e18, at(2, 0)), (0..10).map(noise).max_by(f64::total_cmp));
        assert_eq!(high.see(1e18, at(2, 1)), None, "as high again is no news");
    }

    #[test]
    fn a_week_later_it_is_forgotten() {
        let mut high = RecordHigh::default();
        high.see(1e18, at(0, 0));
        assert!((0..2000).all(|number| high.see(1.0, at(1 + number / 200, number % 200)).is_none()));
        assert_eq!(high.see(5.0, at(11, 0)), Some(1.0));
    }

    #[test]
    fn nothing_is_a_record_on_the_first_day_or_among_few() {
        let mut high = RecordHigh::default();
        assert!((0..900).all(|number| high.see(number as f64, at(0, number)).is_none()));
        let mut few = RecordHigh::default();
        assert!((0..50).all(|number| few.see(number as f64, at(number, 0)).is_none()));
    }
}
