//! The history of a daemon that runs, shared by who counts, who looks and who asks.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::answer::{Answer, Span, minute_of};
use super::changes::{Change, Changes, Kind};
use super::form::{self, Kept};
use super::parts::Parts;
use super::ring::Ring;
use crate::event::{Body, Event, ShrinkState, Soc, Stream, Timestamp};
use crate::locked::locked;
use crate::server::gateway::Status;

/// Whoever did not look for so long did not run meanwhile.
const LOOK_WITHIN: Duration = Duration::from_secs(60);
const MINUTE_MS: u64 = 60_000;

/// Who finds that a log is silent, and the flag that says so.
const LOGS_DEVICE: u16 = 51;
const SILENT: &str = "LOG_SILENCE";

#[derive(Default)]
pub struct History(Mutex<Known>);

#[derive(Default)]
struct Known {
    ring: Ring,
    changes: Changes,
    parts: Parts,
    /// Since the start.
    committed: u64,
    looked: Option<Instant>,
}

impl History {
    /// Goes on from what was written last; says when the daemon was started, and since when it had not run.
    pub fn begin(kept: Option<Kept>, now: Timestamp, at: Instant) -> Self {
        let mut known = Known { looked: Some(at), ..Known::default() };
        if let Some(kept) = kept {
            // What a clock told that was wrong then is not of this day.
            let minutes = kept.minutes.into_iter().filter(|minute| minute.number <= minute_of(now));
            known.ring.restore(minutes, &kept.names);
            known.changes.restore(kept.changes);
        }
        known.ring.now(minute_of(now));
        let last = known.ring.known().map(|minute| minute.number).max();
        let why = last.map(|last| {
            format!("the last minute before it in which it ran is {}", Timestamp::from_millis(last * MINUTE_MS))
        });
        known.changes.tell(Change::new(now, Kind::Daemon, "daemon", "started", why.as_deref()));
        Self(Mutex::new(known))
    }

    /// Counts what was committed.
    pub fn count(&self, events: &[Event], now: Timestamp) {
        let mut known = locked(&self.0);
        known.committed += events.len() as u64;
        let mut silent = Vec::new();
        let Some(minute) = known.ring.now(minute_of(now)) else { return };
        for event in events {
            if matches!(event.stream, Stream::L3In | Stream::L4In) {
                minute.raw_events = minute.raw_events.saturating_add(1);
            }
            let Body::Soc(soc) = &event.body else { continue };
            silent.extend(silence_in(event, soc, now));
            minute.latency.count(now.millis().saturating_sub(event.root.ms()));
            let counter = match soc.is_silenced() {
                true => Some(&mut minute.silenced),
                false => minute.soc_events.get_mut(soc.severity as usize),
            };
            if let Some(counter) = counter {
                *counter = counter.saturating_add(1);
            }
        }
        silent.into_iter().for_each(|change| known.changes.tell(change));
    }

    /// Notes how the daemon is; about once a second.
    pub fn look(&self, status: &Status, now: Timestamp, at: Instant) {
        let mut known = locked(&self.0);
        let passed = known.looked.replace(at).map_or(Duration::ZERO, |before| at.saturating_duration_since(before));
        let (number, ran) = (minute_of(now), passed.min(LOOK_WITHIN).as_millis() as u64);
        // What of it was in the minute before belongs to that.
        let within = ran.min(now.millis() % MINUTE_MS);
        known.ring.ran(number.saturating_sub(1), ran - within);
        known.ring.now(number);
        known.ring.ran(number, within.max(1));
        if status.shrink.state == ShrinkState::Fresh {
            for (name, value) in &status.shrink.values {
                let place = known.ring.place(name);
                if let (Some(place), Some(minute)) = (place, known.ring.now(number)) {
                    minute.shrink.take(place, *value);
                }
            }
        }
        let committed = known.committed;
        let changes = known.parts.look(status, committed, now, at);
        changes.into_iter().for_each(|change| known.changes.tell(change));
    }

    /// Writes into a status since when parts are as they are, and how fast they go.
    pub fn complete(&self, status: &mut Status, at: Instant) {
        locked(&self.0).parts.complete(status, at);
    }

    pub fn answer(&self, span: Span, now: Timestamp) -> Answer {
        let known = locked(&self.0);
        Answer::of(&known.ring, &known.changes, span, now)
    }

    /// As it is written.
    pub fn text(&self) -> String {
        let known = locked(&self.0);
        form::write(known.ring.known(), known.ring.other_names(), known.changes.all())
    }
}

/// That a log is silent, which device 51 has found.
fn silence_in(event: &Event, soc: &Soc, now: Timestamp) -> Option<Change> {
    let is_silence = soc.producer() == LOGS_DEVICE && soc.flags.iter().any(|flag| flag == SILENT) && !soc.is_silenced();
    let change =
        || Change::new(now, Kind::Log, soc.entity.host.as_deref().unwrap_or_default(), "silent", Some(&soc.summary));
    is_silence.then(|| Change { event_id: Some(event.id), ..change() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::{EventId, Severity, Times};
    use crate::server::gateway::ShrinkStatus;

    fn soc(root: u64, severity: Severity) -> Event {
        let body = Body::Soc(Box::new(Soc { severity, ..Soc::default() }));
        let (id, root) = (EventId::new(root, 1), EventId::new(root, 0));
        Event { id, stream: Stream::SocEvents, times: Times::default(), root, body }
    }

    #[test]
    fn each_minute_has_the_time_that_ran_of_it_from_the_start_on() {
        let (minute, begun) = (29_000_000_u64, Instant::now());
        let history = History::begin(None, Timestamp::from_millis((minute * 60 + 59) * 1000), begun);
        let later = Timestamp::from_millis((minute * 60 + 62) * 1000);
        history.look(&Status::default(), later, begun + Duration::from_secs(3));
        let ran: Vec<f64> = history.answer(Span::Hour, later).buckets.iter().map(|bucket| bucket.running_s).collect();
        assert_eq!(ran[57..], [0.0, 1.0, 2.0]);
    }

    #[test]
    fn what_was_written_is_there_after_a_restart_and_the_time_between_is_a_gap() {
        let minute = 29_000_000_u64;
        let at = |number: u64, second: u64| Timestamp::from_millis((number * 60 + second) * 1000);
        let begun = Instant::now();
        let history = History::begin(None, at(minute, 0), begun);
        let values = BTreeMap::from([("entropy".to_owned(), 3.5), ("<b>".to_owned(), -1.0)]);
        let shrink = ShrinkStatus { state: ShrinkState::Fresh, values, ..ShrinkStatus::default() };
        let status = Status { shrink, ..Status::default() };
        for second in 1..60 {
            history.look(&status, at(minute, second), begun + Duration::from_secs(second));
        }
        let line = Event { stream: Stream::L3In, body: Body::Tick, ..soc(1, Severity::Info) };
        let now = at(minute, 59);
        history.count(&[line, soc(now.millis() - 3, Severity::High), soc(now.millis(), Severity::Info)], now);
        let before = history.answer(Span::Hour, now);
        let last = &before.buckets[59];
        assert_eq!((last.raw_events, last.running_s.round()), (Some(1), 59.0));
        assert_eq!(last.soc_events.as_ref().unwrap()["HIGH"], 1);
        assert_eq!(last.latency_ms.as_ref().map(|latency| latency.p99), Some(3.0));

        let kept = form::read(&history.text()).unwrap();
        let later = at(minute + 7, 30);
        let history = History::begin(Some(kept), later, begun);
        history.look(&Status::default(), later, begun);
        let after = history.answer(Span::Hour, later);
        assert_eq!(after.buckets[52], before.buckets[59]);
        assert!(after.buckets[53..59].iter().all(|bucket| bucket.raw_events.is_none()));
        assert_eq!(after.buckets[59].raw_events, Some(0));
        let names: Vec<_> = after.shrink.iter().map(|series| (series.name.as_str(), series.values[52])).collect();
        assert_eq!(names, [("entropy", Some(3.5)), ("<b>", Some(-1.0))]);
        let starts: Vec<_> = after.changes.iter().map(|change| (change.what.as_str(), change.times)).collect();
        assert_eq!(starts, [("started", 2)]);
        assert!(after.changes[0].why.as_ref().unwrap().contains("2025-02"), "{:?}", after.changes[0].why);
    }
}
