//! The names that a rotation gives to the files of one path, and the order in which those were written. Pure.
//!
//! | rotated by                                  | of `app.log`                                                   |
//! |---------------------------------------------|----------------------------------------------------------------|
//! | number                                      | `app.log.1`, `app.log.2.gz`                                    |
//! | date, with or without time, second, counter | `app.log-20261126`, `app.log.2026-11-26T10:00`, `app.log-20261126-1795687200.zst` |
//! | the same in front of the extension          | `app.1.log`, `app-20261126.log.xz`                             |
//! | a link that is pointed at the next file     | whatever stands there, `app-26.log` before `app-27.log`        |

use std::cmp::Ordering;

use crate::event::Timestamp;

/// How the name of a packed file ends, and whether it can be unpacked here.
const PACKED_ENDS: [(&[u8], bool); 10] = [
    (b".gz", true),
    (b".zst", true),
    (b".xz", true),
    (b".zstd", true),
    (b".bz2", false),
    (b".lz4", false),
    (b".lzma", false),
    (b".zip", false),
    (b".br", false),
    (b".Z", false),
];

/// Of the name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Plain,
    /// It is packed so that it can be read here.
    Packed,
    /// It is packed in another way.
    Foreign,
}

/// The name before it was packed, and how it ends.
pub fn ending(name: &[u8]) -> (&[u8], Ending) {
    let found = PACKED_ENDS.iter().find_map(|(end, is_read)| Some((name.strip_suffix(*end)?, *is_read)));
    match found {
        Some((plain, true)) => (plain, Ending::Packed),
        Some((plain, false)) => (plain, Ending::Foreign),
        None => (name, Ending::Plain),
    }
}

/// The numbers in a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(Vec<u64>);

/// A year, or whatever of a date or of seconds begins with one.
const YEAR_MIN: u64 = 1970;
/// Rotations that number their files keep fewer.
const NUMBER_BEFORE_EXTENSION_MAX: u64 = 999;

impl Stamp {
    fn of(text: &[u8]) -> Self {
        let runs = text.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty());
        let number = |run: &[u8]| {
            run.iter().fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
        };
        Self(runs.map(number).collect())
    }

    fn is_date(&self) -> bool {
        self.0.first().is_some_and(|first| *first >= YEAR_MIN)
    }

    fn number(&self) -> Option<u64> {
        match self.0.as_slice() {
            [number] if *number < YEAR_MIN => Some(*number),
            _ => None,
        }
    }

    /// Digits of the first number: dates that are written alike can be compared.
    fn width(&self) -> usize {
        self.0.first().map_or(0, |first| first.to_string().len())
    }
}

/// What a rotation made of `current`, by its name without the ending of a packer; `None` if it is another log, whose
/// name may begin alike.
pub fn generation(current: &[u8], name: &[u8]) -> Option<Stamp> {
    behind(current, name).or_else(|| within(current, name))
}

fn behind(current: &[u8], name: &[u8]) -> Option<Stamp> {
    let suffix = name.strip_prefix(current)?;
    is_stamp(suffix).then(|| Stamp::of(suffix))
}

/// In front of the extension.
fn within(current: &[u8], name: &[u8]) -> Option<Stamp> {
    let dot = current.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
    let (stem, extension) = current.split_at(dot);
    let middle = name.strip_prefix(stem)?.strip_suffix(extension)?;
    if !is_stamp(middle) {
        return None;
    }
    let stamp = Stamp::of(middle);
    // `app-2.log` may be the log of another one.
    let is_number = middle.first() == Some(&b'.') && stamp.number().is_some_and(|n| n <= NUMBER_BEFORE_EXTENSION_MAX);
    (is_number || stamp.is_date()).then_some(stamp)
}

fn is_stamp(text: &[u8]) -> bool {
    let is_separator = |byte: &u8| matches!(byte, b'.' | b'-' | b'_');
    text.first().is_some_and(is_separator)
        && text.iter().any(u8::is_ascii_digit)
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || is_separator(byte) || matches!(byte, b'T' | b'Z' | b':' | b'+'))
}

/// The stamp of a name that differs from `current` in its numbers alone, `current` itself among them.
pub fn sibling(current: &[u8], name: &[u8]) -> Option<Stamp> {
    let stamp = Stamp::of(name);
    (!stamp.0.is_empty() && shape(current) == shape(name)).then_some(stamp)
}

fn shape(name: &[u8]) -> Vec<u8> {
    let mut shape: Vec<u8> = name.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }).collect();
    shape.dedup_by(|one, other| *one == b'0' && *other == b'0');
    shape
}

/// One file of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub stamp: Stamp,
    pub modified: Timestamp,
    /// When it was made, where the file system knows.
    pub born: Option<Timestamp>,
    pub is_packed: bool,
}

/// How the files of one path follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// The newest has the smallest number, or the largest.
    Numbered { is_rising: bool },
    /// By the dates in their names.
    Dated,
    /// Their names do not tell.
    ByTime,
}

impl Chain {
    pub fn of<'a>(mut members: impl Iterator<Item = &'a Member> + Clone) -> Self {
        let mut widths = members.clone().map(|member| member.stamp.width());
        let width = widths.next();
        if members.clone().all(|member| member.stamp.number().is_some()) {
            Self::Numbered { is_rising: is_rising(members) }
        } else if members.all(|member| member.stamp.is_date()) && widths.all(|other| Some(other) == width) {
            Self::Dated
        } else {
            Self::ByTime
        }
    }

    /// `Less` for the older one.
    pub fn compare(self, one: &Member, other: &Member) -> Ordering {
        let by_name = match self {
            Self::Numbered { is_rising: true } | Self::Dated => one.stamp.cmp(&other.stamp),
            Self::Numbered { is_rising: false } => other.stamp.cmp(&one.stamp),
            Self::ByTime => Ordering::Equal,
        };
        by_name.then(one.modified.cmp(&other.modified)).then_with(|| one.stamp.cmp(&other.stamp))
    }
}

/// Whether those with larger numbers were made and written later, without exception: a late writer or a copy alone do not turn the
/// order. Only alike are compared: one that was packed has, with some packers, the time at which it was.
fn is_rising<'a>(members: impl Iterator<Item = &'a Member>) -> bool {
    let mut members: Vec<&Member> = members.collect();
    members.sort_by(|one, other| (one.is_packed, &one.stamp).cmp(&(other.is_packed, &other.stamp)));
    let pairs = members.iter().zip(members.iter().skip(1)).filter(|(one, other)| one.is_packed == other.is_packed);
    let mut rising = pairs.map(|(smaller, larger)| {
        larger.modified > smaller.modified && smaller.born.is_some() && larger.born > smaller.born
    });
    rising.next().is_some_and(|first| first && rising.all(|rises| rises))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_told_from_other_logs() {
        for name in [
            "app.log.1",
            "app.log-20260131",
            "app.log-2026-01-31",
            "app.log.2026-01-31T10:00",
            "app.log-20260131-1769817600",
            "app.log_2026-01-31_10-00-00",
            "app.1.log",
            "app-20260131.log",
            "app.2026-01-31.0.log",
        ] {
            assert!(generation(b"app.log", name.as_bytes()).is_some(), "{name}");
        }
        for name in
            ["app.log", "app.log.bak", "app.log2", "other.log.1", "app.log.", "app-2.log", "app-eu.log", "app2.log"]
        {
            assert!(generation(b"app.log", name.as_bytes()).is_none(), "{name}");
        }
        assert!(generation(b"syslog", b"syslog.1").is_some() && generation(b".log", b".1.log").is_none());
    }

    #[test]
    fn the_ending_of_a_packer_is_no_part_of_the_name() {
        assert_eq!(ending(b"app.log.2.gz"), (&b"app.log.2"[..], Ending::Packed));
        assert_eq!(ending(b"app.log-20260131.zst"), (&b"app.log-20260131"[..], Ending::Packed));
        assert_eq!(ending(b"app.log.3.bz2"), (&b"app.log.3"[..], Ending::Foreign));
        assert_eq!(ending(b"app.log.1"), (&b"app.log.1"[..], Ending::Plain));
    }

    #[test]
    fn siblings_differ_in_their_numbers_alone() {
        let older = sibling(b"app-2026-11-27.log", b"app-2026-11-26.log").unwrap();
        assert!(older < sibling(b"app-2026-11-27.log", b"app-2026-11-27.log").unwrap());
        assert!(sibling(b"9.log", b"10.log") > sibling(b"9.log", b"9.log"));
        for other in ["app-2026-11.log", "web-2026-11-26.log", "app-2026-11-26.txt"] {
            assert_eq!(sibling(b"app-2026-11-27.log", other.as_bytes()), None, "{other}");
        }
        assert_eq!(sibling(b"app.log", b"app.log"), None, "no number, no order");
    }

    fn member(name: &str, second: u64) -> Member {
        let (plain, ending) = ending(name.as_bytes());
        let stamp = generation(b"app.log", plain).unwrap();
        let time = Timestamp::from_millis(second);
        Member { stamp, modified: time, born: Some(time), is_packed: ending != Ending::Plain }
    }

    /// Names, and when each was last written; returned oldest first.
    fn in_order(files: &[(&str, u64)]) -> Vec<String> {
        let mut members: Vec<_> = files.iter().map(|(name, second)| (*name, member(name, *second))).collect();
        let chain = Chain::of(members.iter().map(|(_, member)| member));
        members.sort_by(|(_, one), (_, other)| chain.compare(one, other));
        members.into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn the_order_is_that_of_the_names_where_they_tell() {
        let numbered = [("app.log.1", 9), ("app.log.10.gz", 1), ("app.log.2.gz", 5)];
        assert_eq!(in_order(&numbered), ["app.log.10.gz", "app.log.2.gz", "app.log.1"]);
        // The older one was packed after the newer one was written.
        assert_eq!(in_order(&[("app.log.1", 9), ("app.log.2.gz", 10)]), ["app.log.2.gz", "app.log.1"]);
        let rising = [("app.log.2", 9), ("app.log.1", 5), ("app.log.10", 11), ("app.log.9", 10)];
        assert_eq!(in_order(&rising), ["app.log.1", "app.log.2", "app.log.9", "app.log.10"]);
        // Somebody wrote late into one of them.
        assert_eq!(in_order(&[("app.log.2", 9), ("app.log.1", 8), ("app.log.3", 1)])[2], "app.log.1");
        let dated = [("app.log-20261126.gz", 12), ("app.log-20261127", 11), ("app.log-20261125", 1)];
        assert_eq!(in_order(&dated), ["app.log-20261125", "app.log-20261126.gz", "app.log-20261127"]);
        let counted = [("app.2026-11-26.10.log", 1), ("app.2026-11-26.9.log", 2), ("app.2026-11-25.11.log", 3)];
        assert_eq!(in_order(&counted)[2], "app.2026-11-26.10.log");
    }

    #[test]
    fn where_names_do_not_tell_the_order_is_that_of_time() {
        let mixed = [("app.log.1", 9), ("app.log-20261126", 8)];
        assert_eq!(in_order(&mixed), ["app.log-20261126", "app.log.1"]);
        let of_days = [("app.log-26-11-2026", 2), ("app.log-01-12-2026", 3)];
        assert_eq!(in_order(&of_days), ["app.log-26-11-2026", "app.log-01-12-2026"]);
        let widths = [("app.log-20261126", 2), ("app.log-1795687200", 1)];
        assert_eq!(in_order(&widths)[0], "app.log-1795687200");
    }
}
