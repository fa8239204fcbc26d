//! What is answered to whoever asks for the last hour or day.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

use super::changes::{Change, Changes};
use super::minute::Minute;
use super::ring::Ring;
use crate::event::{Severity, Timestamp};
use crate::limits::{HISTORY_CHANGES_MAX, HISTORY_MINUTES_MAX};

const MINUTE_S: u64 = 60;

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Span {
    #[default]
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
}

impl Span {
    /// How many buckets there are, and how many minutes each has.
    fn buckets(self) -> (u64, u64) {
        match self {
            Self::Hour => (60, 1),
            Self::Day => (144, 10),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "1h" => Ok(Self::Hour),
            "24h" => Ok(Self::Day),
            _ => Err(format!("`{}` is not 1h or 24h", text.chars().take(32).collect::<String>())),
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    pub span: Span,
    /// Seconds of each bucket.
    pub bucket_s: u64,
    /// From the oldest to the one that is not over.
    pub buckets: Vec<Bucket>,
    pub shrink: Vec<Series>,
    /// What has changed of sources, outlets, actors and configuration meanwhile, the newest first.
    pub changes: Vec<Change>,
}

impl Answer {
    /// Adds what others know to have changed within this time.
    pub fn add(&mut self, changes: Vec<Change>) {
        let begin = self.buckets.first().map_or(0.0, |bucket| bucket.ts as f64);
        self.changes.extend(changes.into_iter().filter(|change| change.ts >= begin));
        self.changes.sort_by(|left, right| (right.ts.total_cmp(&left.ts)).then(right.event_id.cmp(&left.event_id)));
        self.changes.truncate(HISTORY_CHANGES_MAX);
    }
}

/// Where the daemon did not run, every number is null.
#[derive(Debug, PartialEq, Serialize)]
pub struct Bucket {
    /// Epoch seconds of its begin.
    pub ts: u64,
    /// Seconds that the daemon ran of it.
    pub running_s: f64,
    pub raw_events: Option<u32>,
    /// Of them in a second that the daemon ran.
    pub rate: Option<f64>,
    /// By severity, without those that a silence covers.
    pub soc_events: Option<BTreeMap<&'static str, u32>>,
    pub silenced: Option<u32>,
    /// Null also where there was no SOC event.
    pub latency_ms: Option<Quantiles>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
}

/// Of one score of SHRINK: the mean of each bucket, null where there was no sample.
#[derive(Debug, PartialEq, Serialize)]
pub struct Series {
    pub name: String,
    pub values: Vec<Option<f32>>,
}

impl Bucket {
    fn of(minute: &Minute) -> Self {
        let running_s = f64::from(minute.running_ms) / 1000.0;
        let has_run = minute.running_ms > 0;
        let quantile = |share| minute.latency.quantile(share);
        let soc_events = Severity::ALL.iter().map(|severity| severity.name()).zip(minute.soc_events).collect();
        Self {
            ts: minute.number * MINUTE_S,
            running_s,
            raw_events: has_run.then_some(minute.raw_events),
            rate: has_run.then(|| f64::from(minute.raw_events) / running_s),
            soc_events: has_run.then_some(soc_events),
            silenced: has_run.then_some(minute.silenced),
            latency_ms: quantile(0.5).zip(quantile(0.99)).map(|(p50, p99)| Quantiles { p50, p99 }),
        }
    }
}

pub fn minute_of(time: Timestamp) -> u64 {
    time.millis() / 1000 / MINUTE_S
}

impl Answer {
    pub(super) fn of(ring: &Ring, changes: &Changes, span: Span, now: Timestamp) -> Self {
        let (count, width) = span.buckets();
        let last = minute_of(now) / width;
        let minutes: Vec<Minute> = (0..count).rev().map(|back| added(ring, last.saturating_sub(back), width)).collect();
        let series = ring.names().iter().enumerate().filter(|(_, name)| !name.is_empty());
        let series = series.map(|(place, name)| Series {
            name: name.clone(),
            values: minutes.iter().map(|minute| minute.shrink.mean(place)).collect(),
        });
        let begin = minutes.first().map_or(0, |minute| minute.number * MINUTE_S);
        Self {
            span,
            bucket_s: width * MINUTE_S,
            buckets: minutes.iter().map(Bucket::of).collect(),
            shrink: series.filter(|series| series.values.iter().any(Option::is_some)).collect(),
            changes: changes.since(begin as f64),
        }
    }
}

fn added(ring: &Ring, bucket: u64, width: u64) -> Minute {
    let mut all = Minute::of(bucket * width);
    (bucket * width..(bucket + 1) * width).for_each(|number| all.add(&ring.get(number)));
    all
}

const _: () = assert!(144 * 10 <= HISTORY_MINUTES_MAX && 60 <= HISTORY_MINUTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_daemon_did_not_run_there_is_a_gap_and_a_rate_is_of_the_time_that_it_ran() {
        let (mut ring, first) = (Ring::default(), 29_000_000);
        for number in [first, first + 1, first + 3] {
            let minute = ring.now(number).unwrap();
            minute.running_ms = 30_000;
            minute.raw_events = 60;
            minute.soc_events[4] = 2;
            minute.latency.count(3);
        }
        let now = Timestamp::from_millis((first + 3) * 60_000 + 59_000);
        let hour = Answer::of(&ring, &Changes::default(), Span::Hour, now);
        assert_eq!((hour.buckets.len(), hour.buckets[59].ts), (60, (first + 3) * 60));
        let rates: Vec<_> = hour.buckets[56..].iter().map(|bucket| bucket.rate).collect();
        assert_eq!(rates, [Some(2.0), Some(2.0), None, Some(2.0)]);
        assert_eq!(hour.buckets[58].soc_events, None);
        let day = Answer::of(&ring, &Changes::default(), Span::Day, now);
        let last = &day.buckets[143];
        assert_eq!((day.buckets.len(), last.ts, last.running_s), (144, first / 10 * 600, 90.0));
        assert_eq!(
            (last.raw_events, last.rate, last.soc_events.as_ref().unwrap()["CRITICAL"]),
            (Some(180), Some(2.0), 6)
        );
        assert_eq!(last.latency_ms, Some(Quantiles { p50: 3.0, p99: 3.0 }));
        assert_eq!(Answer::of(&ring, &Changes::default(), Span::Day, Timestamp::ZERO).buckets.len(), 144, "no clock");
    }

    #[test]
    fn a_span_is_an_hour_or_a_day() {
        assert_eq!(("1h".parse(), "24h".parse()), (Ok(Span::Hour), Ok(Span::Day)));
        assert!("1H".parse::<Span>().unwrap_err().contains("is not 1h or 24h"));
    }
}
