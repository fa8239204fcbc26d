//! Addresses as programs write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest run of characters that is looked at: an IPv6 address with an embedded IPv4 one has 45.
const RUN_BYTES: usize = 46;
/// Longest zone after `%`: names of interfaces have at most 15.
const ZONE_BYTES: usize = 16;

/// The address at the start of the text and where it ends: `192.0.2.1`, `2001:db8::1`, `fe80::1%eth0`, `[2001:db8::1]`,
/// `[IPv6:2001:db8::1]`, `::ffff:192.0.2.1`. What follows must not continue a word or a host name.
pub fn ip(text: &[u8]) -> Option<(IpAddr, usize)> {
    if text.first() == Some(&b'[') {
        return bracketed(text);
    }
    let (ip, end) = bare(text)?;
    let end = zone(text, end, ip);
    (!continues(text.get(end..)?)).then_some((ip.to_canonical(), end))
}

/// An address and its port: `192.0.2.1:22`, `192.0.2.1#53`, `[2001:db8::1]:22`, `2001:db8::1:22` with the last number as port.
pub fn ip_port(text: &[u8]) -> Option<(IpAddr, u16, usize)> {
    let (ip, end) = if text.first() == Some(&b'[') {
        bracketed(text)?
    } else if let Some((ip, end)) = v4(text) {
        (IpAddr::V4(ip), end)
    } else {
        let run = run(text);
        match run.iter().rposition(|byte| *byte == b':').filter(|_| text.get(run.len()) != Some(&b'#')) {
            Some(colon) => (IpAddr::V6(v6(run.get(..colon)?)?), colon),
            None => {
                let ip = IpAddr::V6(v6(run)?);
                (ip, zone(text, run.len(), ip))
            }
        }
    };
    let (b':' | b'#') = text.get(end)? else { return None };
    let (port, length) = port(text.get(end + 1..)?)?;
    let end = end + 1 + length;
    (!continues(text.get(end..)?)).then_some((ip.to_canonical(), port, end))
}

/// A number from 0 to 65535 that no further digit follows.
pub fn port(text: &[u8]) -> Option<(u16, usize)> {
    let length = text.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let value = text.get(..length)?.iter().fold(0_u32, |value, byte| value * 10 + u32::from(byte - b'0'));
    let value = u16::try_from(value).ok().filter(|_| (1..=5).contains(&length))?;
    Some((value, length))
}

fn bracketed(text: &[u8]) -> Option<(IpAddr, usize)> {
    let inner = text.get(1..)?;
    let length = inner.iter().take(RUN_BYTES + ZONE_BYTES).position(|byte| *byte == b']')?;
    let inside = inner.get(..length)?;
    let address = inside.strip_prefix(b"IPv6:").unwrap_or(inside);
    let (ip, end) = match v4(address) {
        Some((ip, end)) => (IpAddr::V4(ip), end),
        None => {
            let run = run(address);
            let ip = IpAddr::V6(v6(run)?);
            (ip, zone(address, run.len(), ip))
        }
    };
    (end == address.len()).then_some((ip.to_canonical(), length + 2))
}

fn bare(text: &[u8]) -> Option<(IpAddr, usize)> {
    if let Some((ip, end)) = v4(text) {
        return Some((IpAddr::V4(ip), end));
    }
    let mut run = run(text);
    if run.iter().filter(|byte| **byte == b':').count() < 2 {
        return None;
    }
    // A full stop or colon after it belongs to the sentence; behind an embedded IPv4 address stands a port.
    for _ in 0..2 {
        if let Some(ip) = v6(run) {
            return Some((IpAddr::V6(ip), run.len()));
        }
        run = match run.split_last()? {
            (b'.' | b':', shorter) => shorter,
            _ if run.contains(&b'.') => run.get(..run.iter().rposition(|byte| *byte == b':')?)?,
            _ => return None,
        };
    }
    v6(run).map(|ip| (IpAddr::V6(ip), run.len()))
}

fn v4(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let mut octets = [0_u8; 4];
    let mut at = 0;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let digits = text.get(at..)?.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let value = text.get(at..at + digits)?.iter().fold(0_u16, |value, byte| value * 10 + u16::from(byte - b'0'));
        // `010` is 8 for some programs and 10 for others: where there are two readings, there is none.
        let is_plain = digits == 1 || (digits > 1 && text.get(at) != Some(&b'0'));
        *octet = u8::try_from(value).ok().filter(|_| is_plain)?;
        at += digits;
    }
    // `1.2.3.4567`, and `1.2.3.4:` of an IPv6 address cannot be: that has colons before its dots.
    (!text.get(at).is_some_and(u8::is_ascii_digit)).then_some((Ipv4Addr::from(octets), at))
}

/// Whether the text is an IPv4 address with nothing round it.
pub fn is_canonical_v4(text: &[u8]) -> bool {
    v4(text).is_some_and(|(_, end)| end == text.len())
}

fn run(text: &[u8]) -> &[u8] {
    let length = text
        .iter()
        .take(RUN_BYTES)
        .position(|byte| !(byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')))
        .unwrap_or(text.len().min(RUN_BYTES));
    text.get(..length).unwrap_or_default()
}

fn v6(run: &[u8]) -> Option<Ipv6Addr> {
    // `bad::` is a word, `7` a number.
    let colons = run.iter().filter(|byte| **byte == b':').count();
    if colons < 2 || (!run.iter().any(u8::is_ascii_digit) && run != b"::") {
        return None;
    }
    std::str::from_utf8(run).ok()?.parse().ok()
}

fn zone(text: &[u8], end: usize, ip: IpAddr) -> usize {
    let Some((b'%', zone)) = text.get(end..).and_then(<[u8]>::split_first).filter(|_| ip.is_ipv6()) else { return end };
    let is_zone = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match zone.iter().take(ZONE_BYTES).take_while(is_zone).count() {
        0 => end,
        length => end + 1 + length,
    }
}

/// Whether what follows belongs to a word or a host name.
pub fn continues(rest: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    match rest.split_first() {
        None => false,
        Some((b'.' | b'-', after)) => after.first().is_some_and(is_word),
        Some((byte, _)) => is_word(byte) || matches!(byte, b'_' | b'@' | b'*'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, &str)> {
        ip(text.as_bytes()).map(|(ip, end)| (ip.to_string(), &text[end..]))
    }

    #[test]
    fn the_ways_to_write_an_address_are_read() {
        for (text, address, rest) in [
            ("192.0.2.1 x", "192.0.2.1", " x"),
            ("192.0.2.1: x", "192.0.2.1", ": x"),
            ("192.0.2.1:22", "192.0.2.1", ":22"),
            ("192.0.2.1.", "192.0.2.1", "."),
            ("192.0.2.1->x", "192.0.2.1", "->x"),
            ("[192.0.2.1]:25 x", "192.0.2.1", ":25 x"),
            ("[IPv6:2001:db8::1] x", "2001:db8::1", " x"),
            ("[fe80::1%eth0]", "fe80::1", ""),
            ("2001:db8::1 port", "2001:db8::1", " port"),
            ("2001:DB8::1, x", "2001:db8::1", ", x"),
            ("::ffff:192.0.2.1:80", "192.0.2.1", ":80"),
            ("::ffff:192.0.2.1.", "192.0.2.1", "."),
            ("fe80::1%eth0 x", "fe80::1", " x"),
            ("2001:db8::: x", "2001:db8::", ": x"),
            ("2001:db8::1.", "2001:db8::1", "."),
            (":: port", "::", " port"),
            ("0.0.0.0 port", "0.0.0.0", " port"),
        ] {
            assert_eq!(read(text), Some((address.to_owned(), rest)), "{text}");
        }
    }

    #[test]
    fn an_address_in_its_canonical_form_is_told_from_others() {
        for (text, is_canonical) in [
            ("192.0.2.1", true),
            ("0.0.0.0", true),
            ("192.0.2.01", false),
            ("192.0.2.1 ", false),
            ("[192.0.2.1]", false),
            ("192.0.2", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_canonical_v4(text.as_bytes()), is_canonical, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_an_address_is_none() {
        for text in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4-host",
            "1.2.3.4.example.org",
            "12:30:45",
            "bad::",
            "1.2.3.4é",
            "999.1.1.1",
            "010.1.1.1",
            "1.2.3.04:22",
            "1.2.3.00",
            "::ffff:1.2.3.04",
            "1.2.3.4567",
            "1.2.3.4x",
            "1.2.3.4@x",
            "[1.2.3.4",
            "[x]",
            "2001:db8::1x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_port_is_joined_by_colon_or_hash() {
        let read = |text: &str| ip_port(text.as_bytes()).map(|(ip, port, end)| (ip.to_string(), port, end));
        assert_eq!(read("192.0.2.1:22 x"), Some(("192.0.2.1".into(), 22, 12)));
        assert_eq!(read("192.0.2.1#53"), Some(("192.0.2.1".into(), 53, 12)));
        assert_eq!(read("[2001:db8::1]:443,"), Some(("2001:db8::1".into(), 443, 17)));
        assert_eq!(read("2001:db8::1#53"), Some(("2001:db8::1".into(), 53, 14)));
        assert_eq!(read("2001:db8::1:443"), Some(("2001:db8::1".into(), 443, 15)));
        assert_eq!(read("::ffff:192.0.2.1:80 "), Some(("192.0.2.1".into(), 80, 19)));
        for text in ["192.0.2.1", "192.0.2.1:", "192.0.2.1:70000", "192.0.2.1:22x", "x:1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
