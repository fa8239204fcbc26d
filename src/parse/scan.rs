//! Finding addresses in text that an attacker may have written parts of.

use std::net::IpAddr;

/// Longer than any address with its port; keeps a line full of brackets or dots from costing its square.
const ADDRESS_BYTES_MAX: usize = 64;

/// An address as a log writes it, with its port where that is joined to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub ip: IpAddr,
    pub port: Option<u16>,
}

impl Address {
    /// At the start of the text: `192.0.2.1`, `192.0.2.1:22`, `192.0.2.1#53`, `[2001:db8::1]:22`, `::ffff:192.0.2.1`.
    /// What follows must not continue a word, a host name or a network: `192.0.2.0/24` is not an address.
    pub fn read(text: &str) -> Option<(Self, &str)> {
        if let Some(inner) = text.strip_prefix('[') {
            let end = inner.bytes().take(ADDRESS_BYTES_MAX).position(|byte| byte == b']')?;
            let (inside, rest) = (inner.get(..end)?, inner.get(end + 1..)?);
            let ip = ip(inside.strip_prefix("IPv6:").unwrap_or(inside))?;
            let (port, rest) = port_after(rest, ':').unwrap_or((None, rest));
            return Some((Self { ip, port }, rest));
        }
        let end = text.find(|c: char| !c.is_ascii_hexdigit() && c != '.' && c != ':').unwrap_or(text.len());
        let (run, rest) = text.split_at_checked(end).filter(|(run, _)| run.len() <= ADDRESS_BYTES_MAX)?;
        // As most words are.
        memchr::memchr2(b'.', b':', run.as_bytes())?;
        let (rest, zone) = match rest.strip_prefix('%') {
            Some(zone) => (zone.trim_start_matches(|c: char| c.is_ascii_alphanumeric()), true),
            None => (rest, false),
        };
        // A full stop or colon after it belongs to the sentence.
        let shorter = |text: &'_ str| text.strip_suffix(['.', ':']).map(str::len);
        let mut kept = run;
        while Self::of_run(kept).is_none()
            && let Some(length) = shorter(kept)
        {
            kept = kept.get(..length)?;
        }
        let stops = zone || kept.len() < run.len() || !continues(rest);
        let address = if stops { Self::of_run(kept) } else { None }?;
        let rest = if zone { rest } else { text.get(kept.len()..)? };
        match port_after(rest, '#') {
            Some((port, rest)) => Some((Self { port, ..address }, rest)),
            None => Some((address, rest)),
        }
    }

    /// The whole text, quotes and brackets round it aside.
    pub fn whole(text: &str) -> Option<Self> {
        let text = text.trim_matches(['"', '\'', '<', '>', '(', ')']);
        match Self::read(text)? {
            (address, "" | "." | "," | ":" | ";") => Some(address),
            _ => None,
        }
    }

    fn of_run(run: &str) -> Option<Self> {
        if let Some(ip) = ip(run) {
            return Some(Self { ip, port: None });
        }
        let at = memchr::memrchr(b':', run.as_bytes())?;
        let (before, port) = (run.get(..at)?, run.get(at + 1..)?);
        // Only behind an IPv4 address is a further colon sure to be that of a port.
        let ip = ip(before).filter(|_| before.contains('.'))?;
        Some(Self { ip, port: Some(port.parse().ok()?) })
    }

    /// Of an address with a port joined by a colon, as HAProxy writes both families.
    pub fn with_port(text: &str) -> Option<Self> {
        let (before, port) = text.rsplit_once(':')?;
        Some(Self { ip: ip(before.trim_matches(['[', ']']))?, port: Some(port.parse().ok()?) })
    }
}

/// Zero is what sockets listen on, never where a packet comes from.
fn ip(text: &str) -> Option<IpAddr> {
    let bytes = text.as_bytes();
    if bytes.len() < 3 || !bytes.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let ip = text.parse::<IpAddr>().ok()?.to_canonical();
    (!ip.is_unspecified()).then_some(ip)
}

fn continues(rest: &str) -> bool {
    let mut chars = rest.chars();
    match chars.next() {
        Some('/') => {
            let digits = chars.as_str().find(|c: char| !c.is_ascii_digit()).unwrap_or(chars.as_str().len());
            let after = chars.as_str().get(digits..).unwrap_or_default();
            (1..=3).contains(&digits) && !after.starts_with(['.', ':'])
        }
        Some('-') => !chars.as_str().starts_with('>'),
        Some(c) => c.is_alphanumeric() || matches!(c, '_' | '@' | '*'),
        None => false,
    }
}

fn port_after(rest: &str, mark: char) -> Option<(Option<u16>, &str)> {
    let digits = rest.strip_prefix(mark)?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (port, rest) = digits.split_at_checked(end)?;
    Some((Some(port.parse().ok()?), rest))
}

/// Between the first `open` and the next `close`.
pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    Some(text.split_once(open)?.1.split_once(close)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<u16>, &str)> {
        Address::read(text).map(|(address, rest)| (address.ip.to_string(), address.port, rest))
    }

    #[test]
    fn the_ways_to_write_an_address_are_read() {
        assert_eq!(read("192.0.2.1 x"), Some(("192.0.2.1".into(), None, " x")));
        assert_eq!(read("192.0.2.1:22 x"), Some(("192.0.2.1".into(), Some(22), " x")));
        assert_eq!(read("192.0.2.1: x"), Some(("192.0.2.1".into(), None, ": x")));
        assert_eq!(read("192.0.2.1."), Some(("192.0.2.1".into(), None, ".")));
        assert_eq!(read("192.0.2.1#53:"), Some(("192.0.2.1".into(), Some(53), ":")));
        assert_eq!(read("[192.0.2.1]:25 x"), Some(("192.0.2.1".into(), Some(25), " x")));
        assert_eq!(read("[2001:db8::1]:443"), Some(("2001:db8::1".into(), Some(443), "")));
        assert_eq!(read("2001:db8::1 port"), Some(("2001:db8::1".into(), None, " port")));
        assert_eq!(read("::ffff:192.0.2.1:80"), Some(("192.0.2.1".into(), Some(80), "")));
        assert_eq!(read("fe80::1%eth0 x"), Some(("fe80::1".into(), None, " x")));
        assert_eq!(read("::1#9 x"), Some(("::1".into(), Some(9), " x")));
        assert_eq!(read("2001:db8::: x"), Some(("2001:db8::".into(), None, ": x")));
    }

    #[test]
    fn what_only_looks_like_an_address_is_none() {
        for text in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4/24",
            "1.2.3.4-host",
            "1.2.3.4.example.org",
            "0.0.0.0",
            "::",
            "12:30:45",
            "bad::",
            "1.2.3.4é",
            "999.1.1.1",
            "1.2.3.4:99999",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
