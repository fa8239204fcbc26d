//! The file of the audit log: read and compared when it is opened, and known again before each write.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::entry::{seal, unseal};
use super::mark::Mark;
use super::{AuditError, Entry, Head, MESSAGE_ID};
use crate::event::Timestamp;
use crate::limits;
use crate::named_files;

/// Longest line that is read back; what this module writes is far shorter.
const LINE_BYTES_MAX: u64 = limits::LINE_BYTES_MAX as u64;

/// The open file, at its end.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    file: File,
    head: Head,
    /// The file as this left it.
    mark: Mark,
}

impl Audit {
    /// Opens or makes the file and returns what it holds. It may go on after the remembered head, whose line is written
    /// first. A last line without its end is cut off: it was never acknowledged to anyone.
    ///
    /// # Errors
    /// The file cannot be opened, its chain is broken, or it does not hold the remembered head: then nothing may be
    /// added, for it would look whole again.
    pub fn open(path: &Path, kept: Option<&Head>) -> Result<(Self, Vec<Entry>), AuditError> {
        let failed = |problem| move |source| AuditError::Io { path: path.to_owned(), problem, source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let file = named_files::open_with(path, &mut options).map_err(failed("it could not be opened"))?;
        let whole = bytes_of_whole_lines(&file).map_err(failed("it could not be read"))?;
        let mut entries = Vec::new();
        let head = walk(path, &file, whole, kept, |entry| entries.push(entry))?;
        // Not before it is known to be the file that is remembered: a missing end may also be that of a line that was
        // acknowledged.
        file.set_len(whole).map_err(failed("its unfinished last line could not be cut off"))?;
        let mark = file.metadata().map(|found| Mark::of(&found)).map_err(failed("its state could not be read"))?;
        Ok((Self { path: path.to_owned(), file, head, mark }, entries))
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Adds one line and waits until it is on disk.
    ///
    /// # Errors
    /// The file is not as this left it, or the line could not be written in full; the log is as before.
    pub fn append(&mut self, action: &str, subject: &str, who: &str, note: &str) -> Result<Entry, AuditError> {
        self.know_again()?;
        let entry = Entry {
            seq: self.head.lines + 1,
            ts: Timestamp::now().to_string(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            who: who.to_owned(),
            note: note.to_owned(),
            prev: self.head.hash.clone(),
        };
        let (line, hash) = seal(&entry);
        let before = self.file.seek(SeekFrom::End(0)).map_err(self.failed("its length could not be read"))?;
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        let written = written.map_err(self.failed("a line could not be written"));
        // Whoever replaced the file since it was looked at has taken the line away with the old one.
        let mark = written.and_then(|()| self.mark_of_path()).and_then(|mark| self.expect_length(before, &line, mark));
        match mark {
            Ok(mark) => self.mark = mark,
            Err(error) => {
                // A part of a line left behind would break the chain at the next one.
                let _ = self.file.set_len(before);
                if let Ok(found) = self.file.metadata() {
                    self.mark = Mark::of(&found);
                }
                return Err(error);
            }
        }
        log::info!(
            target: "dsmil-http", MESSAGE_ID = MESSAGE_ID, SEQ = entry.seq, HASH = hash.as_str();
            "audit log: {action} {subject} by {who}"
        );
        self.head = Head { lines: entry.seq, hash };
        Ok(entry)
    }

    /// The file is still the one that was opened and holds what it held, read as a whole where anything touched it.
    ///
    /// # Errors
    /// It is not: then nothing can be added.
    pub fn know_again(&mut self) -> Result<(), AuditError> {
        let mark = self.mark_of_path()?;
        if mark == self.mark {
            return Ok(());
        }
        let head = walk(&self.path, &self.file, u64::MAX, Some(&self.head), |_| {})?;
        if head != self.head {
            let line = self.head.lines + 1;
            let problem = "was added by another hand".to_owned();
            return Err(AuditError::Broken { path: self.path.clone(), line, problem });
        }
        self.mark = mark;
        Ok(())
    }

    fn mark_of_path(&self) -> Result<Mark, AuditError> {
        let replaced = || AuditError::Replaced { path: self.path.clone() };
        let found = std::fs::metadata(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => replaced(),
            _ => self.failed("its state could not be read")(error),
        })?;
        let mark = Mark::of(&found);
        if mark.is_same_file(&self.mark) { Ok(mark) } else { Err(replaced()) }
    }

    fn expect_length(&self, before: u64, line: &str, mark: Mark) -> Result<Mark, AuditError> {
        if mark.length() == before + line.len() as u64 {
            return Ok(mark);
        }
        Err(self.failed("a line could not be written")(io::Error::other("another program writes to it")))
    }

    fn failed(&self, problem: &'static str) -> impl FnOnce(io::Error) -> AuditError + use<> {
        let path = self.path.clone();
        move |source| AuditError::Io { path, problem, source }
    }
}

/// Checks every hash of the file, and that it holds the remembered head.
///
/// # Errors
/// The file cannot be read, or a line is not what its hash says: the first such line, from 1.
pub fn verify(path: &Path, kept: Option<&Head>) -> Result<Head, AuditError> {
    walk(path, &opened(path)?, u64::MAX, kept, |_| {})
}

/// Checks every hash of the file once, and against each of the remembered heads: where it ends, and for each head why it does not hold it.
///
/// # Errors
/// The file cannot be read, or a line is not what its hash says.
pub fn compare(path: &Path, kept: &[&Head]) -> Result<(Head, Vec<Option<AuditError>>), AuditError> {
    let mut lines: BTreeMap<u64, String> = kept.iter().map(|kept| (kept.lines, kept.hash.clone())).collect();
    let head = walk(path, &opened(path)?, u64::MAX, None, |entry| {
        // Each line has the hash of the one before.
        if let Some(hash) = lines.get_mut(&(entry.seq - 1)) {
            *hash = entry.prev;
        }
    })?;
    if let Some(hash) = lines.get_mut(&head.lines) {
        hash.clone_from(&head.hash);
    }
    let problem = |kept: &&Head| {
        let (path, kept) = (path.to_owned(), (*kept).clone());
        if kept.lines > head.lines {
            return Some(AuditError::Cut { path, found: head.lines, kept });
        }
        let found = lines.get(&kept.lines).filter(|found| kept.lines > 0 && **found != kept.hash)?.clone();
        Some(AuditError::Rewritten { path, found, kept })
    };
    let problems = kept.iter().map(problem).collect();
    Ok((head, problems))
}

fn opened(path: &Path) -> Result<File, AuditError> {
    let failed = |source| AuditError::Io { path: path.to_owned(), problem: "it could not be opened", source };
    named_files::open(path).map_err(failed)
}

/// Reads so many bytes from the start.
fn walk(
    path: &Path,
    mut file: &File,
    bytes: u64,
    kept: Option<&Head>,
    mut visit: impl FnMut(Entry),
) -> Result<Head, AuditError> {
    let failed = |source| AuditError::Io { path: path.to_owned(), problem: "it could not be read", source };
    file.rewind().map_err(failed)?;
    let mut reader = BufReader::new(file.take(bytes));
    let mut head = Head::none();
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            break;
        }
        let (entry, hash) = unseal(&line, &head).map_err(|problem| AuditError::Broken {
            path: path.to_owned(),
            line: head.lines + 1,
            problem,
        })?;
        head = Head { lines: entry.seq, hash };
        if let Some(kept) = kept.filter(|kept| kept.lines == head.lines && kept.hash != head.hash) {
            return Err(AuditError::Rewritten { path: path.to_owned(), found: head.hash, kept: kept.clone() });
        }
        visit(entry);
    }
    match kept.filter(|kept| kept.lines > head.lines) {
        Some(kept) => Err(AuditError::Cut { path: path.to_owned(), found: head.lines, kept: kept.clone() }),
        None => Ok(head),
    }
}

fn bytes_of_whole_lines(file: &File) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut whole, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(whole);
        }
        whole += read as u64;
    }
}
