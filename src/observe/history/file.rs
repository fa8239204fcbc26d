//! The file of the history, in `daemon.state_dir`.

use std::io;
use std::path::Path;

use super::form::{self, Kept};
use crate::limits::HISTORY_FILE_BYTES_MAX;
use crate::named_files;

const FILE_NAME: &str = "history.json";
const FILE_MODE: u32 = 0o600;

/// What was kept; `None` when nothing was. A file that cannot be read is set aside as `history.json.damaged` and reported, and a new
/// one begun. Blocks.
pub fn read(state_dir: &Path) -> Option<Kept> {
    let path = state_dir.join(FILE_NAME);
    let found = match named_files::text(&path, HISTORY_FILE_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Err(error.to_string()),
        Ok(text) => form::read(&text),
    };
    let problem = match found {
        Ok(kept) => return Some(kept),
        Err(problem) => problem,
    };
    let aside = named_files::set_aside(&path);
    log::warn!(
        target: "dsmild",
        "the history in {} could not be read: {problem}; {aside}, and the console's plots begin anew",
        path.display()
    );
    None
}

/// Replaces it as a whole. Blocks until it is on the disk.
///
/// # Errors
/// What was tried and why it failed; the file is as before.
pub fn write(state_dir: &Path, text: &str) -> Result<(), String> {
    let path = state_dir.join(FILE_NAME);
    named_files::replace(&path, text.as_bytes(), FILE_MODE, true).map_err(|error| {
        format!(
            "the history could not be written to {}: {error}; after a restart the console's plots lack it",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;
    use crate::observe::history::History;

    #[test]
    fn a_damaged_or_foreign_file_is_set_aside_and_a_new_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        assert!(read(folder.path()).is_none());
        let text = History::begin(None, Timestamp::from_millis(1), std::time::Instant::now()).text();
        write(folder.path(), &text).unwrap();
        assert_eq!(read(folder.path()).unwrap().changes.len(), 1);
        for bad in [b"\xff\xfe".as_slice(), b"", b"[]", &vec![b' '; HISTORY_FILE_BYTES_MAX as usize + 1]] {
            std::fs::write(&path, bad).unwrap();
            assert!(read(folder.path()).is_none());
            assert!(!path.exists());
            assert_eq!(std::fs::read(folder.path().join("history.json.damaged")).unwrap(), bad);
        }
        write(folder.path(), &text).unwrap();
        assert!(read(folder.path()).is_some());
    }
}
