//! The text of a request as the server reads it, however the client has wrapped it.

use crate::limits;

/// `%252e` is a point to a server behind a server; a third layer is nobody's.
const LAYERS_MAX: usize = 3;

/// A text as it reads without its wrapping.
pub struct Decoded {
    /// Lower case, without percent, `%u`, overlong, entity and backslash encodings, comments of SQL taken for the blanks that they
    /// stand for, runs of blanks as one. The end of a line is a blank, as it is to a database.
    pub text: String,
    /// The same where the end of a line is a `;`, as it is to a shell; none of a text that is one line.
    pub commands: Option<String>,
}

impl Decoded {
    pub fn of(text: &str, is_query: bool) -> Self {
        let text = unwrapped_wholly(text, is_query);
        let has_lines = text.contains(['\n', '\r']);
        Self { text: plain(&text, ' '), commands: has_lines.then(|| plain(&text, ';')) }
    }
}

/// A text as a database or a file system reads it.
pub fn decoded(text: &str, is_query: bool) -> String {
    plain(&unwrapped_wholly(text, is_query), ' ')
}

fn unwrapped_wholly(text: &str, is_query: bool) -> String {
    let end = text.floor_char_boundary(limits::WEB_TEXT_BYTES_MAX);
    let mut bytes = text.as_bytes().get(..end).unwrap_or_default().to_vec();
    if is_query {
        bytes.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    }
    for _ in 0..LAYERS_MAX {
        let Some(next) = unwrapped(&bytes) else { break };
        bytes = next;
    }
    text_of(&bytes).to_lowercase()
}

/// The blank that does not break in Latin-1: to MySQL a blank like any other.
const LATIN_BLANK: &[u8] = b"\xa0";

/// The bytes as text. What is no UTF-8 is U+FFFD, or a blank where it is one in Latin-1.
fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        match chunk.invalid() {
            [] => {}
            LATIN_BLANK => text.push(' '),
            _ => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    text
}

/// One layer less; `None` when there was none.
fn unwrapped(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'&' | b'\\')) {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut changed = false;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match escape(rest) {
            Some((value, length)) => {
                push(&mut out, value);
                at += length;
                changed = true;
            }
            None => {
                out.extend(rest.first());
                at += 1;
            }
        }
    }
    changed.then_some(out)
}

/// The character that an escape at the beginning stands for, and the escape's length.
fn escape(rest: &[u8]) -> Option<(u32, usize)> {
    match rest {
        [b'%', b'u' | b'U', digits @ ..] => Some((hex(digits.get(..4)?)?, 6)),
        [b'%', digits @ ..] => {
            let first = hex(digits.get(..2)?)?;
            Some(overlong(first, digits.get(2..)?).unwrap_or((first, 3)))
        }
        // As servers escape in their own logs: `\x22`.
        [b'\\', b'x' | b'X', digits @ ..] => Some((hex(digits.get(..2)?)?, 4)),
        [b'&', b'#', b'x' | b'X', digits @ ..] => entity(digits, 16, 3),
        [b'&', b'#', digits @ ..] => entity(digits, 10, 2),
        [b'&', name @ ..] => named_entity(name),
        _ => None,
    }
}

/// Two to four bytes for a character that needs one: `%c0%af`, `%e0%80%af` and `%f0%80%80%af` are a slash to those who do not check.
fn overlong(first: u32, rest: &[u8]) -> Option<(u32, usize)> {
    const ESCAPE: usize = 3;
    let (bits, more) = match first {
        0xc0 | 0xc1 => (first & 0x1f, 1),
        0xe0 => (0, 2),
        0xf0 => (0, 3),
        _ => return None,
    };
    let mut value = bits;
    for place in 0..more {
        let [b'%', digits @ ..] = rest.get(place * ESCAPE..)? else { return None };
        value = value << 6 | (hex(digits.get(..2)?)? & 0x3f);
    }
    // What needs as many is no other spelling of anything.
    (value < 0x80).then_some((value, ESCAPE * (more + 1)))
}

fn entity(digits: &[u8], radix: u32, prefix: usize) -> Option<(u32, usize)> {
    const DIGITS_MAX: usize = 7;
    let end = digits.iter().take(DIGITS_MAX).position(|byte| *byte == b';')?;
    let text = std::str::from_utf8(digits.get(..end)?).ok()?;
    Some((u32::from_str_radix(text, radix).ok()?, prefix + end + 1))
}

fn named_entity(name: &[u8]) -> Option<(u32, usize)> {
    const NAMES: [(&[u8], char); 5] =
        [(b"lt;", '<'), (b"gt;", '>'), (b"quot;", '"'), (b"apos;", '\''), (b"tab;", '\t')];
    let found =
        NAMES.iter().find(|(known, _)| name.get(..known.len()).is_some_and(|it| it.eq_ignore_ascii_case(known)));
    found.map(|(known, character)| (u32::from(*character), known.len() + 1))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

/// A byte, or what a longer number stands for: full-width letters and the like are folded to the plain ones.
fn push(out: &mut Vec<u8>, value: u32) {
    if let Ok(byte) = u8::try_from(value) {
        out.push(byte);
        return;
    }
    let folded = match value {
        0xff01..=0xff5e => value - 0xfee0,
        0x2215 | 0x2044 => u32::from(b'/'),
        0x2216 => u32::from(b'\\'),
        0x2018 | 0x2019 | 0x02bc => u32::from(b'\''),
        other => other,
    };
    let mut buffer = [0; 4];
    out.extend(char::from_u32(folded).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut buffer).bytes());
}

/// Comments and runs of blanks as one blank, ends of lines as `line_end`, backslashes as slashes, bytes of zero gone.
fn plain(text: &str, line_end: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (length, written) = match character {
            '/' if rest.starts_with("/**/") => (4, Some(' ')),
            '/' if rest.starts_with("/*") => (comment(rest), Some(' ')),
            '\\' => (1, Some('/')),
            '\0' => (1, None),
            '\n' | '\r' => (1, Some(line_end)),
            other if other.is_whitespace() => (other.len_utf8(), Some(' ')),
            other => (other.len_utf8(), Some(other)),
        };
        rest = rest.get(length..).unwrap_or_default();
        match written {
            Some(' ') if out.ends_with(' ') => {}
            Some(';') if line_end == ';' && out.ends_with(';') => {}
            Some(written) => out.push(written),
            None => {}
        }
    }
    out
}

/// The length of the comment that the text begins with. MySQL runs what stands in `/*! … */`, so of that only the opening is one.
fn comment(text: &str) -> usize {
    if let Some(inner) = text.strip_prefix("/*!") {
        let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
        return 3 + digits;
    }
    text.find("*/").map_or(2, |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrapping_of_the_same_text_reads_the_same() {
        for text in [
            "/../../etc/passwd",
            "/%2e%2e/%2E%2E/etc/passwd",
            "/%252e%252e/%25252e./etc/passwd",
            "/..%5c..%5cetc%5cpasswd",
            "/%c0%ae%c0%ae/..%c0%afetc/passwd",
            "/%e0%80%ae%E0%80%AE/..%e0%80%afetc/passwd",
            "/%f0%80%80%ae./%25e0%2580%25ae.%f0%80%80%afetc/passwd",
            "/%u002e%u002e/%uff0e%uff0e/etc/passwd",
            "/..\\../ETC/passwd",
            "/&#46;&#x2e;/../etc/passwd",
            "/..%00/../etc/passwd",
        ] {
            assert_eq!(decoded(text, false), "/../../etc/passwd", "{text}");
        }
    }

    #[test]
    fn characters_that_are_named_are_read_however_their_names_are_written() {
        assert_eq!(decoded("&lt;img&GT;&quot;&apos;&Tab;x", false), "<img>\"' x");
        assert_eq!(decoded("&lt img&none;", false), "&lt img&none;");
    }

    #[test]
    fn words_of_sql_are_found_whatever_stands_between_them() {
        for text in [
            "union+select",
            "UNION%20%0a%09SELECT",
            "union/**/select",
            "un%69on/* x */select",
            "union /*!50000select*/",
            "union%0bselect",
            "union%0c%0dselect",
            "union%a0%A0select",
            "union%25a0select",
            "union%c2%a0select",
        ] {
            assert!(decoded(text, true).starts_with("union select"), "{text}");
        }
        assert_eq!(decoded("a+b", false), "a+b");
    }

    #[test]
    fn the_end_of_a_line_ends_a_command_and_nothing_else() {
        let commands = |text: &str| Decoded::of(text, true).commands;
        for text in ["h=1%0awhoami", "h=1%0d%0Awhoami", "h=1;%250awhoami", "h=1%e0%80%8awhoami"] {
            assert_eq!(commands(text).as_deref(), Some("h=1;whoami"), "{text}");
            assert!(["h=1 whoami", "h=1; whoami"].contains(&&*Decoded::of(text, true).text), "{text}");
        }
        assert_eq!(commands("h=1+whoami"), None);
    }

    #[test]
    fn letters_that_need_three_bytes_are_no_other_spelling() {
        assert_eq!(decoded("%e0%a4%b9%e2%82%ac%f0%9f%98%80", false), "ह€😀");
        assert_eq!(decoded("caf%e9!%a0!%e0%80", false), "caf\u{fffd}! !\u{fffd}\u{fffd}");
    }

    #[test]
    fn what_only_looks_like_an_escape_stays() {
        for text in ["100%", "a%zz", "&copy", "%u12", "&#99999999999;", "%"] {
            assert_eq!(decoded(text, false), text);
        }
    }
}
