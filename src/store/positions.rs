//! Positions of the sources on disk, for the next boot: the hot store is on a tmpfs and does not survive one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Recovery;
use super::handled::Handled;
use crate::event::EventId;
use crate::named_files;
use crate::observe::audit::Kept;
use crate::observe::metrics;

const FILE_NAME: &str = "positions.json";
const FILE_MODE: u32 = 0o640;
/// A larger file was not written here.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How far the sources were read when the last commit before the save was done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Positions {
    /// Ids go on from here, also when the clock of the next boot is behind.
    pub last_id: EventId,
    /// The newest event that was committed when this was saved: a hot store that does not reach so far has lost it.
    #[serde(default)]
    pub saved_id: EventId,
    pub positions: BTreeMap<String, Value>,
    /// How much of what was committed had been judged and handed on; `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
    /// The hot store that has those events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_store: Option<Place>,
}

/// Where a hot store is, from which start of the machine on, and on which file system: one in memory is empty after the next start,
/// and when it is mounted anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    boot: String,
    /// Nanoseconds since the epoch.
    mounted: u64,
    path: PathBuf,
}

impl Place {
    /// `None` where the kernel does not say which start of the machine this is, or since when the file system is there.
    pub fn new(boot: String, path: &Path) -> Option<Self> {
        let mounted = mounted(path)?;
        (!boot.is_empty()).then(|| Self { boot, mounted, path: path.to_owned() })
    }
}

/// When the file system that the path is on was made: of one in memory, when it was mounted.
fn mounted(path: &Path) -> Option<u64> {
    let folder = path.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok())?;
    let device = folder.metadata().ok()?.dev();
    let is_on_it = |above: &&Path| above.metadata().is_ok_and(|found| found.dev() == device);
    let root = folder.ancestors().take_while(is_on_it).last()?;
    let made = root.metadata().ok()?.created().ok()?;
    u64::try_from(made.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// `positions.json` could not be written.
#[derive(Debug, thiserror::Error)]
#[error("positions {}: {tried}: {source}; check that daemon.state_dir exists, is writable and has space", path.display())]
pub struct PositionsError {
    path: PathBuf,
    tried: &'static str,
    source: io::Error,
}

impl Positions {
    /// Writes `positions.json` whole or not at all, and waits until it is on the disk. Blocks.
    ///
    /// # Errors
    /// The folder is missing or not writable, or the disk is full; the file is as before.
    pub fn save(&self, state_dir: &Path) -> Result<(), PositionsError> {
        let path = state_dir.join(FILE_NAME);
        let failed = |tried| {
            let path = path.clone();
            move |source| PositionsError { path, tried, source }
        };
        let bytes = serde_json::to_vec(self).map_err(|error| failed("encoding")(error.into()))?;
        named_files::replace(&path, &bytes, FILE_MODE, true).map_err(failed("writing its new version"))?;
        File::open(state_dir).and_then(|folder| folder.sync_all()).map_err(failed("making the change last"))
    }

    /// Notes at the end how far stages and outlets have come since it was saved. Blocks.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn conclude(state_dir: &Path, stages: EventId, outlets: EventId) -> Result<(), PositionsError> {
        let Some(mut saved) = Self::read(state_dir) else { return Ok(()) };
        match &mut saved.handled {
            Some(handled) if !handled.is_all() => *handled = handled.with(stages, outlets),
            _ => return Ok(()),
        }
        saved.save(state_dir)
    }

    /// What `positions.json` says, where it can be read; changes nothing. Blocks.
    pub fn read(state_dir: &Path) -> Option<Self> {
        read(&state_dir.join(FILE_NAME)).ok()
    }

    /// Reads `positions.json`. Returns no positions when the file is missing, and when it cannot be read: then it is
    /// renamed to `positions.json.damaged` and reported. Sources without a position start as on a new machine. Blocks.
    pub fn load(state_dir: &Path) -> Self {
        let path = state_dir.join(FILE_NAME);
        match read(&path) {
            Ok(positions) => positions,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                let kept = named_files::set_aside(&path);
                log::error!(
                    "positions {}: cannot be read ({error}); {kept}; without it lines may be read twice or left out: \
                     see what the sources report as their start",
                    path.display()
                );
                Self::default()
            }
        }
    }
}

impl Recovery {
    /// Completes what the hot store knew with what was saved on disk: ids go on from the larger one; the hot store's
    /// positions are newer where it has them, and a source that was not read since the boot has none there. A store that
    /// is behind has lost what was committed: then its positions hold although they are older, so that the sources read
    /// again what they can. One that is new, because the machine or its disk is, has taken along what nobody had yet; sources
    /// go on nevertheless, for to read them again would bring everything once more to all outside. `here` is where it is now.
    #[must_use]
    pub fn or_saved(mut self, saved: &Positions, here: Option<&Place>) -> Self {
        // After a boot, and at another path, there is no file: that is no loss.
        let is_where_it_was = here.is_some() && saved.hot_store.as_ref() == here;
        let had_been_there = !self.created || self.emptied || self.moved_aside.is_some() || is_where_it_was;
        let is_behind = had_been_there && self.last_id < saved.saved_id;
        if is_behind {
            metrics::dropped("store", "lost").increment(1);
            log::error!(
                "hot store: events that were committed are missing from {} to {}, over {}: its file or its write-ahead log was \
                 cut, removed, hidden or damaged; sources are read again from where it ends, what came over HTTP is only where an \
                 outlet has taken it",
                self.last_id,
                saved.saved_id,
                span(self.last_id, saved.saved_id)
            );
        } else {
            if self.created && saved.saved_id > EventId::ZERO {
                tell_of_new_store(saved.handled.and_then(|handled| handled.loss()));
            }
            for (source, position) in saved.positions.iter().filter(|(_, position)| !position.is_null()) {
                self.positions.entry(source.clone()).or_insert_with(|| position.clone());
            }
        }
        // Not a source: it does not go back.
        let lines = |kept: Option<&Value>| kept.and_then(Kept::read).map_or(0, |kept| kept.head.lines);
        let kept = saved.positions.get(Kept::NAME);
        if let Some(kept) = kept.filter(|kept| lines(Some(kept)) > lines(self.positions.get(Kept::NAME))) {
            self.positions.insert(Kept::NAME.to_owned(), kept.clone());
        }
        self.last_id = self.last_id.max(saved.last_id);
        self
    }
}

fn tell_of_new_store(loss: Option<String>) {
    let new =
        "hot store: it is new, as after a start of the machine, on a disk that was mounted anew or at another path";
    let Some(loss) = loss else {
        log::info!("{new}; stages and outlets had all of the one before. Sources go on where they were read to");
        return;
    };
    metrics::dropped("store", "lost").increment(1);
    log::error!(
        "{new}, and what nobody had of the one before is lost with it: {loss}. Sources go on where they were read to, for read \
         again everything would come once more"
    );
}

fn span(from: EventId, to: EventId) -> String {
    if from == EventId::ZERO {
        return "all that it had".to_owned();
    }
    humantime::format_duration(Duration::from_millis(to.ms().saturating_sub(from.ms()))).to_string()
}

fn read(path: &Path) -> io::Result<Positions> {
    Ok(serde_json::from_slice(&named_files::bytes(path, FILE_BYTES_MAX)?)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn some() -> Positions {
        Positions {
            last_id: EventId::new(1_763_856_000_123, 4),
            saved_id: EventId::new(1_763_856_000_123, 4),
            positions: BTreeMap::from([("/var/log/auth.log".to_owned(), json!({ "inode": 7, "offset": 4096 }))]),
            handled: None,
            hot_store: here(),
        }
    }

    fn place(boot: &str, mounted: u64, path: &str) -> Option<Place> {
        Some(Place { boot: boot.to_owned(), mounted, path: PathBuf::from(path) })
    }

    fn here() -> Option<Place> {
        place("this boot", 7, "/mnt/ram/hotpath.db")
    }

    fn elsewhere() -> [Option<Place>; 4] {
        let path = "/mnt/ram/hotpath.db";
        let other_path = place("this boot", 7, "/mnt/other/hotpath.db");
        [place("next boot", 7, path), place("this boot", 8, path), other_path, None]
    }

    #[test]
    fn a_place_is_the_same_whatever_is_made_or_removed_there_and_another_where_nothing_is_known_of_the_boot() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = folder.path().join("hot/hotpath.db");
        let place = || Place::new("this boot".to_owned(), &path);
        let before = place();
        std::fs::create_dir(folder.path().join("hot")).unwrap();
        std::fs::write(&path, "x").unwrap();
        assert_eq!(place(), before);
        std::fs::remove_dir_all(folder.path().join("hot")).unwrap();
        assert_eq!(place(), before);
        assert_eq!(Place::new(String::new(), &path), None);
    }

    #[test]
    fn positions_are_read_back_as_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        some().save(folder.path()).unwrap();
        assert_eq!(Positions::load(folder.path()), some());
    }

    #[test]
    fn what_stages_and_outlets_did_until_the_end_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let (early, late) = (EventId::new(1, 0), EventId::new(9, 0));
        Positions::conclude(folder.path(), late, late).unwrap();
        assert_eq!(Positions::read(folder.path()), None, "there is nothing to note it in");
        let open = Positions { handled: Some(Handled::new(late).with(early, early)), ..some() };
        open.save(folder.path()).unwrap();
        Positions::conclude(folder.path(), late, late).unwrap();
        let all = Positions { handled: Some(Handled::new(late).with(late, late)), ..some() };
        assert_eq!(Positions::load(folder.path()), all);
        Positions::conclude(folder.path(), early, early).unwrap();
        assert_eq!(Positions::load(folder.path()), all, "what was handled stays handled");
    }

    #[test]
    fn a_missing_file_is_a_first_start() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Positions::load(folder.path()), Positions::default());
    }

    #[test]
    fn a_damaged_file_is_kept_aside_and_does_not_stop_the_start() {
        let folder = tempfile::tempdir().unwrap();
        for damaged in ["{\"last_id\":\"17638", "[]", ""] {
            std::fs::write(folder.path().join(FILE_NAME), damaged).unwrap();
            assert_eq!(Positions::load(folder.path()), Positions::default());
            let aside = folder.path().join("positions.json.damaged");
            assert_eq!(std::fs::read_to_string(aside).unwrap(), damaged);
        }
    }

    #[test]
    fn a_save_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        some().save(folder.path()).unwrap();
        std::fs::create_dir(folder.path().join("positions.json.new")).unwrap();
        let error = Positions::default().save(folder.path()).unwrap_err().to_string();
        assert!(error.contains("state_dir"), "{error}");
        assert_eq!(Positions::load(folder.path()), some());
    }

    #[test]
    fn the_hot_stores_positions_win_where_it_has_them_and_the_ids_go_on_from_the_larger_one() {
        let saved = some();
        let empty = Recovery { created: true, ..Recovery::default() };
        assert_eq!(empty.or_saved(&saved, None).positions, saved.positions);
        let hot = Recovery {
            last_id: EventId::new(saved.last_id.ms() + 1, 0),
            positions: BTreeMap::from([
                ("journal".into(), json!("c=1")),
                ("/var/log/auth.log".to_owned(), json!({ "inode": 7, "offset": 5000 })),
            ]),
            ..Recovery::default()
        };
        let mut quiet = saved;
        quiet.positions.insert("/var/log/quiet.log".to_owned(), json!({ "inode": 8, "offset": 1 }));
        quiet.positions.insert("/var/log/gone.log".to_owned(), Value::Null);
        let both = hot.clone().or_saved(&quiet, here().as_ref());
        let mut expected = hot.positions;
        expected.insert("/var/log/quiet.log".to_owned(), json!({ "inode": 8, "offset": 1 }));
        assert_eq!(both.positions, expected);
        assert_eq!(both.last_id, hot.last_id);
    }

    #[test]
    fn a_store_that_lost_commits_has_its_sources_read_again_from_where_it_ends() {
        let saved = some();
        let behind = Recovery {
            last_id: EventId::new(saved.saved_id.ms() - 5000, 0),
            positions: BTreeMap::from([("/var/log/auth.log".to_owned(), json!({ "inode": 7, "offset": 11 }))]),
            ..Recovery::default()
        };
        let both = behind.clone().or_saved(&saved, here().as_ref());
        assert_eq!((&both.positions, both.last_id), (&behind.positions, saved.last_id));
        let emptied = Recovery { created: true, emptied: true, ..Recovery::default() };
        assert_eq!(emptied.or_saved(&saved, None).positions, BTreeMap::new());
        let aside = Recovery { created: true, moved_aside: Some("/x".into()), ..Recovery::default() };
        assert_eq!(aside.or_saved(&saved, None).positions, BTreeMap::new());
    }

    #[test]
    fn a_store_that_is_new_has_lost_what_was_there_unless_the_machine_was_restarted_or_it_is_another() {
        let (saved, new) = (some(), Recovery { created: true, ..Recovery::default() });
        assert_eq!(new.clone().or_saved(&saved, here().as_ref()).positions, BTreeMap::new());
        // There is no file: what was read stays read.
        for here in elsewhere() {
            assert_eq!(new.clone().or_saved(&saved, here.as_ref()).positions, saved.positions);
        }
    }

    #[test]
    fn what_is_remembered_of_the_audit_log_never_goes_back() {
        let kept = |lines| {
            let head = crate::observe::audit::Head { lines, hash: String::new() };
            BTreeMap::from([(Kept::NAME.to_owned(), Kept::new(head).to_value())])
        };
        for (stored, saved, expected) in [(3, 2, 3), (2, 3, 3), (0, 3, 3)] {
            let recovery = Recovery { positions: kept(stored), ..Recovery::default() };
            let saved = Positions { saved_id: EventId::new(9, 0), positions: kept(saved), ..Positions::default() };
            assert_eq!(recovery.or_saved(&saved, None).positions, kept(expected));
        }
    }
}
