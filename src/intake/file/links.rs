//! Links on the way to a file. Whoever may make one where files are followed could have the daemon read what they may not read
//! themselves, and what is read, many may see.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::process::geteuid;

/// As the kernel has it.
const LINKS_MAX: usize = 40;
const READ_BY_OTHERS: u32 = 0o004;

/// That no link on the way to the file that has been opened could have been made to have it read.
///
/// # Errors
/// A link belongs to somebody who is neither root, the daemon's user nor the owner of the file, and the file is not for everybody to
/// read; or the path has come to lead elsewhere meanwhile.
pub fn expect_no_strangers(path: &Path, opened: &Metadata) -> io::Result<()> {
    let way = walk(path)?;
    if (way.end.st_dev, way.end.st_ino) != (opened.dev(), opened.ino()) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the path has come to lead elsewhere"));
    }
    match way.stranger().filter(|_| opened.mode() & READ_BY_OTHERS == 0) {
        None => Ok(()),
        Some(owner) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "a link of uid {owner} leads to {}, which belongs to uid {} and is not for everybody to read: name that file itself, \
                 or let root make the link",
                path.canonicalize().unwrap_or_default().display(),
                opened.uid()
            ),
        )),
    }
}

/// Whether those who made the links on the way are root, the daemon's user or the owner of what it leads to: then files beside that
/// may be looked for, too.
pub fn has_no_strangers(path: &Path) -> bool {
    walk(path).is_ok_and(|way| way.stranger().is_none())
}

struct Way {
    end: Stat,
    /// Of each link.
    owners: Vec<u32>,
}

impl Way {
    fn stranger(&self) -> Option<u32> {
        self.owners.iter().copied().find(|owner| ![0, geteuid().as_raw(), self.end.st_uid].contains(owner))
    }
}

/// Goes to where a path leads, part by part: none of them can be exchanged between the look and the step.
fn walk(path: &Path) -> io::Result<Way> {
    let parts = |path: &Path| path.components().map(|part| part.as_os_str().to_owned()).collect::<Vec<OsString>>();
    let open = |at: &dyn std::os::fd::AsFd, name: &OsStr| {
        openat(at.as_fd(), name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    };
    let mut rest = VecDeque::from(parts(path));
    let (mut at, mut owners) = (open(&CWD, OsStr::new("."))?, Vec::new());
    let mut end = fstat(&at)?;
    while let Some(name) = rest.pop_front() {
        let next = open(&at, &name)?;
        let found = fstat(&next)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            (at, end) = (next, found);
            continue;
        }
        owners.push(found.st_uid);
        if owners.len() > LINKS_MAX {
            return Err(io::Error::from(rustix::io::Errno::LOOP));
        }
        let target = readlinkat(&next, "", Vec::new())?;
        parts(Path::new(OsStr::from_bytes(target.as_bytes()))).into_iter().rev().for_each(|part| rest.push_front(part));
    }
    Ok(Way { end, owners })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::super::locate::target;
    use super::super::opened::open;
    use super::*;

    const STRANGER: Option<u32> = Some(4711);

    fn may_give_files_away() -> bool {
        let may = geteuid().is_root();
        if !may {
            eprintln!("skipped: only root may give files away");
        }
        may
    }

    #[test]
    fn a_file_that_not_everybody_may_read_is_not_read_by_a_link_of_somebody_who_does_not_own_it() {
        if !may_give_files_away() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("secret/below")).unwrap();
        fs::write(path("secret/below/tokens"), "respond 0123456789abcdef\n").unwrap();
        let set = |mode| fs::set_permissions(path("secret/below/tokens"), Permissions::from_mode(mode)).unwrap();
        set(0o600);
        symlink("secret/below/tokens", path("direct")).unwrap();
        symlink(path("secret"), path("folder")).unwrap();
        symlink("direct", path("of-root-to-direct")).unwrap();
        let ways = ["direct", "folder/below/tokens", "folder/../secret/below/tokens", "of-root-to-direct"];
        for way in ways {
            assert!(open(&path(way)).is_ok() && target(&path(way)).is_some(), "links of root: {way}");
        }
        lchown(path("direct"), STRANGER, None).unwrap();
        lchown(path("folder"), STRANGER, None).unwrap();
        for way in ways {
            let error = open(&path(way)).unwrap_err();
            assert_eq!(target(&path(way)), None, "nor what is beside it: {way}");
            assert!(error.to_string().contains("a link of uid 4711 leads to"), "{way}: {error}");
        }
        set(0o604);
        for way in ways {
            assert!(open(&path(way)).is_ok(), "everybody may read it: {way}");
        }
        set(0o600);
        lchown(path("secret/below/tokens"), STRANGER, None).unwrap();
        for way in ways {
            assert!(open(&path(way)).is_ok(), "one's own file: {way}");
        }
    }

    #[test]
    fn a_path_leads_where_the_kernel_goes_and_links_without_end_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("a")).unwrap();
        fs::write(path("a/file"), "x").unwrap();
        symlink("../a/./file", path("a/link")).unwrap();
        symlink(path("a/link"), path("second")).unwrap();
        for way in ["a/file", "second", "a/../second"] {
            let (end, found) = (walk(&path(way)).unwrap().end, fs::metadata(path(way)).unwrap());
            assert_eq!((end.st_dev, end.st_ino), (found.dev(), found.ino()), "{way}");
        }
        for link in 1..=LINKS_MAX + 1 {
            let to = if link == 1 { "a/file".to_owned() } else { format!("l{}", link - 1) };
            symlink(to, path(&format!("l{link}"))).unwrap();
        }
        for (link, leads) in [(LINKS_MAX, true), (LINKS_MAX + 1, false)] {
            let path = path(&format!("l{link}"));
            assert_eq!((walk(&path).is_ok(), fs::metadata(&path).is_ok()), (leads, leads), "over {link} links");
        }
        symlink("loop", path("loop")).unwrap();
        assert!(walk(&path("loop")).is_err() && walk(&path("a/file/x")).is_err() && walk(&path("none")).is_err());
        let other = fs::metadata(path("a")).unwrap();
        assert_eq!(expect_no_strangers(&path("second"), &other).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
