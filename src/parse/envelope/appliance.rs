//! What makers of network devices put round the header of RFC 3164.

use super::super::time::LogTime;
use super::{priority, stamp, tag};

/// Of the number of a message.
const NUMBER_DIGITS_MAX: usize = 12;

/// `3924923: *Oct  6 …`: Cisco numbers its messages.
pub(super) fn without_sequence(text: &str) -> &str {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.get(digits..).and_then(|behind| behind.strip_prefix(": ")) {
        Some(rest) if (1..=NUMBER_DIGITS_MAX).contains(&digits) => rest,
        _ => text,
    }
}

/// Behind a time, what Cisco ends it with: ` AEST: %SEC-6-…` and `: %SEC-6-…` leave ` %SEC-6-…`.
pub(super) fn after_clock(after: &str) -> &str {
    let head = after.as_bytes().get(..16).unwrap_or(after.as_bytes());
    if memchr::memchr(b'%', head).is_none() {
        return after;
    }
    let Some(at) = after.get(..12.min(after.len())).and_then(|head| head.find(": ")) else { return after };
    let zone = after.get(..at).unwrap_or_default();
    let is_zone = zone.strip_prefix(' ').unwrap_or(zone).bytes().all(|byte| byte.is_ascii_alphanumeric());
    match after.get(at + 1..) {
        Some(rest) if is_zone && rest.starts_with(" %") => rest,
        _ => after,
    }
}

/// UniFi's `U7PG2,00005e0053c2,v4.3.28.11361:` is a host, its hardware address and its firmware.
pub(super) fn bare_host(word: &str) -> &str {
    let mut parts = word.split(',');
    match (parts.next(), parts.next()) {
        (Some(host), Some(hardware)) if is_hardware(hardware) => host,
        _ => word,
    }
}

/// Without what stands between host and tag: UniFi's hardware address and firmware, WatchGuard's own time in brackets, the
/// level of F5, Cisco's number and clock.
pub(super) fn behind_host<'a>(host: &str, rest: &'a str) -> &'a str {
    if host.ends_with(':') {
        return rest;
    }
    let rest = rest.strip_prefix(": ").unwrap_or(rest);
    let Some((word, after)) = rest.split_once(' ') else { return rest };
    let after = after.trim_start();
    if word.ends_with(':') && word.contains(',') && word.split(',').next().is_some_and(is_hardware) {
        return after;
    }
    let own_time = word.strip_prefix('(').and_then(|inner| stamp::iso(inner.strip_suffix(')')?));
    if matches!(own_time, Some((LogTime::Civil(_) | LogTime::Instant(_), ""))) {
        return after;
    }
    if priority::is_level(word) && !word.starts_with('[') && tag::read(after).is_some_and(|(tag, _)| tag.pid.is_some())
    {
        return after;
    }
    if word.strip_suffix(':').is_some_and(is_number) {
        return without_clock(after);
    }
    without_clock(rest)
}

/// `*Oct 22 09:00:00.123: %SYS-5-CONFIG_I: …`: the device's own clock, behind the header that a relay gave it.
fn without_clock(text: &str) -> &str {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return text;
    }
    let inner = text.strip_prefix(['*', '.']).unwrap_or(text);
    match stamp::bsd(inner) {
        Some((_, after)) => {
            let rest = after_clock(after);
            if rest.starts_with(" %") { rest.trim_start() } else { text }
        }
        None => text,
    }
}

fn is_number(text: &str) -> bool {
    (1..=NUMBER_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hardware(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::super::syslog;

    fn header_of(line: &str) -> (String, String, String) {
        let record = syslog::read(line).unwrap_or_else(|| panic!("{line}")).record;
        (record.entity.host.unwrap_or_default(), record.program.unwrap_or_default(), record.message)
    }

    #[test]
    fn what_devices_put_round_the_header_is_taken_off() {
        for (line, (host, program, message)) in [
            ("3924923: *Oct  6 03:32:04.114 gmt: %SEC-6-IPACCESSLOGP: x", ("", "%SEC-6-IPACCESSLOGP", "x")),
            ("<189>681: Aug 17 17:41:24.776 AEST: %SEC-6-IPACCESSLOGP: x", ("", "%SEC-6-IPACCESSLOGP", "x")),
            ("*Mar  1 00:00:12.123: %LINK-3-UPDOWN: x", ("", "%LINK-3-UPDOWN", "x")),
            ("<189>Oct 22 10:52:12 gw 45: *Oct 22 09:00:00.1: %SYS-5-CONFIG_I: x", ("gw", "%SYS-5-CONFIG_I", "x")),
            ("<166>%ASA-6-302013: x", ("", "%ASA-6-302013", "x")),
            ("<166>Oct 22 2026 10:52:12: %ASA-6-302013: x", ("", "%ASA-6-302013", "x")),
            ("<166>Oct 22 2026 10:52:12 fw : %ASA-6-302013: x", ("fw", "%ASA-6-302013", "x")),
            ("Jan 28 06:43:28 2017 SW01 %%10WEB/4/FAIL(l): x", ("SW01", "%%10WEB/4/FAIL", "x")),
            ("Aug  7 22:21:57 AP 0a1b2c3d4e5f,U7-Pro-8.6.11+18870: hostapd[6]: x", ("AP", "hostapd", "x")),
            ("Aug  7 22:30:35 U7PG2,00005e0053c2,v4.3.28.11361: dropbear[600]: x", ("U7PG2", "dropbear", "x")),
            (
                "Nov 20 22:29:36 FW-T35 (2020-11-20T11:29:36) firewall: msg_id=\"1\" x",
                ("FW-T35", "firewall", "msg_id=\"1\" x"),
            ),
            ("May  4 13:42:12 lb crit server_handler.pl[24895]: x", ("lb", "server_handler.pl", "x")),
        ] {
            assert_eq!(header_of(line), (host.to_owned(), program.to_owned(), message.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_clock_that_a_message_quotes_is_none_of_the_device() {
        let (host, program, message) = header_of("Oct 22 10:52:12 gw app: *Oct 22 09:00:00.1: %SYS-5-CONFIG_I: x");
        assert_eq!((host.as_str(), program.as_str()), ("gw", "app"));
        assert!(message.starts_with("*Oct 22"), "{message}");
    }
}
