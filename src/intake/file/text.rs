//! What the lines of a file are read from: the file as it is, or its unpacked text.

use std::fs::{File, Metadata};
use std::io;
use std::sync::Arc;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::opened::{Opened, bytes_at};
use super::packed::{Chunk, PackedText};
use crate::limits::FILE_CHUNK_BYTES;

/// What the lines are read from.
pub enum Text {
    Plain(Arc<File>),
    Packed(PackedText),
}

impl Text {
    pub fn of(opened: &Opened) -> Self {
        PackedText::of(opened).map_or_else(|| Self::Plain(Arc::clone(&opened.file)), Self::Packed)
    }

    /// How much of it there is, as far as that is known.
    pub fn size(&self, opened: &Opened) -> u64 {
        match self {
            Self::Plain(_) => opened.size,
            Self::Packed(_) => u64::MAX,
        }
    }

    /// # Errors
    /// It cannot be examined.
    pub fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::Plain(file) => file.metadata(),
            Self::Packed(packed) => packed.metadata(),
        }
    }
}

/// Where the hole ends that a file has at this offset, if it has one there: at what was written next, or nowhere.
pub fn hole_end(file: &File, at: u64) -> Option<u64> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(next) => (next > at).then_some(next),
        Err(Errno::NXIO) => Some(u64::MAX),
        // A file system that does not know of holes.
        Err(_) => None,
    }
}

/// Appends one chunk to the buffer; [`Chunk::Wait`] if the file no longer begins as it did.
///
/// # Errors
/// The file cannot be read.
pub fn read_plain(file: &File, at: u64, unread: usize, buffer: &mut Vec<u8>, beginning: &[u8]) -> io::Result<Chunk> {
    let fresh = bytes_at(file, at, unread.min(FILE_CHUNK_BYTES))?;
    // Only after the read is it certain that these bytes belong to the content that began like this.
    if bytes_at(file, 0, beginning.len())? != beginning {
        return Ok(Chunk::Wait);
    }
    buffer.extend_from_slice(&fresh);
    Ok(if fresh.is_empty() { Chunk::End } else { Chunk::Bytes(fresh.len()) })
}
