//! Reads a time at the start of a text, in the forms that programs write.

use jiff::civil::{Date, Time};

use super::super::time::LogTime;
use super::clock::{date, day_of_month, digits, fraction, loose_time_of_day, number, time_of_day};
use super::{month, zone};
use crate::event::Timestamp;

/// The time and what follows it.
pub(crate) type Stamp<'a> = (LogTime, &'a str);

/// RFC 3339 and its relatives: `2026-01-31T10:00:00.5Z`, `2026-01-31 10:00:00,123 +0100`, `2026/01/31 10:00:00`.
pub(crate) fn iso(text: &str) -> Option<Stamp<'_>> {
    let (year, rest) = number(text, 4)?;
    let separator = rest.chars().next().filter(|c| matches!(c, '-' | '/' | '.'))?;
    let (month, rest) = number(rest.strip_prefix(separator)?, 2)?;
    let (day, rest) = number(rest.strip_prefix(separator)?, 2)?;
    let rest = rest.strip_prefix(" - ").or_else(|| rest.strip_prefix(['T', 't', ' ', '-']))?;
    let (time, rest) = time_of_day(rest)?;
    zoned(date(year, month, day)?, time, rest)
}

/// What follows a time that has the form of RFC 3339 and one blank. Whether there is such a day, [`iso`] tells.
pub(crate) fn behind_rfc3339(line: &[u8]) -> Option<&[u8]> {
    let mut rest = after_form(b"0000-00-00T00:00:00", line)?;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest = fraction.get(digits..).filter(|_| digits > 0)?;
    }
    let behind_zone = match rest.first()? {
        b'Z' => rest.get(1..)?,
        // No offset is a day long.
        b'+' | b'-' if rest.get(1..3)? < b"24".as_slice() => after_form(b"00:00", rest.get(1..)?)?,
        _ => return None,
    };
    behind_zone.strip_prefix(b" ")
}

/// What follows digits where the form has noughts, and otherwise the same.
fn after_form<'line>(form: &[u8], line: &'line [u8]) -> Option<&'line [u8]> {
    let (head, rest) = line.split_at_checked(form.len())?;
    let fits = |(form, byte): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { form == byte };
    form.iter().zip(head).all(fits).then_some(rest)
}

/// RFC 3164: `Jan  2 03:04:05`, and with a year as devices write it: `Jan  2 2026 03:04:05`, `2026 Jan  2 03:04:05`,
/// `Jan  2 03:04:05 2026`.
pub(super) fn bsd(text: &str) -> Option<Stamp<'_>> {
    if let Some((year, rest)) = number(text, 4) {
        let (month, day, rest) = month_and_day(rest.strip_prefix(' ')?)?;
        let (time, rest) = time_of_day(rest.strip_prefix(' ')?)?;
        return zoned(Date::new(year, month, day).ok()?, time, rest);
    }
    let (month, day, rest) = month_and_day(text)?;
    let rest = rest.strip_prefix(',').unwrap_or(rest).strip_prefix(' ')?;
    if let Some((time, rest)) = time_of_day(rest) {
        // 2000 had a 29 February.
        Date::new(2000, month, day).ok()?;
        return match year_after(rest) {
            Some((year, rest)) => zoned(Date::new(year, month, day).ok()?, time, rest),
            None => Some((LogTime::Yearless { month, day, time }, rest)),
        };
    }
    let (year, rest) = number(rest, 4)?;
    let (time, rest) = loose_time_of_day(rest.strip_prefix(' ')?)?;
    zoned(Date::new(year, month, day).ok()?, time, rest)
}

fn month_and_day(text: &str) -> Option<(i8, i8, &str)> {
    let (month, rest) = month::named(text)?;
    let (day, rest) = day_of_month(rest.strip_prefix(' ')?)?;
    Some((month, day, rest))
}

/// ` 2026 ` between the time of day and the host: no host is a number of this century.
fn year_after(text: &str) -> Option<(i16, &str)> {
    let (year, rest) = number(text.strip_prefix(' ')?, 4)?;
    let ends = rest.starts_with([' ', ']']) || rest.starts_with(": ");
    ((1990..=2099).contains(&year) && ends).then_some((year, rest))
}

/// Any form that stands at the start of a line without a syslog header, in brackets or not.
pub(crate) fn any(text: &str) -> Option<Stamp<'_>> {
    let (inner, bracketed) = match text.strip_prefix('[') {
        Some(inner) => (after_level(inner), true),
        None => (text, false),
    };
    let (time, rest) = unbracketed(inner)?;
    let rest = if bracketed { rest.trim_start().strip_prefix(']')? } else { rest };
    Some((time, rest))
}

/// Behind the letter of a level: `[I 2026-01-31 10:00:00] `, as Python's servers write.
fn after_level(inner: &str) -> &str {
    inner.strip_prefix(['D', 'I', 'W', 'E', 'C']).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(inner)
}

fn unbracketed(text: &str) -> Option<Stamp<'_>> {
    match text.chars().next()? {
        '0'..='9' => iso(text)
            .or_else(|| day_first(text))
            .or_else(|| month_first(text))
            .or_else(|| compact(text))
            .or_else(|| month_day(text))
            .or_else(|| bsd(text))
            .or_else(|| epoch(text)),
        '@' => tai64n(text),
        'I' | 'W' | 'E' | 'F' if text.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => klog(text),
        c if c.is_alphabetic() && has_time_of_day(text) => {
            bsd(text).or_else(|| weekday(text)).or_else(|| zone_first(text))
        }
        _ => None,
    }
}

/// Whether a time of day can stand behind the names of a day, a month and a zone: most words begin none.
fn has_time_of_day(text: &str) -> bool {
    let head = text.as_bytes().get(..3 * month::NAME_BYTES_MAX).unwrap_or(text.as_bytes());
    memchr::memchr_iter(b':', head).any(|at| text.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit))
}

/// `Sun Jun 09 07:57:47.123 2013`, `Sat May  7 03:17:27 CDT 2011`, `Thu 2026-01-02 03:04:05 CET` of the journal, `Sun,
/// 09 Jun 2013 07:57:47 GMT`.
pub(super) fn weekday(text: &str) -> Option<Stamp<'_>> {
    let rest = month::after_weekday(text)?.strip_prefix(' ').or_else(|| month::after_weekday(text))?;
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return iso(rest).or_else(|| day_month_year(rest));
    }
    let (month, day, rest) = month_and_day(rest)?;
    let (time, rest) = time_of_day(rest.strip_prefix(' ')?)?;
    let (offset, rest) = match zone::read(rest).filter(|_| year_after(rest).is_none()) {
        Some((offset, rest)) => (Some(offset), rest),
        None => (None, rest),
    };
    let (year, rest) = number(rest.strip_prefix(' ')?, 4)?;
    let civil = Date::new(year, month, day).ok()?.to_datetime(time);
    match offset {
        Some(offset) => Some((LogTime::Instant(micros(offset.to_timestamp(civil).ok()?)), rest)),
        None => Some((LogTime::Civil(civil), rest)),
    }
}

/// `09 Jun 2013 07:57:47 +0200` of mail.
fn day_month_year(text: &str) -> Option<Stamp<'_>> {
    let (day, rest) = day_of_month(text)?;
    let (month, rest) = month::named(rest.strip_prefix(' ')?)?;
    let (year, rest) = number(rest.strip_prefix(' ')?, 4)?;
    let (time, rest) = time_of_day(rest.strip_prefix(' ')?)?;
    zoned(Date::new(year, month, day).ok()?, time, rest)
}

/// `CEST Aug  6 10:14:52`, as Monit writes.
fn zone_first(text: &str) -> Option<Stamp<'_>> {
    let (_, rest) = zone::read(text)?;
    bsd(rest.strip_prefix(' ')?)
}

/// `20/Jan/2015:19:53:28 +0100` of web servers, `11-Aug-2013 03:36:11.372` of BIND.
pub(crate) fn day_first(text: &str) -> Option<Stamp<'_>> {
    let (day, rest) = number(text, 2)?;
    let (month, rest) = month::named(rest.strip_prefix(['/', '-'])?)?;
    let (year, rest) = number(rest.strip_prefix(['/', '-'])?, 4)?;
    let (time, rest) = time_of_day(rest.strip_prefix([':', ' '])?)?;
    let day = i8::try_from(day).ok()?;
    zoned(Date::new(year, month, day).ok()?, time, rest)
}

/// `07/11/2022-10:29:01.860293`, `01/25/22 16:08:02`, `08/02/2023, 7:32:47 PM`: the month first, as Suricata, ZoneMinder
/// and what uses America's habits write.
fn month_first(text: &str) -> Option<Stamp<'_>> {
    let (month, rest) = digits(text, 2)?;
    let (day, rest) = digits(rest.strip_prefix('/')?, 2)?;
    let rest = rest.strip_prefix('/')?;
    let (year, rest) = match number(rest, 4) {
        Some(found) => found,
        None => number(rest, 2).map(|(year, rest)| (year + 2000, rest))?,
    };
    let rest =
        rest.strip_prefix(" - ").or_else(|| rest.strip_prefix(", ")).or_else(|| rest.strip_prefix([' ', '-']))?;
    let (time, rest) = loose_time_of_day(rest)?;
    Some((LogTime::Civil(date(year, month, day)?.to_datetime(time)), rest))
}

/// `20210824-14:21:14` of xrdp, `20160806 050000`, `20260131T100000Z`, `20260131:100000.123` of Zabbix.
pub(super) fn compact(text: &str) -> Option<Stamp<'_>> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(rest, 2)?;
    let (day, rest) = number(rest, 2)?;
    let rest = rest.strip_prefix(['-', ' ', 'T', ':'])?;
    if let Some((time, rest)) = time_of_day(rest) {
        return zoned(date(year, month, day)?, time, rest);
    }
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest, 2)?;
    let (second, rest) = number(rest, 2)?;
    let (nanos, rest) = fraction(rest);
    let [hour, minute, second] = [hour, minute, second].map(i8::try_from);
    let time = Time::new(hour.ok()?, minute.ok()?, second.ok()?, nanos).ok()?;
    let ends = !rest.starts_with(|c: char| c.is_ascii_digit());
    if ends { zoned(date(year, month, day)?, time, rest) } else { None }
}

/// `08-03 07:56:53.026292`, without a year, as FreeSWITCH and Android write.
fn month_day(text: &str) -> Option<Stamp<'_>> {
    let (month, rest) = number(text, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (time, rest) = time_of_day(rest.strip_prefix(' ')?)?;
    let date = date(2000, month, day)?;
    Some((LogTime::Yearless { month: date.month(), day: date.day(), time }, rest))
}

/// `I0613 10:22:21.684962` of programs that log with glog or klog; the letter is the level.
fn klog(text: &str) -> Option<Stamp<'_>> {
    let (month, rest) = number(text.get(1..)?, 2)?;
    let (day, rest) = number(rest, 2)?;
    let (time, rest) = time_of_day(rest.strip_prefix(' ')?)?;
    let date = date(2000, month, day)?;
    Some((LogTime::Yearless { month: date.month(), day: date.day(), time }, rest))
}

/// `1386543323.123`: ten digits of seconds, which reach from 2001 to 2286.
pub(super) fn epoch(text: &str) -> Option<Stamp<'_>> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let whole = digits.split('.').next()?;
    if whole.len() != 10 || digits.len() > 20 || !rest.starts_with([' ', ']', ':', '|', ',']) {
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
pub(crate) fn epoch_of_any_unit(value: f64) -> Option<Timestamp> {
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
    match zone::read(rest) {
        Some((offset, rest)) => Some((LogTime::Instant(micros(offset.to_timestamp(civil).ok()?)), rest)),
        None => Some((LogTime::Civil(civil), rest)),
    }
}

fn micros(instant: jiff::Timestamp) -> Timestamp {
    Timestamp::from_micros(instant.as_microsecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            "2026/01/31 10:00:00:500 UTC x",
            "31/Jan/2026:10:00:00.5 +0000 x",
            "31-Jan-2026 05:00:00.500000 -0500 x",
            "1769853600.500 x",
        ] {
            assert_eq!(super::any(text), Some((expected, " x")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_follows_a_form_follows_the_time_or_there_is_no_such_time(
            day in "[0-9]{4}-[0-3][0-9]-[0-3][0-9]", time in "[0-2][0-9]:[0-6][0-9]:[0-6][0-9]", fraction in "([.,][0-9]{0,10})?",
            zone in "Z|z|UTC|[+-][0-2][0-9]:?[0-9]{2}", end in " ?x?",
        ) {
            let line = format!("{day}T{time}{fraction}{zone}{end}");
            if let Some(rest) = behind_rfc3339(line.as_bytes()) {
                let behind = super::any(&line).map(|(_, behind)| behind.as_bytes());
                prop_assert!(behind.is_none_or(|behind| behind.strip_prefix(b" ") == Some(rest)), "{} {:?}", line, behind);
            } else {
                prop_assert!(!(zone == "Z" && fraction.is_empty() && end.starts_with(' ')), "{}", line);
            }
        }
    }

    #[test]
    fn times_without_a_zone_stay_civil() {
        let expected = LogTime::Civil("2013-06-09T07:57:47".parse().unwrap());
        for text in [
            "[Sun Jun 09 07:57:47 2013] x",
            "2013/06/09 07:57:47 x",
            "06/09/2013-07:57:47 x",
            "06/09/13 07:57:47 x",
            "[I 2013-06-09 07:57:47] x",
        ] {
            assert_eq!(super::any(text), Some((expected, " x")), "{text}");
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
            "Moi 2 03:04:05",
            "2026-13-01T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "éé",
            "[",
            "12",
            "@4",
            "Jan 32 00:00:00",
        ] {
            assert_eq!(super::any(text), None, "{text}");
        }
    }
}
