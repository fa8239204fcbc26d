//! Offsets from UTC, as numbers and as the abbreviations that name one zone only.

use jiff::tz::Offset;

use super::clock::number;

/// Abbreviations with their minutes east of UTC. What names several zones (`IST`, `BST`, `CST` of China) is left out,
/// or stands here as what it is in logs: the zone of North America.
const NAMES: &[(&str, i32)] = &[
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("z", 0),
    ("gmt", 0),
    ("utc", 0),
    ("WET", 0),
    ("CET", 60),
    ("WEST", 60),
    ("CEST", 120),
    ("EET", 120),
    ("SAST", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("HKT", 480),
    ("JST", 540),
    ("KST", 540),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("AKST", -540),
    ("AKDT", -480),
    ("HST", -600),
];

/// An offset right here or behind one blank, and what follows it.
pub(super) fn read(text: &str) -> Option<(Offset, &str)> {
    let spaced = text.strip_prefix(' ').unwrap_or(text);
    if spaced.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return named(spaced);
    }
    let (sign, rest) = match spaced.split_at_checked(1)? {
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

fn named(text: &str) -> Option<(Offset, &str)> {
    let end = text.bytes().take(6).position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(text.len().min(6));
    let (name, rest) = text.split_at_checked(end)?;
    let (_, minutes) = NAMES.iter().find(|(known, _)| *known == name)?;
    Some((Offset::from_seconds(minutes * 60).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(text: &str) -> Option<(i32, &str)> {
        read(text).map(|(offset, rest)| (offset.seconds() / 60, rest))
    }

    #[test]
    fn numbers_and_names_are_offsets() {
        assert_eq!(minutes("Z x"), Some((0, " x")));
        assert_eq!(minutes("+01:00 x"), Some((60, " x")));
        assert_eq!(minutes(" -0430]"), Some((-270, "]")));
        assert_eq!(minutes("+02,x"), Some((120, ",x")));
        assert_eq!(minutes(" EDT,\"bob\""), Some((-240, ",\"bob\"")));
        assert_eq!(minutes(" UTC [12] LOG"), Some((0, " [12] LOG")));
    }

    #[test]
    fn words_behind_a_time_are_none() {
        for text in [" ERROR x", " web-1 sshd[1]: x", " ESTABLISHED", " - x", " IST x", "", " EST5 x"] {
            assert_eq!(minutes(text), None, "{text}");
        }
    }
}
