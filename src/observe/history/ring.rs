//! The minutes of the last day, each at its place in a ring. Pure: times are handed in.

use super::minute::Minute;
use crate::limits::{HISTORY_MINUTES_MAX, HISTORY_SHRINK_NAMES_MAX};

/// SHRINK's scores with a meaning, as events name them: they have places whatever else it sends.
const MEANINGS: [&str; 9] = [
    "risk_acute_stress",
    "crisis_level",
    "cognitive_load",
    "lbi_hyperfocus_density",
    "emotional_intensity_score",
    "linguistic_complexity_index",
    "anomaly_score",
    "sentiment_score",
    "entropy",
];
const _: () = assert!(MEANINGS.len() < HISTORY_SHRINK_NAMES_MAX);

#[derive(Debug)]
pub struct Ring {
    minutes: Vec<Minute>,
    newest: u64,
    /// Of SHRINK's scores by their place; empty: nobody has it.
    names: Vec<String>,
}

impl Default for Ring {
    fn default() -> Self {
        let mut names: Vec<String> = MEANINGS.iter().map(|name| (*name).to_owned()).collect();
        names.resize(HISTORY_SHRINK_NAMES_MAX, String::new());
        Self { minutes: vec![Minute::default(); HISTORY_MINUTES_MAX], newest: 0, names }
    }
}

fn place_of(number: u64) -> usize {
    (number % HISTORY_MINUTES_MAX as u64) as usize
}

impl Ring {
    /// The minute of this number, to be counted in. Where the clock was set back, what it had told of later times is forgotten.
    pub fn now(&mut self, number: u64) -> Option<&mut Minute> {
        if number < self.newest {
            self.minutes.iter_mut().filter(|minute| minute.number > number).for_each(|it| *it = Minute::default());
        }
        let minute = self.minutes.get_mut(place_of(number))?;
        if minute.number != number {
            *minute = Minute::of(number);
        }
        if number != self.newest {
            self.newest = number;
            self.free_names();
        }
        self.minutes.get_mut(place_of(number))
    }

    /// So much more of a minute that is counted.
    pub fn ran(&mut self, number: u64, milliseconds: u64) {
        let minute = self.minutes.get_mut(place_of(number)).filter(|minute| minute.number == number);
        if let Some(minute) = minute {
            minute.running_ms = minute.running_ms.saturating_add(u32::try_from(milliseconds).unwrap_or(u32::MAX));
        }
    }

    /// A minute of the last day before `now`; one of which nothing is known has not run.
    pub fn get(&self, number: u64) -> Minute {
        let found = self.minutes.get(place_of(number)).filter(|minute| minute.number == number);
        found.copied().unwrap_or_else(|| Minute::of(number))
    }

    /// All of which something is known.
    pub fn known(&self) -> impl Iterator<Item = &Minute> {
        self.minutes.iter().filter(|minute| minute.running_ms > 0)
    }

    /// Those that something was known of are there again. Of several with one place the newest stays.
    pub fn restore(&mut self, minutes: impl IntoIterator<Item = Minute>, others: &[String]) {
        let free = self.names.iter_mut().skip(MEANINGS.len());
        free.zip(others).for_each(|(name, other)| other.clone_into(name));
        for minute in minutes {
            let Some(known) = self.minutes.get_mut(place_of(minute.number)) else { continue };
            if known.number < minute.number {
                *known = minute;
            }
        }
    }

    /// Names of scores by their places.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Names beside those with a meaning.
    pub fn other_names(&self) -> &[String] {
        self.names.get(MEANINGS.len()..).unwrap_or_default()
    }

    /// The place of a score; `None` when all are taken by others.
    pub fn place(&mut self, name: &str) -> Option<usize> {
        if name.is_empty() {
            return None;
        }
        self.names.iter().position(|known| known == name).or_else(|| {
            let free = self.names.iter().position(String::is_empty)?;
            name.clone_into(self.names.get_mut(free)?);
            Some(free)
        })
    }

    /// A name that no minute has a score of gives its place to another.
    fn free_names(&mut self) {
        for (place, name) in self.names.iter_mut().enumerate().skip(MEANINGS.len()) {
            let is_used = self.minutes.iter().any(|minute| minute.shrink.mean(place).is_some());
            if !is_used {
                name.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(ring: &mut Ring, number: u64) {
        let minute = ring.now(number).unwrap();
        minute.raw_events += 1;
        minute.running_ms = 60_000;
    }

    #[test]
    fn a_day_is_remembered_and_a_minute_in_which_nothing_ran_is_not_known() {
        let (mut ring, day) = (Ring::default(), HISTORY_MINUTES_MAX as u64);
        (0..=2 * day).filter(|number| number % 2 == 0).for_each(|number| count(&mut ring, 1000 + number));
        let newest = 1000 + 2 * day;
        assert_eq!(ring.known().count() as u64, day / 2);
        assert_eq!((ring.get(newest).raw_events, ring.get(newest - 1).running_ms), (1, 0));
        assert_eq!(ring.get(newest - day).running_ms, 0, "that place is another's");
    }

    #[test]
    fn what_a_clock_that_was_set_back_told_of_the_future_is_forgotten() {
        let mut ring = Ring::default();
        [5000, 5001, 9000].into_iter().for_each(|number| count(&mut ring, number));
        count(&mut ring, 5002);
        let known: Vec<u64> = ring.known().map(|minute| minute.number).collect();
        assert_eq!(known, [5000, 5001, 5002]);
    }

    #[test]
    fn scores_with_a_meaning_have_places_and_others_as_long_as_they_come() {
        let mut ring = Ring::default();
        let take = |ring: &mut Ring, number, name: &str| {
            ring.now(number);
            let place = ring.place(name);
            if let (Some(place), Some(minute)) = (place, ring.now(number)) {
                minute.shrink.take(place, 1.0);
            }
            place.is_some()
        };
        let taken = (0..100).filter(|number| take(&mut ring, 1, &format!("a{number}"))).count();
        assert_eq!(taken, HISTORY_SHRINK_NAMES_MAX - MEANINGS.len());
        assert!(take(&mut ring, 1, "entropy") && !take(&mut ring, 2, "new") && !take(&mut ring, 2, ""));
        assert!(take(&mut ring, 1 + HISTORY_MINUTES_MAX as u64, "newer"), "a day later nobody uses the others");
    }
}
