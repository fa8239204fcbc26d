//! The text of a rule file as rules.

use rsigma_parser::{SigmaCollection, parse_sigma_yaml};

/// Lists and maps within each other, as they are written in brackets. The parser refuses far fewer, but only after a time that
/// grows with the square of their number.
const NESTED_MAX: usize = 1000;

/// # Errors
/// It cannot be read as YAML, and why.
pub fn parse(text: &str) -> Result<SigmaCollection, String> {
    if is_nested_too_deep(text) {
        return Err(format!("lists or maps stand within each other more than {NESTED_MAX} deep"));
    }
    parse_sigma_yaml(text).map_err(|error| error.to_string())
}

/// A bracket that begins a list or a map stands where a value can begin; in a regular expression most do not.
fn is_nested_too_deep(text: &str) -> bool {
    let (mut depth, mut before) = (0_usize, b' ');
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' if before.is_ascii_whitespace() || b"[{,:-?".contains(&before) => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTED_MAX {
            return true;
        }
        before = byte;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_without_end_is_refused_before_it_takes_time_and_brackets_in_texts_are_not_counted() {
        for deep in ["[", "{a: ", "- [", "[\n[,", "&a ["] {
            let text = format!("x: {}", deep.repeat(200_000));
            assert!(parse(&text).is_err_and(|error| error.contains("deep")), "{deep}");
        }
        let of_texts: String = (0..5000).map(|n| format!("- 'a{n}\\[x|^[^a'\n- \"f{{n\"\n")).collect();
        assert!(!is_nested_too_deep(&of_texts));
        assert!(!is_nested_too_deep(&"- {a: [b, {c: d}]}\n".repeat(5000)));
    }
}
