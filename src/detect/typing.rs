//! Whose hands are on the keyboard, by how long each key is held and how long it takes to the next.
//!
//! The distance of one sample from those of its owner is the mean over the features of how far each is from its median, in median
//! absolute deviations, each counted up to [`CLIP`]: one key that was fumbled says little. That is the scaled Manhattan distance of
//! K. Killourhy and R. Maxion (DSN 2009) with centre and scale that outliers do not move. Divided by what is usual of the owner, it
//! means the same of a steady and of an unsteady hand.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::acquainted::Learnt;
use crate::event::Keystrokes;

/// Samples that are learnt before one is judged.
pub const ENROLMENT: usize = 34;
/// Samples that are kept, the newest.
const SAMPLES_MAX: usize = 50;
/// What one feature counts at most, in median absolute deviations.
const CLIP: f64 = 3.0;
/// No hand is so steady that less than this part of the median is a deviation.
const DEVIATION_SHARE_MIN: f64 = 0.05;
/// Samples that are judged together, by their median: one that was fumbled is nothing.
const JUDGED: usize = 3;
/// From so many times the usual distance on it is another's hand; below the second it is the owner's again.
pub const UNUSUAL_FROM: f64 = 1.5;
const USUAL_BELOW: f64 = 1.25;
/// So many samples on end unlike the owner's are the owner's new ways.
const CHANGED_AFTER: usize = ENROLMENT;
/// Features that are named.
const NAMED_MAX: usize = 3;

/// What a sample is judged by, in an order that depends on the number of keys alone.
pub fn features(typed: &Keystrokes) -> Vec<f32> {
    let press_to_press = typed.dwell_ms.iter().zip(&typed.flight_ms).map(|(dwell, flight)| dwell + flight);
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let means = [&typed.dwell_ms, &typed.pressure, &typed.area].into_iter().filter_map(|values| mean(values));
    let keys = typed.dwell_ms.iter().copied().chain(press_to_press).chain(typed.flight_ms.iter().copied());
    let all = keys.chain(typed.pressure.iter().copied()).chain(typed.area.iter().copied()).chain(means);
    all.map(|value| value as f32).collect()
}

/// What the feature at this place of [`features`] is called.
fn name(place: usize, typed: &Keystrokes) -> String {
    let keys = typed.dwell_ms.len();
    let flights = keys.saturating_sub(1);
    let sizes = [("dwell", keys), ("press to press", flights), ("flight", flights), ("pressure", typed.pressure.len())];
    let mut rest = place;
    for (name, size) in sizes.into_iter().chain([("area", typed.area.len())]) {
        if rest < size {
            return format!("{name} {}", rest + 1);
        }
        rest -= size;
    }
    "mean".to_owned()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(0.0);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { at(half) } else { (at(half.saturating_sub(1)) + at(half)) / 2.0 }
}

/// The usual of each feature.
#[derive(Debug, Clone, PartialEq)]
pub struct TypingModel {
    /// Median and scale.
    features: Vec<(f64, f64)>,
    /// The median distance of the owner's own samples.
    usual: f64,
}

impl TypingModel {
    pub fn of<'samples>(samples: impl Iterator<Item = &'samples Vec<f32>> + Clone) -> Self {
        let width = samples.clone().map(Vec::len).min().unwrap_or(0);
        let usual = |place: usize| {
            let mut values: Vec<f64> =
                samples.clone().filter_map(|sample| sample.get(place)).map(|value| f64::from(*value)).collect();
            let centre = median(&mut values);
            values.iter_mut().for_each(|value| *value = (*value - centre).abs());
            (centre, median(&mut values).max(DEVIATION_SHARE_MIN * centre.abs()).max(f64::from(f32::MIN_POSITIVE)))
        };
        let mut model = Self { features: (0..width).map(usual).collect(), usual: 1.0 };
        let mut own: Vec<f64> = samples.map(|sample| model.distance(sample)).collect();
        model.usual = median(&mut own).max(f64::from(f32::MIN_POSITIVE));
        model
    }

    /// How far this sample is from those of the owner, where 1 is usual.
    pub fn distance(&self, sample: &[f32]) -> f64 {
        let sum: f64 = self.deviations(sample).map(|deviation| deviation.min(CLIP)).sum();
        sum / self.features.len().max(1) as f64 / self.usual
    }

    fn deviations<'model>(&'model self, sample: &'model [f32]) -> impl Iterator<Item = f64> + 'model {
        sample.iter().zip(&self.features).map(|(value, (centre, scale))| (f64::from(*value) - centre).abs() / scale)
    }

    /// The features that are furthest from what is usual, in words.
    fn furthest(&self, sample: &[f32], typed: &Keystrokes) -> Vec<String> {
        let mut deviations: Vec<(usize, f64)> = self.deviations(sample).enumerate().collect();
        deviations.sort_by(|left, right| right.1.total_cmp(&left.1));
        let worded = deviations.into_iter().take(NAMED_MAX).filter_map(|(place, _)| {
            let (value, (centre, _)) = (sample.get(place)?, self.features.get(place)?);
            let digits = if centre.abs() < 10.0 { 2 } else { 0 };
            let name = name(place, typed);
            Some(format!("{name} is {value:.digits$}, usually {centre:.digits$}"))
        });
        worded.collect()
    }
}

/// How one user types one text.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Typing {
    own: VecDeque<Vec<f32>>,
    /// Unlike the owner's, without one of the owner's since.
    others: Vec<Vec<f32>>,
    /// Of the samples judged last.
    distances: VecDeque<f64>,
    is_reported: bool,
}

/// What was typed is unlike what the user types.
#[derive(Debug, Clone, PartialEq)]
pub struct AnotherHand {
    /// The median distance of the last samples, where 1 is usual.
    pub distance: f64,
    pub samples: usize,
    /// The features of the newest that are furthest from what is usual.
    pub features: Vec<String>,
}

impl Learnt for Typing {
    fn is_known(&self) -> bool {
        self.own.len() >= ENROLMENT
    }
}

impl Typing {
    /// Takes in one sample. Returns what is unusual when the last few have become so.
    pub fn see(&mut self, typed: &Keystrokes) -> Option<AnotherHand> {
        let sample = features(typed);
        if !self.is_known() {
            self.own.push_back(sample);
            return None;
        }
        let model = TypingModel::of(self.own.iter());
        let distance = model.distance(&sample);
        if self.distances.len() >= JUDGED {
            self.distances.pop_front();
        }
        self.distances.push_back(distance);
        let middle = median(&mut self.distances.iter().copied().collect::<Vec<f64>>());
        let is_unusual = self.distances.len() >= JUDGED && middle >= UNUSUAL_FROM;
        let is_news = is_unusual && !self.is_reported;
        self.is_reported = is_unusual || self.is_reported && middle >= USUAL_BELOW;
        let features = if is_news { model.furthest(&sample, typed) } else { Vec::new() };
        self.learn(sample, distance);
        is_news.then_some(AnotherHand { distance: middle, samples: self.distances.len(), features })
    }

    fn learn(&mut self, sample: Vec<f32>, distance: f64) {
        if distance >= UNUSUAL_FROM {
            self.others.push(sample);
            if self.others.len() >= CHANGED_AFTER {
                self.own = std::mem::take(&mut self.others).into();
                self.distances.clear();
                self.is_reported = false;
            }
            return;
        }
        self.others.clear();
        if self.own.len() >= SAMPLES_MAX {
            self.own.pop_front();
        }
        self.own.push_back(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hand that types six keys, each time a little differently; `hand` is whose.
    fn sample(hand: u64, turn: u64) -> Keystrokes {
        let jitter = |place: u64| {
            let mixed = (hand * 31 + turn * 131 + place * 17 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            (mixed % 200) as f64 / 10.0 - 10.0
        };
        let dwell = |place: u64| 80.0 + ((hand * 13 + place * 29) % 50) as f64 + jitter(place);
        let flight = |place: u64| 120.0 + ((hand * 37 + place * 41) % 90) as f64 + jitter(place + 50);
        Keystrokes {
            user: "alice".into(),
            dwell_ms: (0..6).map(dwell).collect(),
            flight_ms: (0..5).map(flight).collect(),
            ..Keystrokes::default()
        }
    }

    fn typed(hand: u64, turns: std::ops::Range<u64>, typing: &mut Typing) -> Vec<AnotherHand> {
        turns.filter_map(|turn| typing.see(&sample(hand, turn))).collect()
    }

    #[test]
    fn another_hand_is_told_once_with_its_features_and_the_own_one_is_not() {
        let mut typing = Typing::default();
        assert_eq!(typed(1, 0..200, &mut typing), []);
        let found = typed(2, 0..10, &mut typing);
        assert_eq!(found.len(), 1);
        assert!(found[0].distance >= UNUSUAL_FROM && found[0].samples == JUDGED, "{found:?}");
        assert_eq!(found[0].features.len(), NAMED_MAX);
        assert!(found[0].features[0].contains(", usually "), "{found:?}");
        assert_eq!(typed(1, 200..230, &mut typing), []);
        assert_eq!(typed(3, 0..10, &mut typing).len(), 1, "another one later is news again");
    }

    #[test]
    fn nothing_is_judged_before_enough_is_known() {
        let mut typing = Typing::default();
        typed(1, 0..ENROLMENT as u64 - 4, &mut typing);
        assert_eq!(typed(2, 0..4, &mut typing), []);
    }

    #[test]
    fn one_fumbled_sample_is_nothing() {
        let mut typing = Typing::default();
        typed(1, 0..60, &mut typing);
        assert_eq!(typed(2, 0..1, &mut typing), []);
        assert_eq!(typed(1, 60..64, &mut typing), []);
    }

    #[test]
    fn a_new_keyboard_is_told_of_once_and_becomes_the_habit() {
        let mut typing = Typing::default();
        typed(1, 0..60, &mut typing);
        assert_eq!(typed(2, 0..400, &mut typing).len(), 1);
        assert!(typing.own.len() <= SAMPLES_MAX && typing.others.len() < CHANGED_AFTER);
        assert_eq!(typed(1, 60..70, &mut typing).len(), 1, "the old ways are now another's");
    }

    #[test]
    fn a_distance_is_the_clipped_mean_over_the_features_in_the_usual_one() {
        let samples: Vec<Vec<f32>> = [8.0, 9.0, 10.0, 11.0, 12.0].map(|value| vec![value, 100.0]).to_vec();
        let model = TypingModel::of(samples.iter());
        // Median 10 with a deviation of 1; the second never varies, so that 5 are one. Usual: (1 + 0) / 2.
        assert_eq!(model.features, [(10.0, 1.0), (100.0, 5.0)]);
        assert!((model.distance(&[12.0, 100.0]) - 2.0).abs() < 1e-9);
        assert!((model.distance(&[1000.0, 90.0]) - (CLIP + 2.0)).abs() < 1e-9);
    }

    #[test]
    fn features_are_named_by_their_key() {
        let typed = Keystrokes { pressure: vec![0.5; 6], ..sample(1, 1) };
        let names: Vec<String> = (0..features(&typed).len()).map(|place| name(place, &typed)).collect();
        assert_eq!(names.len(), 6 + 5 + 5 + 6 + 2);
        let named = [&names[0], &names[6], &names[11], &names[16], &names[22]];
        assert_eq!(named, ["dwell 1", "press to press 1", "flight 1", "pressure 1", "mean"]);
    }
}
