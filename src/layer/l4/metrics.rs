//! Numbers over time: those that programs elsewhere measure, the scores of SHRINK, and how many lines a machine writes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detect::acquainted::Acquainted;
use crate::detect::recent::Recent;
use crate::detect::record_high::RecordHigh;
use crate::detect::series_habits::{PARTS, SeriesHabits, Unusual};
use crate::event::{ShrinkSample, Timestamp, cut_name};
use crate::limits;

/// Scores of SHRINK are taken in as means of so long: habits of the day have room in what is remembered then.
const MEAN_MILLIS: u64 = 60_000;
/// Lines are counted for so long.
const COUNT_MILLIS: u64 = 300_000;
/// After a pause, so many counts are taken to be zero; behind a longer one it is another time.
const ZEROS_MAX: u64 = 12;
/// What names of series begin with. Names that senders give stand behind the first.
const SENT: &str = "sent";
const SHRINK: &str = "shrink";
const LINES: &str = "lines";

/// What is usual of each series.
#[derive(Debug, Serialize, Deserialize)]
pub struct Series {
    habits: Acquainted<SeriesHabits>,
    /// By what it is about: all numbers of one machine are judged together.
    highest: Recent<RecordHigh>,
    mean: Mean,
    counts: Recent<Count>,
}

/// Of the samples of SHRINK of one minute: sum and number by name.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Mean {
    minute: u64,
    sums: BTreeMap<String, (f64, f64)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    period: u64,
    lines: u64,
}

/// What is to be said of one number.
#[derive(Debug, Clone, PartialEq)]
pub struct Odd {
    /// How unusual.
    pub score: f64,
    /// Of everything about the same within a week; `None` where this is no more.
    pub before: Option<f64>,
    pub why: String,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            habits: Acquainted::new(limits::SERIES_MAX),
            highest: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX),
            mean: Mean::default(),
            counts: Recent::new(limits::SERIES_MAX),
        }
    }
}

impl Series {
    /// Takes in the numbers that were sent of a machine. Returns the most unusual one.
    pub fn sent(&mut self, machine: &str, values: &BTreeMap<String, f64>, at: Timestamp) -> Option<Odd> {
        self.most_unusual(SENT, machine, values.iter().map(|(name, value)| (name.as_str(), *value)), at)
    }

    /// Takes in a sample of SHRINK. Returns the most unusual mean when a minute is over.
    pub fn shrink(&mut self, sample: &ShrinkSample, at: Timestamp) -> Option<Odd> {
        let minute = at.millis() / MEAN_MILLIS;
        let over = if minute > self.mean.minute { std::mem::take(&mut self.mean.sums) } else { BTreeMap::new() };
        self.mean.minute = self.mean.minute.max(minute);
        for (name, value) in &sample.values {
            if self.mean.sums.len() < limits::METRICS_PER_EVENT_MAX || self.mean.sums.contains_key(name) {
                let (sum, number) = self.mean.sums.entry(name.clone()).or_default();
                (*sum, *number) = (*sum + value, *number + 1.0);
            }
        }
        let means = over.iter().map(|(name, (sum, number))| (name.as_str(), sum / number));
        self.most_unusual(SHRINK, "", means, at)
    }

    /// Counts a line of a machine. Returns a count that is over and was higher than is usual.
    pub fn line(&mut self, machine: &str, at: Timestamp) -> Option<Odd> {
        let period = at.millis() / COUNT_MILLIS;
        let count = self.counts.touch(machine, || Count { period, lines: 0 });
        if period <= count.period {
            count.lines = count.lines.saturating_add(1);
            return None;
        }
        let (lines, began) = (count.lines, count.period);
        *count = Count { period, lines: 1 };
        // Of numbers that are a hundred times higher by day the logarithm is what has habits.
        let value = (lines as f64).ln_1p();
        let ended = |period: u64| Timestamp::from_millis(period.saturating_mul(COUNT_MILLIS));
        let odd = self.most_unusual(LINES, machine, std::iter::once(("", value)), ended(began));
        for empty in (began + 1..period).take(ZEROS_MAX as usize) {
            self.most_unusual(LINES, machine, std::iter::once(("", 0.0)), ended(empty));
        }
        odd.filter(|_| lines > 0).map(|odd| Odd { why: format!("{lines} lines in five minutes"), ..odd })
    }

    fn most_unusual<'a>(
        &mut self,
        kind: &str,
        about: &str,
        values: impl Iterator<Item = (&'a str, f64)>,
        at: Timestamp,
    ) -> Option<Odd> {
        let mut most: Option<(&str, f64, Unusual)> = None;
        for (name, value) in values.filter(|(_, value)| value.is_finite()) {
            let habits = self.habits.touch(&format!("{kind}\0{about}\0{name}"), SeriesHabits::default);
            if let Some(unusual) = habits.see(value, at)
                && most.as_ref().is_none_or(|(.., most)| unusual.score > most.score)
            {
                most = Some((name, value, unusual));
            }
        }
        let (name, value, unusual) = most?;
        let high = self.highest.touch(&format!("{kind}\0{about}"), RecordHigh::default);
        let before = high.see(unusual.score, at);
        Some(Odd { score: unusual.score, before, why: why(name, value, &unusual) })
    }
}

fn why(name: &str, value: f64, unusual: &Unusual) -> String {
    let Unusual { usual, varies, parts, .. } = unusual;
    let rarest = parts.iter().zip(PARTS).max_by(|(left, _), (right, _)| left.total_cmp(right));
    let furthest = rarest.map_or("", |(_, part)| part);
    let name = cut_name(name.to_owned());
    format!(
        "{name} is {value:.6}, usual at this hour {usual:.6}, off by {varies:.6} on average; furthest by {furthest}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_006_400_000 + number * 1000)
    }

    fn noise(number: u64) -> f64 {
        (number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24)
    }

    #[test]
    fn scores_of_shrink_are_taken_in_by_the_minute_and_an_odd_one_is_told_of() {
        let mut series = Series::default();
        let sample = |value| ShrinkSample { values: [("stress".to_owned(), value)].into(), failure: None };
        let mut told = Vec::new();
        for number in 0..3 * 86_400 / 20 {
            told.extend(series.shrink(&sample(0.2 + 0.05 * noise(number)), second(number * 20)));
        }
        let records = told.iter().filter(|odd| odd.before.is_some()).count();
        assert!(told.len() > 4000 && records <= 3, "{records} of {} minutes", told.len());
        let odd = (0..12).find_map(|number| series.shrink(&sample(0.9), second(3 * 86_400 + number * 20))?.before);
        assert!(odd.is_some(), "a minute of 0.9 after days of 0.2");
    }

    #[test]
    fn a_machine_that_writes_as_always_is_told_of_less_than_once_a_day_and_a_flood_is_told_of() {
        let (mut series, mut told, days) = (Series::default(), 0, 10);
        let usual = |period: u64| if period % 288 < 96 { 4 } else { 20 } + (noise(period) * 8.0) as u64;
        let period = |series: &mut Series, number: u64, lines: u64| {
            let at = |place: u64| second(number * 300 + place * 300 / (lines + 1));
            (0..lines).filter_map(|place| series.line("web", at(place))).find(|odd| odd.before.is_some())
        };
        for number in 0..days * 288 {
            told += u64::from(period(&mut series, number, usual(number)).is_some());
        }
        assert!(told < days, "{told} in {days} days");
        period(&mut series, days * 288, 5000);
        let odd = period(&mut series, days * 288 + 1, 20).unwrap();
        assert_eq!(odd.why, "5000 lines in five minutes");
    }

    #[test]
    fn the_most_unusual_of_many_numbers_is_named_with_what_is_usual() {
        let mut series = Series::default();
        let values = |number: u64, cpu: f64| -> BTreeMap<String, f64> {
            [("cpu".to_owned(), cpu), ("memory".to_owned(), 40.0 + noise(number + 7))].into()
        };
        for number in 0..3 * 1440 {
            series.sent("db", &values(number, 20.0 + noise(number)), second(number * 60));
        }
        let odd = series.sent("db", &values(1, 95.0), second(3 * 86_400)).unwrap();
        assert!(odd.before.is_some_and(|before| odd.score > before), "{odd:?}");
        assert!(odd.why.starts_with("cpu is 95.000000, usual at this hour 20."), "{}", odd.why);
    }
}
