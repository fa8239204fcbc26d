//! What stands before or beside a header and tells how grave a line is.

use super::super::level;

/// Facilities of syslog as OpenWrt, Solaris and the BSDs spell them.
const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "security", "console", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// `<34>` and what follows it.
pub(super) fn numbered(line: &str) -> Option<(u8, &str)> {
    let (digits, rest) = line.strip_prefix('<')?.split_once('>').filter(|(digits, _)| digits.len() <= 3)?;
    Some((digits.parse().ok().and_then(level::of_priority)?, rest.trim_start()))
}

/// `123 <34>…`: the length that syslog over TCP puts before a message, where a collector kept it.
pub(super) fn without_octet_count(line: &str) -> &str {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line.get(digits..).and_then(|behind| behind.strip_prefix(' ')) {
        Some(rest) if rest.starts_with('<') && (1..=6).contains(&digits) => rest,
        _ => line,
    }
}

/// `authpriv.warn `, `<auth.info> `, `<4.6> ` behind the time, and what follows it.
pub(super) fn spelled(text: &str) -> Option<(u8, &str)> {
    let (word, rest) = text.split_once(' ')?;
    let inner = word.strip_prefix('<').and_then(|inner| inner.strip_suffix('>'));
    let (facility, severity) = inner.unwrap_or(word).split_once('.')?;
    let is_facility = inner.is_some() || FACILITIES.contains(&facility);
    Some((level::read(severity).filter(|_| is_facility)?, rest.trim_start()))
}

/// A word that is nothing but a level, as programs write it before their text: no host and no program is called so.
pub(super) fn is_level(word: &str) -> bool {
    let bare = word.trim_matches(['[', ']', '<', '>', '(', ')', ':', '|', ',']);
    !bare.starts_with(|c: char| c.is_ascii_digit()) && level::read(bare).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_read_in_every_spelling() {
        assert_eq!(numbered("<34>Jan"), Some((2, "Jan")));
        assert_eq!(numbered("<999>Jan"), None);
        assert_eq!(numbered("<0x1>Jan"), None);
        assert_eq!(without_octet_count("51 <34>1 x"), "<34>1 x");
        assert_eq!(without_octet_count("web <34>1 x"), "web <34>1 x");
        assert_eq!(spelled("authpriv.warn dropbear[1]: x"), Some((4, "dropbear[1]: x")));
        assert_eq!(spelled("<auth.info> web sshd: x"), Some((6, "web sshd: x")));
        assert_eq!(spelled("example.info sshd: x"), None);
    }

    #[test]
    fn a_level_is_told_from_a_host() {
        assert!(["INFO", "[error]", "WARN:", "Warning"].iter().all(|word| is_level(word)));
        assert!(["info1", "web", "7", "3", ""].iter().all(|word| !is_level(word)));
    }
}
