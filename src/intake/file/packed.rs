//! The text of one packed file, read on from wherever an earlier run was.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::opened::{Opened, unpacked};
use crate::intake::unpack::{Packing, Unpacked, is_refusal};
use crate::limits::FILE_CHUNK_BYTES;

pub struct PackedText {
    file: Arc<File>,
    packing: Packing,
    path: PathBuf,
    /// Only while it is read: its window may be large.
    reader: Option<Unpacked>,
    /// The next byte of text that the reader gives.
    at: u64,
    /// Behind what the reader gave last.
    error: Option<io::Error>,
    /// It cannot be read on; it may still be being written.
    fault: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    /// So many bytes of text, which may all lie before those that are wanted.
    Bytes(usize),
    End,
    /// Others are being unpacked, or it has a fault.
    Wait,
    /// It is of no use, and why.
    Refused(String),
}

impl PackedText {
    /// `None` for a file that is not packed.
    pub fn of(opened: &Opened) -> Option<Self> {
        let (file, path) = (Arc::clone(&opened.file), opened.path.clone());
        Some(Self { file, packing: opened.packing?, path, reader: None, at: 0, error: None, fault: None })
    }

    /// # Errors
    /// It cannot be examined.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// It has a window at the moment.
    pub fn holds_window(&self) -> bool {
        self.reader.is_some() && self.packing.needs_window()
    }

    /// Appends text behind `from` to the buffer. `windows_left`: so many may be taken.
    pub fn read(&mut self, from: u64, buffer: &mut Vec<u8>, windows_left: &mut usize) -> Chunk {
        if self.fault.is_some() {
            return Chunk::Wait;
        }
        if let Some(error) = self.error.take() {
            return self.fail(&error);
        }
        if self.reader.is_none() {
            let needs_window = self.packing.needs_window();
            if needs_window && *windows_left == 0 {
                return Chunk::Wait;
            }
            *windows_left -= usize::from(needs_window);
            (self.reader, self.at) = (Some(unpacked(&self.file, self.packing)), 0);
        }
        let Some(reader) = &mut self.reader else { return Chunk::Wait };
        let held_back = buffer.len();
        let room = if self.at < from { (from - self.at).min(FILE_CHUNK_BYTES as u64) } else { FILE_CHUNK_BYTES as u64 };
        let result = reader.take(room).read_to_end(buffer);
        let count = buffer.len() - held_back;
        if self.at < from {
            buffer.truncate(held_back);
        }
        self.at += count as u64;
        match result {
            // What came before the fault is as good as any.
            Err(error) if count > 0 => {
                (self.reader, self.error) = (None, Some(error));
                Chunk::Bytes(count)
            }
            Err(error) => self.fail(&error),
            Ok(0) => {
                self.reader = None;
                Chunk::End
            }
            Ok(count) => Chunk::Bytes(count),
        }
    }

    fn fail(&mut self, error: &io::Error) -> Chunk {
        self.reader = None;
        if is_refusal(error) {
            return Chunk::Refused(error.to_string());
        }
        self.fault = Some(error.to_string());
        Chunk::Wait
    }

    /// The file has changed: what could not be read may be there by now.
    pub fn try_again(&mut self) {
        self.fault = None;
    }

    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// What is said of it when it is given up behind `read_to` bytes of its text.
    pub fn given_up(&self, why: &str, read_to: u64) -> String {
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        format!(
            "{} ({size} bytes, packed) was read up to byte {read_to} of its text and is given up there ({why}); what follows \
             in it is lost, unless it is unpacked by hand and replayed",
            self.path.display()
        )
    }
}
