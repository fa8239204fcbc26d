//! From a score to a verdict, and from an attacker's text to one that can be shown.

use crate::event::Verdict;
use crate::limits;

const SUSPICIOUS_FROM: f64 = 0.35;
const MALICIOUS_FROM: f64 = 0.8;

/// Suspicious from 0.35, malicious from 0.8: the scores of Sigma's levels low and high.
pub fn verdict(score: f64) -> Verdict {
    if score >= MALICIOUS_FROM {
        Verdict::Malicious
    } else if score >= SUSPICIOUS_FROM {
        Verdict::Suspicious
    } else {
        Verdict::Benign
    }
}

/// One line of at most [`limits::SUMMARY_CHARS_MAX`] characters. Whatever could move a terminal's cursor, start a line
/// or turn the direction of writing is shown as its escape.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, character) in text.trim().chars().enumerate() {
        if count == limits::SUMMARY_CHARS_MAX {
            line.push('…');
            break;
        }
        if character.is_control() || is_invisible(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Line and paragraph separators, bidirectional controls, zero-width characters.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_fool_a_terminal_or_a_reader_is_escaped() {
        let shown = one_line("user \u{1b}[2Jroot\n\u{202e}toor\u{2028}x\u{7f}\u{9b}");
        assert_eq!(shown, "user \\u{1b}[2Jroot\\n\\u{202e}toor\\u{2028}x\\u{7f}\\u{9b}");
    }

    #[test]
    fn a_summary_has_an_end() {
        assert_eq!(one_line(&"ä".repeat(10_000)).chars().count(), limits::SUMMARY_CHARS_MAX + 1);
    }
}
