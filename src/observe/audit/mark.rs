//! By what a file is known again without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// A file as it was when it was written last. Its change time cannot be set by anyone who does not set the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Mark {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub fn length(&self) -> u64 {
        self.length
    }
}
