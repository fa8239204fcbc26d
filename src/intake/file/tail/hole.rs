//! A hole in a file: what a writer leaves that went on at its old place after the file was emptied, or what somebody made on
//! purpose. It may be larger than any disk, and costs nothing to make.

use std::io;

use super::Tail;
use crate::intake::file::opened::bytes_at;
use crate::intake::file::text::{Text, hole_end};
use crate::limits::FINGERPRINT_BYTES_MAX;

impl Tail {
    /// Goes on behind a hole without reading it. True if there was one, or if the file does not begin as it did.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn pass_over_hole(&mut self) -> io::Result<bool> {
        let at = self.lines.read_to();
        let Some(Text::Plain(file)) = &self.text else { return Ok(false) };
        if !self.lines.is_between() || self.beginning.len() < FINGERPRINT_BYTES_MAX {
            return Ok(false);
        }
        let Some(end) = hole_end(file, at).map(|end| end.min(self.size)).filter(|end| *end > at) else {
            return Ok(false);
        };
        // As in `read_plain`: only now is it certain whose hole it was.
        if bytes_at(file, 0, self.beginning.len())? == self.beginning {
            self.lines.go_on_at(end);
        } else {
            self.replaced = true;
        }
        Ok(true)
    }
}
