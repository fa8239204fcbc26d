//! Files opened to be read: as they are, or unpacked.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::chain::{self, Ending};
use super::links;
use crate::event::{InFile, Timestamp};
use crate::intake::unpack::{Packing, Unpacked};
use crate::limits::{FILE_CHUNK_BYTES, FINGERPRINT_BYTES_MAX};

/// What makes a file the same file while it is open, whatever its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub dev: u64,
    pub inode: u64,
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Self {
        Self { dev: metadata.dev(), inode: metadata.ino() }
    }
}

/// A regular file that is open.
#[derive(Debug)]
pub struct Opened {
    pub file: Arc<File>,
    pub identity: Identity,
    pub modified: Timestamp,
    /// When it was made, where the file system knows.
    pub born: Option<Timestamp>,
    /// Of the file; how much text is packed in it only unpacking tells.
    pub size: u64,
    pub changed: (i64, i64),
    pub packing: Option<Packing>,
    /// Where it was found.
    pub path: PathBuf,
}

/// Opens a regular file without waiting for anything. It is unpacked if its name and its first bytes say that it is packed.
///
/// # Errors
/// It cannot be opened, it is a directory, a pipe or a device, or a link leads to it whose maker may not read it.
pub fn open(path: &Path) -> io::Result<Opened> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    links::expect_no_strangers(path, &file.metadata()?)?;
    Opened::of(Arc::new(file), path)
}

/// When the file was last written.
pub fn modified(metadata: &Metadata) -> Timestamp {
    Timestamp::from_micros(metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1000))
}

/// When it was made, where the file system knows.
pub fn born(metadata: &Metadata) -> Option<Timestamp> {
    let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(born.as_micros()).ok().map(Timestamp::from_micros)
}

/// Changes whenever anything of the file does.
pub fn changed(metadata: &Metadata) -> (i64, i64) {
    (metadata.ctime(), metadata.ctime_nsec())
}

impl Opened {
    /// # Errors
    /// It cannot be examined, or it is a directory, a pipe or a device.
    pub fn of(file: Arc<File>, path: &Path) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let name = path.file_name().unwrap_or_default().as_bytes();
        let packing = match chain::ending(name) {
            (_, Ending::Packed) => Packing::of(&bytes_at(&file, 0, Packing::MARK_BYTES)?),
            _ => None,
        };
        Ok(Self {
            identity: Identity::of(&metadata),
            modified: modified(&metadata),
            born: born(&metadata),
            size: metadata.len(),
            changed: changed(&metadata),
            packing,
            path: path.to_owned(),
            file,
        })
    }

    /// It was changed so recently that somebody may still be writing it.
    pub fn is_fresh(&self, quiet_after: Duration) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(self.changed.0).unwrap_or_default());
        changed + quiet_after > now
    }

    /// Where its lines are read, as far as it is the same for all of them. `source`: the path that their source names.
    pub fn place(&self, source: &Path) -> InFile {
        let path = (self.path != source).then(|| Arc::from(self.path.to_string_lossy()));
        InFile { inode: Some(self.identity.inode), is_packed: self.packing.is_some(), path, ..InFile::default() }
    }

    /// The first bytes of its text, at most `length`.
    ///
    /// # Errors
    /// It cannot be read or unpacked.
    pub fn text(&self, length: usize) -> io::Result<Vec<u8>> {
        match self.packing.filter(|_| length > 0) {
            None => bytes_at(&self.file, 0, length),
            Some(packing) => {
                let mut text = Vec::new();
                unpacked(&self.file, packing).take(length as u64).read_to_end(&mut text)?;
                Ok(text)
            }
        }
    }

    /// The first bytes of its text, at most [`FINGERPRINT_BYTES_MAX`] and at most `length`.
    ///
    /// # Errors
    /// It cannot be read or unpacked.
    pub fn beginning(&self, length: usize) -> io::Result<Vec<u8>> {
        self.text(length.min(FINGERPRINT_BYTES_MAX))
    }
}

/// A reader of the text of a packed file, from its beginning.
pub fn unpacked(file: &Arc<File>, packing: Packing) -> Unpacked {
    Unpacked::new(packing, BufReader::with_capacity(FILE_CHUNK_BYTES, At { file: Arc::clone(file), at: 0 }))
}

/// At most `length` bytes of a file, from there on.
///
/// # Errors
/// It cannot be read.
pub fn bytes_at(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}

/// Reads a file from a place of its own: several readers of one file do not move each other.
struct At {
    file: Arc<File>,
    at: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
