//! The ban list as a file, which other programs of this machine read or hand on.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::named_files;

/// Everybody may read it, whatever the process's mask says: its folder decides who can.
const MODE: u32 = 0o644;

/// What this process has written last, and where.
#[derive(Default)]
pub struct BanFile {
    written: Option<Written>,
}

struct Written {
    path: PathBuf,
    text: String,
    found: Found,
}

/// By which another file in its place is told, and one that somebody else has written into.
#[derive(PartialEq, Eq)]
struct Found {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Found {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { inode: found.ino(), size: found.len(), changed: (found.mtime(), found.mtime_nsec()) })
    }
}

impl BanFile {
    /// Whether this is not where it was written last.
    pub fn is_elsewhere(&self, path: Option<&Path>) -> bool {
        path.is_some_and(|path| self.written.as_ref().is_none_or(|written| written.path != path))
    }

    /// Writes it as a whole, unless it is there already. Waits for the disk.
    ///
    /// # Errors
    /// The folder cannot be written or the disk is full; the file is as before.
    pub fn write(&mut self, path: &Path, text: String) -> Result<(), String> {
        let is_there = |written: &Written| {
            written.path == path && written.text == text && Found::of(path).ok().as_ref() == Some(&written.found)
        };
        if self.written.as_ref().is_some_and(is_there) {
            return Ok(());
        }
        let found = replace(path, &text).map_err(|error| {
            format!(
                "writing the ban list {}: {error}; whoever reads it has the one before: respond.ban_list must be in a folder \
                 that the daemon may write",
                path.display()
            )
        })?;
        self.written = Some(Written { path: path.to_owned(), text, found });
        Ok(())
    }
}

/// Empties a list that is no longer written: who reads it would block for ever what nobody takes off it. Waits for the disk. Whether there
/// was anything in it.
///
/// # Errors
/// The folder cannot be written; the file is as before.
pub fn empty(path: &Path) -> Result<bool, String> {
    let emptied = match fs::symlink_metadata(path) {
        Ok(found) if found.len() > 0 => replace(path, "").map(|_| true),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    emptied.map_err(|error| {
        format!(
            "emptying the ban list {}, which respond.ban_list no longer names: {error}; whoever reads it blocks what is in it for ever: empty or \
             remove it",
            path.display()
        )
    })
}

fn replace(path: &Path, text: &str) -> io::Result<Found> {
    named_files::replace_for_good(path, MODE, |file| {
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(text.as_bytes())
    })?;
    Found::of(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_written_when_it_changes_and_when_somebody_has_changed_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans.txt");
        let mut file = BanFile::default();
        assert!(file.is_elsewhere(Some(&path)) && !file.is_elsewhere(None));
        let inode = || fs::metadata(&path).unwrap().ino();
        file.write(&path, "203.0.113.7\n".into()).unwrap();
        assert!(!file.is_elsewhere(Some(&path)));
        let first = inode();
        file.write(&path, "203.0.113.7\n".into()).unwrap();
        assert_eq!(inode(), first, "written once");
        fs::remove_file(&path).unwrap();
        file.write(&path, "203.0.113.7\n".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "203.0.113.7\n");
        // An editor that writes into the file that is there.
        fs::write(&path, "192.0.2.1\n192.0.2.2\n").unwrap();
        file.write(&path, "203.0.113.7\n".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "203.0.113.7\n");
        file.write(&path, String::new()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        file.write(&path, "203.0.113.7\n".into()).unwrap();
        assert_eq!((empty(&path), empty(&path), empty(&folder.path().join("none"))), (Ok(true), Ok(false), Ok(false)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        let error = file.write(&folder.path().join("none/bans.txt"), String::new()).unwrap_err();
        assert!(error.contains("none/bans.txt") && error.contains("respond.ban_list"), "{error}");
    }
}
