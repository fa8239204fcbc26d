//! RFC 3164 as it is really written: with and without priority, with RFC 3339 times, with or without a host, and what
//! journalctl prints in its likeness.

use super::super::time::LogTime;
use super::layer::{Inside, Layer};
use super::tag::{self, Tag};
use super::{appliance, priority, stamp};
use crate::event::Record;

/// How sure it is that a host and a tag follow the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// A time that only syslog daemons write.
    Syslog,
    /// RFC 3339: rsyslog writes it, and so do programs of their own; a tag must follow.
    Either,
    /// A date and time as programs write them: only a pid proves a tag.
    Program,
}

/// A line with a time and a tag; `None` where it is neither.
pub(super) fn read(line: &str) -> Option<Layer> {
    let line = priority::without_octet_count(line);
    let (level, rest) = match priority::numbered(line) {
        Some((level, rest)) => (Some(level), rest),
        None => (None, line),
    };
    let mut layer = match timed(appliance::without_sequence(rest), level.is_some()) {
        Some(layer) => layer,
        // Whoever writes a priority is a syslog sender, with or without a time.
        None if level.is_some() => untimed(rest),
        None => return None,
    };
    layer.record.level = level.or(layer.record.level);
    Some(layer)
}

fn timed(text: &str, has_priority: bool) -> Option<Layer> {
    let (time, after, trust) = time(text)?;
    let (level, after) = match priority::spelled(after) {
        Some((level, after)) => (Some(level), after),
        None => (None, after),
    };
    let trust = if has_priority || level.is_some() { Trust::Syslog } else { trust };
    let (record, inside) = header(after, trust)?;
    Some(Layer::new(time, Record { level: record.level.or(level), ..record }, inside))
}

fn time(text: &str) -> Option<(LogTime, &str, Trust)> {
    let (bracketed, inner) = match text.strip_prefix('[') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    if bracketed && let Some(after) = since_boot(inner) {
        return Some((LogTime::Absent, after, Trust::Program));
    }
    // Cisco marks a clock that is not set.
    let inner = inner.strip_prefix(['*', '.']).unwrap_or(inner);
    let by_digits = |text| {
        let (time, after) = stamp::iso(text)?;
        let is_spaced = text.as_bytes().get(10) == Some(&b' ') || text.as_bytes().get(4) != Some(&b'-');
        Some((time, after, if is_spaced { Trust::Program } else { Trust::Either }))
    };
    let (time, after, trust) = by_digits(inner)
        .or_else(|| stamp::bsd(inner).map(|(time, after)| (time, after, Trust::Syslog)))
        .or_else(|| stamp::weekday(inner).map(|(time, after)| (time, after, of_weekday(inner))))
        .or_else(|| stamp::epoch(inner).map(|(time, after)| (time, after, Trust::Program)))?;
    let after = if bracketed { after.strip_prefix(']')? } else { appliance::after_clock(after) };
    let trust = if bracketed { Trust::Program } else { trust };
    Some((time, after.strip_prefix(' ')?.trim_start(), trust))
}

/// `Thu 2026-01-02 …` is what journalctl writes and nobody else.
fn of_weekday(text: &str) -> Trust {
    let date = text.split(' ').nth(1).unwrap_or_default();
    if date.len() == 10 && date.starts_with(|c: char| c.is_ascii_digit()) { Trust::Either } else { Trust::Program }
}

/// `[   12.345678] host tag: …` of `journalctl -o short-monotonic`; `short-delta` has the time since the line before, too.
fn since_boot(inner: &str) -> Option<&str> {
    let (seconds, after) = inner.split_once(']').filter(|(seconds, _)| seconds.len() <= 32)?;
    let seconds = seconds.split_once('<').map_or(seconds, |(seconds, _)| seconds).trim();
    let (whole, fraction) = seconds.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let after = after.strip_prefix(' ').filter(|_| is_number(whole) && is_number(fraction))?;
    Some(after.trim_start())
}

/// `host program[pid]: message` without a time, as some collectors pass on journal lines.
pub(super) fn without_time(line: &str) -> Option<Layer> {
    let (host, rest) = line.split_once(' ')?;
    let (tag, message) = tag::read(rest)?;
    tag.pid?;
    is_host(host).then(|| Layer::new(LogTime::Absent, record(tag, Some(host), message), Inside::Payload))
}

/// `program[pid]: message` after a time that was not of syslog.
pub(super) fn after_time(text: &str) -> Option<Record> {
    let (tag, message) = tag::read(text)?;
    tag.pid.map(|_| record(tag, None, message))
}

/// Behind a priority without a time: a tag, or what an appliance writes instead.
fn untimed(text: &str) -> Layer {
    if let Some((tag, message)) = tag::read(text) {
        return Layer::new(LogTime::Absent, record(tag, None, message), Inside::Payload);
    }
    if let Some(layer) = without_time(text) {
        return layer;
    }
    let record = Record { message: text.to_owned(), ..Record::default() };
    Layer::new(LogTime::Absent, record, Inside::Line)
}

fn record(tag: Tag<'_>, host: Option<&str>, message: &str) -> Record {
    let mut record = Record {
        program: Some(tag::name(tag.program).to_owned()),
        pid: tag.pid,
        message: body(tag.program, message).to_owned(),
        ..Record::default()
    };
    record.entity.host = host.map(str::to_owned);
    record
}

fn header(text: &str, trust: Trust) -> Option<(Record, Inside)> {
    let is_proven = |tag: &Tag<'_>| match trust {
        Trust::Syslog => true,
        // The kernel has no pid, and no program is called so.
        Trust::Either | Trust::Program => tag.pid.is_some() || tag.program == "kernel",
    };
    if let Some((tag, message)) = tag::read(text).or_else(|| tag::of_words(text, 1))
        && is_proven(&tag)
    {
        return Some((record(tag, None, message), Inside::Payload));
    }
    let (host, rest) = text.split_once(' ')?;
    let host = appliance::bare_host(host);
    if !is_host(host) || priority::is_level(host) {
        return None;
    }
    let rest = appliance::behind_host(host, rest.trim_start());
    // Some relays write the host twice.
    let again = rest.strip_prefix(host).and_then(|again| again.strip_prefix(' '));
    let rest = again.filter(|again| tag::read(again).is_some()).unwrap_or(rest);
    match tag::read(rest).or_else(|| tag::of_words(rest, tag::NAME_WORDS_MAX)) {
        Some((tag, message)) if is_proven(&tag) || is_daemon_s(host, trust) => {
            Some((record(tag, Some(host), message), Inside::Payload))
        }
        None if trust == Trust::Syslog || (trust == Trust::Either && is_of_daemon(rest)) => {
            let mut record = Record { message: rest.to_owned(), ..Record::default() };
            record.entity.host = Some(host.to_owned());
            Some((record, Inside::Line))
        }
        _ => None,
    }
}

/// `host program: message` behind an RFC 3339 time: a number is a thread, not a host.
fn is_daemon_s(host: &str, trust: Trust) -> bool {
    trust == Trust::Either && !host.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the syslog daemon itself says, without a tag.
fn is_of_daemon(text: &str) -> bool {
    text.starts_with("last message repeated ")
        || text.starts_with("message repeated ")
        || text.starts_with("-- MARK --")
}

fn is_host(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|c: char| c.is_alphanumeric() || c == ':')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%' | '@'))
        && !text.ends_with(':')
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
    fn a_host_is_a_name_or_an_address_of_a_bounded_length() {
        for host in ["web-1", "srv_1.example.org", "::1", "fe80::1%eth0", "bücher", "a@b", &"x".repeat(255)] {
            assert!(is_host(host), "{host}");
        }
        for other in ["", "-x", ".x", "web:", "a b", "a/b", "[x", "a,b", "\"x\"", &"x".repeat(256)] {
            assert!(!is_host(other), "{other}");
        }
    }

    #[test]
    fn how_sure_a_tag_follows_is_told_by_the_form_of_the_time() {
        for (text, trust) in [
            ("Jan  2 03:04:05 x", Trust::Syslog),
            ("2026-01-02T03:04:05 x", Trust::Either),
            ("2026-01-02 03:04:05 x", Trust::Program),
            ("2026/01/02 03:04:05 x", Trust::Program),
            ("[2026-01-02T03:04:05] x", Trust::Program),
        ] {
            assert!(
                time(text).is_some_and(|(_, rest, found)| found == trust && rest == "x"),
                "{text} {:?}",
                time(text)
            );
        }
        assert_eq!(of_weekday("Thu 2026-01-02 03:04:05"), Trust::Either);
        for text in ["Thu Jan  2 03:04:05 2026", "Thu abcdefghij", "Thu 2026-1-2 03:04:05", "Thu"] {
            assert_eq!(of_weekday(text), Trust::Program, "{text}");
        }
    }

    #[test]
    fn a_time_since_boot_is_a_number_with_a_fraction() {
        assert_eq!(since_boot("   12.345678] web x"), Some("web x"));
        assert_eq!(since_boot("12.345678<    0.000001>] web x"), Some("web x"));
        for text in
            ["12] x", "12.] x", ".5] x", "a.5] x", "1.b] x", "1.5]x", "1.5", &format!("{}1.5] x", "0".repeat(30))]
        {
            assert_eq!(since_boot(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_daemon_s_own_messages_need_no_tag() {
        for text in ["last message repeated 3 times", "message repeated 2 times: [ x]", "-- MARK --"] {
            assert!(is_of_daemon(text), "{text}");
        }
        assert!(!is_of_daemon("the last message repeated "));
        assert!(is_daemon_s("web-1", Trust::Either) && !is_daemon_s("web-1", Trust::Program));
        assert!(!is_daemon_s("140", Trust::Either), "a thread");
    }

    #[test]
    fn what_the_kernel_and_solaris_put_before_the_text_is_left_out() {
        assert_eq!(body("kernel", "[   12.5] usb 1-1"), "usb 1-1");
        assert_eq!(body("kernel", "[drm] usb 1-1"), "[drm] usb 1-1");
        assert_eq!(body("sshd", "[   12.5] usb 1-1"), "[   12.5] usb 1-1");
        assert_eq!(body("sshd", "[ID 800047 auth.info] hello"), "hello");
    }

    #[test]
    fn headers_are_read_in_every_common_form() {
        let full = (Some("web-1"), Some("sshd"), Some(42), "hello: you");
        for line in [
            "Jan  2 03:04:05 web-1 sshd[42]: hello: you",
            "<38>Jan  2 03:04:05 web-1 sshd[42]: hello: you",
            "74 <38>Jan  2 03:04:05 web-1 sshd[42]: hello: you",
            "2026-01-02T03:04:05.678+01:00 web-1 sshd[42]: hello: you",
            "<38>2026-01-02T03:04:05.678+01:00 web-1 sshd[42]: hello: you",
            "2026-01-02 03:04:05 web-1 sshd[42]: hello: you",
            "2026-01-02T03:04:05+0100 web-1 sshd[42]: hello: you",
            "2026-01-02T03:04:05,678+0100 web-1 sshd[42]: hello: you",
            "2026-01-02T03:04:05 web-1 sshd[42]: hello: you",
            "2026 Jan  2 03:04:05 web-1 sshd[42]: hello: you",
            "Jan  2 2026 03:04:05 web-1 sshd[42]: hello: you",
            "Jan  2 03:04:05 2026 web-1 sshd[42]: hello: you",
            "Jan 02 03:04:05.678901 web-1 sshd[42]: hello: you",
            "сен 02 03:04:05 web-1 sshd[42]: hello: you",
            "Thu 2026-01-02 03:04:05 CET web-1 sshd[42]: hello: you",
            "Thu 2026-01-02 03:04:05 CET web-1 ssh.service[42]: hello: you",
            "[  345.678901] web-1 sshd[42]: hello: you",
            "[  345.678901 <    0.000017 >] web-1 sshd[42]: hello: you",
            "1386543323.123456 web-1 sshd[42]: hello: you",
            "Jan  2 03:04:05 <auth.info> web-1 sshd[42]: hello: you",
            "Fri Jan  2 03:04:05 2026 auth.info web-1 sshd[42]: hello: you",
            "Jan  2 03:04:05 web-1 sshd(pam_unix)[42]: hello: you",
            "Jan  2 03:04:05 web-1 /usr/sbin/sshd[42]: hello: you",
            "Jan  2 03:04:05 web-1 sshd[42]: [ID 800047 auth.info] hello: you",
            "Jan  2 03:04:05 web-1 web-1 sshd[42]: hello: you",
            "Jan  2 03:04:05 web-1 sshd [42]: hello: you",
        ] {
            check(line, full);
        }
        check("Fri Jan  2 03:04:05 2026 authpriv.warn dropbear[1]: x", (None, Some("dropbear"), Some(1), "x"));
        check("Jan  2 03:04:05 sshd[42]: hello", (None, Some("sshd"), Some(42), "hello"));
        check("Jan  2 03:04:05  sshd[42]: hello", (None, Some("sshd"), Some(42), "hello"));
        check("Jan  2 03:04:05 sogod [42]: hello", (None, Some("sogod"), Some(42), "hello"));
        check("Jan  2 03:04:05 [sshd] hello", (None, Some("sshd"), None, "hello"));
        check("Jan  2 03:04:05 web kernel: [  12.345] hello", (Some("web"), Some("kernel"), None, "hello"));
        check("Jan  2 03:04:05 web -- MARK --", (Some("web"), None, None, "-- MARK --"));
        check("Jan  2 03:04:05 mx postfix/smtpd[7]: x", (Some("mx"), Some("postfix/smtpd"), Some(7), "x"));
        check("Jan  2 03:04:05 2001:db8::1 sshd[42]: x", (Some("2001:db8::1"), Some("sshd"), Some(42), "x"));
        check("Jan  2 03:04:05 nas Plex Media Server[7]: x", (Some("nas"), Some("Plex Media Server"), Some(7), "x"));
        let kernel = (Some("web"), Some("kernel"), None, "usb 1-1: x");
        for line in [
            "[  345.678901] web kernel: usb 1-1: x",
            "Thu 2026-01-02 03:04:05 CET web kernel: usb 1-1: x",
            "2026-01-02 03:04:05 web kernel: usb 1-1: x",
        ] {
            check(line, kernel);
        }
        check("Thu 2026-01-02 03:04:05 CET web sudo: x", (Some("web"), Some("sudo"), None, "x"));
        check("<30>dropbear[7]: x", (None, Some("dropbear"), Some(7), "x"));
        check("<30>x=1 y=2", (None, None, None, "x=1 y=2"));
    }

    #[test]
    fn the_priority_gives_the_level() {
        assert_eq!(read("<34>Jan  2 03:04:05 h su: x").unwrap().record.level, Some(2));
        assert_eq!(read("Fri Jan  2 03:04:05 2026 authpriv.warn su[1]: x").unwrap().record.level, Some(4));
        assert_eq!(read("<999>Jan  2 03:04:05 h su: x"), None);
    }

    #[test]
    fn an_application_s_own_time_is_no_syslog_header() {
        for line in [
            "2013-06-12 03:57:58 login authenticator failed for (x) [192.0.2.1]: 535",
            "2026-01-02 03:04:05 ERROR worker: it broke",
            "2026-01-02T03:04:05Z INFO worker-3: 12 files copied",
            "2026-01-02T03:04:05.500Z 7 [Note] server: ready",
            "2026-01-02T03:04:05.123Z WARN auth - login failed",
            "2026-01-02T03:04:05Z Port 22",
            "2026-01-02T03:04:05Z [AUTH] WARN: no",
            "2018/09/14 19:03:05 [error] 2035#2035: *9134 access forbidden",
            "2021-10-11 09:01:35,116 INFO [org.example] - text",
            "[  345.678901] usb 1-1: new device",
            "[Wed Dec 11 10:00:00 2026] [error] [client 192.0.2.1] text",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_header_in_a_program_s_message_is_its_message() {
        let line = "Jan  2 03:04:05 web app[1]: Jan  2 03:04:06 vault sshd[2]: Accepted password for root";
        let layer = read(line).unwrap();
        assert_eq!((layer.record.program.as_deref(), layer.inside), (Some("app"), Inside::Payload));
    }
}
