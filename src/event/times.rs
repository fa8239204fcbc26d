//! The three times of an event, kept apart.

use std::fmt;
use std::time::Duration;

use super::{EventId, Timestamp};

/// From this distance on the time that a line tells is doubted: clocks of machines that keep in step, and lines written at
/// the end of what they tell of, stay below.
const DOUBTED_FROM: Duration = Duration::from_secs(120);

/// The time that a line tells of itself: a claim of whoever wrote it. It is shown and stored, and is no [`Timestamp`], so
/// that no window can follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Claimed(Timestamp);

impl Claimed {
    pub fn new(time: Timestamp) -> Self {
        Self(time)
    }

    /// Epoch seconds, as in every wire form.
    pub fn seconds(self) -> f64 {
        self.0.seconds()
    }

    /// For those who judge or show the claim itself.
    pub fn as_claimed(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for Claimed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// When an event happened by its own account, when the daemon took it in, and what windows follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    pub ts: Claimed,
    /// By the machine's clock; zero in a replay, which cannot know it.
    pub arrival: Timestamp,
    /// By the clock of the event's source, see [`SourceClock`](crate::intake::clock::SourceClock).
    pub believed: Timestamp,
}

impl Times {
    /// Of what the daemon itself has seen at this time.
    pub fn at(time: Timestamp) -> Self {
        Self { ts: Claimed(time), arrival: time, believed: time }
    }

    /// Of a line that tells `ts`, before the clock of its source has judged it.
    pub fn claimed(ts: Timestamp, arrival: Timestamp) -> Self {
        Self { ts: Claimed(ts), arrival, believed: ts.min(arrival) }
    }

    /// Of an event that was stored before arrival and belief were.
    pub fn stored_without(ts: Timestamp, id: EventId) -> Self {
        let arrival = Timestamp::from_millis(id.ms());
        Self { ts: Claimed(ts), arrival, believed: ts.min(arrival.plus(DOUBTED_FROM)) }
    }

    /// The same when the clock of the source has judged it. A line that tells no time (`claim`) tells what is believed.
    pub fn judged(self, claim: Option<Timestamp>, believed: Timestamp) -> Self {
        let ts = claim.map_or(Claimed(believed), Claimed);
        Self { ts, believed, ..self }
    }

    /// Of a line that was taken in at some time that is not known.
    pub fn replayed(ts: Claimed, believed: Timestamp) -> Self {
        Self { ts, arrival: Timestamp::ZERO, believed }
    }

    /// When it was taken in, where that is known.
    pub fn arrived(&self) -> Option<Timestamp> {
        (self.arrival != Timestamp::ZERO).then_some(self.arrival)
    }

    /// When it was taken in; where that is not known, as if that had been when it happened.
    pub fn taken_in(&self) -> Timestamp {
        self.arrived().unwrap_or(self.believed)
    }

    /// The time that the line tells is not the one that windows follow.
    pub fn is_doubted(&self) -> bool {
        let (claim, believed) = (self.ts.0, self.believed);
        claim.since(believed).max(believed.since(claim)) > DOUBTED_FROM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_without_arrival_is_believed_up_to_it() {
        let id = EventId::new(1_700_000_000_000, 0);
        let arrival = Timestamp::from_millis(id.ms());
        let day = Duration::from_secs(86_400);
        let of = |ts| Times::stored_without(ts, id);
        assert_eq!((of(arrival.minus(day)).believed, of(arrival.minus(day)).arrival), (arrival.minus(day), arrival));
        assert_eq!(of(arrival.plus(day)).believed, arrival.plus(DOUBTED_FROM));
        assert!(of(arrival.plus(day)).is_doubted() && !of(arrival.minus(day)).is_doubted());
    }
}
