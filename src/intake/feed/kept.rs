//! The list of a feed that was good last, and what is remembered beside it. In the state folder, each replaced as a whole.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::Feed;
use crate::event::Timestamp;
use crate::limits::{FEED_STATE_BYTES_MAX, INDICATOR_LIST_BYTES_MAX};
use crate::named_files;

const FOLDER: &str = "feeds";
const MODE: u32 = 0o640;

/// Where the list of a feed of this name is.
pub fn list_path(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join(FOLDER).join(name)
}

/// What the server said of the list, to be said to it again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// What is remembered of a feed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// A digest of what was asked: of another URL nothing is remembered. Not the URL itself, which may hold a key.
    asked: String,
    pub validators: Validators,
    /// Of a collection: everything that was added up to here is in the list.
    pub added_after: Option<String>,
    pub entries: u64,
    /// Microseconds since 1970: when the list came, …
    fetched: Option<i64>,
    /// … and when the server last said that this is the list.
    confirmed: Option<i64>,
}

impl Remembered {
    pub fn fetched(&self) -> Option<Timestamp> {
        self.fetched.map(Timestamp::from_micros)
    }

    pub fn confirmed(&self) -> Option<Timestamp> {
        self.confirmed.map(Timestamp::from_micros)
    }

    pub fn note_confirmed(&mut self, now: Timestamp) {
        self.confirmed = Some(now.micros());
    }

    /// Another list came.
    pub fn note_list(&mut self, validators: Validators, added_after: Option<String>, entries: u64) {
        (self.validators, self.added_after, self.entries) = (validators, added_after, entries);
    }

    pub fn note_fetched(&mut self, now: Timestamp) {
        self.fetched = Some(now.micros());
    }
}

/// The files of one feed.
#[derive(Debug, Clone)]
pub struct Kept {
    list: PathBuf,
    asked: String,
}

impl Kept {
    pub fn of(state_dir: &Path, feed: &Feed) -> Self {
        let asked = format!("{}\n{}", feed.url, feed.collection.as_deref().unwrap_or_default());
        let asked = blake3::hash(asked.as_bytes()).to_hex().to_string();
        Self { list: list_path(state_dir, &feed.name), asked }
    }

    fn beside(&self) -> PathBuf {
        self.list.with_extension("json")
    }

    /// Of this URL; nothing where there is no list of it, or it cannot be read.
    pub fn remembered(&self) -> Remembered {
        let fresh = Remembered { asked: self.asked.clone(), ..Remembered::default() };
        if named_files::open(&self.list).is_err() {
            return fresh;
        }
        let text = named_files::text(&self.beside(), FEED_STATE_BYTES_MAX).unwrap_or_default();
        let found: Option<Remembered> = serde_json::from_str(&text).ok();
        found.filter(|found| found.asked == self.asked).unwrap_or(fresh)
    }

    /// The list as it is.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn list(&self) -> io::Result<Vec<u8>> {
        named_files::bytes(&self.list, INDICATOR_LIST_BYTES_MAX)
    }

    /// Puts a list into the place of the one before. Returns whether it is another one.
    ///
    /// # Errors
    /// The folder cannot be written or the disk is full; the list is as before.
    pub fn replace(&self, bytes: &[u8]) -> io::Result<bool> {
        if self.list().is_ok_and(|before| before == bytes) {
            return Ok(false);
        }
        if let Some(folder) = self.list.parent() {
            DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        }
        named_files::replace(&self.list, bytes, MODE, true)?;
        Ok(true)
    }

    /// # Errors
    /// As [`replace`](Self::replace).
    pub fn remember(&self, remembered: &Remembered) -> io::Result<()> {
        let text = serde_json::to_vec(remembered).map_err(io::Error::other)?;
        named_files::replace(&self.beside(), &text, MODE, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(url: &str) -> Feed {
        toml::from_str(&format!("name = \"abuse\"\nurl = \"{url}\"")).unwrap()
    }

    #[test]
    fn what_is_remembered_belongs_to_the_url_and_to_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::of(folder.path(), &feed("https://h/a?key=hunter2"));
        assert!(kept.replace(b"evil.example\n").unwrap());
        assert!(!kept.replace(b"evil.example\n").unwrap(), "the same list is no news");
        let mut remembered = Remembered { entries: 1, ..kept.remembered() };
        remembered.note_fetched(Timestamp::from_millis(7));
        kept.remember(&remembered).unwrap();
        assert_eq!(kept.remembered(), remembered);
        let text = std::fs::read_to_string(folder.path().join("feeds/abuse.json")).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(Kept::of(folder.path(), &feed("https://h/b")).remembered().entries, 0);
        std::fs::remove_file(folder.path().join("feeds/abuse")).unwrap();
        assert_eq!(kept.remembered().entries, 0, "without the list the server is asked for all of it");
    }
}
