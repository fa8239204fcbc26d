//! The flat log on the disk, written so that every line is in it once whenever the process ends.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::state::{State, Verdict, Write};
use crate::limits;
use crate::named_files;

const FILE_MODE: u32 = 0o640;

/// The file could not be opened or written; says which, why and what to do.
#[derive(Debug, thiserror::Error)]
#[error("flat log {}: {tried}: {source}; lines wait in the journal meanwhile. {advice}", path.display())]
pub struct FlatLogError {
    path: PathBuf,
    tried: &'static str,
    source: io::Error,
    advice: &'static str,
}

/// The open file.
pub struct LogFile {
    path: PathBuf,
    state_dir: PathBuf,
    file: File,
    state: State,
    /// What was saved without waiting for the disk.
    unsynced: bool,
}

impl LogFile {
    /// Opens or makes the file and settles what the last process may have left half done. Blocks, as everything here.
    ///
    /// # Errors
    /// The file or its state cannot be opened, made or read.
    pub fn open(path: &Path, state_dir: &Path) -> Result<Self, FlatLogError> {
        let failed = |tried| move |source| error(path, tried, source);
        let mut state = State::load(state_dir).map_err(|source| FlatLogError {
            advice: "Remove flat-log.json from daemon.state_dir: all lines of the journal are then written once more",
            ..error(path, "reading its position", source)
        })?;
        let file = open(path).map_err(failed("opening it"))?;
        settle(&mut state, path, &file).map_err(failed("finding where the last write ended"))?;
        Ok(Self { path: path.to_owned(), state_dir: state_dir.to_owned(), file, state, unsynced: true })
    }

    /// The last entry of the journal that is in the file.
    pub fn cursor(&self) -> Option<&str> {
        self.state.cursor.as_deref()
    }

    /// Appends whole lines, the last of them from the entry at `cursor`: all of them or none.
    ///
    /// # Errors
    /// The disk is full, or the file or the state cannot be written. The same call may be made again.
    pub fn append(&mut self, lines: &[u8], cursor: &str) -> Result<(), FlatLogError> {
        self.begin(lines, cursor).map_err(|source| error(&self.path, "saving its position", source))?;
        if let Err(source) = self.file.write_all(lines) {
            // What fails here is found by the next process, or by the next attempt.
            let _ = self.file.set_len(self.state.offset);
            return Err(error(&self.path, "writing", source));
        }
        self.state.cursor = Some(cursor.to_owned());
        self.state.write = None;
        Ok(())
    }

    fn begin(&mut self, lines: &[u8], cursor: &str) -> io::Result<()> {
        let found = self.file.metadata()?;
        // Less than before: somebody cut the file after copying it. More: somebody else writes here too.
        (self.state.device, self.state.inode, self.state.offset) = (found.dev(), found.ino(), found.len());
        let hash = blake3::hash(lines).to_hex().to_string();
        self.state.write = Some(Write { cursor: cursor.to_owned(), bytes: lines.len() as u64, hash });
        self.unsynced = true;
        self.state.save(&self.state_dir, false)
    }

    /// Entries up to `cursor` have no lines here.
    pub fn pass(&mut self, cursor: &str) {
        self.state.cursor = Some(cursor.to_owned());
        self.unsynced = true;
    }

    /// Brings file and position to the disk.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn sync(&mut self) -> Result<(), FlatLogError> {
        if self.unsynced {
            self.file.sync_data().map_err(|source| error(&self.path, "bringing it to the disk", source))?;
            self.state
                .save(&self.state_dir, true)
                .map_err(|source| error(&self.path, "saving its position", source))?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Whether the path leads to another file than the open one, or to none.
    pub fn is_replaced(&self) -> bool {
        let Ok(open) = self.file.metadata() else { return true };
        std::fs::metadata(&self.path).map_or(true, |found| !is_same(&found, open.dev(), open.ino()))
    }

    /// Goes on in the file that the path leads to, which is made if it is missing.
    ///
    /// # Errors
    /// It cannot be opened; the old file is still used.
    pub fn reopen(&mut self) -> Result<(), FlatLogError> {
        self.file = open(&self.path).map_err(|source| error(&self.path, "opening it again", source))?;
        Ok(())
    }
}

fn error(path: &Path, tried: &'static str, source: io::Error) -> FlatLogError {
    let advice = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the disk",
        io::ErrorKind::PermissionDenied => "The file and daemon.state_dir must be writable by the daemon's user",
        _ => "Check flat_log.path and daemon.state_dir",
    };
    FlatLogError { path: path.to_owned(), tried, source, advice }
}

fn open(path: &Path) -> io::Result<File> {
    named_files::open_with(path, OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE))
}

fn is_same(found: &Metadata, device: u64, inode: u64) -> bool {
    (found.dev(), found.ino()) == (device, inode)
}

/// Makes the last write of the process before whole or undone.
fn settle(state: &mut State, path: &Path, file: &File) -> io::Result<()> {
    let Some(write) = state.write.clone() else { return Ok(()) };
    let written = match is_same(&file.metadata()?, state.device, state.inode) {
        true => Some(file.try_clone()?),
        false => rotated(path, state.device, state.inode),
    };
    let size = written.as_ref().map(File::metadata).transpose()?.map(|found| found.len());
    let hash = written.as_ref().map(|file| hash(file, state.offset, write.bytes)).transpose()?.flatten();
    match (state.judge(size, hash.as_deref()), written) {
        (Verdict::Done, _) => state.cursor = Some(write.cursor),
        (Verdict::Torn, Some(file)) => file.set_len(state.offset)?,
        (Verdict::Torn | Verdict::NotBegun, _) => {}
    }
    state.write = None;
    Ok(())
}

/// The file that was written to under its new name, beside the old one.
fn rotated(path: &Path, device: u64, inode: u64) -> Option<File> {
    let entries = std::fs::read_dir(path.parent()?).ok()?.take(limits::DIRECTORY_ENTRIES_MAX).flatten();
    let found = entries.map(|entry| entry.path()).find(|path| {
        std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && is_same(&found, device, inode))
    })?;
    named_files::open_with(&found, OpenOptions::new().read(true).append(true)).ok()
}

/// Of so many bytes from the offset on; `None` when there are fewer.
fn hash(mut file: &File, offset: u64, bytes: u64) -> io::Result<Option<String>> {
    if bytes > limits::FLAT_LOG_WRITE_BYTES_MAX as u64 {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(bytes).read_to_end(&mut text)?;
    Ok((text.len() as u64 == bytes).then(|| blake3::hash(&text).to_hex().to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("dsmil.log")
        }

        fn open(&self) -> LogFile {
            LogFile::open(&self.path(), self.folder.path()).unwrap()
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path()).unwrap()
        }
    }

    /// As a process leaves it that is killed in the middle of a write.
    fn killed(mut log: LogFile, lines: &[u8], cursor: &str, written: usize) {
        log.begin(lines, cursor).unwrap();
        log.file.write_all(&lines[..written]).unwrap();
    }

    #[test]
    fn a_kill_at_any_byte_of_a_write_leaves_every_line_once() {
        let lines = b"two\nthree\n";
        for written in 0..=lines.len() {
            let place = Place::new();
            let mut log = place.open();
            log.append(b"one\n", "1").unwrap();
            killed(log, lines, "3", written);
            let mut log = place.open();
            assert_eq!(log.cursor(), Some(if written == lines.len() { "3" } else { "1" }));
            if log.cursor() == Some("1") {
                log.append(lines, "3").unwrap();
            }
            log.append(b"four\n", "4").unwrap();
            assert_eq!(place.text(), "one\ntwo\nthree\nfour\n", "{written} bytes");
        }
    }

    #[test]
    fn a_whole_write_is_found_in_the_file_that_was_rotated_since() {
        for (written, cursor) in [(4, "2"), (2, "1")] {
            let place = Place::new();
            let mut log = place.open();
            log.append(b"one\n", "1").unwrap();
            killed(log, b"two\n", "2", written);
            fs::rename(place.path(), place.folder.path().join("dsmil.log.1")).unwrap();
            assert_eq!(place.open().cursor(), Some(cursor));
            let rotated = fs::read_to_string(place.folder.path().join("dsmil.log.1")).unwrap();
            assert_eq!(rotated, if written == 4 { "one\ntwo\n" } else { "one\n" });
        }
    }

    #[test]
    fn what_others_wrote_meanwhile_is_left_alone() {
        let place = Place::new();
        place.open().append(b"one\n", "1").unwrap();
        let mut other = OpenOptions::new().append(true).open(place.path()).unwrap();
        other.write_all(b"a line of somebody else\n").unwrap();
        let mut log = place.open();
        assert_eq!(log.cursor(), Some("1"));
        log.append(b"two\n", "2").unwrap();
        assert_eq!(place.text(), "one\na line of somebody else\ntwo\n");
    }

    #[test]
    fn a_file_that_was_renamed_is_written_until_it_is_opened_again() {
        let place = Place::new();
        let mut log = place.open();
        assert!(!log.is_replaced());
        fs::rename(place.path(), place.folder.path().join("old")).unwrap();
        assert!(log.is_replaced());
        log.append(b"one\n", "1").unwrap();
        log.reopen().unwrap();
        log.append(b"two\n", "2").unwrap();
        assert!(!log.is_replaced());
        assert_eq!((place.text().as_str(), log.cursor()), ("two\n", Some("2")));
    }

    #[test]
    fn a_file_that_was_cut_after_copying_is_written_from_its_beginning() {
        let place = Place::new();
        let mut log = place.open();
        log.append(b"one\n", "1").unwrap();
        fs::File::create(place.path()).unwrap();
        log.append(b"two\n", "2").unwrap();
        assert_eq!(place.text(), "two\n");
        killed(log, b"three\n", "3", 6);
        fs::File::create(place.path()).unwrap();
        assert_eq!(place.open().cursor(), Some("3"));
    }

    #[test]
    fn what_cannot_be_written_is_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = LogFile::open(folder.path(), folder.path()).err().unwrap().to_string();
        assert!(error.contains("opening it") && error.contains("flat_log.path"), "{error}");
        fs::write(folder.path().join("flat-log.json"), "{").unwrap();
        let error = LogFile::open(&folder.path().join("x"), folder.path()).err().unwrap().to_string();
        assert!(error.contains("flat-log.json"), "{error}");
    }

    #[test]
    fn a_full_disk_loses_nothing_and_leaves_no_torn_line() {
        let place = Place::new();
        let Ok(full) = OpenOptions::new().read(true).append(true).open("/dev/full") else {
            eprintln!("skipped: there is no /dev/full");
            return;
        };
        let mut log = place.open();
        let good = std::mem::replace(&mut log.file, full);
        let error = log.append(b"one\n", "1").unwrap_err().to_string();
        assert!(error.contains("Make room"), "{error}");
        assert_eq!(log.cursor(), None);
        log.file = good;
        log.append(b"one\n", "1").unwrap();
        assert_eq!((place.text().as_str(), log.cursor()), ("one\n", Some("1")));
    }

    #[test]
    fn a_write_that_fails_half_way_leaves_no_torn_line() {
        let test = "outlet::flat_log::file::tests::in_a_process_whose_files_end_at_1024_bytes";
        let exe = std::env::current_exe().unwrap();
        // In blocks of 512 bytes; beyond them a write ends short, and the next fails.
        let script = format!("trap '' XFSZ; ulimit -f 2; exec '{}' --exact {test} --ignored", exe.display());
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "run by the other in a process of its own"]
    fn in_a_process_whose_files_end_at_1024_bytes() {
        let place = Place::new();
        let mut log = place.open();
        let line = |byte: u8| [vec![byte; 699], b"\n".to_vec()].concat();
        log.append(&line(b'a'), "1").unwrap();
        log.append(&line(b'b'), "2").unwrap_err();
        assert_eq!((fs::read(place.path()).unwrap(), log.cursor()), (line(b'a'), Some("1")));
        log.append(b"short\n", "2").unwrap();
        assert_eq!(fs::read(place.path()).unwrap(), [line(b'a'), b"short\n".to_vec()].concat());
    }
}
