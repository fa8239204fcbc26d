//! Reads a time at the start of a text, in the forms that programs write.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use super::time::LogTime;
use crate::event::Timestamp;

/// The time and what follows it.
pub(crate) type Stamp<'a> = (LogTime, &'a str);

/// RFC 3339 and its relatives: `2026-01-31T10:00:00.5Z`, `2026-01-31 10:00:00,123 +0100`, `2026/01/31 10:00:00`.
pub(super) fn iso(text: &str) -> Option<Stamp<'_>> {
    let (year, rest) = number(text, 4)?;
    let separator = rest.chars().next().filter(|c| matches!(c, '-' | '/' | '.'))?;
    let (month, rest) = number(rest.strip_prefix(separator)?, 2)?;
    let (day, rest) = number(rest.strip_prefix(separator)?, 2)?;
    let (time, rest) = time_of_day(rest.strip_prefix(['T', 't', ' ', '-'])?)?;
    zoned(date(year, month, day)?, time, rest)
}

/// RFC 3164: `Jan  2 03:04:05`, and with a year as some devices write it: `Jan  2 2026 03:04:05`.
pub(super) fn bsd(text: &str) -> Option<Stamp<'_>> {
    let (month, rest) = month_name(text)?;
    let (day, rest) = day_of_month(rest.strip_prefix(' ')?)?;
    let rest = rest.strip_prefix(' ')?;
    if let Some((time, rest)) = time_of_day(rest) {
        // 2000 had a 29 February.
        Date::new(2000, month, day).ok()?;
        return Some((LogTime::Yearless { month, day, time }, rest));
    }
    let (year, rest) = number(rest, 4)?;
    let (time, rest) = time_of_day(rest.strip_prefix(' ')?)?;
    Some((LogTime::Civil(Date::new(year, month, day).ok()?.to_datetime(time)), rest))
}

/// Any form that stands at the start of a line without a syslog header, in brackets or not.
pub(crate) fn any(text: &str) -> Option<Stamp<'_>> {
    let (inner, bracketed) = match text.strip_prefix('[') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let (time, rest) = unbracketed(inner)?;
    let rest = if bracketed { rest.trim_start().strip_prefix(']')? } else { rest };
    Some((time, rest))
}

fn unbracketed(text: &str) -> Option<Stamp<'_>> {
    match text.bytes().next()? {
        b'0'..=b'9' => iso(text).or_else(|| day_first(text)).or_else(|| month_first(text)).or_else(|| epoch(text)),
        b'@' => tai64n(text),
        byte if byte.is_ascii_alphabetic() => ctime(text).or_else(|| bsd(text)),
        _ => None,
    }
}

/// `Sun Jun 09 07:57:47.123 2013`.
fn ctime(text: &str) -> Option<Stamp<'_>> {
    let (weekday, rest) = text.split_at_checked(3)?;
    if !["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&weekday) {
        return None;
    }
    let (month, rest) = month_name(rest.strip_prefix([' ', ','])?)?;
    let (day, rest) = day_of_month(rest.strip_prefix(' ')?)?;
    let (time, rest) = time_of_day(rest.strip_prefix(' ')?)?;
    let (year, rest) = number(rest.strip_prefix(' ')?, 4)?;
    Some((LogTime::Civil(Date::new(year, month, day).ok()?.to_datetime(time)), rest))
}

/// `20/Jan/2015:19:53:28 +0100` of web servers, `11-Aug-2013 03:36:11.372` of BIND.
pub(super) fn day_first(text: &str) -> Option<Stamp<'_>> {
    let (day, rest) = number(text, 2)?;
    let (month, rest) = month_name(rest.strip_prefix(['/', '-'])?)?;
    let (year, rest) = number(rest.strip_prefix(['/', '-'])?, 4)?;
    let (time, rest) = time_of_day(rest.strip_prefix([':', ' '])?)?;
    let day = i8::try_from(day).ok()?;
    zoned(Date::new(year, month, day).ok()?, time, rest)
}

/// `07/11/2022-10:29:01.860293`, `01/25/22 16:08:02`: the month first, as Suricata and ZoneMinder write.
fn month_first(text: &str) -> Option<Stamp<'_>> {
    let (month, rest) = number(text, 2)?;
    let (day, rest) = number(rest.strip_prefix('/')?, 2)?;
    let rest = rest.strip_prefix('/')?;
    let (year, rest) = match number(rest, 4) {
        Some(found) => found,
        None => number(rest, 2).map(|(year, rest)| (year + 2000, rest))?,
    };
    let (time, rest) = time_of_day(rest.strip_prefix([' ', '-'])?)?;
    Some((LogTime::Civil(date(year, month, day)?.to_datetime(time)), rest))
}

/// `1386543323.123`: ten digits of seconds, which reach from 2001 to 2286.
fn epoch(text: &str) -> Option<Stamp<'_>> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let whole = digits.split('.').next()?;
    if whole.len() != 10 || !rest.starts_with([' ', ']', ':', '|', ',']) {
        return None;
    }
    Some((LogTime::Instant(Timestamp::from_seconds(digits.parse().ok()?)?), rest))
}

/// `@400000004c91b044077a9e94`, as multilog writes: TAI, of which daemontools takes 10 seconds off.
fn tai64n(text: &str) -> Option<Stamp<'_>> {
    let (seconds, rest) = text.strip_prefix('@')?.split_at_checked(16)?;
    let (nanos, rest) = rest.split_at_checked(8)?;
    let seconds = i64::from_str_radix(seconds, 16).ok()?.checked_sub(1 << 62)?.checked_sub(10)?;
    let nanos = i64::from_str_radix(nanos, 16).ok()?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(nanos / 1000)?;
    Some((LogTime::Instant(Timestamp::from_micros(micros)), rest))
}

/// A number of seconds, milliseconds, microseconds or nanoseconds since the epoch: distinguished by size, since no log is
/// older than 1973.
pub(super) fn epoch_of_any_unit(value: f64) -> Option<Timestamp> {
    let seconds = match value {
        v if v < 1e11 => v,
        v if v < 1e14 => v / 1e3,
        v if v < 1e17 => v / 1e6,
        v => v / 1e9,
    };
    Timestamp::from_seconds(seconds)
}

fn zoned(date: Date, time: Time, rest: &str) -> Option<Stamp<'_>> {
    let civil = date.to_datetime(time);
    match offset(rest) {
        Some((offset, rest)) => {
            let instant = offset.to_timestamp(civil).ok()?;
            Some((LogTime::Instant(Timestamp::from_micros(instant.as_microsecond())), rest))
        }
        None => Some((LogTime::Civil(civil), rest)),
    }
}

fn offset(text: &str) -> Option<(Offset, &str)> {
    for name in ["Z", " UTC", " GMT", "z"] {
        if let Some(rest) = text.strip_prefix(name)
            && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Some((Offset::UTC, rest));
        }
    }
    let text = text.strip_prefix(' ').unwrap_or(text);
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = number(rest.strip_prefix(':').unwrap_or(rest), 2).unwrap_or((0, rest));
    if rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return None;
    }
    let seconds = sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60);
    Some((Offset::from_seconds(seconds).ok()?, rest))
}

/// `HH:MM:SS` with a fraction after a point or comma. A leap second is held at the last microsecond of its minute, so
/// that it stays after the second before it.
fn time_of_day(text: &str) -> Option<(Time, &str)> {
    let (hour, rest) = number(text, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (nanos, rest) = fraction(rest);
    let (second, nanos) = if second == 60 { (59, 999_999_000) } else { (second, nanos) };
    let [hour, minute, second] = [hour, minute, second].map(i8::try_from);
    Some((Time::new(hour.ok()?, minute.ok()?, second.ok()?, nanos).ok()?, rest))
}

fn fraction(text: &str) -> (i32, &str) {
    let Some(digits) = text.strip_prefix(['.', ',']) else { return (0, text) };
    let mut nanos = 0;
    let mut weight = 100_000_000;
    let mut length = 0;
    for digit in digits.bytes().take_while(u8::is_ascii_digit) {
        nanos += i32::from(digit - b'0') * weight;
        weight /= 10;
        length += 1;
    }
    match digits.get(length..) {
        Some(rest) if length > 0 => (nanos, rest),
        _ => (0, text),
    }
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Exactly so many digits.
fn number(text: &str, digits: usize) -> Option<(i16, &str)> {
    let (head, rest) = text.split_at_checked(digits)?;
    let mut value: i16 = 0;
    for byte in head.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i16::from(byte - b'0');
    }
    Some((value, rest))
}

/// One or two digits, filled with a space or a zero.
fn day_of_month(text: &str) -> Option<(i8, &str)> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    let (day, rest) = number(text, 2).or_else(|| number(text, 1))?;
    Some((i8::try_from(day).ok()?, rest))
}

fn month_name(text: &str) -> Option<(i8, &str)> {
    let (name, rest) = text.split_at_checked(3)?;
    let month = match name {
        "Jan" => 1,
        "Feb" => 2,
        "Mar" => 3,
        "Apr" => 4,
        "May" => 5,
        "Jun" => 6,
        "Jul" => 7,
        "Aug" => 8,
        "Sep" => 9,
        "Oct" => 10,
        "Nov" => 11,
        "Dec" => 12,
        _ => return None,
    };
    Some((month, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> LogTime {
        LogTime::Instant(Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond()))
    }

    #[test]
    fn every_way_to_write_one_instant_is_read_alike() {
        let expected = instant("2026-01-31T10:00:00.5Z");
        for text in [
            "2026-01-31T10:00:00.5Z x",
            "2026-01-31T11:00:00.500+01:00 x",
            "2026-01-31T11:00:00.5+0100 x",
            "2026-01-31 10:00:00,500 UTC x",
            "31/Jan/2026:10:00:00.5 +0000 x",
            "31-Jan-2026 05:00:00.500000 -0500 x",
            "1769853600.500 x",
        ] {
            assert_eq!(any(text), Some((expected, " x")), "{text}");
        }
    }

    #[test]
    fn times_without_a_zone_stay_civil() {
        let expected = LogTime::Civil("2013-06-09T07:57:47".parse().unwrap());
        for text in
            ["[Sun Jun 09 07:57:47 2013] x", "2013/06/09 07:57:47 x", "06/09/2013-07:57:47 x", "06/09/13 07:57:47 x"]
        {
            assert_eq!(any(text), Some((expected, " x")), "{text}");
        }
    }

    #[test]
    fn a_syslog_time_has_one_or_two_digits_of_day() {
        for text in ["Jan  2 03:04:05 h", "Jan 2 03:04:05 h", "Jan 02 03:04:05 h"] {
            let time = Time::constant(3, 4, 5, 0);
            assert_eq!(bsd(text), Some((LogTime::Yearless { month: 1, day: 2, time }, " h")), "{text}");
        }
    }

    #[test]
    fn a_leap_second_stays_between_its_neighbours() {
        let order =
            ["2016-12-31T23:59:59.9Z", "2016-12-31T23:59:60.2Z", "2017-01-01T00:00:00Z"].map(|text| match iso(text) {
                Some((LogTime::Instant(time), "")) => time,
                other => panic!("{text}: {other:?}"),
            });
        assert!(order.is_sorted_by(|earlier, later| earlier < later), "{order:?}");
    }

    #[test]
    fn what_is_no_time_is_left_alone() {
        for text in [
            "",
            "Mai 2 03:04:05",
            "2026-13-01T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "éé",
            "[",
            "12",
            "@4",
            "Jan 32 00:00:00",
        ] {
            assert_eq!(any(text), None, "{text}");
        }
    }
}
