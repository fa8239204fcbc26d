//! Space set aside beside the hot store. Deleting rows and moving the write-ahead log into the file need space
//! themselves; on a full file system the reserve is released for that and taken again when there is room.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::{available_bytes, beside};
use super::files::FILE_MODE;
use crate::named_files;

/// A file of zeros beside the database.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// Of this size, not taken yet.
    pub fn new(store: &Path, bytes: u64) -> Self {
        Self { path: beside(store, "-reserve"), bytes }
    }

    /// Takes the space where twice as much is free; otherwise it is needed elsewhere.
    pub fn take(&self) {
        let there = self.held_bytes() >= self.bytes;
        if !there && self.has_room(available_bytes(&self.path)) && self.fill().is_err() {
            self.release();
        }
    }

    fn has_room(&self, available: Option<u64>) -> bool {
        available.is_some_and(|available| available >= 2 * self.bytes)
    }

    /// What it takes now: what stands there by another hand holds nothing.
    pub fn held_bytes(&self) -> u64 {
        std::fs::symlink_metadata(&self.path).map_or(0, |found| if found.is_file() { found.len() } else { 0 })
    }

    /// Removes the file.
    pub fn release(&self) {
        // A missing file is released already.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Written, not only sized: a hole takes no space. The group may write to the folder; what it has put there is not written to.
    fn fill(&self) -> io::Result<()> {
        let mut file = named_files::make_anew(&self.path, FILE_MODE)?;
        let block = [0; 64 * 1024];
        for _ in 0..self.bytes / block.len() as u64 {
            file.write_all(&block)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    const BYTES: u64 = 256 * 1024;

    fn reserve(bytes: u64) -> (tempfile::TempDir, Reserve) {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(&folder.path().join("hotpath.db"), bytes);
        (folder, reserve)
    }

    #[test]
    fn it_takes_its_space_for_real_and_gives_it_back() {
        let (folder, reserve) = reserve(BYTES);
        assert_eq!(reserve.held_bytes(), 0);
        reserve.take();
        let found = std::fs::metadata(folder.path().join("hotpath.db-reserve")).unwrap();
        assert_eq!((reserve.held_bytes(), found.len()), (BYTES, BYTES));
        assert!(found.blocks() * 512 >= BYTES, "a hole would be no reserve");
        reserve.release();
        reserve.release();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_is_there_is_left_alone_and_a_smaller_one_is_filled_up() {
        let (_folder, reserve) = reserve(BYTES);
        reserve.take();
        let made = || std::fs::metadata(&reserve.path).unwrap().ino();
        let first = made();
        reserve.take();
        assert_eq!(made(), first);
        std::fs::write(&reserve.path, "x").unwrap();
        reserve.take();
        assert_eq!(reserve.held_bytes(), BYTES);
    }

    #[test]
    fn space_that_is_scarce_or_unknown_is_left_to_the_store() {
        let (_folder, reserve) = reserve(BYTES);
        let has_room = |available| reserve.has_room(available);
        assert!(has_room(Some(2 * BYTES)) && !has_room(Some(2 * BYTES - 1)) && !has_room(None));
    }

    #[test]
    fn what_the_group_puts_in_its_place_is_neither_written_to_nor_waited_for() {
        let (folder, reserve) = reserve(BYTES);
        let other = folder.path().join("audit.log");
        std::fs::write(&other, [b'x'; BYTES as usize]).unwrap();
        symlink(&other, &reserve.path).unwrap();
        assert_eq!(reserve.held_bytes(), 0);
        reserve.take();
        assert_eq!(std::fs::read(&other).unwrap(), [b'x'; BYTES as usize]);
        assert_eq!(reserve.held_bytes(), BYTES);
        reserve.release();
        rustix::fs::mkfifoat(rustix::fs::CWD, &reserve.path, rustix::fs::Mode::RWXU).unwrap();
        reserve.take();
        assert_eq!(reserve.held_bytes(), BYTES);
    }
}
