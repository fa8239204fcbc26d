//! Records of more than one line: which line goes on from the one before it. Pure.
//!
//! A trace of a program's stack, the statement that a database names in its error, the fields below a line of an
//! application's log are no events of their own. They become part of the record whose first line stands before them, under a rule
//! that nobody can use to hide another's line: a line that tells a time of its own, that is a JSON object or has a priority of
//! syslog, always begins a record, however it is indented. And only what writes its own file goes on: behind a line of a syslog
//! daemon, which writes one line a record, every line stands for itself unless the configuration says otherwise.

use serde::{Deserialize, Serialize};

use super::raw::LineTime;
use crate::event::{Body, Draft, Format, Raw};
use crate::limits::{LINE_BYTES_MAX, MULTILINE_LINES_MAX};
use crate::parse::{self, LogTime, stamp};

/// `[[intake.file]] multiline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Multiline {
    /// Indented lines and those of traces, behind a line that begins with its time and names no host.
    #[default]
    Auto,
    /// The same behind any line.
    Indented,
    /// Every line that tells no time, behind one that does.
    Dated,
    /// Every line is a record.
    Off,
}

/// Lines of traces and errors that are not indented.
const TRACE_LINES: &[&[u8]] = &[
    b"Caused by: ",
    b"Suppressed: ",
    PYTHON_TRACE,
    b"During handling of the above exception, another exception occurred:",
    b"The above exception was the direct cause of the following exception:",
    b"Stack trace:",
    b"stack traceback:",
    // PostgreSQL with an empty `log_line_prefix`.
    b"DETAIL:  ",
    b"HINT:  ",
    b"CONTEXT:  ",
    b"QUERY:  ",
    b"STATEMENT:  ",
    b"LOCATION:  ",
];
const PYTHON_TRACE: &[u8] = b"Traceback (most recent call last):";
/// A time at the beginning of a line is shorter, and a host.
const STAMP_BYTES_MAX: usize = 512;
/// Names of classes of exceptions end like this.
const EXCEPTION_ENDS: &[&[u8]] = &[b"Exception", b"Error", b"Throwable"];

/// What has come of a record behind its first line.
#[derive(Debug, Clone)]
pub struct Rest {
    rule: Multiline,
    /// Each line behind a newline.
    text: Vec<u8>,
    lines: usize,
    bytes_max: usize,
    /// Python names the exception last, by a name that may be any.
    names_exception_last: bool,
}

impl Rest {
    /// `None` for a line that nothing may follow.
    pub fn of(rule: Multiline, format: Format, first: &Draft, time: LineTime) -> Option<Self> {
        let Body::Raw(raw) = &first.body else { return None };
        let may_go_on = match rule {
            Multiline::Off => false,
            Multiline::Indented => true,
            Multiline::Dated => time.stated.is_some(),
            Multiline::Auto => {
                matches!(format, Format::Auto | Format::Text)
                    && time.stated.is_some()
                    // As nearly every line of a syslog daemon, and told without reading the time again.
                    && !time.is_before_host
                    && is_of_application(raw)
            }
        };
        may_go_on.then(|| Self {
            rule,
            text: Vec::new(),
            lines: 0,
            bytes_max: LINE_BYTES_MAX.saturating_sub(raw.payload.len()),
            names_exception_last: raw.payload.ends_with(PYTHON_TRACE),
        })
    }

    /// Takes the next line of the file if it belongs to the record and there is room for it.
    pub fn take(&mut self, line: &[u8]) -> bool {
        let has_room = self.lines < MULTILINE_LINES_MAX && self.text.len() + 1 + line.len() <= self.bytes_max;
        if !has_room || !self.goes_on(line) {
            return false;
        }
        self.text.push(b'\n');
        self.text.extend_from_slice(line);
        self.lines += 1;
        true
    }

    /// The whole record behind its first line, and the number of its lines; `None` if it has but one.
    pub fn text(&self) -> Option<(&[u8], usize)> {
        (self.lines > 0).then_some((&self.text, self.lines + 1))
    }

    fn goes_on(&mut self, line: &[u8]) -> bool {
        let is_indented = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        let is_trace = self.is_of_trace(line);
        let goes_on = is_indented || is_trace || self.rule == Multiline::Dated;
        goes_on && !begins_record(line)
    }

    fn is_of_trace(&mut self, line: &[u8]) -> bool {
        if TRACE_LINES.iter().any(|beginning| line.starts_with(beginning)) {
            self.names_exception_last |= line.starts_with(PYTHON_TRACE);
            return true;
        }
        let name = line.split(|byte| matches!(byte, b':' | b' ')).next().unwrap_or_default();
        let is_name = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._$".contains(byte));
        if is_name && std::mem::take(&mut self.names_exception_last) {
            return true;
        }
        // A step of a trace in PHP.
        let is_step = line.strip_prefix(b"#").and_then(|rest| rest.first()).is_some_and(u8::is_ascii_digit);
        is_step || (is_name && name.contains(&b'.') && EXCEPTION_ENDS.iter().any(|end| name.ends_with(end)))
    }
}

/// A log of a program's own: its lines begin with their time, and nobody's host follows.
fn is_of_application(raw: &Raw) -> bool {
    let line = &raw.payload;
    let may_be_time = match line.first() {
        Some(b'0'..=b'9' | b'[') => true,
        // Level and date of klog.
        Some(b'I' | b'W' | b'E' | b'F') => line.get(1).is_some_and(u8::is_ascii_digit),
        _ => false,
    };
    if !may_be_time {
        return false;
    }
    let host = raw.record().entity.host.as_deref();
    let head = parse::lossy(line.get(..STAMP_BYTES_MAX).unwrap_or(line));
    let Some((_, rest)) = stamp::any(&head) else { return false };
    let names_host = host.is_some_and(|host| rest.trim_start().starts_with(host));
    !names_host && !rest.starts_with(',')
}

/// Whether a line says by itself that it is the first of a record.
fn begins_record(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    match line.first() {
        Some(b'{') if line.ends_with(b"}") => true,
        Some(b'<') if line.get(1).is_some_and(u8::is_ascii_digit) => true,
        _ => parse::envelope(line, Format::Auto, &[]).time != LogTime::Absent,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::event::{InFile, Stream, Timestamp};
    use crate::intake::Origin;
    use crate::intake::context::Context;
    use crate::intake::heads::Heads;
    use crate::intake::lines::Lines;
    use crate::parse::Calendar;

    /// The records of a text.
    fn drafts(rule: Multiline, format: Format, text: &str) -> Vec<Draft> {
        let origin = Origin { stream: Stream::L3In, source: Arc::from("file:a"), compartment: Arc::from(""), format };
        let reference = Timestamp::from_millis(1_800_000_000_000);
        let calendar = Calendar { zone: jiff::tz::TimeZone::UTC, reference };
        let (mut lines, mut heads, mut drafts) =
            (Lines::at(0), Heads::new(rule, Context::default(), InFile::default()), Vec::new());
        let mut buffer = lines.take(text.len());
        buffer.extend_from_slice(text.as_bytes());
        lines.put(buffer);
        while let Some(line) = lines.next_line() {
            heads.take(line, &origin, &calendar, true);
            drafts.extend(heads.pop().map(|head| head.draft));
        }
        heads.close();
        drafts.extend(std::iter::from_fn(|| heads.pop()).map(|head| head.draft));
        drafts
    }

    #[test]
    fn records_lie_end_to_end_in_the_file_however_many_lines_they_have() {
        let text = "2026-11-10 10:00:00,123 ERROR [main] c.e.App - boom\njava.lang.IllegalStateException: x\n\tat c.e.App.main(App.java:1)\n2026-11-10 10:00:01,000 INFO \
                    a - é\n2026-11-10 10:00:02,000 ERROR [main] c.e.App - boom\njava.io.IOException: y\n\tat c.e.App.main(App.java:1)\n\tat c.e.App.run(App.java:2)\n";
        let origin = Origin {
            stream: Stream::L3In,
            source: Arc::from("file:a"),
            compartment: Arc::from(""),
            format: Format::Auto,
        };
        let calendar = Calendar { zone: jiff::tz::TimeZone::UTC, reference: Timestamp::from_millis(1_800_000_000_000) };
        let (mut lines, mut heads) =
            (Lines::at(1000), Heads::new(Multiline::Auto, Context::default(), InFile::default()));
        let mut buffer = lines.take(text.len());
        buffer.extend_from_slice(text.as_bytes());
        lines.put(buffer);
        while let Some(line) = lines.next_line() {
            heads.take(line, &origin, &calendar, true);
        }
        heads.close();
        let places: Vec<(u64, u64)> = std::iter::from_fn(|| heads.pop()).map(|head| (head.start, head.bytes)).collect();
        assert_eq!(places.len(), 3);
        let mut at = 1000;
        for (start, bytes) in places {
            assert_eq!(start, at);
            at += bytes;
        }
        assert_eq!(at, 1000 + text.len() as u64);
    }

    fn records(rule: Multiline, text: &str) -> Vec<String> {
        let payload = |draft: Draft| match draft.body {
            Body::Raw(raw) => String::from_utf8_lossy(&raw.payload).into_owned(),
            _ => panic!("a raw event"),
        };
        drafts(rule, Format::Auto, text).into_iter().map(payload).collect()
    }

    /// Each text is one record, and so is the one after it.
    fn are_one_each(rule: Multiline, texts: &[&str]) {
        let all: String = texts.iter().map(|text| format!("{text}\n")).collect();
        assert_eq!(records(rule, &all), texts);
    }

    #[test]
    fn a_trace_or_a_statement_is_part_of_the_record_that_it_stands_below() {
        are_one_each(
            Multiline::Auto,
            &[
                "2026-11-10 10:00:00,123 ERROR [main] c.e.App - boom\njava.lang.IllegalStateException: x\n\tat \
                 c.e.App.main(App.java:1)\n\tSuppressed: java.io.IOException: z\nCaused by: java.io.IOException: y\n\t... 3 more",
                "2026-11-10 10:00:01,000 ERROR root boom\nTraceback (most recent call last):\n  File \"x.py\", line 1, in \
                 <module>\n    foo()\nKeyError: 'x'\nDuring handling of the above exception, another exception \
                 occurred:\nTraceback (most recent call last):\n  File \"y.py\", line 2\nrequests.exceptions.Refused",
                "2026-11-10 10:00:02.000 UTC [12] app@db ERROR:  syntax error at character 9",
                "2026-11-10 10:00:02.000 UTC [12] app@db STATEMENT:  SELECT *\n\tFROM users\n\tWHERE name = 'x'",
                "[10-Nov-2026 10:00:03 UTC] PHP Fatal error:  Uncaught Exception: x in /a.php:3\nStack trace:\n#0 {main}\n  \
                 thrown in /a.php on line 3",
                "2026/11/10 10:00:04 [error] 7#7: *1 lua entry thread aborted: x\nstack traceback:\n\t[C]: in function 'f'",
            ],
        );
    }

    #[test]
    fn a_line_with_a_time_of_its_own_is_never_hidden_in_a_record() {
        for first in [
            "  2026-11-10T10:00:01+00:00 web sshd[7]: Failed password for root from 192.0.2.1 port 4242 ssh2",
            "\tNov 10 10:00:01 web sshd[7]: Failed password for root from 192.0.2.1 port 4242 ssh2",
            " <38>Nov 10 10:00:01 web sshd[7]: x",
            " <38>sshd[7]: x",
            " {\"time\":\"2026-11-10T10:00:01Z\",\"user\":\"root\"}",
            " {\"user\":\"root\"}",
            "  192.0.2.1 - - [10/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 7",
            " type=USER_AUTH msg=audit(1762768800.000:7): pid=1 res=failed",
        ] {
            for rule in [Multiline::Auto, Multiline::Indented, Multiline::Dated] {
                are_one_each(rule, &["2026-11-10 10:00:00,123 ERROR [main] c.e.App - boom", first]);
            }
        }
    }

    #[test]
    fn behind_lines_of_a_syslog_daemon_and_of_structured_logs_every_line_stands_for_itself() {
        for first in [
            "Nov 10 10:00:01 web app[7]: x",
            "2026-11-10T10:00:01+00:00 web app[7]: x",
            "<38>Nov 10 10:00:01 web app[7]: x",
            "<38>1 2026-11-10T10:00:01Z web app 7 - - x",
            "{\"time\":\"2026-11-10T10:00:01Z\"}",
            "192.0.2.1 - - [10/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 7",
            "type=USER_AUTH msg=audit(1762768800.000:7): pid=1 res=failed",
            "a line without a time",
        ] {
            are_one_each(Multiline::Auto, &[first, "\tx", "Caused by: y"]);
            are_one_each(Multiline::Indented, &[&format!("{first}\n\tx\nCaused by: y"), "z"]);
        }
        let dated = "2026-11-10 10:00:00,123 ERROR boom\n\tx\n";
        assert_eq!(drafts(Multiline::Auto, Format::Syslog, dated).len(), 2, "the format is named");
        are_one_each(Multiline::Off, &["2026-11-10 10:00:00,123 ERROR boom", "\tx"]);
    }

    #[test]
    fn lines_without_a_time_go_on_where_the_configuration_says_so() {
        let text = "Nov 10 10:00:01 web app[7]: x\nany words\nError: y";
        are_one_each(Multiline::Dated, &["no time yet", text, "Nov 10 10:00:02 web app[7]: z"]);
        are_one_each(Multiline::Auto, &["2026-11-10 10:00:00,123 ERROR boom", "any words", "Error: y"]);
    }

    #[test]
    fn a_record_means_what_its_first_line_means_and_nobody_is_named_where_more_lines_say_otherwise() {
        let gitea =
            "2026/11/10 10:00:00 ...routers/web/auth/auth.go:202:SignInPost() [I] Failed authentication attempt for";
        let refused = format!("{gitea} bob from 192.0.2.1:4242: user does not exist");
        let read = |text: &str| {
            let mut drafts = drafts(Multiline::Auto, Format::Auto, text);
            assert_eq!(drafts.len(), 1, "{text}");
            let Body::Raw(raw) = drafts.remove(0).body else { panic!("a raw event") };
            let again = raw.clone();
            let fresh = crate::parse::record(&raw.payload, raw.format, &raw.attributes);
            assert_eq!(again.record(), &fresh, "the same when it comes back from the store");
            fresh
        };
        let alone = read(&format!("{refused}\n"));
        assert_eq!(alone.entity.src_ip.as_deref(), Some("192.0.2.1"));
        let record = read(&format!("{refused}\n\tat c.e.Auth.check(Auth.java:7)\n"));
        assert_eq!((record.action, &record.entity), (alone.action, &alone.entity));
        assert!(record.message.ends_with("\n\tat c.e.Auth.check(Auth.java:7)"), "{}", record.message);
        assert_eq!(record.field("dsmil.lines"), None);
        let forged = format!("{gitea} root from 198.51.100.7:1: x\n\t from 192.0.2.1:4242: user does not exist\n");
        let record = read(&forged);
        assert_eq!((record.entity.src_ip, record.entity.user), (None, None), "somebody broke the line by a name");
    }

    #[test]
    fn the_bounds_are_in_lines_and_in_bytes() {
        let first = "2026-11-10 10:00:00,123 ERROR boom";
        let draft = drafts(Multiline::Auto, Format::Auto, &format!("{first}\n")).remove(0);
        let time = LineTime { claim: None, stated: Some(draft.times.believed), is_before_host: false };
        let mut rest = Rest::of(Multiline::Auto, Format::Auto, &draft, time).unwrap();
        let room = LINE_BYTES_MAX - first.len();
        assert!(!rest.take(&Bytes::from(format!("\t{}", "x".repeat(room - 1)))), "one too long");
        assert!(rest.take(&Bytes::from(format!("\t{}", "x".repeat(room - 2)))));
        let mut rest = Rest::of(Multiline::Auto, Format::Auto, &draft, time).unwrap();
        assert!((0..MULTILINE_LINES_MAX).all(|_| rest.take(b"\tx")) && !rest.take(b"\tx"));
    }
}
