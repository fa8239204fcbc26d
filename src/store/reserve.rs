//! Space set aside beside the hot store. Deleting rows and moving the write-ahead log into the file need space
//! themselves; on a full file system the reserve is released for that and taken again when there is room.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::{available_bytes, beside, file_bytes};

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
        let room = available_bytes(&self.path).is_some_and(|available| available >= 2 * self.bytes);
        if !there && room && self.fill().is_err() {
            self.release();
        }
    }

    /// What it takes now.
    pub fn held_bytes(&self) -> u64 {
        file_bytes(&self.path)
    }

    /// Removes the file.
    pub fn release(&self) {
        // A missing file is released already.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Written, not only sized: a hole takes no space.
    fn fill(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        let block = [0; 64 * 1024];
        for _ in 0..self.bytes / block.len() as u64 {
            file.write_all(&block)?;
        }
        Ok(())
    }
}
