//! What happened to a path while nobody looked: where its files went, and which came and went.

use std::io;
use std::time::Duration;

use super::super::locate::{self, Known};
use super::super::opened::{self, Identity, Opened};
use super::super::position::Mark;
use super::super::tail::Tail;
use super::Followed;
use crate::intake::Problem;
use crate::limits::ROTATED_FILES_MAX;

impl Followed {
    /// Something of an earlier run is still to be found.
    pub fn is_behind(&self) -> bool {
        self.pending.is_some() || self.gap_after.is_some()
    }

    /// Finds the files of an earlier run again.
    ///
    /// # Errors
    /// The file at the path cannot be opened now, or a rotation is going on; nothing is changed, and it can be tried again.
    pub fn resume(&mut self, quiet_after: Duration, problems: &mut Vec<Problem>) -> io::Result<()> {
        let Some(position) = &self.pending else { return Ok(()) };
        let here = match opened::open(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            opened => opened.ok().map(|opened| opened.identity),
        };
        let (mut tails, mut gone): (Vec<Tail>, Vec<Problem>) = Default::default();
        let mut gap_after = None;
        for mark in &position.files {
            let taken: Vec<_> = tails.iter().map(|tail| tail.identity).collect();
            let places = locate::places(&self.path, mark.target.as_deref());
            let found = locate::find(&self.path, &places, mark, &taken, quiet_after)?;
            let Some(found) = found else {
                gone.extend(self.gone(mark));
                gap_after = Some(mark.clone());
                continue;
            };
            let mut tail = Tail::start(&found, mark.offset, &self.lines, self.target_of(mark, &found, here))?;
            // What came after it is what came after it was last seen.
            tail.modified = mark.modified;
            gap_after = Some(Mark { inode: found.identity.inode, born: found.born, ..mark.clone() });
            tails.push(tail);
        }
        if here.is_none() || tails.last().map(|tail| tail.identity) != here {
            self.gap_after = gap_after;
        }
        problems.append(&mut gone);
        self.tails = tails;
        self.finished = self.pending.take().map(|position| position.finished.into()).unwrap_or_default();
        Ok(())
    }

    fn target_of(&self, mark: &Mark, found: &Opened, here: Option<Identity>) -> Option<std::path::PathBuf> {
        if Some(found.identity) == here { locate::target(&self.path) } else { mark.target.clone() }
    }

    /// `None` for a file that was empty as it was last seen: whatever came into it is found among those that came since.
    fn gone(&self, mark: &Mark) -> Option<Problem> {
        let unread = mark.seen.saturating_sub(mark.offset);
        if mark.seen == 0 && mark.offset == 0 {
            return None;
        }
        let how_much = if unread > 0 {
            format!("{unread} bytes behind that, which were seen in it, are lost, and whatever came into it later")
        } else {
            "nothing more was seen in it; whatever came into it later is lost".to_owned()
        };
        let text = format!(
            "the file that was read up to byte {} is neither there nor beside it under another name, packed or not: {how_much} \
             (keep more rotated files than fall into an outage)",
            mark.offset
        );
        Some(Problem::new(&*self.origin.source, "gone", u64::from(unread > 0), text))
    }

    /// The same file with other content: what was read of the old goes on in the copy of it, if one was made, and before the new
    /// content comes what stood there in between.
    pub(super) fn split(&mut self, index: usize, problems: &mut Vec<Problem>) -> io::Result<()> {
        let taken: Vec<_> = self.identities().collect();
        let Some(tail) = self.tails.get_mut(index) else { return Ok(()) };
        let places = locate::places(&self.path, tail.target());
        let fingerprint = tail.fingerprint();
        let copy = locate::find_copy(&places, &fingerprint, tail.read_to(), &taken)?;
        let Some(file) = tail.detach(copy.as_ref()) else { return Ok(()) };
        // The same inode at the same offset may now be another position.
        self.reported.clear();
        // Without its copy, and with nothing to compare, another file's copy would be taken for a new one.
        if fingerprint.is_telling() {
            self.gap_after = Some(tail.mark());
        }
        let newer = self.tails.split_off(index + 1);
        let closed = self.close_gap(&taken, problems);
        if self.gap_after.is_none() {
            let opened = Opened::of(file, &self.path)?;
            self.tails.push(Tail::start(&opened, 0, &self.lines, locate::target(&self.path))?);
        }
        self.tails.extend(newer);
        closed
    }

    /// Takes up what was rotated in and away again while nobody looked. `taken`: the files that anybody reads.
    ///
    /// # Errors
    /// One of them cannot be read, or a rotation is going on; it can be tried again.
    pub fn close_gap(&mut self, taken: &[Identity], problems: &mut Vec<Problem>) -> io::Result<()> {
        let Some(mark) = &self.gap_after else { return Ok(()) };
        // With room for the file at the path, which comes after them. Those for which there is none stay where they are.
        let room = ROTATED_FILES_MAX.saturating_sub(self.tails.len() + 1);
        if room <= ROTATED_FILES_MAX / 2 && !self.tails.is_empty() {
            return Ok(());
        }
        let here = std::fs::metadata(&self.path).ok().map(|metadata| Identity::of(&metadata));
        let taken: Vec<_> = taken.iter().copied().chain(here).collect();
        let open: Vec<Mark> = self.tails.iter().map(Tail::mark).collect();
        let known = Known { taken: &taken, finished: self.finished.make_contiguous(), open: &open };
        let unread = locate::unread_after(&self.path, mark, &known, room)?;
        let mut tails = Vec::new();
        for opened in &unread.files {
            let mut tail = Tail::start(opened, 0, &self.lines, mark.target.clone())?;
            tail.modified = mark.modified;
            tails.push(tail);
        }
        let before = std::mem::replace(&mut self.passed_over, unread.lost.iter().map(|(inode, _)| *inode).collect());
        let news = unread.lost.into_iter().filter(|(inode, _)| !before.contains(inode));
        problems.extend(news.map(|(_, text)| Problem::new(&*self.origin.source, "lost", 1, text)));
        let last = unread.files.last().zip(tails.last()).filter(|_| unread.is_cut);
        self.gap_after = last.map(|(opened, tail)| Mark { modified: opened.modified, ..tail.mark() });
        self.tails.append(&mut tails);
        Ok(())
    }
}
