//! Text in UTF-16, as Windows writes files, told by its byte order mark.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf16 {
    LittleEndian,
    BigEndian,
}

/// Code units that are looked at for one of ASCII: a log without any does not exist.
const UNITS_LOOKED_AT: usize = 32;

impl Utf16 {
    /// By the first bytes of a file. A mark alone is none: in Latin-1 it is two letters.
    pub fn of(beginning: &[u8]) -> Option<Self> {
        let (encoding, high) = match beginning.get(..2)? {
            b"\xff\xfe" => (Self::LittleEndian, 1),
            b"\xfe\xff" => (Self::BigEndian, 0),
            _ => return None,
        };
        let units = beginning.get(2..)?;
        units.iter().skip(high).step_by(2).take(UNITS_LOOKED_AT).any(|byte| *byte == 0).then_some(encoding)
    }

    /// Behind the first newline at or behind `from`; the text begins with a whole code unit.
    pub fn newline_end(self, text: &[u8], from: usize) -> Option<usize> {
        let newline = match self {
            Self::LittleEndian => [b'\n', 0],
            Self::BigEndian => [0, b'\n'],
        };
        let from = from & !1;
        let found = text.get(from..)?.chunks_exact(2).position(|unit| unit == newline)?;
        Some(from + 2 * found + 2)
    }

    pub fn decode(self, text: &[u8]) -> String {
        let units = text.chunks_exact(2).map(|unit| match (self, unit) {
            (Self::LittleEndian, [low, high]) | (Self::BigEndian, [high, low]) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        });
        let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
        text.filter(|c| *c != '\u{feff}').collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_are_told_by_their_mark_and_read() {
        let text = "\u{feff}grün\n😀";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, encoding) in [(little, Utf16::LittleEndian), (big, Utf16::BigEndian)] {
            assert_eq!(Utf16::of(&bytes), Some(encoding));
            assert_eq!(encoding.decode(&bytes), "grün\n😀");
            assert_eq!(encoding.newline_end(&bytes, 0), Some(12));
            assert_eq!(encoding.newline_end(&bytes, 12), None);
        }
        assert_eq!(Utf16::of(b"\xff\xfe\xe9 latin\n"), None);
        assert_eq!(Utf16::of(b"\xff\xfe"), None);
    }
}
