//! The constants of a pattern, and the encodings in which STIX writes bytes and times.

use jiff::Timestamp;

/// A constant that a property is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
    Time(Timestamp),
}

impl Literal {
    /// Whether both may stand in one set: numbers are of one kind.
    pub fn is_of_the_kind_of(&self, other: &Self) -> bool {
        let is_number = |literal: &Self| matches!(literal, Self::Int(_) | Self::Float(_));
        std::mem::discriminant(self) == std::mem::discriminant(other) || (is_number(self) && is_number(other))
    }
}

/// `616c` is two bytes.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let pair = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    Some(digits.chunks(2).map(pair).collect())
}

/// Base64 with the alphabet and the padding of RFC 4648, section 4.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for character in text.bytes().take(text.len() - padding) {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// RFC 3339 as STIX has it: `T` and `Z` in upper case, UTC, seconds with or without a fraction.
pub fn time(text: &str) -> Option<Timestamp> {
    let shape = "0000-00-00T00:00:00";
    let (whole, rest) = text.split_at_checked(shape.len())?;
    let fits = |(expected, is): (u8, u8)| if expected == b'0' { is.is_ascii_digit() } else { is == expected };
    if !shape.bytes().zip(whole.bytes()).all(fits) {
        return None;
    }
    let fraction = rest.strip_suffix('Z')?;
    let digits = match fraction.strip_prefix('.') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => digits,
        None if fraction.is_empty() => "0",
        _ => return None,
    };
    // Finer than nanoseconds is cut.
    let digits = digits.get(..9).unwrap_or(digits);
    format!("{whole}.{digits}Z").parse().ok()
}

/// The bytes of a text of which no character is above U+00FF.
pub fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

/// The text of which [`latin1`] gives these bytes.
pub fn from_latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_from_hexadecimal_and_base64_and_from_nothing_else() {
        assert_eq!(from_hex("616C69"), Some(b"ali".to_vec()));
        assert_eq!(from_hex("616"), None);
        assert_eq!(from_hex("6é"), None);
        for (text, bytes) in [("", &b""[..]), ("YQ==", b"a"), ("YWI=", b"ab"), ("AQIDBA==", &[1, 2, 3, 4])] {
            assert_eq!(from_base64(text).as_deref(), Some(bytes), "{text}");
        }
        for text in ["Y", "YQ=", "=", "====", "Y Q=", "é=="] {
            assert_eq!(from_base64(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_those_of_stix_and_no_others() {
        let plain = time("2010-05-21T13:21:43Z").unwrap();
        assert!(time("2010-05-21T13:21:43.1234567891234Z").unwrap() > plain);
        for text in [
            "2010-05-21T13:21:43",
            "2010-05-21T13:21:43z",
            "2010-05-21t13:21:43Z",
            "2010/05/21T13:21:43Z",
            "2010-05-21T13:21:99Z",
            "2010-05-21T13:21Z",
            "2010-05-21T13:21:43.Z",
            "2010-05-21T13:21:43+00:00",
            "2010-13-21T13:21:43Z",
            "é",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
