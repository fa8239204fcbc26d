//! Whether what the store has open is still what its path leads to. A file that was removed, replaced, or hidden by a mount goes
//! on working for whoever has it open, and all that is written to it is gone with the process.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::beside;

/// The database, and what SQLite keeps beside it while it is open.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// A file, whatever leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the file that a path leads to now; `None` where there is none.
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }
}

/// The files of an open store.
#[derive(Debug)]
pub(super) struct OpenFiles {
    /// Each with what its path led to when it was opened; SQLite makes the two beside the database when it first needs them.
    parts: [(PathBuf, Option<Identity>); 3],
}

impl OpenFiles {
    pub fn of(database: &Path) -> Self {
        let part = |suffix| {
            let path = beside(database, suffix);
            let identity = Identity::of(&path);
            (path, identity)
        };
        Self { parts: PARTS.map(part) }
    }

    /// What the path of the database led to.
    pub fn database(&self) -> Option<Identity> {
        self.parts.first().and_then(|(_, identity)| *identity)
    }

    /// Notes those that were made since.
    pub fn complete(&mut self) {
        for (path, identity) in self.parts.iter_mut().filter(|(_, identity)| identity.is_none()) {
            *identity = Identity::of(path);
        }
    }

    /// What is no longer where it was opened.
    pub fn missing(&self) -> Option<String> {
        self.parts.iter().find_map(|(path, opened)| Self::reason(path, (*opened)?))
    }

    fn reason(path: &Path, opened: Identity) -> Option<String> {
        match std::fs::metadata(path) {
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
            std::fs::copy(&away, &path).unwrap();
            let error = store.commit(&more).await.unwrap_err().to_string();
            assert!(error.contains("another file") && error.contains("restart"), "{part}: {error}");
            std::fs::rename(&away, &path).unwrap();
            store.commit(&more).await.unwrap();
            assert_eq!(ids(&store.after(EventId::ZERO, Interest::ALL, 9).await.unwrap()), [(7, 0), (8, 0)], "{part}");
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
