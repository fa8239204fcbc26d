//! The Unix socket: made for its group alone, and taken away again.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

const MODE: u32 = 0o660;
const FOLDER_MODE: u32 = 0o750;

/// The file of a socket that is open; removed with this, unless another took its place.
pub struct SocketFile {
    path: PathBuf,
    inode: u64,
}

/// Takes the place of whatever socket an earlier process left there.
///
/// # Errors
/// The folder is missing and cannot be made, is not writable, or the path is too long for a socket.
pub fn open(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    }
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() || found.is_dir()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else than a socket"));
    }
    // Under another name until nobody else may open it.
    let mut new = path.as_os_str().to_owned();
    new.push(".n");
    let new = PathBuf::from(new);
    let _ = std::fs::remove_file(&new);
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(MODE))?;
    std::fs::rename(&new, path)?;
    let inode = std::fs::symlink_metadata(path)?.ino();
    Ok((listener, SocketFile { path: path.to_owned(), inode }))
}

impl SocketFile {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_for_its_group_alone_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/api.sock");
        let (_listener, file) = open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert_eq!(std::fs::metadata(folder.path().join("run")).unwrap().mode() & 0o007, 0);
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path().join("run")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_later_one_takes_the_place_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let (_first, first) = open(&path).unwrap();
        let (_second, _file) = open(&path).unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_of_someone_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        std::fs::write(&path, "notes").unwrap();
        assert!(open(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"notes");
    }
}
