//! What is known of one minute: numbers of fixed size.

use super::latency::Latencies;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_MINUTES_MAX, HISTORY_SHRINK_NAMES_MAX};

/// A minute, or several added up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Minute {
    /// Of the minutes since the Unix epoch.
    pub number: u64,
    /// Milliseconds that the daemon ran of it. Without any, nothing is known of it.
    pub running_ms: u32,
    /// Events from outside.
    pub raw_events: u32,
    /// SOC events by severity, without those that a silence covers.
    pub soc_events: [u32; 5],
    /// Those that a silence covers.
    pub silenced: u32,
    /// From the arrival of a line to the commit of each SOC event that follows from it.
    pub latency: Latencies,
    pub shrink: Scores,
}

/// Means of SHRINK's scores, each at the place of its name, and of how many samples they are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scores {
    pub means: [f32; HISTORY_SHRINK_NAMES_MAX],
    pub samples: [u8; HISTORY_SHRINK_NAMES_MAX],
}

const _: () = assert!(size_of::<Minute>() * HISTORY_MINUTES_MAX <= HISTORY_BYTES_MAX);

impl Scores {
    pub fn take(&mut self, place: usize, value: f64) {
        self.weigh(place, value as f32, 1);
    }

    pub fn mean(&self, place: usize) -> Option<f32> {
        let samples = *self.samples.get(place)?;
        self.means.get(place).copied().filter(|_| samples > 0)
    }

    pub fn forget(&mut self, place: usize) {
        if let Some(samples) = self.samples.get_mut(place) {
            *samples = 0;
        }
    }

    fn add(&mut self, other: &Self) {
        for (place, (mean, samples)) in other.means.iter().zip(other.samples).enumerate() {
            self.weigh(place, *mean, samples);
        }
    }

    fn weigh(&mut self, place: usize, value: f32, weight: u8) {
        let (Some(mean), Some(samples)) = (self.means.get_mut(place), self.samples.get_mut(place)) else { return };
        let all = f32::from(*samples) + f32::from(weight);
        // Numbers of another program: what would overflow is passed over.
        let new = if *samples == 0 { value } else { *mean + (value - *mean) * (f32::from(weight) / all) };
        if weight > 0 && new.is_finite() {
            *mean = new;
            *samples = samples.saturating_add(weight);
        }
    }
}

impl Minute {
    pub fn of(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    pub fn add(&mut self, other: &Self) {
        self.running_ms = self.running_ms.saturating_add(other.running_ms);
        self.raw_events = self.raw_events.saturating_add(other.raw_events);
        for (events, more) in self.soc_events.iter_mut().zip(other.soc_events) {
            *events = events.saturating_add(more);
        }
        self.silenced = self.silenced.saturating_add(other.silenced);
        self.latency.add(&other.latency);
        self.shrink.add(&other.shrink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_that_of_all_samples_and_one_that_overflows_changes_nothing() {
        let (mut minute, mut other) = (Minute::of(1), Minute::of(2));
        for value in [1.0, 2.0, 1e300, f64::NAN, 3.0] {
            minute.shrink.take(0, value);
        }
        assert_eq!((minute.shrink.mean(0), minute.shrink.mean(1)), (Some(2.0), None));
        (0..9).for_each(|_| other.shrink.take(0, 6.0));
        minute.add(&other);
        assert_eq!(minute.shrink.mean(0), Some(5.0));
        assert_eq!((minute.shrink.mean(99), minute.number), (None, 1));
    }
}
