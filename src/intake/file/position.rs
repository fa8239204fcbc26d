//! How far a path is read, in a form that outlives renames, truncation and restarts.

use crate::limits::FINGERPRINT_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Timestamp;
use crate::intake::clock::SourceClock;

/// From this length a fingerprint is trusted without the inode: a copied file, a file system mounted anew.
const TELLING_BYTES_MIN: usize = 32;

/// Hash of a file's first bytes, as many as were there to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub bytes: usize,
    /// First 16 bytes of BLAKE3, hexadecimal.
    blake3: String,
}

impl Fingerprint {
    /// Of the first [`FINGERPRINT_BYTES_MAX`] of these bytes.
    pub fn of(head: &[u8]) -> Self {
        let head = head.get(..FINGERPRINT_BYTES_MAX).unwrap_or(head);
        let mut blake3 = blake3::hash(head).to_hex().to_string();
        blake3.truncate(32);
        Self { bytes: head.len(), blake3 }
    }

    /// Whether a file that begins with these bytes can be the one; they must be at least as many as
    /// [`bytes`](Self::bytes) unless the file is shorter.
    pub fn fits(&self, head: &[u8]) -> bool {
        head.get(..self.bytes).is_some_and(|head| Self::of(head) == *self)
    }

    /// Whether it says enough to know a file by it alone.
    pub fn is_telling(&self) -> bool {
        self.bytes >= TELLING_BYTES_MIN
    }
}

/// How far one file is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub dev: u64,
    pub inode: u64,
    /// Everything before this byte was handed out; a line begins here.
    pub offset: u64,
    pub fingerprint: Fingerprint,
    /// When the file was last seen changed: generations that are newer came after it.
    pub modified: Timestamp,
}

/// How far a path is read: its current file and those that were rotated away and still have lines to read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// Oldest first.
    pub files: Vec<Mark>,
    /// Read to their end, and never to be taken for unread generations. Oldest first.
    pub finished: Vec<Mark>,
    /// After the last line that was handed out.
    pub clock: SourceClock,
}

impl Position {
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// `None` for what no version has written.
    pub fn from_json(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_fits_the_file_that_has_grown_and_no_other() {
        let fingerprint = Fingerprint::of(b"first line\n");
        assert!(fingerprint.fits(b"first line\nsecond"));
        assert!(!fingerprint.fits(b"first line "));
        assert!(!fingerprint.fits(b"first"));
        let long = vec![b'x'; 5000];
        assert_eq!(Fingerprint::of(&long), Fingerprint::of(&long[..FINGERPRINT_BYTES_MAX]));
    }

    #[test]
    fn a_position_is_read_back_and_anything_else_is_refused() {
        let modified = Timestamp::from_millis(7);
        let mark = Mark { dev: 1, inode: u64::MAX, offset: 3, fingerprint: Fingerprint::of(b"abc"), modified };
        let position = Position { files: vec![mark.clone()], finished: vec![mark], clock: SourceClock::default() };
        assert_eq!(Position::from_json(&position.to_json()), Some(position));
        assert_eq!(Position::from_json(&serde_json::json!({"files": [{"offset": "x"}]})), None);
    }
}
