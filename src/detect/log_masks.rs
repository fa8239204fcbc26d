//! What of a message differs from line to line, whatever program writes it: numbers and what has a digit, addresses, paths, dates,
//! what stands behind `=` or between brackets that are empty here and filled there.

use std::net::Ipv6Addr;

use crate::limits::{LOG_TOKENS_MAX, LOG_TOKEN_BYTES_MAX};

/// Stands for one value, or for several in a row.
pub const VALUE: &str = "<*>";
/// Longer words of hexadecimal digits alone are no words.
const HEX_WORD_MIN: usize = 8;
const DATES: [&str; 19] = [
    "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
    "Nov", "Dec",
];
/// Behind a number it is one quantity with it, in whatever unit it is told.
const UNITS: [&str; 24] = [
    "B", "kB", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "Kb", "Mb", "Gb", "ns", "us", "ms", "s", "sec", "secs", "seconds",
    "Hz", "kHz", "MHz", "GHz", "%",
];

/// One piece of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// A word, a mark, or [`VALUE`].
    pub text: &'a str,
    /// A blank stands before it.
    pub is_apart: bool,
}

impl Token<'_> {
    pub fn is_value(&self) -> bool {
        self.text == VALUE
    }
}

/// The message with values masked, as far as is looked at: at most [`LOG_TOKENS_MAX`] tokens.
pub fn masked(message: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token> = Vec::with_capacity(32);
    let (mut before, mut is_quantity) = ("", false);
    for word in message.split_ascii_whitespace() {
        let mut rest = word;
        while !rest.is_empty() && tokens.len() < LOG_TOKENS_MAX {
            let (text, behind) = rest.split_at(token_bytes(rest));
            let is_apart = rest.len() == word.len();
            is_quantity = is_value(text, before) || is_quantity && UNITS.contains(&text);
            if is_quantity {
                push_value(&mut tokens, is_apart);
            } else {
                if matches!((before, text), ("(", ")") | ("[", "]") | ("{", "}")) {
                    tokens.push(Token { text: VALUE, is_apart: false });
                }
                tokens.push(Token { text: clipped(text), is_apart });
            }
            (before, rest) = (text, behind);
        }
    }
    tokens
}

/// Values in a row, with marks between them that are no brackets, are one: how many there are differs as well.
fn push_value(tokens: &mut Vec<Token>, is_apart: bool) {
    let joins = |token: &&Token| !is_word(token.text) && !token.text.contains(['(', ')', '[', ']', '{', '}', '"', '\'', '=']);
    let between = tokens.iter().rev().take_while(|token| !token.is_value()).take_while(joins).count();
    match tokens.len().checked_sub(between + 1) {
        Some(last) if tokens.get(last).is_some_and(Token::is_value) => tokens.truncate(last + 1),
        _ => tokens.push(Token { text: VALUE, is_apart }),
    }
}

/// Something to be read, rather than a mark.
pub fn is_word(text: &str) -> bool {
    text != VALUE && text.chars().any(char::is_alphabetic)
}

fn clipped(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOG_TOKEN_BYTES_MAX)).unwrap_or(text)
}

/// Bytes of the first token: an address with colons, a word with the marks that belong to it, or one mark.
fn token_bytes(rest: &str) -> usize {
    let is_colon_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'%');
    let colons = rest.bytes().take_while(|byte| is_colon_part(byte)).count();
    if let Some(address) = rest.get(..colons).map(|part| part.trim_end_matches([':', '.']))
        && (is_hardware_address(address) || address.contains("::") && address.parse::<Ipv6Addr>().is_ok())
    {
        return address.len();
    }
    let word: usize = rest.chars().take_while(|c| is_of_word(*c)).map(char::len_utf8).sum();
    if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || "_-./\\@%$+*#~&^!?".contains(c)
}

fn is_hardware_address(text: &str) -> bool {
    text.len() == 17 && text.split(':').count() == 6 && text.split(':').all(|part| part.len() == 2)
}

fn is_value(text: &str, before: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().any(u8::is_ascii_digit)
        || DATES.contains(&text)
        || is_path(text)
        || bytes.len() >= HEX_WORD_MIN && bytes.iter().all(u8::is_ascii_hexdigit)
        || text.contains("::")
        || is_hardware_address(text)
        || before == "=" && matches!(text, "true" | "false" | "null")
}

/// A path, or an address of mail.
fn is_path(text: &str) -> bool {
    let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    inside.contains('@')
        || text.len() > 1 && text.contains('\\')
        || text.strip_prefix('/').is_some_and(|rest| rest.starts_with(char::is_alphanumeric))
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
            ("reads /etc/passwd and/or C:\\Windows\\x for a@b.example", " reads <*> and/or <*>:<*> for <*>"),
            ("delete blk_-1 blk_2 blk_3", " delete <*>"),
            ("free 384.0 B of 3 MB (no limit)", " free <*> of <*> (no limit)"),
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
        for message in ["", "   ", "<*>", "é漢字 \u{0}", &"x".repeat(100_000), &"a b ".repeat(10_000), "(((((", "=1=2=3"] {
            let tokens = masked(message);
            assert!(tokens.len() <= LOG_TOKENS_MAX + 1, "{message:.10}");
            assert!(tokens.iter().all(|token| token.text.len() <= LOG_TOKEN_BYTES_MAX && !token.text.is_empty()));
        }
    }
}
