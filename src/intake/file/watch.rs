//! Wakes the source when one of its files changes (inotify(7)). Nothing depends on it: file systems of other machines and of user
//! space tell nothing, and the kernel may refuse a watch, so that files are looked at now and then all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::opened::Identity;

/// Reads of one waking; what is left wakes again.
const READS: usize = 64;

pub struct Watches {
    kernel: Option<AsyncFd<OwnedFd>>,
    /// By file, the number of its watch; `None` where there is no watch to be had.
    files: BTreeMap<Identity, Option<i32>>,
}

impl Watches {
    /// To be called within the runtime. Without inotify it never wakes.
    pub fn new() -> Self {
        let made = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(io::Error::from);
        #[expect(deprecated, reason = "for those who do not own their descriptor; this one is owned")]
        let kernel = made.and_then(AsyncFd::new).inspect_err(|error| {
            log::info!(target: "dsmild", "inotify: {error}: a change of a file is seen when it is looked at, not at once");
        });
        Self { kernel: kernel.ok(), files: BTreeMap::new() }
    }

    /// Watches these files and no others: those that are read and, with its path, each that stands where it is followed. True if
    /// one is new: what was written to it after it was looked at woke nobody.
    pub fn watch<'a>(
        &mut self,
        read: &BTreeSet<Identity>,
        standing: impl Iterator<Item = (Identity, &'a Path)>,
    ) -> bool {
        let Some(kernel) = &self.kernel else { return false };
        let mut is_new = false;
        for (file, path) in standing {
            self.files.entry(file).or_insert_with(|| {
                let events = WatchFlags::MODIFY | WatchFlags::MOVE_SELF | WatchFlags::ATTRIB | WatchFlags::DELETE_SELF;
                let watch = inotify::add_watch(kernel, path, events).ok();
                is_new |= watch.is_some();
                watch
            });
        }
        let gone: Vec<Identity> = self.files.keys().filter(|file| !read.contains(file)).copied().collect();
        for file in gone {
            let Some(Some(watch)) = self.files.remove(&file) else { continue };
            // Whoever was quick to put another file at the path has made both have one watch.
            if !self.files.values().flatten().any(|other| *other == watch) {
                // Fails where the kernel has removed it with the file.
                let _ = inotify::remove_watch(kernel, watch);
            }
        }
        is_new
    }

    /// Resolves when one of them has changed since the last call.
    pub async fn changed(&self) {
        let Some(kernel) = &self.kernel else { return pending().await };
        loop {
            let Ok(mut ready) = kernel.readable().await else { return pending().await };
            match ready.try_io(|kernel| take_all(kernel.get_ref())) {
                Ok(Ok(())) => return,
                Ok(Err(_)) => return pending().await,
                // There was nothing to take.
                Err(_) => {}
            }
        }
    }
}

/// Takes what there is to tell. Which file it is about does not matter, for all are looked at.
fn take_all(kernel: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0; 4096];
    for count in 0..READS {
        match rustix::io::read(kernel, &mut buffer) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if count > 0 => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;

    fn file(folder: &tempfile::TempDir, name: &str) -> (Identity, PathBuf) {
        let path = folder.path().join(name);
        fs::write(&path, "").unwrap();
        (Identity::of(&fs::metadata(&path).unwrap()), path)
    }

    fn append(path: &Path) {
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"a line\n").unwrap();
    }

    /// Takes it as well. The kernel tells of a write before the write returns.
    fn has_changed(watches: &Watches) -> bool {
        take_all(watches.kernel.as_ref().unwrap().get_ref()).is_ok()
    }

    #[tokio::test]
    async fn a_line_wakes_wherever_its_file_was_moved_and_only_as_long_as_the_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let ((one, path), (other, _)) = (file(&folder, "one"), file(&folder, "other"));
        let mut watches = Watches::new();
        assert!(
            watches.watch(&BTreeSet::from([one]), [(one, path.as_path())].into_iter()),
            "somebody may have written meanwhile"
        );
        assert!(!watches.watch(&BTreeSet::from([one]), [(one, path.as_path())].into_iter()));
        append(&path);
        watches.changed().await;
        assert!(!has_changed(&watches), "once");
        let moved = folder.path().join("one.1");
        fs::rename(&path, &moved).unwrap();
        watches.changed().await;
        append(&moved);
        watches.changed().await;
        assert!(!watches.watch(&BTreeSet::from([other]), std::iter::empty()));
        while has_changed(&watches) {}
        append(&moved);
        assert!(!has_changed(&watches), "nobody reads it any more");
    }

    #[tokio::test]
    async fn another_file_that_came_to_the_path_meanwhile_goes_on_waking() {
        let folder = tempfile::tempdir().unwrap();
        let ((one, first), (other, path)) = (file(&folder, "first"), file(&folder, "log"));
        // `one` stood at the path when it was looked at, `other` when it was watched.
        let mut watches = Watches::new();
        watches.watch(&BTreeSet::from([one]), [(one, path.as_path())].into_iter());
        watches.watch(&BTreeSet::from([other]), [(other, path.as_path())].into_iter());
        while has_changed(&watches) {}
        append(&path);
        watches.changed().await;
        append(&first);
        assert!(!has_changed(&watches));
    }
}
