//! The moments that `since` and `until` name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::event::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So many milliseconds before now.
    Ago(u64),
    At(Timestamp),
}

impl Moment {
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(millis) => now.minus(Duration::from_millis(millis)),
            Self::At(time) => time,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a duration or a time, like 2h, 30m, 7d, 2026-11-18 or 2026-11-18T02:00Z (UTC where no zone is named)"
)]
pub struct MomentError;

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(duration) = humantime::parse_duration(text) {
            return u64::try_from(duration.as_millis()).map(Self::Ago).map_err(|_| MomentError);
        }
        let time = text.parse::<jiff::Timestamp>().or_else(|_| {
            let civil: DateTime = text.parse()?;
            civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp())
        });
        time.map(|time| Self::At(Timestamp::from_micros(time.as_microsecond()))).map_err(|_| MomentError)
    }
}

const UNITS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(time) => time.fmt(formatter),
            Self::Ago(millis) => match UNITS.iter().find(|(_, unit)| millis % unit == 0 && *millis > 0) {
                Some((name, unit)) => write!(formatter, "{}{name}", millis / unit),
                None => write!(formatter, "{millis}ms"),
            },
        }
    }
}
