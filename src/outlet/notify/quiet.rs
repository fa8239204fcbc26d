//! Hours of the day in which only what is urgent is told. Pure.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// `quiet_hours`, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// `22:00`.
    pub from: String,
    /// `06:30`; before `from` it is on the next morning.
    pub to: String,
    /// `Europe/Berlin`; without it that of the machine.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// The same, read.
#[derive(Debug, Clone)]
pub struct Quiet {
    from: Time,
    to: Time,
    zone: TimeZone,
}

impl QuietHours {
    /// # Errors
    /// The key that is at fault, and what is wrong with it.
    pub fn read(&self) -> Result<Quiet, (&'static str, String)> {
        let time = |key, text: &str| {
            let read = text.parse::<Time>().ok().filter(|time| text.len() == 5 && time.second() == 0);
            read.ok_or_else(|| (key, format!("`{}` is no time of the day", text.escape_debug())))
        };
        let (from, to) = (time("from", &self.from)?, time("to", &self.to)?);
        if from == to {
            return Err(("to", "is the same as `from`".to_owned()));
        }
        let zone = match &self.time_zone {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name)
                .map_err(|_| ("time_zone", format!("`{}` is no time zone of this machine", name.escape_debug())))?,
        };
        Ok(Quiet { from, to, zone })
    }
}

impl Quiet {
    /// By the clock on the wall: where it is put forward or back, what it shows counts.
    pub fn covers(&self, now: Timestamp) -> bool {
        let Ok(now) = jiff::Timestamp::from_microsecond(now.micros()) else { return false };
        let time = self.zone.to_datetime(now).time();
        if self.from < self.to { self.from <= time && time < self.to } else { self.from <= time || time < self.to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(from: &str, to: &str, zone: &str) -> Quiet {
        QuietHours { from: from.into(), to: to.into(), time_zone: Some(zone.into()) }.read().unwrap()
    }

    fn covers(quiet: &Quiet, utc: &str) -> bool {
        let at: jiff::Timestamp = utc.parse().unwrap();
        quiet.covers(Timestamp::from_micros(at.as_microsecond()))
    }

    #[test]
    fn hours_over_midnight_and_within_a_day_begin_on_time_and_end_on_time() {
        let night = quiet("22:00", "06:30", "UTC");
        for (time, expected) in
            [("21:59:59", false), ("22:00:00", true), ("00:00:00", true), ("06:29:59", true), ("06:30:00", false)]
        {
            assert_eq!(covers(&night, &format!("2026-05-05T{time}Z")), expected, "{time}");
        }
        let lunch = quiet("12:00", "13:00", "Asia/Kolkata");
        assert!(covers(&lunch, "2026-05-05T06:30:00Z") && !covers(&lunch, "2026-05-05T07:30:00Z"));
    }

    /// Berlin puts its clocks forward on 29 March 2026 at 01:00 UTC, and back on 25 October 2026 at 01:00 UTC.
    #[test]
    fn on_the_days_when_clocks_change_the_clock_on_the_wall_decides() {
        let night = quiet("22:00", "06:30", "Europe/Berlin");
        for (utc, expected) in [
            ("2026-03-28T21:00:00Z", true),
            ("2026-03-29T04:29:59Z", true),
            ("2026-03-29T04:30:00Z", false),
            ("2026-10-24T20:00:00Z", true),
            ("2026-10-25T05:29:59Z", true),
            ("2026-10-25T05:30:00Z", false),
        ] {
            assert_eq!(covers(&night, utc), expected, "{utc}");
        }
        // An end that does not exist on that day is over when the clock has passed it.
        let short = quiet("22:00", "02:30", "Europe/Berlin");
        assert!(covers(&short, "2026-03-29T00:59:59Z") && !covers(&short, "2026-03-29T01:00:00Z"));
    }

    #[test]
    fn what_is_no_time_or_zone_is_said_with_its_key() {
        let read = |from: &str, to: &str, zone: &str| {
            let hours = QuietHours { from: from.into(), to: to.into(), time_zone: Some(zone.into()) };
            hours.read().map(|_| ()).unwrap_err().0
        };
        assert_eq!(read("25:00", "06:00", "UTC"), "from");
        assert_eq!(read("22:00", "6", "UTC"), "to");
        assert_eq!(read("22:00", "22:00", "UTC"), "to");
        assert_eq!(read("22:00", "06:00", "Mars/Base"), "time_zone");
    }
}
