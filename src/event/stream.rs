//! Streams are filters over the one log; an `Interest` is the set of them that a consumer reads.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")] // a text first, so that a mistake in a map of streams is reported with its key
pub enum Stream {
    #[serde(rename = "L3_IN")]
    L3In,
    #[serde(rename = "L3_OUT")]
    L3Out,
    #[serde(rename = "L4_IN")]
    L4In,
    #[serde(rename = "L4_OUT")]
    L4Out,
    #[serde(rename = "SHRINK")]
    Shrink,
    #[serde(rename = "SOC_EVENTS")]
    SocEvents,
    #[serde(rename = "TICK")]
    Tick,
}

impl Stream {
    pub const ALL: [Self; 7] =
        [Self::L3In, Self::L3Out, Self::L4In, Self::L4Out, Self::Shrink, Self::SocEvents, Self::Tick];

    pub fn name(self) -> &'static str {
        match self {
            Self::L3In => "L3_IN",
            Self::L3Out => "L3_OUT",
            Self::L4In => "L4_IN",
            Self::L4Out => "L4_OUT",
            Self::Shrink => "SHRINK",
            Self::SocEvents => "SOC_EVENTS",
            Self::Tick => "TICK",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a stream: expected one of L3_IN, L3_OUT, L4_IN, L4_OUT, SHRINK, SOC_EVENTS, TICK")]
pub struct StreamError(String);

impl FromStr for Stream {
    type Err = StreamError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|stream| stream.name() == text)
            .ok_or_else(|| StreamError(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for Stream {
    type Error = StreamError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Who wrote a SOC event: 50 stands for fusion, 51 and up for the devices.
pub const FUSION: u16 = 50;
/// What people do that stages must know of, such as silences: no device has this number.
pub const OPERATORS: u16 = 100;
/// Devices are numbered from 51; an `Interest` has room for them up to this one.
pub const DEVICE_MAX: u16 = FUSION + 55;

const _: () = assert!(OPERATORS < DEVICE_MAX, "it has a place of its own in an interest");

/// What a consumer reads: whole streams, and of `SOC_EVENTS` the part written by chosen producers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest(u64);

impl Interest {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(u64::MAX);

    #[must_use]
    pub const fn stream(self, stream: Stream) -> Self {
        match stream {
            Stream::SocEvents => Self(self.0 | !0 << 8),
            other => Self(self.0 | 1 << other as u8),
        }
    }

    /// SOC events of one producer: [`FUSION`] or a device's number.
    #[must_use]
    pub const fn soc(self, producer: u16) -> Self {
        Self(self.0 | 1 << soc_bit(producer))
    }

    /// Everything but the SOC events of this producer.
    #[must_use]
    pub const fn without_soc(self, producer: u16) -> Self {
        Self(self.0 & !(1 << soc_bit(producer)))
    }

    pub const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The interest that exactly the events of this stream and producer satisfy.
    pub const fn of(stream: Stream, producer: u16) -> Self {
        match stream {
            Stream::SocEvents => Self::NONE.soc(producer),
            other => Self::NONE.stream(other),
        }
    }

    /// Index of a single-bit interest, for counters.
    pub const fn index(self) -> usize {
        self.0.trailing_zeros() as usize
    }

    /// The indices counted by [`index`](Self::index) that this interest covers.
    pub fn indices(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |bit| self.0 >> bit & 1 == 1)
    }
}

const fn soc_bit(producer: u16) -> u8 {
    let producer = if producer < FUSION {
        FUSION
    } else if producer > DEVICE_MAX {
        DEVICE_MAX
    } else {
        producer
    };
    8 + (producer - FUSION) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interest_in_one_producer_does_not_cover_another() {
        let reads = Interest::NONE.stream(Stream::L3In).soc(FUSION).soc(57);
        assert!(reads.overlaps(Interest::of(Stream::L3In, 0)));
        assert!(reads.overlaps(Interest::of(Stream::SocEvents, 57)));
        assert!(!reads.overlaps(Interest::of(Stream::SocEvents, 52)));
        assert!(!reads.overlaps(Interest::of(Stream::L3Out, 0)));
    }

    #[test]
    fn an_interest_in_soc_events_covers_every_producer() {
        let reads = Interest::NONE.stream(Stream::SocEvents);
        assert!((FUSION..=DEVICE_MAX).all(|producer| reads.overlaps(Interest::of(Stream::SocEvents, producer))));
        let all_but_one = reads.without_soc(52);
        assert!(!all_but_one.overlaps(Interest::of(Stream::SocEvents, 52)));
        assert!(all_but_one.overlaps(Interest::of(Stream::SocEvents, 53)));
        assert!(!reads.overlaps(Interest::of(Stream::Tick, 0)));
    }

    #[test]
    fn names_are_read_back() {
        for stream in Stream::ALL {
            assert_eq!(stream.name().parse::<Stream>(), Ok(stream));
        }
        assert!("l3_in".parse::<Stream>().is_err());
    }
}
