//! How far the flat log is: which entry of the journal, and what of it is in the file.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::limits::FLAT_LOG_STATE_BYTES_MAX;
use crate::named_files;

const FILE_NAME: &str = "flat-log.json";
const FILE_MODE: u32 = 0o640;

/// Saved before every write, so that the next process can tell from the file whether the write was done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// The last entry whose lines are in the file for certain, as journald names it.
    pub cursor: Option<String>,
    pub device: u64,
    pub inode: u64,
    /// Bytes of the file before the write.
    pub offset: u64,
    pub write: Option<Write>,
}

/// A write that was about to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Of the last entry in it.
    pub cursor: String,
    pub bytes: u64,
    /// BLAKE3 of the bytes.
    pub hash: String,
}

/// What is to be done about the last write of the process before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is whole, or nothing was being written.
    Done,
    /// Nothing of it is there.
    NotBegun,
    /// It broke off: the file ends in the middle of it.
    Torn,
}

impl State {
    /// `size` is that of the file that was written to, `hash` that of its bytes where the write belongs, if there are
    /// enough. A file that cannot be found any more, or that was cut, was rotated after the write far more likely than
    /// in the moment of it.
    pub fn judge(&self, size: Option<u64>, hash: Option<&str>) -> Verdict {
        let (Some(write), Some(size)) = (&self.write, size) else { return Verdict::Done };
        match size.checked_sub(self.offset) {
            None => Verdict::Done,
            Some(0) => Verdict::NotBegun,
            Some(tail) if tail < write.bytes => Verdict::Torn,
            Some(_) if hash == Some(&write.hash) => Verdict::Done,
            // Somebody else wrote here meanwhile; the lines are written behind that.
            Some(_) => Verdict::NotBegun,
        }
    }

    /// Replaces the file as a whole, so that the end of the process at any moment leaves the old state or the new one.
    /// With `lasting` it is on the disk afterwards, for a loss of power.
    ///
    /// # Errors
    /// The folder cannot be written, or the disk is full; the old state is still there.
    pub fn save(&self, state_dir: &Path, lasting: bool) -> io::Result<()> {
        named_files::replace(&state_dir.join(FILE_NAME), &serde_json::to_vec(self)?, FILE_MODE, lasting)
    }

    /// A missing file is a first start.
    ///
    /// # Errors
    /// The file is there and cannot be read or understood.
    pub fn load(state_dir: &Path) -> io::Result<Self> {
        match named_files::bytes(&state_dir.join(FILE_NAME), FLAT_LOG_STATE_BYTES_MAX) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let write = Write { cursor: "b".into(), bytes: 10, hash: "h".into() };
        State { cursor: Some("a".into()), device: 1, inode: 2, offset: 100, write: Some(write) }
    }

    #[test]
    fn the_file_tells_what_became_of_the_last_write() {
        for (size, hash, expected) in [
            (Some(100), None, Verdict::NotBegun),
            (Some(101), None, Verdict::Torn),
            (Some(109), None, Verdict::Torn),
            (Some(110), Some("h"), Verdict::Done),
            (Some(200), Some("h"), Verdict::Done),
            (Some(200), Some("of something else"), Verdict::NotBegun),
            (Some(99), None, Verdict::Done),
            (None, None, Verdict::Done),
        ] {
            assert_eq!(state().judge(size, hash), expected, "{size:?} {hash:?}");
        }
    }

    #[test]
    fn a_damaged_state_is_an_error_and_a_missing_one_a_first_start() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), State::default());
        state().save(folder.path(), true).unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), state());
        std::fs::write(folder.path().join(FILE_NAME), "{").unwrap();
        assert!(State::load(folder.path()).is_err());
    }

    #[test]
    fn a_pipe_in_its_place_is_an_error_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in [FILE_NAME, "flat-log.json.new"] {
            rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join(name), rustix::fs::Mode::RWXU).unwrap();
        }
        assert!(named_files::is_not_regular(&State::load(folder.path()).unwrap_err()));
        state().save(folder.path(), true).unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), state());
    }
}
