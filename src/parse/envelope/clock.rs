//! Numbers, times of day and dates: what all forms of a time are made of.

use jiff::civil::{Date, Time};

/// `HH:MM:SS` with a fraction after a point or comma, or of at least three digits after a colon. A leap second is held at the last microsecond of its minute, so
/// that it stays after the second before it.
pub(super) fn time_of_day(text: &str) -> Option<(Time, &str)> {
    let (hour, rest) = number(text, 2)?;
    after_hour(i8::try_from(hour).ok()?, rest)
}

/// An hour of one or two digits, perhaps behind a blank, and perhaps of twelve: `8:34:08 PM`.
pub(super) fn loose_time_of_day(text: &str) -> Option<(Time, &str)> {
    let (hour, rest) = digits(text.strip_prefix(' ').unwrap_or(text), 2)?;
    let (time, rest) = after_hour(i8::try_from(hour).ok()?, rest)?;
    let half = |name: &str| rest.strip_prefix(name).filter(|rest| !rest.starts_with(char::is_alphanumeric));
    let (hour, rest) = match (half(" AM"), half(" PM")) {
        (Some(rest), _) => (time.hour() % 12, rest),
        (None, Some(rest)) => (time.hour() % 12 + 12, rest),
        (None, None) => (time.hour(), rest),
    };
    Some((Time::new(hour, time.minute(), time.second(), time.subsec_nanosecond()).ok()?, rest))
}

fn after_hour(hour: i8, rest: &str) -> Option<(Time, &str)> {
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (nanos, rest) = fraction(rest);
    let (second, nanos) = if second == 60 { (59, 999_999_000) } else { (second, nanos) };
    let [minute, second] = [minute, second].map(i8::try_from);
    Some((Time::new(hour, minute.ok()?, second.ok()?, nanos).ok()?, rest))
}

/// The nanoseconds of a fraction after a point or comma, or of at least three digits after a colon; none is zero.
pub(super) fn fraction(text: &str) -> (i32, &str) {
    let Some(digits) = text.strip_prefix(['.', ',', ':']) else { return (0, text) };
    let least = if text.starts_with(':') { 3 } else { 1 };
    let mut nanos = 0;
    let mut weight = 100_000_000;
    let mut length = 0;
    for digit in digits.bytes().take_while(u8::is_ascii_digit) {
        nanos += i32::from(digit - b'0') * weight;
        weight /= 10;
        length += 1;
    }
    match digits.get(length..) {
        Some(rest) if length >= least => (nanos, rest),
        _ => (0, text),
    }
}

pub(super) fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Exactly so many digits.
pub(super) fn number(text: &str, digits: usize) -> Option<(i16, &str)> {
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

/// One digit to `most`, at most four.
pub(super) fn digits(text: &str, most: usize) -> Option<(i16, &str)> {
    let length = text.bytes().take(most.min(4)).take_while(u8::is_ascii_digit).count();
    if length == 0 { None } else { number(text, length) }
}

/// One or two digits, filled with a space or a zero.
pub(super) fn day_of_month(text: &str) -> Option<(i8, &str)> {
    let (day, rest) = digits(text.strip_prefix(' ').unwrap_or(text), 2)?;
    Some((i8::try_from(day).ok()?, rest))
}
