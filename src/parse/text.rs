//! Lines without a format of their own: a time perhaps, then a message.

use super::time::{LogTime, Parsed};
use super::{level, stamp, syslog};
use crate::event::Record;

/// Where the time of a web access log may begin.
const ACCESS_TIME_BYTES_MAX: usize = 512;

pub(super) fn read(line: &str) -> Parsed {
    let Some((time, rest)) = stamp::any(line) else {
        let time = access_time(line).unwrap_or(LogTime::Absent);
        return Parsed { time, record: message(line) };
    };
    let rest = rest.trim_start_matches([' ', ':', '|', ',']);
    // What container runtimes put before a line.
    let rest = ["stdout F ", "stderr F "].iter().find_map(|mark| rest.strip_prefix(mark)).unwrap_or(rest);
    let record = syslog::after_time(rest).unwrap_or_else(|| message(rest));
    Parsed { time, record }
}

fn message(text: &str) -> Record {
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    let word = first.trim_matches(['[', ']', '<', '>', ':', '|']);
    Record {
        message: text.to_owned(),
        level: level::read(word).filter(|_| !word.starts_with(|c: char| c.is_ascii_digit())),
        ..Record::default()
    }
}

/// `192.0.2.1 - - [31/Jan/2026:10:00:00 +0000] "GET …`: nothing before the time is longer than a host and a user.
fn access_time(line: &str) -> Option<LogTime> {
    let head = line.split_once('"').map_or(line, |(head, _)| head);
    let at = head.rfind('[').filter(|at| *at < ACCESS_TIME_BYTES_MAX)?;
    Some(stamp::day_first(head.get(at + 1..)?)?.0)
}
