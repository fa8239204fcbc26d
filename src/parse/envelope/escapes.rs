//! What stands in a line only to be shown, or to keep it one line.

use std::borrow::Cow;

/// Without changes of colour; other sequences that drive a terminal stay, for they are an attack.
pub(super) fn without_colours(text: Cow<'_, str>) -> Cow<'_, str> {
    if memchr::memchr(0x1b, text.as_bytes()).is_none() {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = sequence.bytes().position(|byte| !(byte.is_ascii_digit() || byte == b';')).unwrap_or(sequence.len());
        rest = match sequence.get(end..).and_then(|after| after.strip_prefix('m')) {
            Some(after) => after,
            None => {
                plain.push_str("\u{1b}[");
                sequence
            }
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// rsyslog writes a control character as `#` and three octal digits: `#012` is a line's end, `#011` a tab.
pub(super) fn decode_controls(text: &mut String) {
    let Some(first) = control_at(text, 0) else { return };
    let mut decoded = String::with_capacity(text.len());
    let (mut from, mut next) = (0, Some(first));
    while let Some((at, control)) = next {
        decoded.push_str(text.get(from..at).unwrap_or_default());
        decoded.push(control);
        from = at + 4;
        next = control_at(text, from);
    }
    decoded.push_str(text.get(from..).unwrap_or_default());
    *text = decoded;
}

/// The next escape at or behind a place, and what it stands for. NUL stays as it is written.
fn control_at(text: &str, from: usize) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'#', bytes.get(from..)?).find_map(|found| {
        let at = from + found;
        let octal =
            |place: usize| bytes.get(at + place).filter(|byte| (b'0'..=b'7').contains(byte)).map(|byte| byte - b'0');
        let code = u32::from(octal(1)?) * 64 + u32::from(octal(2)?) * 8 + u32::from(octal(3)?);
        let is_control = (1..0x20).contains(&code) || code == 0x7f;
        char::from_u32(code).filter(|_| is_control).map(|control| (at, control))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_other_sequences_stay() {
        let plain = |text: &str| without_colours(text.to_owned().into()).into_owned();
        assert_eq!(
            plain("\u{1b}[36m2026/02/06 16:29:00 \u{1b}[0m\u{1b}[1;32m[I]\u{1b}[m x"),
            "2026/02/06 16:29:00 [I] x"
        );
        assert_eq!(plain("a\u{1b}[2Jb\u{1b}]0;t\u{7}"), "a\u{1b}[2Jb\u{1b}]0;t\u{7}");
        assert_eq!(plain("\u{1b}["), "\u{1b}[");
        assert!(matches!(without_colours("none".into()), Cow::Borrowed("none")));
    }

    #[test]
    fn escaped_controls_are_decoded_once() {
        let decoded = |text: &str| {
            let mut text = text.to_owned();
            decode_controls(&mut text);
            text
        };
        assert_eq!(decoded("a#012#011b#"), "a\n\tb#");
        assert_eq!(decoded("#0121#101 #000 #12 ##012"), "\n1#101 #000 #12 #\n");
        assert_eq!(decoded("é#012é"), "é\né");
        assert_eq!(decoded("ticket #4012"), "ticket #4012");
    }
}
