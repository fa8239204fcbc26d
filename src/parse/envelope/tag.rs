//! The tag of a syslog line: the name of the program, its pid, and where the message begins.

use super::super::level;

/// Longest tag; RFC 3164 has 32, systemd units are longer.
const TAG_BYTES_MAX: usize = 128;
/// Words of a name with blanks in it: `Plex Media Server[12]: `.
pub(super) const NAME_WORDS_MAX: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub program: &'a str,
    pub pid: Option<u32>,
}

/// `sshd[12]: `, `sshd: `, `sshd(pam_unix)[12]: `, `auth-worker(12): `, `krb5kdc[12](info): `, `[sshd]: `, `sshd[12] `, `gdm-password][12]: `
/// and what follows.
pub(super) fn read(text: &str) -> Option<(Tag<'_>, &str)> {
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
        let is_level = program.len() == 1 || level::read(program).is_some();
        return (is_name && !is_level).then_some((Tag { program, pid: None }, message));
    }
    // As the name of a machine, which mostly stands first.
    if !colon && !word.contains([']', ')']) {
        return None;
    }
    let (program, pid) = pid_of(word);
    if colon || pid.is_some() {
        return is_name(program).then_some((Tag { program, pid }, message));
    }
    glued(word, text)
}

/// `NOTICE[12]: ` of Asterisk and `LOG4[12]: ` of stunnel are a level and a thread.
fn is_name(program: &str) -> bool {
    let is_numbered = program.strip_prefix("LOG").is_some_and(|number| level::read(number).is_some());
    let is_word = !program.is_empty() && !program.contains(['"', '=', '<', '>', '|', ',', '[', ']', '{']);
    let is_level = is_numbered || level::read(program).is_some() || matches!(program, "SECURITY" | "VERBOSE");
    is_word && !is_level
}

/// `sshd[12]:Failed …`, without a blank before the message.
fn glued<'a>(word: &'a str, text: &'a str) -> Option<(Tag<'a>, &'a str)> {
    let (head, _) = word.split_once("]:")?;
    let (program, digits) = head.split_once('[')?;
    let tag = Tag { program, pid: Some(digits.parse().ok()?) };
    is_name(program).then_some((tag, text.get(head.len() + 2..)?))
}

/// A name of several words: only a pid proves that they are one, and a line that names its program by one word never
/// comes here. `sshd [12]: ` is a name of one word with a blank before the pid.
pub(super) fn of_words(text: &str, words_max: usize) -> Option<(Tag<'_>, &str)> {
    let head = text.get(..floor(text, TAG_BYTES_MAX))?;
    let first = memchr::memchr2(b' ', b'[', head.as_bytes())?;
    let is_blank = head.as_bytes().get(first) == Some(&b' ');
    if words_max == 1 && is_blank && head.as_bytes().get(first + 1) != Some(&b'[') {
        return None;
    }
    let (name, rest) = head.split_once('[')?;
    let (digits, _) = rest.split_once(']')?;
    let program = name.strip_suffix(' ').unwrap_or(name);
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'+'))
    };
    let count = program.split(' ').count();
    if count > words_max || (count > 1 && name.ends_with(' ')) {
        return None;
    }
    if !program.split(' ').all(is_word) || !is_name(program) {
        return None;
    }
    let rest = text.get(name.len() + 1 + digits.len() + 1..)?.strip_prefix(':')?;
    let tag = Tag { program, pid: Some(digits.parse().ok()?) };
    Some((tag, rest.strip_prefix(' ').unwrap_or(rest)))
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn pid_of(word: &str) -> (&str, Option<u32>) {
    let word = without_level(word);
    let inside = |open, close| {
        let (program, digits) = word.strip_suffix(close)?.rsplit_once(open)?;
        Some((program, Some(digits.parse::<u32>().ok()?)))
    };
    let (program, pid) = inside('[', ']').or_else(|| inside('(', ')')).unwrap_or((word, None));
    // `gdm-password][12]`: the name itself was cut at a bracket.
    (program.strip_suffix(']').filter(|name| !name.contains('[')).unwrap_or(program), pid)
}

/// `krb5kdc[12](info)`, as MIT Kerberos writes in files of its own.
fn without_level(word: &str) -> &str {
    let (head, inner) = word.rsplit_once('(').unwrap_or((word, ""));
    let is_level = head.ends_with(']') && inner.strip_suffix(')').is_some_and(|inner| level::read(inner).is_some());
    if is_level { head } else { word }
}

/// Without the path of `/usr/sbin/cron`, the module of `sshd(pam_unix)` and the kind of a unit; `postfix/smtpd` stays.
pub(super) fn name(tag: &str) -> &str {
    let tag = tag.split_once('(').map_or(tag, |(program, _)| program);
    let tag = match tag.strip_suffix(".service") {
        // What Debian calls the unit of sshd.
        Some("ssh") => "sshd",
        Some(unit) => unit.rsplit('/').next().unwrap_or(unit),
        None => tag,
    };
    if tag.starts_with('/') { tag.rsplit('/').next().unwrap_or(tag) } else { tag }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag_of(text: &str) -> Option<(&str, Option<u32>, &str)> {
        read(text).map(|(tag, message)| (name(tag.program), tag.pid, message))
    }

    #[test]
    fn tags_are_read_in_every_form() {
        for (text, expected) in [
            ("sshd[12]: x", ("sshd", Some(12), "x")),
            ("sshd: x", ("sshd", None, "x")),
            ("sshd[12] x", ("sshd", Some(12), "x")),
            ("sshd[12]:x y", ("sshd", Some(12), "x y")),
            ("sshd(pam_unix)[12]: x", ("sshd", Some(12), "x")),
            ("krb5kdc[12](info): x", ("krb5kdc", Some(12), "x")),
            ("kadmind[12](Error): x", ("kadmind", Some(12), "x")),
            ("auth-worker(12): x", ("auth-worker", Some(12), "x")),
            ("gdm-password][12]: x", ("gdm-password", Some(12), "x")),
            ("[sshd]: x", ("sshd", None, "x")),
            ("/usr/sbin/cron[12]: x", ("cron", Some(12), "x")),
            ("postfix/smtpd[12]: x", ("postfix/smtpd", Some(12), "x")),
            ("%ASA-6-302013: x", ("%ASA-6-302013", None, "x")),
            ("%%10WEB/4/WEBOPT(l): x", ("%%10WEB/4/WEBOPT", None, "x")),
            ("ssh.service[12]: x", ("sshd", Some(12), "x")),
            ("nginx.service[12]: x", ("nginx", Some(12), "x")),
        ] {
            assert_eq!(tag_of(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_name_of_several_words_needs_a_pid() {
        let tag_of = |text| of_words(text, NAME_WORDS_MAX).map(|(tag, message)| (tag.program, message));
        assert_eq!(tag_of("Plex Media Server[7]: x"), Some(("Plex Media Server", "x")));
        assert_eq!(tag_of("sogod [7]: x"), Some(("sogod", "x")));
        for text in [
            "Plex Media Server: x",
            "user=eve sshd[7]: x",
            "a b c d e[7]: x",
            "login failed, sshd[7]: x",
            "a [b]: x",
            "LOG4[7]: x",
        ] {
            assert_eq!(tag_of(text), None, "{text}");
        }
    }

    #[test]
    fn levels_and_keys_are_no_programs() {
        for text in ["ERROR: x", "NOTICE[12]: x", "LOG4[12]: x", "[error] x", "[I] x", "a=b: x", "{\"a\": 1}", "word x"]
        {
            assert_eq!(tag_of(text), None, "{text}");
        }
    }
}
