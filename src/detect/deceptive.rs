//! Characters that deceive: they move a terminal's cursor, start a line, reorder what is read or show nothing at all.

use std::borrow::Cow;

/// Controls (C0, DEL, C1), line and paragraph separators, marks that change the direction of what follows, characters
/// of no width, and tags. None of them may reach a terminal or a person's eye as it is.
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Most text is printable ASCII, which byte after byte shows at a fraction of the cost of characters.
fn has_deceptive(text: &str) -> bool {
    !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.chars().any(is_deceptive)
}

/// The text with every deceptive character as its escape: `\u{…}`, or `\n`, `\t`, `\r`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if has_deceptive(text) { Cow::Owned(excerpt(text, usize::MAX)) } else { Cow::Borrowed(text) }
}

/// JSON that says the same without a deceptive character: inside its strings, where alone such characters can stand, they are
/// written as `\uXXXX`.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    if !has_deceptive(json) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_deceptive(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

/// The first `chars_max` characters of the text, escaped like [`escaped`]; where it goes on, `…` follows.
pub fn excerpt(text: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == chars_max {
            shown.push('…');
            break;
        }
        if is_deceptive(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_terminal_reverses_a_line_or_hides_comes_through() {
        assert_eq!(escaped("a\x1b[2J\r\n\u{9b}31m\u{7f}"), "a\\u{1b}[2J\\r\\n\\u{9b}31m\\u{7f}");
        for hidden in ['\u{61c}', '\u{200b}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{206a}', '\u{feff}', '\u{e0041}'] {
            assert_eq!(escaped(&format!("a{hidden}z")), format!("a{}z", hidden.escape_unicode()));
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert!(matches!(escaped("grüß dich 🙂"), Cow::Borrowed("grüß dich 🙂")));
    }

    #[test]
    fn json_stays_the_same_json_and_loses_what_deceives() {
        let value = serde_json::json!({ "user": "a\u{202e}b\u{9b}2J\u{e0041}\u{7f}\n" });
        let text = value.to_string();
        let escaped = escaped_json(&text);
        assert!(!escaped.chars().any(is_deceptive), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }

    #[test]
    fn an_excerpt_has_an_end_and_says_that_it_was_cut() {
        assert_eq!(excerpt("ä\n", 2), "ä\\n");
        assert_eq!(excerpt("äöü", 2), "äö…");
    }
}
