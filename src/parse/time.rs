//! Times as logs write them: with no year, with no zone, wrong, or not at all.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};

use crate::event::{Record, Timestamp};

/// What a line says of its time, before anybody has guessed what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum LogTime {
    #[default]
    Absent,
    /// With an offset, or epoch seconds.
    Instant(Timestamp),
    /// A date and time of day without a zone.
    Civil(DateTime),
    /// RFC 3164: month, day and time of day, no year and no zone.
    Yearless { month: i8, day: i8, time: Time },
}

/// What one line holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    pub time: LogTime,
    pub record: Record,
}

/// What a source knows that its lines leave out.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// For times without a zone.
    pub zone: jiff::tz::TimeZone,
    /// No line is later than this by more than a day: the arrival, or the file's last change. A time without a year
    /// is the latest such time that respects this.
    pub reference: Timestamp,
}

/// How far a clock may be ahead of the reference: zones mistaken by the writer stay within a day.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 3600);
/// 1990-01-01. No Linux machine wrote a log before; a clock without battery starts at 1970 or 1980.
const EARLIEST_MICROS: i64 = 631_152_000_000_000;
/// The longest wait for a 29 February, over a century whose first year is not a leap year.
const YEARS_BACK_MAX: i16 = 8;

impl Calendar {
    /// The instant a line means; the reference itself where the line says nothing, or something that cannot be: more
    /// than a day after the reference, or before 1990. A clock that is wrong by years would otherwise open and close
    /// windows that have nothing to do with what happens now; the line keeps its own words in the stored payload.
    ///
    /// Times without a zone: in the hour that a clock change repeats, its first pass; in the hour that it skips, as
    /// if the clock had not changed yet.
    pub fn resolve(&self, time: LogTime) -> Timestamp {
        self.claim(time).unwrap_or(self.reference)
    }

    /// As [`resolve`](Self::resolve); `None` where that is the reference because the line tells no time that can be.
    pub fn claim(&self, time: LogTime) -> Option<Timestamp> {
        let claimed = match time {
            LogTime::Absent => None,
            LogTime::Instant(time) => Some(time),
            LogTime::Civil(time) => self.instant(time),
            LogTime::Yearless { month, day, time } => self.latest(month, day, time),
        };
        claimed.filter(|time| self.can_be(*time))
    }

    /// The time that the line tells although it cannot be, more than a day after the reference: nothing goes by it, and it
    /// is shown and told of.
    pub fn ahead(&self, time: LogTime) -> Option<Timestamp> {
        let stated = match time {
            LogTime::Instant(time) => Some(time),
            LogTime::Civil(time) => self.instant(time),
            LogTime::Absent | LogTime::Yearless { .. } => None,
        };
        stated.filter(|time| *time > self.reference.plus(AHEAD_MAX))
    }

    fn can_be(&self, time: Timestamp) -> bool {
        time.micros() >= EARLIEST_MICROS && time <= self.reference.plus(AHEAD_MAX)
    }

    fn instant(&self, time: DateTime) -> Option<Timestamp> {
        let instant = self.zone.to_ambiguous_timestamp(time).compatible().ok()?;
        Some(Timestamp::from_micros(instant.as_microsecond()))
    }

    fn latest(&self, month: i8, day: i8, time: Time) -> Option<Timestamp> {
        let reference = jiff::Timestamp::from_microsecond(self.reference.micros()).ok()?;
        // The day after new year's eve is in the next year, and a line may be ahead of the reference.
        let year_max = self.zone.to_datetime(reference).year().checked_add(1)?;
        (0..=YEARS_BACK_MAX)
            .filter_map(|back| Date::new(year_max - back, month, day).ok())
            .filter_map(|date| self.instant(date.to_datetime(time)))
            .find(|instant| self.can_be(*instant))
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn calendar(zone: &str, reference: &str) -> Calendar {
        Calendar { zone: TimeZone::posix(zone).unwrap(), reference: at(reference) }
    }

    fn yearless(month: i8, day: i8, hour: i8) -> LogTime {
        LogTime::Yearless { month, day, time: Time::constant(hour, 0, 0, 0) }
    }

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    #[test]
    fn december_read_in_january_is_of_the_last_year() {
        let calendar = calendar("UTC0", "2026-01-02T00:00:00Z");
        assert_eq!(calendar.resolve(yearless(12, 31, 23)), at("2025-12-31T23:00:00Z"));
        assert_eq!(calendar.resolve(yearless(1, 1, 0)), at("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn january_read_in_december_by_a_slow_clock_is_of_the_next_year() {
        let calendar = calendar("UTC0", "2025-12-31T23:59:00Z");
        assert_eq!(calendar.resolve(yearless(1, 1, 1)), at("2026-01-01T01:00:00Z"));
        assert_eq!(calendar.resolve(yearless(1, 2, 1)), at("2025-01-02T01:00:00Z"));
    }

    #[test]
    fn a_time_of_year_still_to_come_is_of_the_last_year() {
        let calendar = calendar("UTC0", "2026-06-15T12:00:00Z");
        assert_eq!(calendar.resolve(yearless(6, 16, 11)), at("2026-06-16T11:00:00Z"));
        assert_eq!(calendar.resolve(yearless(6, 16, 13)), at("2025-06-16T13:00:00Z"));
    }

    #[test]
    fn the_29_february_is_of_the_last_leap_year() {
        let calendar = calendar("UTC0", "2026-03-01T00:00:00Z");
        assert_eq!(calendar.resolve(yearless(2, 29, 6)), at("2024-02-29T06:00:00Z"));
    }

    #[test]
    fn a_day_that_no_year_has_resolves_to_the_reference() {
        let calendar = calendar("UTC0", "2026-03-01T00:00:00Z");
        assert_eq!(calendar.resolve(yearless(2, 30, 6)), calendar.reference);
    }

    #[test]
    fn a_skipped_hour_is_read_with_the_offset_before_it() {
        let calendar = calendar(BERLIN, "2026-04-01T00:00:00Z");
        let skipped = LogTime::Civil("2026-03-29T02:30:00".parse().unwrap());
        assert_eq!(calendar.resolve(skipped), at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn a_repeated_hour_is_read_as_its_first_pass() {
        let calendar = calendar(BERLIN, "2026-10-26T00:00:00Z");
        let repeated = LogTime::Civil("2026-10-25T02:30:00".parse().unwrap());
        assert_eq!(calendar.resolve(repeated), at("2026-10-25T00:30:00Z"));
    }

    #[test]
    fn clocks_wrong_by_years_yield_to_the_reference() {
        let calendar = calendar("UTC0", "2026-06-15T12:00:00Z");
        for wrong in ["1970-01-01T00:00:12Z", "1980-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2026-06-16T12:00:01Z"] {
            assert_eq!(calendar.resolve(LogTime::Instant(at(wrong))), calendar.reference, "{wrong}");
        }
        for right in ["1990-01-01T00:00:00Z", "2005-06-01T00:00:00Z", "2026-06-16T12:00:00Z"] {
            assert_eq!(calendar.resolve(LogTime::Instant(at(right))), at(right));
        }
        assert_eq!(calendar.resolve(LogTime::Civil("1970-01-01T00:00:00".parse().unwrap())), calendar.reference);
    }

    #[test]
    fn a_clock_set_back_is_kept_as_the_line_says() {
        let calendar = calendar("UTC0", "2026-06-15T12:00:00Z");
        let (before, after) = (at("2026-06-15T11:59:00Z"), at("2026-06-15T11:00:00Z"));
        assert_eq!(calendar.resolve(LogTime::Instant(before)), before);
        assert_eq!(calendar.resolve(LogTime::Instant(after)), after);
    }

    #[test]
    fn a_line_without_a_time_has_the_reference() {
        let calendar = calendar("UTC0", "2026-06-15T12:00:00Z");
        assert_eq!(calendar.resolve(LogTime::Absent), calendar.reference);
    }
}
