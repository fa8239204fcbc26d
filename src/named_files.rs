//! Files that the operator names (rules, lists, tokens, certificates), and the daemon's own where others could have put something
//! else in their place. Regular ones alone are opened, without waiting for anything and not read without end: a pipe would keep
//! whoever opens it waiting for the other end, for ever, and a device may never end.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::limits::SECRET_FILE_BYTES_MAX;

/// Opens a regular file to be read.
///
/// # Errors
/// It cannot be opened, or it is a directory, a pipe, a socket or a device.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true))
}

/// Opens a regular file as the options say, and makes it where they say so and nothing stands there.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_found(path, fs::metadata(path), OFlags::empty(), options)
}

/// The same where others may make files, too: a link is refused, and what it leads to is neither made nor opened.
///
/// # Errors
/// As [`open`], or it is a symbolic link.
pub fn open_in_place(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_found(path, fs::symlink_metadata(path), OFlags::NOFOLLOW, options)
}

fn open_found(path: &Path, found: io::Result<Metadata>, follow: OFlags, options: &mut OpenOptions) -> io::Result<File> {
    // Before it is opened, which is enough to do something with some devices.
    match found {
        Ok(found) => expect_regular(&found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | follow;
    let file = options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(path)?;
    // And after it: another may have come to stand there.
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

/// Removes a file, if there is one.
///
/// # Errors
/// The folder cannot be written, or a directory stands there.
pub fn remove(path: &Path) -> io::Result<()> {
    missing_is_fine(fs::remove_file(path))
}

/// Renames a file that cannot be read to one with `.damaged` behind its name, so that a new one takes its place. Says in words what became
/// of it.
pub fn set_aside(path: &Path) -> String {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = Path::new(&aside);
    match std::fs::rename(path, aside) {
        Ok(()) => format!("it is now {}", aside.display()),
        Err(error) => format!("it could not be moved aside to {}: {error}", aside.display()),
    }
}

/// The result of what was done to a file that need not be there.
///
/// # Errors
/// As given, but for that it is not there.
pub fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes a file anew where others may make files, too: what stands there goes, and what a link leads to is left alone.
///
/// # Errors
/// The folder cannot be written, or a directory stands there.
pub fn make_anew(path: &Path, mode: u32) -> io::Result<File> {
    remove(path)?;
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Replaces a file as a whole: whoever reads it finds the old content or the new one, whenever the process ends. What stands under
/// the name with `.new` behind it goes: a process that ended left it there, or somebody else put it there. `is_lasting`: the
/// content is on the disk afterwards.
///
/// # Errors
/// The folder cannot be written or the disk is full; the file is as before.
pub fn replace(path: &Path, bytes: &[u8], mode: u32, is_lasting: bool) -> io::Result<()> {
    swap(path, mode, is_lasting, |file| file.write_all(bytes))
}

/// The same by what `fill` writes, and when it returns the name is on the disk as well as the content: after a loss of power it is not
/// the file before.
///
/// # Errors
/// As [`replace`], or the folder cannot be synchronised: then either file may be there.
pub fn replace_for_good(path: &Path, mode: u32, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    swap(path, mode, true, fill)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn swap(path: &Path, mode: u32, is_lasting: bool, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut new = OsString::from(path);
    new.push(".new");
    let mut file = make_anew(Path::new(&new), mode)?;
    fill(&mut file)?;
    if is_lasting {
        file.sync_all()?;
    }
    fs::rename(&new, path)
}

/// # Errors
/// It is a directory, a link, a pipe, a socket or a device.
pub fn expect_regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file")))
}

/// Whether this is why a file was not opened: another user could not open it either.
pub fn is_not_regular(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

/// Its whole content.
///
/// # Errors
/// As [`open`], or it has more than so many bytes.
pub fn bytes(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    whole(open(path)?, bytes_max)
}

/// The whole content of an open file.
///
/// # Errors
/// It cannot be read, or has more than so many bytes.
pub fn whole(file: File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Its whole content, in UTF-8.
///
/// # Errors
/// As [`bytes`], or it is not UTF-8.
pub fn text(path: &Path, bytes_max: u64) -> io::Result<String> {
    utf_8(bytes(path, bytes_max)?)
}

/// The text of a password, a token or the like, as it stands there.
///
/// # Errors
/// As [`text`].
pub fn secret(path: &Path) -> io::Result<String> {
    text(path, SECRET_FILE_BYTES_MAX)
}

/// As `read_to_string` says it.
///
/// # Errors
/// It is not UTF-8.
pub fn utf_8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
}

/// The files that a path stands for: of a folder all in it, however deep, whose names end like this (without endings, all), in
/// the order of their paths; otherwise the path itself. Links below the folder are not followed, so that no loop is possible.
///
/// # Errors
/// The path or a folder below it cannot be examined, or they are more than so many.
pub fn listed(path: &Path, endings: &[&str], files_max: usize) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    collect(path, endings, files_max, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, endings: &[&str], files_max: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let has_ending = || path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted));
        if kind.is_dir() {
            collect(&path, endings, files_max, files)?;
        } else if kind.is_file() && (endings.is_empty() || has_ending()) {
            files.push(path);
        }
        if files.len() > files_max {
            return Err(io::Error::other(format!("more than {files_max} files")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RWXU).unwrap();
        symlink(path("pipe"), path("link")).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        let said = |path: PathBuf| bytes(&path, 100).unwrap_err().to_string();
        assert_eq!(said(path("pipe")), "it is a named pipe, not a regular file");
        assert_eq!(said(path("link")), "it is a named pipe, not a regular file");
        assert_eq!(said(path("socket")), "it is a socket, not a regular file");
        assert_eq!(said(folder.path().to_owned()), "it is a directory, not a regular file");
        assert_eq!(said("/dev/zero".into()), "it is a device, not a regular file");
    }

    #[test]
    fn a_pipe_that_comes_after_the_look_keeps_nobody_waiting_either() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let missing = fs::metadata(&pipe);
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        let (send, opened) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            send.send(open_found(&pipe, missing, OFlags::empty(), OpenOptions::new().read(true)))
        });
        let opened = opened.recv_timeout(std::time::Duration::from_secs(20)).expect("it waits for the other end");
        assert!(is_not_regular(&opened.unwrap_err()));
    }

    #[test]
    fn where_others_make_files_too_no_link_is_followed_and_nothing_made_where_it_leads() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink(path("elsewhere"), path("link")).unwrap();
        let open = |name| open_in_place(&path(name), OpenOptions::new().write(true).create(true));
        assert_eq!(open("link").unwrap_err().to_string(), "it is a symbolic link, not a regular file");
        assert!(!path("elsewhere").exists());
        assert!(open("new").is_ok() && open("new").is_ok());
        // Also where the link comes after the look.
        let (found, link) = (fs::symlink_metadata(path("new")), path("link"));
        assert!(open_found(&link, found, OFlags::NOFOLLOW, OpenOptions::new().write(true).create(true)).is_err());
    }

    #[test]
    fn what_is_to_be_written_is_a_regular_file_or_none_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RWXU).unwrap();
        for name in ["pipe", "."] {
            for options in [OpenOptions::new().write(true).create(true), OpenOptions::new().append(true)] {
                assert!(is_not_regular(&open_with(&path(name), options).unwrap_err()), "{name}");
            }
        }
        open_with(&path("new"), OpenOptions::new().append(true).create(true)).unwrap().write_all(b"x").unwrap();
        assert_eq!(fs::read(path("new")).unwrap(), b"x");
    }

    #[test]
    fn a_file_is_replaced_whatever_stands_where_the_new_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (path, new, other) = (folder.path().join("f"), folder.path().join("f.new"), folder.path().join("other"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &new, rustix::fs::Mode::RWXU).unwrap();
        replace(&path, b"one", 0o640, true).unwrap();
        fs::write(&other, "of somebody else").unwrap();
        symlink(&other, &new).unwrap();
        replace(&path, b"two", 0o640, false).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&other).unwrap()),
            (b"two".to_vec(), b"of somebody else".to_vec())
        );
        fs::create_dir(&new).unwrap();
        assert!(replace(&path, b"three", 0o640, false).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn no_more_is_read_than_is_bearable_and_text_is_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(text(&path, 5).unwrap(), "12345");
        assert_eq!(text(&path, 4).unwrap_err().to_string(), "it is larger than 4 bytes");
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(
            (text(&path, 4).unwrap_err().kind(), bytes(&path, 4).unwrap()),
            (io::ErrorKind::InvalidData, vec![255])
        );
    }

    #[test]
    fn links_and_pipes_in_a_folder_are_passed_over_and_a_path_stands_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("m")).unwrap();
        for name in ["z.yml", "a.yml", "m/n.yml", "other.txt"] {
            fs::write(path(name), "").unwrap();
        }
        symlink(folder.path(), path("loop")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe.yml"), rustix::fs::Mode::RWXU).unwrap();
        let found = |endings| listed(folder.path(), endings, 4).unwrap();
        assert_eq!(found(&["yml"]), [path("a.yml"), path("m/n.yml"), path("z.yml")]);
        assert_eq!(found(&[]).len(), 4);
        assert!(listed(folder.path(), &[], 3).unwrap_err().to_string().contains("more than 3 files"));
        assert_eq!(listed(&path("other.txt"), &["yml"], 0).unwrap(), [path("other.txt")]);
    }
}
