//! What of a message differs from line to line, whatever program writes it: numbers and what has a digit, addresses, paths, dates,
//! what stands behind `=` or between brackets that are empty here and filled there.

use std::net::Ipv6Addr;

use crate::limits::{LOG_TOKEN_BYTES_MAX, LOG_TOKENS_MAX};

/// Stands for one value, or for several in a row.
pub const VALUE: &str = "<*>";
/// Longer words of hexadecimal digits alone are no words.
const HEX_WORD_MIN: usize = 8;
const DATES: [&str; 19] = [
    "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
    "Oct", "Nov", "Dec",
];
/// Behind a number it is one quantity with it, in whatever unit it is told.
const UNITS: [&str; 24] = [
    "B", "kB", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "Kb", "Mb", "Gb", "ns", "us", "ms", "s", "sec", "secs",
    "seconds", "Hz", "kHz", "MHz", "GHz", "%",
];

/// One piece of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// A word, a mark, or [`VALUE`].
    pub text: &'a str,
    /// A blank stands before it.
    pub is_apart: bool,
}

/// What bytes a word has.
const DIGIT: u8 = 1;
const HEX_LETTER: u8 = 1 << 1;
/// Any other letter, and what is no ASCII.
const LETTER: u8 = 1 << 2;
const AT: u8 = 1 << 3;
const BACKSLASH: u8 = 1 << 4;
/// Any other mark that words have within them.
const INNER: u8 = 1 << 5;
const WORD: u8 = DIGIT | HEX_LETTER | LETTER | AT | BACKSLASH | INNER;

const fn kind(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => DIGIT,
        b'a'..=b'f' | b'A'..=b'F' => HEX_LETTER,
        b'g'..=b'z' | b'G'..=b'Z' | 0x80.. => LETTER,
        b'@' => AT,
        b'\\' => BACKSLASH,
        b'_' | b'-' | b'.' | b'/' | b'%' | b'$' | b'+' | b'*' | b'#' | b'~' | b'&' | b'^' | b'!' | b'?' => INNER,
        _ => 0,
    }
}

/// The message with values masked, as far as is looked at: at most [`LOG_TOKENS_MAX`] tokens.
pub fn masked(message: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token> = Vec::with_capacity(LOG_TOKENS_MAX / 2);
    let (mut before, mut is_quantity) = ("", false);
    // So many tokens there were when the last value came, if another one would be the same.
    let mut joins: Option<usize> = None;
    let mut rest = message;
    while tokens.len() < LOG_TOKENS_MAX {
        let text = rest.trim_ascii_start();
        if text.is_empty() {
            break;
        }
        let is_apart = text.len() < rest.len() || rest.len() == message.len();
        let (bytes, kinds) = first_token(text);
        let (text, behind) = text.split_at(bytes);
        is_quantity = is_value(text, kinds, before) || is_quantity && UNITS.contains(&text);
        if is_quantity {
            if let Some(length) = joins {
                tokens.truncate(length);
            } else {
                // A bound belongs to its quantity: `<1 sec`.
                let bound = tokens.pop_if(|last| !is_apart && last.is_apart && matches!(last.text, "<" | ">"));
                tokens.push(Token { text: VALUE, is_apart: is_apart || bound.is_some() });
                joins = Some(tokens.len());
            }
        } else {
            if matches!((before, text), ("(", ")") | ("[", "]") | ("{", "}")) {
                tokens.push(Token { text: VALUE, is_apart: false });
            }
            // Values in a row are one, with marks between them that are no brackets: how many there are differs as well.
            let is_between = kinds & (HEX_LETTER | LETTER) == 0
                && !matches!(text, "(" | ")" | "[" | "]" | "{" | "}" | "\"" | "'" | "=");
            joins = joins.filter(|_| is_between);
            tokens.push(Token { text: clipped(text), is_apart });
        }
        (before, rest) = (text, behind);
    }
    tokens
}

/// Something to be read, rather than a mark.
pub fn is_word(text: &str) -> bool {
    text.bytes().any(|byte| kind(byte) & (HEX_LETTER | LETTER) != 0)
}

fn clipped(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOG_TOKEN_BYTES_MAX)).unwrap_or(text)
}

/// Bytes of the first token, and what kinds of them there are: an address with colons, a word with the marks that belong to it, or one
/// mark.
fn first_token(text: &str) -> (usize, u8) {
    let (mut bytes, mut kinds) = (0, 0);
    for byte in text.bytes() {
        let kind = kind(byte);
        if kind & WORD == 0 {
            break;
        }
        (bytes, kinds) = (bytes + 1, kinds | kind);
    }
    if kinds & !(DIGIT | HEX_LETTER) == 0
        && text.as_bytes().get(bytes) == Some(&b':')
        && let Some(address) = address_bytes(text)
    {
        return (address, DIGIT);
    }
    (bytes.max(1), kinds)
}

/// Of an address with colons at the beginning.
fn address_bytes(text: &str) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let bytes = text.bytes().take_while(is_part).count();
    let address = text.get(..bytes)?.trim_end_matches([':', '.']);
    let parts = || address.split(':');
    let is_hardware = address.len() == 17 && parts().count() == 6 && parts().all(|part| part.len() == 2);
    let is_address = is_hardware || parts().count() > 2 && address.parse::<Ipv6Addr>().is_ok();
    is_address.then_some(address.len())
}

fn is_value(text: &str, kinds: u8, before: &str) -> bool {
    let second = || text.as_bytes().get(1).is_some_and(|byte| kind(*byte) & (DIGIT | HEX_LETTER | LETTER) != 0);
    kinds & DIGIT != 0
        || kinds & BACKSLASH != 0 && text.len() > 1
        || kinds & AT != 0 && text.trim_matches('@').contains('@')
        || text.starts_with('/') && second()
        || kinds == HEX_LETTER && text.len() >= HEX_WORD_MIN
        || text.len() == 3 && DATES.contains(&text)
        || before == "=" && matches!(text, "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &str) -> String {
        masked(message).iter().map(|token| [if token.is_apart { " " } else { "" }, token.text].concat()).collect()
    }

    #[test]
    fn what_is_a_value_in_any_log_is_masked() {
        for (message, expected) in [
            ("Failed from 192.0.2.1 port 22 ssh2", " Failed from <*> port <*>"),
            ("link fe80::a:b to aa:bb:cc:dd:ee:ff, key deadbeef", " link <*> to <*>, key <*>"),
            ("at Sat Jun 18 02:08:10 2005: done", " at <*>: done"),
            ("reads /etc/passwd and/or C:\\Windows\\x for a@b.example", " reads <*> and/or C:<*> for <*>"),
            ("delete blk_-1 blk_2 blk_3", " delete <*>"),
            ("free 384.0 B of 3 MB (no limit)", " free <*> of <*> (no limit)"),
            ("open for <1 sec, <memory:5>", " open for <*>, <memory:<*>>"),
            ("interactive=true, name=true-ish", " interactive=<*>, name=true-ish"),
            ("a cafe at Work", " a cafe at Work"),
        ] {
            assert_eq!(text(message), expected, "{message}");
        }
    }

    #[test]
    fn brackets_that_are_empty_here_and_filled_there_are_the_same() {
        assert_eq!(text("from 1.2.3.4 () at 5"), text("from 1.2.3.4 (h0) at 5"));
    }

    #[test]
    fn whatever_a_line_holds_is_cut_into_bounded_pieces() {
        for message in
            ["", "   ", "<*>", "é漢字 \u{0}", &"x".repeat(100_000), &"a b ".repeat(10_000), "(((((", "=1=2=3"]
        {
            let tokens = masked(message);
            assert!(tokens.len() <= LOG_TOKENS_MAX + 1, "{message:.10}");
            assert!(tokens.iter().all(|token| token.text.len() <= LOG_TOKEN_BYTES_MAX && !token.text.is_empty()));
        }
    }
}
