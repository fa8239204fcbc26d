//! Commands as Redis reads them: lists of texts, each after its length.

use bytes::Bytes;

/// Several commands that are sent at once, each of them answered.
#[derive(Debug, Default)]
pub struct Commands {
    packed: Vec<u8>,
    count: usize,
}

/// The same, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub bytes: Bytes,
    /// How many they are.
    pub count: usize,
}

/// Digits of the largest length.
const DIGITS_MAX: usize = 20;

impl Commands {
    /// With room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { packed: Vec::with_capacity(bytes), count: 0 }
    }

    /// A command of these texts; the first is its name.
    pub fn add(&mut self, texts: &[&[u8]]) {
        self.begin(texts.len());
        texts.iter().for_each(|text| self.text(text));
    }

    /// Begins a command of so many texts, of which [`text`](Self::text) adds each.
    pub fn begin(&mut self, texts: usize) {
        self.count += 1;
        self.length(b'*', texts);
    }

    pub fn text(&mut self, text: &[u8]) {
        self.length(b'$', text.len());
        self.packed.extend_from_slice(text);
        self.packed.extend_from_slice(b"\r\n");
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    pub fn packed(self) -> Packed {
        Packed { bytes: self.packed.into(), count: self.count }
    }

    /// Nearly as often as there are texts in all entries, for which `format!` takes longer than to copy the text.
    fn length(&mut self, mark: u8, mut length: usize) {
        let (mut digits, mut begin) = ([0; DIGITS_MAX], DIGITS_MAX);
        loop {
            begin -= 1;
            if let Some(digit) = digits.get_mut(begin) {
                *digit = b'0' + (length % 10) as u8;
            }
            length /= 10;
            if length == 0 {
                break;
            }
        }
        self.packed.push(mark);
        self.packed.extend_from_slice(digits.get(begin..).unwrap_or_default());
        self.packed.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_list_of_texts_whatever_bytes_they_have() {
        let mut commands = Commands::default();
        commands.add(&[b"SET", b"k\r\n", b""]);
        commands.begin(1);
        commands.text(&[b'x'; 1234]);
        let expected = format!("*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n*1\r\n$1234\r\n{}\r\n", "x".repeat(1234));
        assert_eq!(commands.packed(), Packed { bytes: expected.into(), count: 2 });
    }

    #[test]
    fn lengths_are_written_as_numbers_are() {
        for length in [0, 9, 10, 99, 100, 65_536, usize::MAX] {
            let mut commands = Commands::default();
            commands.begin(length);
            assert_eq!(commands.packed().bytes, format!("*{length}\r\n"));
        }
    }
}
