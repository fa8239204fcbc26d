//! Whether what the store has open is still what its path leads to. A file that was removed, replaced, or hidden by a mount goes
//! on working for whoever has it open, and all that is written to it is gone with the process.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::beside;

/// The database, and what SQLite keeps beside it while it is open.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// A regular file, whatever leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the file that stands at a path now; `None` where there is none. Who may write to the folder may put a link there, which
    /// SQLite would follow.
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }
}

/// The files of an open store.
#[derive(Debug)]
pub(super) struct OpenFiles {
    /// Each with what its path led to when it was first written to.
    parts: [(PathBuf, Option<Identity>); 3],
}

impl OpenFiles {
    /// What SQLite keeps beside the database goes with the last connection and comes with the next, so it is not known before
    /// something is written.
    pub fn of(database: &Path) -> Self {
        let mut parts = PARTS.map(|suffix| (beside(database, suffix), None));
        if let Some((path, identity)) = parts.first_mut() {
            *identity = Identity::of(path);
        }
        Self { parts }
    }

    /// What the path of the database led to.
    pub fn database(&self) -> Option<Identity> {
        self.parts.first().and_then(|(_, identity)| *identity)
    }

    /// The connection has gone, and perhaps what was beside the database with it.
    pub fn forget_beside(&mut self) {
        self.parts.iter_mut().skip(1).for_each(|(_, identity)| *identity = None);
    }

    /// Something has been written, so all of them are there: returns which is not.
    pub fn written(&mut self) -> Option<String> {
        for (path, identity) in self.parts.iter_mut().filter(|(_, identity)| identity.is_none()) {
            *identity = Identity::of(path);
        }
        let absent = self.parts.iter().find(|(_, identity)| identity.is_none());
        absent.map(|(path, _)| format!("{} is open and not there", path.display())).or_else(|| self.missing())
    }

    /// What is no longer where it was opened.
    pub fn missing(&self) -> Option<String> {
        self.parts.iter().find_map(|(path, opened)| Self::reason(path, (*opened)?))
    }

    fn reason(path: &Path, opened: Identity) -> Option<String> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if (found.dev(), found.ino()) == (opened.device, opened.inode) => None,
            Ok(_) => Some(format!("{} is another file than the one that is open", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(format!("{} is open and no longer there", path.display()))
            }
            Err(error) => Some(format!("{} cannot be looked at any more ({error})", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, Interest};
    use crate::store::tests::{config, ids, raw, transaction};
    use crate::store::{HotStore, StoreError};

    #[tokio::test]
    async fn nothing_is_committed_to_files_that_their_path_no_longer_leads_to_and_all_of_it_when_it_does_again() {
        for part in PARTS {
            let folder = tempfile::tempdir().unwrap();
            let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
            store.commit(&[transaction("intake", None, vec![raw(7, 0)])]).await.unwrap();
            let (path, away) = (beside(&config(&folder).path, part), folder.path().join("away"));
            std::fs::rename(&path, &away).unwrap();
            let more = [transaction("intake", None, vec![raw(8, 0)])];
            let error = store.commit(&more).await.unwrap_err();
            assert!(matches!(error, StoreError::Gone { .. }), "{part}: {error}");
            assert_eq!(store.committed(), EventId::new(7, 0), "{part}");
            std::os::unix::fs::symlink(&away, &path).unwrap();
            let error = store.commit(&more).await.unwrap_err();
            assert!(matches!(error, StoreError::Gone { .. }), "a link to {part}: {error}");
            std::fs::remove_file(&path).unwrap();
            std::fs::copy(&away, &path).unwrap();
            let error = store.commit(&more).await.unwrap_err().to_string();
            assert!(error.contains("another file") && error.contains("restart"), "{part}: {error}");
            std::fs::rename(&away, &path).unwrap();
            store.commit(&more).await.unwrap();
            assert_eq!(ids(&store.after(EventId::ZERO, Interest::ALL, 9).await.unwrap()), [(7, 0), (8, 0)], "{part}");
        }
    }

    #[test]
    fn what_goes_with_the_last_connection_is_not_missed_and_what_was_gone_before_anything_was_written_is() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("hotpath.db");
        PARTS.iter().for_each(|part| drop(std::fs::File::create(beside(&database, part)).unwrap()));
        let mut files = OpenFiles::of(&database);
        assert_eq!((files.written(), files.missing()), (None, None));
        for part in &PARTS[1..] {
            std::fs::remove_file(beside(&database, part)).unwrap();
            assert!(files.missing().is_some(), "{part}");
            files.forget_beside();
            assert_eq!(files.missing(), None, "{part}");
            assert!(files.written().is_some_and(|reason| reason.contains("not there")), "{part}");
            drop(std::fs::File::create(beside(&database, part)).unwrap());
            assert_eq!(files.written(), None, "{part}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_opened_anew_is_one_to_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
        store.commit(&[transaction("intake", None, vec![raw(7, 0)])]).await.unwrap();
        store.reconfigure(&config(&folder)).await.unwrap();
        store.commit(&[transaction("intake", None, vec![raw(8, 0)])]).await.unwrap();
        let path = config(&folder).path;
        std::fs::copy(&path, folder.path().join("copy")).unwrap();
        std::fs::rename(folder.path().join("copy"), &path).unwrap();
        let error = store.reconfigure(&config(&folder)).await.unwrap_err();
        assert!(matches!(error, StoreError::Gone { .. }), "{error}");
    }
}
