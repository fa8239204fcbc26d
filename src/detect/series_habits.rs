//! What is usual of a number that is measured again and again: a load, a rate, a score.
//!
//! Each value is looked at in four ways: against what is usual at this hour of the day, and of the week; the mean of the last ten against
//! all; and three in a row against the nearest three that came before, which sees a shape that was never there at values that are. How
//! far it is off counts by how seldom it is as far off ([`Tail`]), so that series of every scale and noise are judged alike.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::acquainted::Learnt;
use super::tail::Tail;
use crate::event::Timestamp;
use crate::limits::{SERIES_PEAKS_MAX, SERIES_VALUES_MAX};

/// Values whose mean is the level.
const LEVEL: usize = 10;
/// Values in a row that are a shape.
const SHAPE: usize = 3;
/// What is usual follows the values at this pace in the long run.
const MEMORY: f64 = 2000.0;
/// The usual of an hour, at this; it is believed after so many values of that hour.
const HOUR_PACE: f64 = 0.02;
const HOUR_VALUES_MIN: f64 = 3.0;
const HOURS_A_DAY: usize = 24;
const HOURS_A_WEEK: usize = 168;
const HOUR_MILLIS: u64 = 3_600_000;
/// Nothing is judged before so many values.
const VALUES_MIN: u64 = 100;
/// What does not vary is taken to vary by this part of itself.
const VARIES_MIN: f64 = 1e-9;
/// One deviation is one judgement: what is no higher than another of so many values before is none.
const APART: u64 = SERIES_PEAKS_MAX as u64;

/// In the order of [`Unusual::parts`].
pub const PARTS: [&str; 4] =
    ["this hour of the day", "this hour of the week", "the level of the last ten", "three in a row"];

/// One number over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesHabits {
    values: u64,
    mean: f64,
    variance: f64,
    /// Mean distance from the mean, from the hour of the day, and of the week.
    distances: [f64; 3],
    /// Mean and number of values of each hour.
    day: Vec<(f64, f64)>,
    week: Vec<(f64, f64)>,
    last: VecDeque<f64>,
    tails: [Tail; 4],
    /// Of all four together.
    together: Tail,
    /// Scores that no later one has reached, by the number of the value, the newest last.
    peaks: VecDeque<(u64, f64)>,
}

/// How unusual one value is.
#[derive(Debug, Clone, PartialEq)]
pub struct Unusual {
    /// About 2 for what is usual, 10 and more for what is not; zero while a higher one has just been.
    pub score: f64,
    /// What is usual at this hour, and how far from it values are on average.
    pub usual: f64,
    pub varies: f64,
    /// Minus the logarithm of the chance of each way to be off, see [`PARTS`].
    pub parts: [f64; 4],
}

impl Default for SeriesHabits {
    fn default() -> Self {
        Self {
            values: 0,
            mean: 0.0,
            variance: 0.0,
            distances: [0.0; 3],
            day: vec![(0.0, 0.0); HOURS_A_DAY],
            week: vec![(0.0, 0.0); HOURS_A_WEEK],
            last: VecDeque::new(),
            tails: Default::default(),
            together: Tail::default(),
            peaks: VecDeque::new(),
        }
    }
}

impl Learnt for SeriesHabits {
    fn is_known(&self) -> bool {
        self.values >= VALUES_MIN
    }
}

impl SeriesHabits {
    /// Takes in a finite value. Returns how unusual it is after those before it, once enough of them are known.
    pub fn see(&mut self, value: f64, at: Timestamp) -> Option<Unusual> {
        let hour = (at.millis() / HOUR_MILLIS) as usize;
        if self.values == 0 {
            self.mean = value;
        }
        self.last.push_back(value);
        if self.last.len() > SERIES_VALUES_MAX {
            self.last.pop_front();
        }
        // Shapes are compared in one row.
        self.last.make_contiguous();
        let usual = self.usual(hour);
        let off = usual.map(|usual| (value - usual).abs());
        let [_, day, week] = self.distances;
        let measures = [self.times(off[0], day), self.times(off[1], week), self.level(), self.shape(value)];
        self.learn(value, hour, off);
        let mut parts = [0.0; 4];
        for ((part, tail), measure) in parts.iter_mut().zip(&mut self.tails).zip(measures) {
            *part = tail.see(measure);
        }
        let sum = parts.iter().sum::<f64>();
        let score = self.together.see(sum) + sum / parts.len() as f64;
        let score = self.highest_lately(score);
        let varies = self.distances[2];
        self.is_known().then_some(Unusual { score, usual: usual[1], varies, parts })
    }

    /// At this hour of the day, and of the week, as far as these are known.
    fn usual(&self, hour: usize) -> [f64; 2] {
        let known = |hours: &[(f64, f64)]| {
            let (mean, values) = *hours.get(hour % hours.len().max(1))?;
            (values > HOUR_VALUES_MIN).then_some(mean)
        };
        let day = known(&self.day).unwrap_or(self.mean);
        [day, known(&self.week).unwrap_or(day)]
    }

    /// How many times what is usual.
    fn times(&self, off: f64, usually: f64) -> f64 {
        off / usually.max(VARIES_MIN * self.mean.abs()).max(f64::MIN_POSITIVE)
    }

    fn level(&self) -> f64 {
        let count = self.last.len().min(LEVEL);
        let level = self.last.iter().rev().take(LEVEL).sum::<f64>() / count.max(1) as f64;
        self.times((level - self.mean).abs(), self.variance.sqrt())
    }

    /// How far the last three are from the nearest three before them.
    fn shape(&self, value: f64) -> f64 {
        let pace = self.pace(1.0);
        let usually = self.distances[0] + pace * ((value - self.mean).abs() - self.distances[0]);
        let (values, _) = self.last.as_slices();
        let Some((before, now)) = values.len().checked_sub(SHAPE).and_then(|at| values.split_at_checked(at)) else {
            return 0.0;
        };
        // One in between, so that what has only begun is not compared with itself.
        let before = before.get(..before.len().saturating_sub(1)).unwrap_or_default();
        let far = |then: &[f64]| then.iter().zip(now).map(|(then, now)| (then - now) * (then - now)).sum::<f64>();
        let nearest = before.windows(SHAPE).map(far).fold(f64::INFINITY, f64::min);
        if nearest.is_finite() { self.times(nearest.sqrt(), usually) } else { 0.0 }
    }

    /// The part that the next value has in what is usual.
    fn pace(&self, more: f64) -> f64 {
        (1.0 / (self.values as f64 + more)).max(1.0 / MEMORY)
    }

    fn learn(&mut self, value: f64, hour: usize, off: [f64; 2]) {
        let pace = self.pace(1.0);
        let far = value - self.mean;
        for (distance, off) in self.distances.iter_mut().zip([far.abs(), off[0], off[1]]) {
            *distance += pace * (off - *distance);
        }
        self.mean += pace * far;
        self.variance = (1.0 - pace) * (self.variance + pace * far * far);
        for hours in [&mut self.day, &mut self.week] {
            let place = hour % hours.len().max(1);
            if let Some((mean, values)) = hours.get_mut(place) {
                *mean += (1.0 / (*values + 1.0)).max(HOUR_PACE) * (value - *mean);
                *values += 1.0;
            }
        }
        self.values = self.values.saturating_add(1);
    }

    /// The score, or zero where one of the last values had as much.
    fn highest_lately(&mut self, score: f64) -> f64 {
        while self.peaks.front().is_some_and(|(at, _)| at + APART < self.values) {
            self.peaks.pop_front();
        }
        let is_highest = self.peaks.front().is_none_or(|(_, highest)| score > *highest);
        while self.peaks.back().is_some_and(|(_, earlier)| *earlier <= score) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((self.values, score));
        if is_highest { score } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(place: u64) -> Timestamp {
        Timestamp::from_millis(1_700_006_400_000 + place * 300_000)
    }

    /// Every five minutes, busy by day and never quite the same.
    fn usual(place: u64) -> f64 {
        let noise = (place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24);
        let is_day = (8..18).contains(&(at(place).millis() / HOUR_MILLIS % 24));
        if is_day { 60.0 + 10.0 * noise } else { 20.0 + 5.0 * noise }
    }

    fn learnt() -> SeriesHabits {
        let mut habits = SeriesHabits::default();
        for place in 0..4000 {
            habits.see(usual(place), at(place));
        }
        habits
    }

    /// The highest score of the values in a row.
    fn highest(habits: &SeriesHabits, values: &[f64]) -> f64 {
        let mut habits = habits.clone();
        let scores = (4000..).zip(values).filter_map(|(place, value)| habits.see(*value, at(place)));
        scores.map(|unusual| unusual.score).fold(0.0, f64::max)
    }

    #[test]
    fn what_is_high_low_or_at_the_wrong_hour_stands_out() {
        let habits = learnt();
        let as_always: Vec<f64> = (4000..4100).map(usual).collect();
        let quiet = highest(&habits, &as_always);
        assert!(at(4000).millis() / HOUR_MILLIS % 24 > 18, "it is night");
        for (what, values) in [("a peak", [300.0; 3]), ("nothing", [0.0; 3]), ("day by night", [65.0; 3])] {
            let score = highest(&habits, &values);
            assert!(score > quiet + 1.0, "{what}: {score} and {quiet} as always");
        }
    }

    #[test]
    fn a_value_says_what_was_usual_and_in_which_way_it_is_off() {
        let mut habits = learnt();
        let unusual = habits.see(65.0, at(4000)).unwrap();
        assert!((20.0..25.0).contains(&unusual.usual) && unusual.varies < 5.0, "{unusual:?}");
        assert!(unusual.parts[0] > unusual.parts[3], "values of the day have come before: {unusual:?}");
    }

    #[test]
    fn what_is_usual_of_a_working_day_is_unusual_at_the_weekend() {
        let mut habits = SeriesHabits::default();
        let is_weekend = |place: u64| matches!((at(place).millis() / HOUR_MILLIS / 24 + 4) % 7, 0 | 6);
        let week_end = (0..).find(|place| *place > 4 * 7 * 288 && is_weekend(*place)).unwrap();
        for place in 0..week_end + 150 {
            habits.see(if is_weekend(place) { usual(place) / 4.0 } else { usual(place) }, at(place));
        }
        let unusual = habits.see(usual(week_end + 150), at(week_end + 150)).unwrap();
        assert!(unusual.usual < 20.0 && unusual.parts[1] > unusual.parts[0] + 1.0, "{unusual:?}");
    }

    #[test]
    fn one_deviation_is_one_judgement() {
        let mut habits = learnt();
        let loud = (4000..4300).filter_map(|place| habits.see(300.0, at(place))).filter(|unusual| unusual.score > 5.0);
        assert!(loud.count() <= LEVEL + 2, "no more than while the level still rises");
    }

    #[test]
    fn scale_makes_no_difference_and_nothing_grows_or_breaks() {
        let mut pair = [SeriesHabits::default(), SeriesHabits::default()];
        for place in 0..3000 {
            let [one, other] = &mut pair;
            let (one, other) = (one.see(usual(place), at(place)), other.see(usual(place) * 1024.0, at(place)));
            assert_eq!(one.map(|it| it.parts), other.map(|it| it.parts));
        }
        let mut habits = SeriesHabits::default();
        for place in 0..3000_u64 {
            let value = [0.0, 1e15, -1e15, 1e-300, 7.0][place as usize % 5];
            assert!(habits.see(value, at(place)).is_none_or(|it| it.score.is_finite() && it.usual.is_finite()));
        }
        assert!(habits.last.len() <= SERIES_VALUES_MAX && habits.peaks.len() <= SERIES_PEAKS_MAX + 1);
        let saved = rmp_serde::to_vec_named(&learnt()).unwrap();
        assert!(saved.len() < 24_000, "{}", saved.len());
    }

    #[test]
    fn what_never_varies_is_never_unusual_until_it_does() {
        let mut habits = SeriesHabits::default();
        let scores: Vec<f64> = (0..2000).filter_map(|place| habits.see(0.3, at(place))).map(|it| it.score).collect();
        assert!(scores.iter().skip(1).all(|score| *score < 2.0), "{:?}", scores.iter().copied().fold(0.0, f64::max));
        assert!(habits.see(0.4, at(2000)).unwrap().score > 5.0);
    }
}
