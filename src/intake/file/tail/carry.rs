//! A record that a rotation cut in two: its first lines are the last of one file, its others the first of the next.
//!
//! They are one record, under the same rule as within one file: only what may go on does, and a line that tells a time of its own
//! always begins another. Both files' positions move when it is handed out, so that a crash before that finds it whole again.

use std::io;

use super::{Poll, Tail};
use crate::intake::file::packed::Chunk;

impl Tail {
    /// All of it has been read, and its last record may go on.
    pub fn is_open_at_end(&self) -> bool {
        let is_read = self.text.is_none() || self.lines.read_to() >= self.size;
        !self.heads.is_empty() && !self.heads.is_ready() && is_read && self.lines.read_to() == self.lines.line_at()
    }

    /// Looks at the beginning of the file that came after this one for lines of its last record. True if that is whole now.
    ///
    /// # Errors
    /// That file cannot be read.
    pub fn go_on_in(&mut self, newer: &mut Self, poll: &mut Poll) -> io::Result<bool> {
        if !newer.heads.is_empty() || newer.offset() > 0 {
            self.heads.close();
            return Ok(true);
        }
        loop {
            if let Some(line) = newer.next.take().or_else(|| newer.lines.next_line()) {
                if !self.heads.carry(&line) {
                    newer.next = Some(line);
                    self.heads.close();
                    return Ok(true);
                }
                poll.cut += u64::from(line.cut);
                newer.is_lent = true;
            } else if newer.replaced || newer.lines.read_to() >= newer.size || poll.bytes_left == 0 {
                return Ok(false);
            } else if let Chunk::Bytes(count) = newer.read(poll)? {
                poll.bytes_left = poll.bytes_left.saturating_sub(count as u64);
            } else {
                return Ok(false);
            }
        }
    }

    /// The record that its first lines belong to has been handed out, or never will be.
    pub fn end_loan(&mut self) {
        self.is_lent = false;
    }
}
