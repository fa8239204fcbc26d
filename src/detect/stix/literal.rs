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
