//! How far a path is read, in a form that outlives renames, truncation and restarts.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::opened::Opened;
use crate::event::Timestamp;
use crate::intake::clock::SourceClock;
use crate::limits::FINGERPRINT_BYTES_MAX;

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

    /// Whether it is one of this file.
    pub fn is_of(&self, found: &Opened) -> bool {
        found.beginning(self.bytes).is_ok_and(|text| self.fits(&text))
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
    /// So large it was then; 0 for one that was packed.
    #[serde(default)]
    pub seen: u64,
    /// When it was made: its inode may be another file's by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<Timestamp>,
    /// Where it stood, if a link led there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
}

impl Mark {
    /// Whether a file can be this one, under whatever name and inode.
    pub fn fits(&self, found: &Opened) -> bool {
        self.has_room_in(found) && self.fingerprint.is_of(found)
    }

    /// Whether a file is as long as what was read, as far as that can be told.
    pub fn has_room_in(&self, found: &Opened) -> bool {
        found.packing.is_some() || found.size >= self.offset
    }

    /// Whether it is the same file, and not a copy.
    pub fn is_of(&self, found: &Opened) -> bool {
        let is_as_old = self.born.is_none() || found.born.is_none() || self.born == found.born;
        self.inode == found.identity.inode && is_as_old && self.fingerprint.is_of(found)
    }
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
        let born = Some(Timestamp::from_millis(5));
        let target = Some(PathBuf::from("/data/app-26.log"));
        let fingerprint = Fingerprint::of(b"abc");
        let mark = Mark { dev: 1, inode: u64::MAX, offset: 3, fingerprint, modified, seen: 9, born, target };
        let position = Position { files: vec![mark.clone()], finished: vec![mark], clock: SourceClock::default() };
        assert_eq!(Position::from_json(&position.to_json()), Some(position));
        assert_eq!(Position::from_json(&serde_json::json!({"files": [{"offset": "x"}]})), None);
    }

    #[test]
    fn a_position_of_the_version_before_is_gone_on_with() {
        let fingerprint = Fingerprint::of(b"abc");
        let modified = Timestamp::from_millis(7);
        let mark = Mark { dev: 1, inode: 2, offset: 3, fingerprint, modified, seen: 0, born: None, target: None };
        let position = Position { files: vec![mark], ..Position::default() };
        let mut json = position.to_json();
        assert!(json["files"][0].as_object_mut().unwrap().remove("seen").is_some());
        assert_eq!(Position::from_json(&json), Some(position));
    }
}
