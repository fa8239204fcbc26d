//! Times as logs write them: with no year, with no zone, wrong, or not at all.

use crate::event::Timestamp;

/// What a line says of its time, before anybody has guessed what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum LogTime {
    #[default]
    Absent,
    /// With an offset, or epoch seconds.
    Instant(Timestamp),
    /// A date and time of day without a zone.
    Civil(jiff::civil::DateTime),
    /// RFC 3164: month, day and time of day, no year and no zone.
    Yearless { month: i8, day: i8, time: jiff::civil::Time },
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

impl Calendar {
    /// The instant a line means; the reference itself where the line says nothing.
    pub fn resolve(&self, time: LogTime) -> Timestamp {
        match time {
            LogTime::Instant(time) => time,
            _ => self.reference,
        }
    }
}
