//! Values as the columns of the archive take them. Pure.

use std::borrow::Cow;

/// Text without the one character that Postgres refuses; senders choose the names, and one must not stop the archive.
/// JSON has it escaped.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Layers, producers and attribute forms are small numbers.
pub(super) fn small(number: i64) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_postgres_refuses_is_made_one_that_it_takes() {
        assert_eq!(clean("a\0b"), "a\u{fffd}b");
        assert!(matches!(clean("ab"), Cow::Borrowed("ab")));
    }
}
