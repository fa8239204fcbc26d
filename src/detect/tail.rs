//! How seldom a measure is as high as this, by what it was lately.

use serde::{Deserialize, Serialize};

use crate::limits::TAIL_BINS;

/// Values that count; older ones fade.
const VALUES: f64 = 2000.0;
/// Nothing is said before so many.
const VALUES_MIN: f64 = 30.0;
/// Logarithms of what is told apart: from e^-8, in steps.
const LOWEST: f64 = -8.0;
const STEP: f64 = 0.2;
/// The part of the values that the end of the distribution is judged by, and how many at least.
const END: f64 = 0.05;
const END_MIN: f64 = 10.0;
/// The end falls no steeper than this, and is believed no further than so much beyond what was ever seen.
const SLOPE_MIN: f64 = 0.05;
const BEYOND_MAX: f64 = 3.0;

/// Counts of the logarithms of the last values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    bins: Vec<f64>,
    total: f64,
}

impl Default for Tail {
    fn default() -> Self {
        Self { bins: vec![0.0; TAIL_BINS], total: 0.0 }
    }
}

impl Tail {
    /// Takes in a value that is not negative. Returns minus the logarithm of the chance of one as high, by those before it: 0 is usual,
    /// 7 once in a thousand. Beyond the highest twentieth it is that of a power law whose exponent is estimated as B. Hill has it
    /// (Annals of Statistics 3, 1975).
    pub fn see(&mut self, value: f64) -> f64 {
        let place = ((value.max(1e-12).ln() - LOWEST) / STEP).clamp(0.0, TAIL_BINS as f64 - 1e-6);
        let rarity = if self.total >= VALUES_MIN { self.rarity(place) } else { 0.0 };
        if let Some(bin) = self.bins.get_mut(place as usize) {
            *bin += 1.0;
        }
        self.total += 1.0;
        if self.total > VALUES {
            let faded = VALUES / self.total;
            self.bins.iter_mut().for_each(|bin| *bin *= faded);
            self.total = VALUES;
        }
        rarity
    }

    fn rarity(&self, place: f64) -> f64 {
        let wanted = (END * self.total).max(END_MIN);
        let (mut end, mut in_end) = (TAIL_BINS, 0.0);
        for (at, bin) in self.bins.iter().enumerate().rev() {
            if in_end >= wanted {
                break;
            }
            (end, in_end) = (at, in_end + bin);
        }
        if place <= end as f64 {
            let own = self.bins.get(place as usize).copied().unwrap_or_default();
            let above = self.bins.iter().skip(place as usize + 1).sum::<f64>() + own * (1.0 - place.fract());
            return (self.total / above.max(1.0)).ln().max(0.0);
        }
        let beyond = |(at, bin): (usize, &f64)| bin * ((at - end) as f64 + 0.5) * STEP;
        let slope = self.bins.iter().enumerate().skip(end).map(beyond).sum::<f64>() / in_end.max(1.0);
        let power = (self.total / in_end.max(1.0)).ln() + (place - end as f64) * STEP / slope.max(SLOPE_MIN);
        power.min(self.total.ln() + BEYOND_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between 0 and 1, in no order.
    fn noise(number: u64) -> f64 {
        (number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn one_in_a_hundred_is_as_rare_as_that() {
        let mut tail = Tail::default();
        let rarities: Vec<f64> = (0..2000).map(|number| tail.see(1.0 / (1.0 - noise(number)))).collect();
        let rare = rarities.iter().skip(200).filter(|rarity| **rarity > 100_f64.ln()).count();
        assert!((6..54).contains(&rare), "{rare} of 1800 are one in a hundred");
        assert!(tail.see(1.0) < 0.1 && tail.see(1e6) > 7.0);
    }

    #[test]
    fn whatever_comes_the_answer_is_a_number_and_bounded() {
        let mut tail = Tail::default();
        for number in 0..5000 {
            let value = [0.0, 1e300, f64::MIN_POSITIVE, 1.0, noise(number)][number as usize % 5];
            let rarity = tail.see(value);
            assert!((0.0..=VALUES.ln() + BEYOND_MAX).contains(&rarity), "{rarity}");
        }
        assert!(tail.total <= VALUES && tail.bins.len() == TAIL_BINS);
        assert!((tail.bins.iter().sum::<f64>() - tail.total).abs() < 1e-6, "what is old has faded");
    }
}
