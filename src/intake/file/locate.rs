//! Where files went: found again by what is remembered of them, and those that came and went while nobody looked.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::chain::{self, Chain, Ending, Member, Stamp};
use super::links;
use super::opened::{self, Identity, Opened};
use super::position::{Fingerprint, Mark};
use crate::limits::{DIRECTORY_ENTRIES_MAX, FINGERPRINT_BYTES_MAX, GENERATIONS_MAX};

/// A folder in which files of a path stand or stood, and the name that they had there before they were rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
    name: OsString,
    /// A link pointed at it, or does.
    is_linked: bool,
}

impl Place {
    fn of(path: &Path, is_linked: bool) -> Option<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(Self { folder: folder.to_owned(), name: path.file_name()?.to_owned(), is_linked })
    }
}

/// The file that a path leads to, if it stands elsewhere and its own links lead there.
pub fn target(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().filter(|target| target != path && links::has_no_strangers(path))
}

/// Where to look for the files of a path, of which a mark tells where one of them stood.
pub fn places(path: &Path, known: Option<&Path>) -> Vec<Place> {
    let mut places: Vec<Place> = known.and_then(|known| Place::of(known, true)).into_iter().collect();
    for place in Place::of(path, false).into_iter().chain(target(path).and_then(|target| Place::of(&target, true))) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

struct Neighbour {
    path: PathBuf,
    inode: u64,
    /// Its name without the ending of a packer.
    plain_name: Vec<u8>,
    ending: Ending,
    generation: Option<Stamp>,
    /// Of a place that a link pointed at.
    sibling: Option<Stamp>,
}

fn neighbours(places: &[Place]) -> Vec<Neighbour> {
    let mut neighbours: Vec<Neighbour> = Vec::new();
    for place in places {
        let Ok(entries) = fs::read_dir(&place.folder) else { continue };
        for entry in entries.take(DIRECTORY_ENTRIES_MAX).flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let (name, current) = (entry.file_name(), place.name.as_bytes());
            let (plain_name, ending) = chain::ending(name.as_bytes());
            let generation = chain::generation(current, plain_name);
            let sibling = if place.is_linked { chain::sibling(current, plain_name) } else { None };
            let plain_name = plain_name.to_vec();
            let known = neighbours.iter_mut().find(|known| known.path == entry.path());
            match known {
                Some(known) => {
                    known.generation = known.generation.take().or(generation);
                    known.sibling = known.sibling.take().or(sibling);
                }
                None => {
                    let (path, inode) = (entry.path(), entry.ino());
                    neighbours.push(Neighbour { path, inode, plain_name, ending, generation, sibling });
                }
            }
        }
    }
    neighbours
}

/// Something of what was looked at was renamed or removed meanwhile: it has to be looked at again.
fn look_again() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "a rotation is going on")
}

/// So often in one go; a rotation is over soon.
const LOOKS_MAX: usize = 4;

fn until_calm<T>(look: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut result = look();
    for _ in 1..LOOKS_MAX {
        if !result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
            break;
        }
        result = look();
    }
    result
}

/// `None` for what can never be read.
fn open(path: &Path) -> io::Result<Option<Opened>> {
    match opened::open(path) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(look_again()),
        Err(_) => Ok(None),
    }
}

/// The file that a mark was made of: at its own path, or under any name in its places with its inode, or a rotation's copy of it,
/// packed or not. Never one that is already `taken`. One that is being packed is waited for, until it is quiet.
///
/// # Errors
/// A rotation is going on; it can be tried again.
pub fn find(
    path: &Path,
    places: &[Place],
    mark: &Mark,
    taken: &[Identity],
    quiet_after: Duration,
) -> io::Result<Option<Opened>> {
    until_calm(|| {
        let fits = |found: &Opened| mark.fits(found) && !taken.contains(&found.identity);
        let here = opened::open(path).ok().filter(&fits);
        if here.as_ref().is_some_and(|here| mark.is_of(here)) {
            return Ok(here);
        }
        let neighbours = neighbours(places);
        // With nothing to compare, the inode alone may be another file's by now.
        let is_same = |neighbour: &&Neighbour| {
            neighbour.inode == mark.inode && (neighbour.generation.is_some() || mark.fingerprint.bytes > 0)
        };
        for neighbour in neighbours.iter().filter(is_same) {
            if let Some(found) = open(&neighbour.path)?.filter(|found| fits(found) && mark.is_of(found)) {
                return Ok(Some(found));
            }
        }
        // What is younger than the mark is it only if everything was copied here from elsewhere.
        let is_telling = mark.fingerprint.is_telling();
        let (here, copied) = match here.filter(|_| is_telling) {
            Some(here) if here.born.is_some_and(|born| born > mark.modified) => (None, Some(here)),
            here => (here, None),
        };
        if here.is_some() || mark.fingerprint.bytes == 0 {
            return Ok(here);
        }
        let is_late = |found: &Opened| is_telling || found.modified >= mark.modified;
        let suits = |found: &Opened| is_late(found) && !taken.contains(&found.identity) && mark.has_room_in(found);
        let found = copy(neighbours, &mark.fingerprint, quiet_after, suits)?;
        Ok(found.or(copied))
    })
}

/// A copy that a rotation made before it truncated the original, of at least this size.
///
/// # Errors
/// A rotation is going on; it can be tried again.
pub fn find_copy(
    places: &[Place],
    fingerprint: &Fingerprint,
    size_min: u64,
    taken: &[Identity],
) -> io::Result<Option<Opened>> {
    if !fingerprint.is_telling() {
        return Ok(None);
    }
    until_calm(|| {
        copy(neighbours(places), fingerprint, Duration::ZERO, |found| {
            !taken.contains(&found.identity) && (found.packing.is_some() || found.size >= size_min)
        })
    })
}

/// The newest generation that begins like this and suits; one that is not packed rather than one that is.
fn copy(
    neighbours: Vec<Neighbour>,
    fingerprint: &Fingerprint,
    quiet_after: Duration,
    suits: impl Fn(&Opened) -> bool,
) -> io::Result<Option<Opened>> {
    let mut members = members(neighbours)?;
    members.sort_by_key(|(neighbour, member)| (neighbour.ending != Ending::Plain, std::cmp::Reverse(member.modified)));
    for (neighbour, _) in members.iter().filter(|(neighbour, _)| neighbour.ending != Ending::Foreign) {
        let Some(found) = open(&neighbour.path)?.filter(&suits) else { continue };
        match found.beginning(fingerprint.bytes) {
            Ok(text) if fingerprint.fits(&text) => return Ok(Some(found)),
            Err(_) if found.packing.is_some() && found.is_fresh(quiet_after) => return Err(look_again()),
            _ => {}
        }
    }
    Ok(None)
}

/// The generations and siblings among neighbours, with what orders them. Where one is there packed and plain, it is the plain one: the
/// other may still be being written.
fn members(mut neighbours: Vec<Neighbour>) -> io::Result<Vec<(Neighbour, Member)>> {
    neighbours.retain(|neighbour| neighbour.generation.is_some() || neighbour.sibling.is_some());
    let plain: Vec<PathBuf> = neighbours
        .iter()
        .filter(|neighbour| neighbour.ending == Ending::Plain)
        .map(|neighbour| neighbour.path.clone())
        .collect();
    neighbours.retain(|neighbour| {
        let twin = neighbour.path.with_file_name(std::ffi::OsStr::from_bytes(&neighbour.plain_name));
        neighbour.ending == Ending::Plain || !plain.contains(&twin)
    });
    let mut members = Vec::new();
    for neighbour in neighbours.into_iter().take(GENERATIONS_MAX) {
        let metadata = match fs::metadata(&neighbour.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(look_again()),
            Err(_) => continue,
            Ok(metadata) => metadata,
        };
        let Some(stamp) = neighbour.generation.clone().or(neighbour.sibling.clone()) else { continue };
        let is_packed = neighbour.ending != Ending::Plain;
        let (modified, born) = (opened::modified(&metadata), opened::born(&metadata));
        members.push((neighbour, Member { stamp, modified, born, is_packed }));
    }
    Ok(members)
}

/// What was rotated in and away again.
#[derive(Debug, Default)]
pub struct Unread {
    /// Oldest first.
    pub files: Vec<Opened>,
    /// There are more, newer ones.
    pub is_cut: bool,
    /// They cannot be read here: inode, and why.
    pub lost: Vec<(u64, String)>,
}

/// What is known already, and not to be taken for unread.
pub struct Known<'known> {
    pub taken: &'known [Identity],
    pub finished: &'known [Mark],
    /// Open now.
    pub open: &'known [Mark],
}

/// The files of a path that came after the one that `mark` was made of, at most `count_max` of them.
///
/// # Errors
/// A rotation is going on; it can be tried again.
pub fn unread_after(path: &Path, mark: &Mark, known: &Known<'_>, count_max: usize) -> io::Result<Unread> {
    let places = places(path, mark.target.as_deref());
    until_calm(|| {
        let here = target(path).unwrap_or_else(|| path.to_owned());
        let (generations, siblings): (Vec<_>, Vec<_>) =
            members(neighbours(&places))?.into_iter().partition(|(neighbour, _)| neighbour.generation.is_some());
        let mut newer = generations_after(generations, mark)?;
        let between = siblings_between(siblings, mark, &here);
        if !between.is_empty() {
            newer.extend(between);
            newer.sort_by_key(|(_, member)| member.modified);
        }
        let mut unread = Unread::default();
        for (neighbour, _) in newer {
            if neighbour.ending == Ending::Foreign {
                let text = format!(
                    "{} was rotated unread and packed in a way that is not read here: its lines are missing, unless it is \
                     unpacked by hand and replayed (gzip, zstd and xz are read)",
                    neighbour.path.display()
                );
                unread.lost.push((neighbour.inode, text));
                continue;
            }
            let Some(opened) = open(&neighbour.path)? else { continue };
            if known.has(&opened) {
                continue;
            }
            if unread.files.len() >= count_max {
                unread.is_cut = true;
                break;
            }
            unread.files.push(opened);
        }
        Ok(unread)
    })
}

/// Those that their names put behind the marked one, or, where that is gone, those that were written to since. Oldest first.
fn generations_after(mut members: Vec<(Neighbour, Member)>, mark: &Mark) -> io::Result<Vec<(Neighbour, Member)>> {
    let chain = Chain::of(members.iter().map(|(_, member)| member));
    members.sort_by(|(_, one), (_, other)| chain.compare(one, other));
    match position(&members, mark)? {
        Some(index) => drop(members.drain(..=index)),
        None => members.retain(|(_, member)| member.modified > mark.modified),
    }
    Ok(members)
}

fn position(members: &[(Neighbour, Member)], mark: &Mark) -> io::Result<Option<usize>> {
    for (index, (neighbour, _)) in members.iter().enumerate() {
        if neighbour.inode == mark.inode && open(&neighbour.path)?.is_some_and(|found| mark.is_of(&found)) {
            return Ok(Some(index));
        }
    }
    if !mark.fingerprint.is_telling() {
        return Ok(None);
    }
    for (index, (neighbour, _)) in members.iter().enumerate().rev() {
        if neighbour.ending == Ending::Packed
            && open(&neighbour.path)?.is_some_and(|found| mark.fingerprint.is_of(&found))
        {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Those that a link pointed at between the marked file and the one that it points at now.
fn siblings_between(mut members: Vec<(Neighbour, Member)>, mark: &Mark, here: &Path) -> Vec<(Neighbour, Member)> {
    let name = |path: &Path| path.file_name().map(|name| name.as_bytes().to_vec());
    let (Some(first), Some(last)) = (mark.target.as_deref().and_then(name), name(here)) else { return Vec::new() };
    let (Some(first), Some(last)) = (chain::sibling(&last, &first), chain::sibling(&last, &last)) else {
        return Vec::new();
    };
    members.retain(|(_, member)| member.stamp > first && member.stamp < last && member.modified > mark.modified);
    members.sort_by(|(_, one), (_, other)| one.stamp.cmp(&other.stamp));
    members
}

impl Known<'_> {
    fn has(&self, found: &Opened) -> bool {
        self.taken.contains(&found.identity)
            || self.finished.iter().any(|mark| (mark.is_of(found)) || is_packed_whole(mark, found))
            || self.open.iter().any(|mark| is_packed(mark, found) && mark.fingerprint.is_of(found))
    }
}

/// By what little there is to compare it may be the packed form of it.
fn is_packed(mark: &Mark, found: &Opened) -> bool {
    found.packing.is_some() && (mark.fingerprint.is_telling() || found.modified == mark.modified)
}

/// The same for a file of which all is known.
fn is_packed_whole(mark: &Mark, found: &Opened) -> bool {
    is_packed(mark, found)
        && found
            .beginning(FINGERPRINT_BYTES_MAX)
            .is_ok_and(|text| text.len() == mark.fingerprint.bytes && mark.fingerprint.fits(&text))
}
