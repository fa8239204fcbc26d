//! The files of the hot store: the database, its companions, the lock, and damaged ones moved aside.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::{StoreError, beside, total_bytes};
use crate::named_files::{self, missing_is_fine};

/// Group members may read along: a WAL reader writes to the shared index, so reading needs write permission.
pub(super) const FILE_MODE: u32 = 0o660;
const FOLDER_MODE: u32 = 0o770;
/// Damaged files that are kept; each takes memory on a tmpfs.
const DAMAGED_FILES_MAX: usize = 2;
const SUSPECT: &str = ".suspect";
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// `max_size`, or the whole file system where that is smaller.
pub(super) fn fitting(path: &Path, max_bytes: u64) -> u64 {
    let total = total_bytes(path).unwrap_or(u64::MAX);
    if total < max_bytes {
        log::warn!(
            "hot store {}: store.max_size is {max_bytes} bytes, the file system has {total}: that is the limit now; \
             mount a larger one, or lower store.max_size",
            path.display()
        );
    }
    total.min(max_bytes)
}

/// Makes the folder if it is missing and takes the lock that keeps a second daemon out.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let io_error = |tried| move |error: io::Error| StoreError::file(path, tried, &error);
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(io_error("making its folder"))?;
        // The umask has taken bits away that the group needs.
        std::fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))
            .map_err(io_error("setting the permissions of its folder"))?;
    }
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(FILE_MODE);
    let lock =
        named_files::open_in_place(&beside(path, ".lock"), &mut options).map_err(io_error("opening its lock file"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::file(path, "locking it", &error)),
    }
}

/// Makes an empty file with the permissions that SQLite then sets on its companions too. Leaves an existing one alone; one that
/// is no regular file is an error, for SQLite would follow a link.
pub(super) fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().create_new(true).write(true).mode(FILE_MODE).open(path) {
        Ok(file) => file.set_permissions(Permissions::from_mode(FILE_MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            named_files::expect_regular(&std::fs::symlink_metadata(path)?)
        }
        Err(error) => Err(error),
    }
}

/// Remembers over a restart that damage has shown itself, so that the next start looks at the whole file.
pub(super) fn suspect(path: &Path) {
    if let Err(error) = named_files::make_anew(&beside(path, SUSPECT), FILE_MODE) {
        log::error!("hot store {}: cannot note that it is damaged ({error}): move it away by hand", path.display());
    }
}

/// Whether damage has shown itself in the database since it was opened last: then the next opening checks all of it.
pub(super) fn is_suspect(path: &Path) -> bool {
    beside(path, SUSPECT).exists()
}

/// Its failure costs a longer check at the next start.
pub(super) fn clear_suspicion(path: &Path) {
    let _ = std::fs::remove_file(beside(path, SUSPECT));
}

/// Renames the database and its write-ahead log to `<path>.corrupt-<n>`; the oldest goes when there are too many.
pub(super) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let name = |number: usize| beside(path, &format!(".corrupt-{number}"));
    let free = (1..=DAMAGED_FILES_MAX).find(|number| !name(*number).exists());
    if free.is_none() {
        for number in 1..=DAMAGED_FILES_MAX {
            if number == 1 {
                remove(&name(1))?;
            } else {
                rename(&name(number), &name(number - 1))?;
            }
        }
    }
    let target = name(free.unwrap_or(DAMAGED_FILES_MAX));
    rename(path, &target)?;
    Ok(target)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    for companion in COMPANIONS {
        missing_is_fine(std::fs::rename(beside(from, companion), beside(to, companion)))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    for companion in COMPANIONS {
        named_files::remove(&beside(path, companion))?;
    }
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_in_the_place_of_the_lock_or_of_the_mark_of_damage_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hotpath.db");
        for beside_it in [".lock", SUSPECT] {
            rustix::fs::mkfifoat(rustix::fs::CWD, beside(&path, beside_it), rustix::fs::Mode::RWXU).unwrap();
        }
        assert!(lock(&path).unwrap_err().to_string().contains("a named pipe"));
        suspect(&path);
        assert!(is_suspect(&path));
    }

    #[test]
    fn no_lock_and_no_store_is_made_where_a_link_leads() {
        let folder = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (folder.path().join("hotpath.db"), folder.path().join("elsewhere"));
        for link in [beside(&path, ".lock"), path.clone()] {
            std::os::unix::fs::symlink(&elsewhere, link).unwrap();
        }
        assert!(lock(&path).unwrap_err().to_string().contains("a symbolic link"));
        assert!(create(&path).unwrap_err().to_string().contains("a symbolic link"));
        assert!(!elsewhere.exists());
    }

    #[test]
    fn damage_is_remembered_until_the_whole_file_was_looked_at_and_no_other_file_pays_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("hotpath.db"), folder.path().join("other"));
        std::fs::write(&other, "x").unwrap();
        std::os::unix::fs::symlink(&other, beside(&path, SUSPECT)).unwrap();
        suspect(&path);
        assert_eq!(std::fs::read(&other).unwrap(), b"x");
        assert!(is_suspect(&path));
        clear_suspicion(&path);
        assert!(!is_suspect(&path));
    }

    #[test]
    fn a_new_store_and_its_folder_are_for_the_daemon_and_its_group_alone_and_one_daemon_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/hotpath.db");
        let held = lock(&path).unwrap();
        assert!(matches!(lock(&path), Err(StoreError::InUse { .. })));
        drop(held);
        create(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (FILE_MODE, FOLDER_MODE));
        std::fs::write(&path, "x").unwrap();
        create(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        drop(lock(&path).unwrap());
    }

    #[test]
    fn of_damaged_files_the_newest_are_kept_each_with_its_write_ahead_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hotpath.db");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let mut aside = Vec::new();
        for number in ["one", "two", "three"] {
            std::fs::write(&path, number).unwrap();
            if number != "two" {
                std::fs::write(beside(&path, "-wal"), format!("log of {number}")).unwrap();
            }
            aside.push(move_aside(&path).unwrap());
        }
        assert_eq!(aside, [1, 2, 2].map(|number| beside(&path, &format!(".corrupt-{number}"))));
        let kept = |number: u8| {
            (read(&format!("hotpath.db.corrupt-{number}")), read(&format!("hotpath.db.corrupt-{number}-wal")))
        };
        assert_eq!((kept(1), kept(2)), (("two".into(), String::new()), ("three".into(), "log of three".into())));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left where the store was");
    }

    #[test]
    fn a_store_is_never_larger_than_its_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hotpath.db");
        assert_eq!(fitting(&path, 1 << 20), 1 << 20);
        assert_eq!(fitting(&path, u64::MAX), total_bytes(&path).unwrap());
    }
}
