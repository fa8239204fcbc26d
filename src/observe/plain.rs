//! Text from outside on a terminal: what would move the cursor, colour, or reverse the line is shown as an escape.

use std::borrow::Cow;

/// The text with every control and direction character as `\u{…}` (`\n`, `\t` and `\r` in their short form).
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    Cow::Owned(plain)
}

/// Controls (C0, DEL, C1), line and paragraph separators, and the marks that change the direction of what follows.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_terminal_comes_through() {
        assert_eq!(plain("a\x1b[2J\r\n\u{9b}31m\u{202e}z"), "a\\u{1b}[2J\\r\\n\\u{9b}31m\\u{202e}z");
        assert_eq!(plain("grüß dich 🙂"), "grüß dich 🙂");
    }
}
