//! RFC 3164 as it is really written: with and without priority, with RFC 3339 times, with or without a host.

use super::time::{LogTime, Parsed};
use super::{level, stamp};
use crate::event::Record;

/// Longest tag; RFC 3164 has 32, systemd units are longer.
const TAG_BYTES_MAX: usize = 128;

/// A line with a time and a tag; `None` where it is neither.
pub(super) fn read(line: &str) -> Option<Parsed> {
    let (level, rest) = priority(line);
    let (bracketed, rest) = match rest.strip_prefix('[') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (time, after, strict) = match rest.bytes().next()? {
        b'0'..=b'9' => {
            let (time, after) = stamp::iso(rest)?;
            // Applications write `date time` before texts of their own: then only a pid proves a tag.
            (time, after, rest.as_bytes().get(10) == Some(&b' ') || rest.as_bytes().get(4) != Some(&b'-'))
        }
        _ => {
            let (time, after) = stamp::bsd(rest)?;
            (time, after, false)
        }
    };
    let after = if bracketed { after.strip_prefix(']')? } else { after };
    let after = after.strip_prefix(' ')?.trim_start();
    let sure = !strict && !bracketed;
    let (verbose_level, after) = verbose_priority(after);
    let mut record = header(after, sure)?;
    record.level = record.level.or(level).or(verbose_level);
    Some(Parsed { time, record })
}

/// `host program[pid]: message` without a time, as some collectors pass on journal lines.
pub(super) fn without_time(line: &str) -> Option<Parsed> {
    let (host, rest) = line.split_once(' ')?;
    let (tag, message) = tag(rest)?;
    tag.pid?;
    is_host(host).then(|| Parsed { time: LogTime::Absent, record: tag.record(Some(host), message) })
}

/// `program[pid]: message` after a time that was not of syslog.
pub(super) fn after_time(text: &str) -> Option<Record> {
    let (tag, message) = tag(text)?;
    tag.pid.map(|_| tag.record(None, message))
}

fn priority(line: &str) -> (Option<u8>, &str) {
    let Some((digits, rest)) = line.strip_prefix('<').and_then(|inner| inner.split_once('>')) else {
        return (None, line);
    };
    match digits.parse().ok().and_then(level::of_priority) {
        Some(level) => (Some(level), rest.trim_start()),
        None => (None, line),
    }
}

/// `<auth.info>` or `<4.6>` after the time, as the BSDs write with `-v`.
fn verbose_priority(text: &str) -> (Option<u8>, &str) {
    let Some((inside, rest)) = text.strip_prefix('<').and_then(|inner| inner.split_once("> ")) else {
        return (None, text);
    };
    match inside.split_once('.').and_then(|(_, word)| level::read(word)) {
        Some(level) => (Some(level), rest.trim_start()),
        None => (None, text),
    }
}

struct Tag<'a> {
    program: &'a str,
    pid: Option<u32>,
}

impl Tag<'_> {
    fn record(&self, host: Option<&str>, message: &str) -> Record {
        let mut record = Record {
            program: Some(name(self.program).to_owned()),
            pid: self.pid,
            message: body(self.program, message).to_owned(),
            ..Record::default()
        };
        record.entity.host = host.map(str::to_owned);
        record
    }
}

fn header(text: &str, sure: bool) -> Option<Record> {
    let proven = |tag: &Tag| sure || tag.pid.is_some();
    if let Some((tag, message)) = tag(text)
        && (proven(&tag) || !tag.program.contains('['))
    {
        return Some(tag.record(None, message));
    }
    let (host, rest) = text.split_once(' ')?;
    let rest = rest.trim_start();
    // `sogod [26818]: text`: no host, and a space before the pid.
    if let Some((pid, message)) = rest.strip_prefix('[').and_then(|inner| inner.split_once("]: "))
        && let Ok(pid) = pid.parse()
    {
        return Some(Tag { program: host, pid: Some(pid) }.record(None, message));
    }
    if !is_host(host) {
        return None;
    }
    // Some relays write the host twice.
    let rest = rest
        .strip_prefix(host)
        .and_then(|again| again.strip_prefix(' '))
        .filter(|again| tag(again).is_some())
        .unwrap_or(rest);
    match tag(rest) {
        Some((tag, message)) if proven(&tag) => Some(tag.record(Some(host), message)),
        None if sure => {
            let mut record = Record { message: rest.to_owned(), ..Record::default() };
            record.entity.host = Some(host.to_owned());
            Some(record)
        }
        _ => None,
    }
}

fn is_host(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|c: char| c.is_alphanumeric() || c == ':')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%' | '@'))
}

/// `sshd[12]: `, `sshd: `, `sshd(pam_unix)[12]: `, `auth-worker(12): `, `[sshd]: `, `sshd[12] ` and what follows.
fn tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let end = text.find(' ').unwrap_or(text.len());
    let (word, message) = text.split_at_checked(end)?;
    let message = message.strip_prefix(' ').unwrap_or(message);
    let (word, colon) = match word.strip_suffix(':') {
        Some(word) => (word, true),
        None => (word, false),
    };
    if word.is_empty() || word.len() > TAG_BYTES_MAX {
        return None;
    }
    if let Some(program) = word.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        let is_name = program.starts_with(|c: char| c.is_ascii_alphabetic()) && !program.contains(['[', ']', ':']);
        return (is_name && level::read(program).is_none()).then_some((Tag { program, pid: None }, message));
    }
    let (program, pid) = pid_of(word);
    // `NOTICE[12]: ` of Asterisk is a level and a thread.
    if level::read(program).is_some() || matches!(program, "SECURITY" | "VERBOSE") {
        return None;
    }
    let is_name = !program.is_empty() && !program.contains(['"', '=', '<', '>', '|', ',', '[', ']', '{']);
    (is_name && (colon || pid.is_some())).then_some((Tag { program, pid }, message))
}

fn pid_of(word: &str) -> (&str, Option<u32>) {
    let inside = |open, close| {
        let (program, digits) = word.strip_suffix(close)?.rsplit_once(open)?;
        Some((program, Some(digits.parse::<u32>().ok()?)))
    };
    inside('[', ']').or_else(|| inside('(', ')')).unwrap_or((word, None))
}

/// Without the path of `/usr/sbin/cron` and the module of `sshd(pam_unix)`; `postfix/smtpd` stays.
fn name(tag: &str) -> &str {
    let tag = tag.split_once('(').map_or(tag, |(program, _)| program);
    if tag.starts_with('/') { tag.rsplit('/').next().unwrap_or(tag) } else { tag }
}

/// Without what the kernel (time since boot) and Solaris (message id) put before the text.
fn body<'a>(program: &str, message: &'a str) -> &'a str {
    if program == "kernel" {
        let uptime = |inner: &str| inner.trim_start().starts_with(|c: char| c.is_ascii_digit());
        if let Some((_, rest)) =
            message.strip_prefix('[').filter(|inner| uptime(inner)).and_then(|i| i.split_once("] "))
        {
            return rest;
        }
    }
    match message.strip_prefix("[ID ").and_then(|inner| inner.split_once("] ")) {
        Some((_, rest)) => rest,
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Header<'a> = (Option<&'a str>, Option<&'a str>, Option<u32>, &'a str);

    fn check(line: &str, (host, program, pid, message): Header) {
        let record = read(line).unwrap_or_else(|| panic!("{line}")).record;
        let got = (record.entity.host.as_deref(), record.program.as_deref(), record.pid, record.message.as_str());
        assert_eq!(got, (host, program, pid, message), "{line}");
    }

    #[test]
    fn headers_are_read_in_every_common_form() {
        let full = (Some("web-1"), Some("sshd"), Some(42), "hello: you");
        check("Jan  2 03:04:05 web-1 sshd[42]: hello: you", full);
        check("<38>Jan  2 03:04:05 web-1 sshd[42]: hello: you", full);
        check("2026-01-02T03:04:05.678+01:00 web-1 sshd[42]: hello: you", full);
        check("2026-01-02 03:04:05 web-1 sshd[42]: hello: you", full);
        check("2026-01-02T03:04:05+0100 web-1 sshd[42]: hello: you", full);
        check("Jan  2 03:04:05 <auth.info> web-1 sshd[42]: hello: you", full);
        check("Jan  2 03:04:05 web-1 sshd(pam_unix)[42]: hello: you", full);
        check("Jan  2 03:04:05 web-1 /usr/sbin/sshd[42]: hello: you", full);
        check("Jan  2 03:04:05 web-1 sshd[42]: [ID 800047 auth.info] hello: you", full);
        check("Jan  2 03:04:05 sshd[42]: hello", (None, Some("sshd"), Some(42), "hello"));
        check("Jan  2 03:04:05 web sshd [42]: hello", (Some("web"), None, None, "sshd [42]: hello"));
        check("Jan  2 03:04:05 sogod [42]: hello", (None, Some("sogod"), Some(42), "hello"));
        check("Jan  2 03:04:05 [sshd] hello", (None, Some("sshd"), None, "hello"));
        check("Jan  2 03:04:05 web kernel: [  12.345] hello", (Some("web"), Some("kernel"), None, "hello"));
        check("Jan  2 03:04:05 web -- MARK --", (Some("web"), None, None, "-- MARK --"));
        check("Jan  2 03:04:05 mx postfix/smtpd[7]: x", (Some("mx"), Some("postfix/smtpd"), Some(7), "x"));
        check("Jan  2 03:04:05 2001:db8::1 sshd[42]: x", (Some("2001:db8::1"), Some("sshd"), Some(42), "x"));
    }

    #[test]
    fn the_priority_gives_the_level() {
        assert_eq!(read("<34>Jan  2 03:04:05 h su: x").unwrap().record.level, Some(2));
        assert_eq!(read("<999>Jan  2 03:04:05 h su: x"), None);
    }

    #[test]
    fn an_application_s_own_time_is_no_syslog_header() {
        for line in [
            "2013-06-12 03:57:58 login authenticator failed for (x) [192.0.2.1]: 535",
            "2026-01-02 03:04:05 ERROR worker: it broke",
            "2018/09/14 19:03:05 [error] 2035#2035: *9134 access forbidden",
            "2021-10-11 09:01:35,116 INFO [org.example] - text",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
