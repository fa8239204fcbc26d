//! Where a file went: found again in its directory by what is remembered of it.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::pattern;
use super::position::{Fingerprint, Mark};
use super::tail::{self, Identity};
use crate::event::Timestamp;
use crate::limits::DIRECTORY_ENTRIES_MAX;

/// A file found again.
pub struct Found {
    pub file: File,
    pub identity: Identity,
    modified: Timestamp,
    size: u64,
}

struct Neighbour {
    path: PathBuf,
    inode: u64,
    is_generation: bool,
}

/// The file that a mark was made of: at its own path, or under any name in the same directory with its inode, or a
/// rotation's copy of it. Never one that is already `taken`.
pub fn find(path: &Path, mark: &Mark, taken: &[Identity]) -> Option<Found> {
    let fits = |found: &Found| found.size >= mark.offset && is_like(found, &mark.fingerprint, taken);
    let here = open(path).filter(&fits);
    if here.as_ref().is_some_and(|here| here.identity.inode == mark.inode) {
        return here;
    }
    let neighbours = neighbours(path);
    // With nothing to compare, the inode alone may be another file's by now.
    let same_inode = neighbours
        .iter()
        .filter(|neighbour| neighbour.inode == mark.inode && (neighbour.is_generation || mark.fingerprint.bytes > 0));
    let copies = neighbours.iter().filter(|neighbour| neighbour.is_generation && mark.fingerprint.bytes > 0);
    same_inode
        .filter_map(|neighbour| open(&neighbour.path).filter(&fits))
        .next()
        .or_else(|| here.filter(|_| mark.fingerprint.is_telling()))
        .or_else(|| {
            copies
                .filter_map(|neighbour| open(&neighbour.path).filter(&fits))
                .find(|found| mark.fingerprint.is_telling() || found.modified >= mark.modified)
        })
}

/// A copy that a rotation made before it truncated the original, of at least this size.
pub fn find_copy(path: &Path, fingerprint: &Fingerprint, size_min: u64, taken: &[Identity]) -> Option<File> {
    if !fingerprint.is_telling() {
        return None;
    }
    let mut generations = neighbours(path).into_iter().filter(|neighbour| neighbour.is_generation);
    let found = generations.find_map(|neighbour| {
        open(&neighbour.path).filter(|found| found.size >= size_min && is_like(found, fingerprint, taken))
    });
    found.map(|found| found.file)
}

/// Generations of a path that came after `modified` and of which nothing is known: rotated in and away while nobody
/// looked. Oldest first.
pub fn generations_after(path: &Path, modified: Timestamp, finished: &[Mark], taken: &[Identity]) -> Vec<Found> {
    let is_finished = |found: &Found| {
        finished.iter().any(|mark| mark.inode == found.identity.inode && is_like(found, &mark.fingerprint, &[]))
    };
    let mut generations: Vec<Found> = neighbours(path)
        .into_iter()
        .filter(|neighbour| neighbour.is_generation)
        .filter_map(|neighbour| open(&neighbour.path))
        .filter(|found| found.modified > modified && !taken.contains(&found.identity) && !is_finished(found))
        .collect();
    generations.sort_by_key(|found| found.modified);
    generations
}

fn open(path: &Path) -> Option<Found> {
    let (file, metadata) = tail::open(path).ok()?;
    Some(Found { identity: Identity::of(&metadata), modified: tail::modified(&metadata), size: metadata.len(), file })
}

fn is_like(found: &Found, fingerprint: &Fingerprint, taken: &[Identity]) -> bool {
    !taken.contains(&found.identity)
        && tail::beginning(&found.file, fingerprint.bytes).is_ok_and(|beginning| fingerprint.fits(&beginning))
}

fn neighbours(path: &Path) -> Vec<Neighbour> {
    let (Some(directory), Some(current)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries
        .take(DIRECTORY_ENTRIES_MAX)
        .flatten()
        .filter(|entry| entry.file_name() != current && entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| Neighbour {
            path: entry.path(),
            inode: entry.ino(),
            is_generation: pattern::is_generation(current.as_bytes(), entry.file_name().as_bytes()),
        })
        .collect()
}
