//! Log files, followed through rotation, truncation and restarts.
//!
//! `tail.rs` reads one open file, as it is or unpacked (`packed.rs`), `followed.rs` the files that one path has had, and
//! [`FileSet`] all paths together (`hand_out.rs`), in order of time as far as none waits for another for long (`patience.rs`).
//! `position.rs` says what is remembered over a restart, `locate.rs` finds the files again, also under the names that a rotation
//! gave them (`chain.rs`).

pub(crate) mod absent;
mod chain;
pub(crate) mod config;
mod followed;
mod hand_out;
#[cfg(test)]
mod history;
mod links;
mod listing;
mod locate;
#[cfg(test)]
mod logrotate_tests;
mod opened;
mod packed;
mod patience;
mod pattern;
mod position;
#[cfg(test)]
mod records_tests;
#[cfg(test)]
mod rotated_tests;
mod states;
#[cfg(test)]
mod states_tests;
mod tail;
mod task;
#[cfg(test)]
mod tests;
mod text;
#[cfg(test)]
mod waiting_tests;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde_json::Value;

use self::followed::{ALIAS, Followed};
use self::listing::{is_pattern, list, matches, source_of};
use self::opened::Identity;
pub use self::opened::modified;
use self::position::Position;
use self::tail::Poll;
pub use self::task::SOURCE;
use super::clock::arrival;
use super::{Batch, Polled, Problem};
use crate::config::IntakeFile;
use crate::limits::{FILES_MAX, MULTILINE_WAIT_MAX, TRANSACTION_EVENTS_MAX, UNPACKERS_MAX};
use crate::parse::Calendar;

/// A rotated file that did not change for this long is closed once there is a newer one.
const QUIET_AFTER: Duration = Duration::from_secs(10);
/// Directories of patterns are listed this often.
const LIST_EVERY: Duration = Duration::from_secs(1);

/// A path at which nothing stands for longer than a rotation takes is one from which nothing comes.
const ABSENT_AFTER: Duration = Duration::from_secs(2);

struct Entry {
    config: IntakeFile,
    /// In status and in problems.
    source: Arc<str>,
    zone: TimeZone,
    is_pattern: bool,
    listing: Option<String>,
}

/// All files of the configuration. The last component of a path may have `*` and `?`; a pattern must not match the
/// copies that a `copytruncate` rotation makes, or their lines come twice.
pub struct FileSet {
    entries: Vec<Entry>,
    /// By entry, then by path: the order of equal times.
    followed: BTreeMap<(usize, PathBuf), Followed>,
    positions: BTreeMap<String, Value>,
    listed: Option<Instant>,
    quiet_after: Duration,
    list_every: Duration,
    absent_after: Duration,
    record_wait: Duration,
    batch_lines: usize,
    /// Said at the first poll.
    problems: Vec<Problem>,
    forgotten: Vec<String>,
}

impl FileSet {
    /// Continues at these positions, as earlier batches returned them by name; names of other sources are left alone.
    pub fn open(files: &[IntakeFile], positions: &BTreeMap<String, Value>) -> Self {
        let mut problems = Vec::new();
        let entries = files.iter().map(|config| entry(config, &mut problems)).collect();
        let mut set = Self {
            entries,
            followed: BTreeMap::new(),
            positions: positions.clone(),
            listed: None,
            quiet_after: QUIET_AFTER,
            list_every: LIST_EVERY,
            absent_after: ABSENT_AFTER,
            record_wait: MULTILINE_WAIT_MAX,
            batch_lines: TRANSACTION_EVENTS_MAX,
            problems,
            forgotten: Vec::new(),
        };
        let names: Vec<PathBuf> = positions.keys().map(PathBuf::from).collect();
        for (index, config) in files.iter().enumerate() {
            if is_pattern(&config.path) {
                // Also those that are gone: what was rotated away may have unread lines.
                names
                    .iter()
                    .filter(|name| matches(&config.path, name))
                    .for_each(|name| set.follow(index, name.clone()));
            } else {
                set.follow(index, config.path.clone());
            }
        }
        set.discover(Instant::now());
        set.positions.clear();
        // All first take what they have marks for; what is left unclaimed may be a generation that came in between.
        for followed in set.followed.values_mut() {
            // What fails here is tried again, and said, when the path is looked at.
            let _ = followed.resume(QUIET_AFTER, &mut set.problems);
        }
        for key in set.followed.keys().cloned().collect::<Vec<_>>() {
            let taken = set.identities();
            if let Some(followed) = set.followed.get_mut(&key) {
                let _ = followed.close_gap(&taken, &mut set.problems);
            }
        }
        set
    }

    /// Reads what there is, without waiting, up to `max_events` lines. To be called again soon, at once if there is more.
    /// Calls `alive` again and again meanwhile.
    pub fn poll(&mut self, max_events: usize, alive: &dyn Fn()) -> Polled {
        let mut poll = self.look_around();
        let mut batch = Batch::default();
        let more = hand_out::hand_out(
            self.followed.values_mut().collect(),
            max_events,
            alive,
            &mut poll,
            (&mut batch, &mut self.problems),
        );
        batch.positions = self.followed.values_mut().filter_map(Followed::position).collect();
        batch.positions.extend(self.forgotten.drain(..).map(|name| (name, Value::Null)));
        Polled { batch, more, problems: self.problems() }
    }

    /// Looks what can be read, and how far files have grown, and reads nothing of it.
    pub fn look_around(&mut self) -> Poll {
        let now = Instant::now();
        let live = Calendar { zone: TimeZone::UTC, reference: arrival::now() };
        let windows_left = UNPACKERS_MAX.saturating_sub(self.followed.values().map(Followed::windows).sum());
        let (record_wait, batch_lines) = (self.record_wait, self.batch_lines);
        let poll = Poll { now, live, bytes_left: 0, cut: 0, record_wait, windows_left, batch_lines };
        if self.listed.is_none_or(|listed| now.duration_since(listed) >= self.list_every) {
            self.discover(now);
        }
        self.look(&poll);
        poll
    }

    /// What was found wrong since it was last asked, or polled.
    pub fn problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }

    fn follow(&mut self, index: usize, path: PathBuf) {
        let Some(entry) = self.entries.get(index) else { return };
        let mut followed = Followed::new(path.clone(), &entry.config, entry.zone.clone(), entry.is_pattern);
        match self.positions.get(followed.name()).filter(|value| !value.is_null()) {
            None => {}
            Some(value) => match Position::from_json(value) {
                Some(position) => followed.continue_at(position),
                None => self.problems.push(Problem::new(
                    &**followed.source(),
                    "position",
                    0,
                    format!("the saved position {value} cannot be read; the file is read from its beginning"),
                )),
            },
        }
        self.followed.insert((index, path), followed);
    }

    /// Lists the directories of patterns for files that are new.
    fn discover(&mut self, now: Instant) {
        self.listed = Some(now);
        for index in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut(index).filter(|entry| entry.is_pattern) else { continue };
            let (found, error) = match list(&entry.config.path) {
                Ok(found) => (found, None),
                Err(error) => (BTreeSet::new(), Some(format!("the directory cannot be listed ({error})"))),
            };
            let mut fault = error.map(|text| ("unreadable", text));
            for path in found {
                if self.followed.keys().any(|(_, known)| *known == path) {
                    continue;
                }
                if !self.has_room(index) {
                    fault = Some(("too_many_files", self.too_many(index)));
                    break;
                }
                self.follow(index, path);
            }
            self.say_of_pattern(index, fault);
        }
    }

    /// Says what is wrong with a pattern when that has changed.
    fn say_of_pattern(&mut self, index: usize, fault: Option<(&'static str, String)>) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let text = fault.as_ref().map(|(_, text)| text);
        if let Some((reason, text)) = fault.as_ref().filter(|_| entry.listing.as_ref() != text) {
            self.problems.push(Problem::new(&*entry.source, reason, 0, text.as_str()));
        }
        entry.listing = fault.map(|(_, text)| text);
    }

    /// Whether one more file may be followed for this entry.
    fn has_room(&self, index: usize) -> bool {
        let mut counts: Vec<_> = self.entries.iter().map(|entry| entry.is_pattern.then_some(0)).collect();
        for (entry, _) in self.followed.keys() {
            counts.get_mut(*entry).into_iter().flatten().for_each(|count| *count += 1);
        }
        has_room(&counts, index)
    }

    fn too_many(&self, index: usize) -> String {
        let count = self.followed.keys().filter(|(entry, _)| *entry == index).count();
        format!(
            "more than {count} files, its share of the {FILES_MAX} of all patterns; the others are not read. Use a narrower pattern"
        )
    }

    /// The files that stand where they are followed.
    fn standing(&self) -> impl Iterator<Item = (Identity, &Path)> {
        self.followed.values().filter_map(|followed| Some((followed.current()?, followed.path.as_path())))
    }

    fn identities(&self) -> Vec<Identity> {
        self.followed.values().flat_map(Followed::identities).collect()
    }

    /// Looks at every path for another file, and at every file for growth.
    fn look(&mut self, poll: &Poll) {
        let keys: Vec<_> = self.followed.keys().cloned().collect();
        for key in &keys {
            self.look_at_path(key, poll);
        }
        for followed in self.followed.values_mut() {
            followed.look(poll, self.quiet_after, &mut self.problems);
        }
    }

    fn look_at_path(&mut self, key: &(usize, PathBuf), poll: &Poll) {
        let is_behind = self.followed.get(key).is_some_and(Followed::is_behind);
        let taken = if is_behind { self.identities() } else { Vec::new() };
        let Some(followed) = self.followed.get_mut(key) else { return };
        let problems = &mut self.problems;
        if is_behind
            && let Err(error) =
                followed.resume(self.quiet_after, problems).and_then(|()| followed.close_gap(&taken, problems))
        {
            let text = format!("it cannot be opened ({error}); it is tried again, to go on where it was left");
            followed.report("unreadable", Some(text), &mut self.problems);
            return;
        }
        if followed.is_behind() {
            // What came before the file at the path has to find room first.
            return;
        }
        let here = std::fs::metadata(&followed.path);
        if here.is_ok() {
            followed.is_there();
        }
        let finding = match &here {
            Ok(metadata) if !metadata.is_file() => Some(("unreadable", "it is not a regular file".to_owned())),
            Ok(metadata) => {
                let identity = Identity::of(metadata);
                if followed.current() == Some(identity) { None } else { self.take_up(key, identity, poll.now) }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if followed.is_found && followed.leave(poll, self.quiet_after) {
                    self.forgotten.extend(self.followed.remove(key).map(|gone| gone.name().to_owned()));
                    return;
                }
                if followed.current().is_none() {
                    Some(("missing", "there is no such file yet; it is read when it appears".to_owned()))
                } else {
                    let is_over = followed.is_absent(poll.now) >= self.absent_after;
                    is_over
                        .then(|| ("deleted", "it is gone from its path; it is read when it appears again".to_owned()))
                }
            }
            Err(error) => Some(("unreadable", format!("it cannot be examined ({error}); it is tried again"))),
        };
        if let Some(followed) = self.followed.get_mut(key) {
            let (reason, text) = finding.map_or(("", None), |(reason, text)| (reason, Some(text)));
            followed.report(reason, text, &mut self.problems);
        }
    }

    /// Another file stands at the path: one that was rotated here from another followed path, or a new one.
    fn take_up(&mut self, key: &(usize, PathBuf), identity: Identity, now: Instant) -> Option<(&'static str, String)> {
        let holder = self.followed.iter().find(|(_, other)| other.identities().any(|held| held == identity));
        if let Some(holder) = holder.map(|(holder, _)| holder.clone()) {
            let is_still_there = std::fs::metadata(&holder.1).is_ok_and(|there| Identity::of(&there) == identity);
            if holder != *key && is_still_there {
                return Some((ALIAS, format!("it is the same file as {}, and read there", holder.1.display())));
            }
            let tail = self.followed.get_mut(&holder).and_then(|holder| holder.release(identity));
            if let (Some(followed), Some(tail)) = (self.followed.get_mut(key), tail) {
                followed.adopt(tail);
            }
            return None;
        }
        match opened::open(&key.1) {
            Ok(opened) => {
                let mut taken = self.identities();
                taken.extend([identity, opened.identity]);
                let rotated = self.followed.get_mut(key)?.rotate(&opened, &taken, now, &mut self.problems);
                rotated.err().map(|error| ("unreadable", format!("it cannot be read ({error}); it is tried again")))
            }
            Err(error) => Some(("unreadable", format!("it cannot be opened ({error}); it is tried again"))),
        }
    }
}

/// Whether the pattern of this index may have one more file; `None` is an entry without a pattern. Half of all files are for who
/// comes first; of the other half each pattern has a share that nobody takes from it: whoever may make names that match one
/// keeps the files of no other from being read.
fn has_room(counts: &[Option<usize>], index: usize) -> bool {
    let patterns = counts.iter().flatten().count();
    let share = (FILES_MAX / 2 / patterns.max(1)).max(1);
    let count = counts.get(index).copied().flatten().unwrap_or_default();
    let taken: usize = counts.iter().map(|count| count.map_or(1, |count| count.max(share))).sum();
    count < share || taken < FILES_MAX
}

fn entry(config: &IntakeFile, problems: &mut Vec<Problem>) -> Entry {
    let source = Arc::from(source_of(config));
    let zone = match &config.time_zone {
        None => TimeZone::system(),
        Some(name) => TimeZone::get(name).unwrap_or_else(|error| {
            let text = format!("{error}; the machine's time zone is used");
            problems.push(Problem::new(&*source, "time_zone", 0, text));
            TimeZone::system()
        }),
    };
    Entry { config: config.clone(), source, zone, is_pattern: is_pattern(&config.path), listing: None }
}
