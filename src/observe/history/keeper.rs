//! Has the history go on over restarts: read at the start, written now and then and at the stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::file;
use super::recorder::History;
use crate::event::Timestamp;
use crate::limits::HISTORY_SAVED_EVERY;
use crate::server::gateway::Status;

pub struct Keeper {
    history: Arc<History>,
    state_dir: PathBuf,
    saved: Instant,
    /// On a thread of its own: the disk may be slow.
    is_writing: Arc<AtomicBool>,
}

impl Keeper {
    /// Blocks.
    pub fn open(state_dir: &Path) -> Self {
        let history = Arc::new(History::begin(file::read(state_dir), Timestamp::now(), Instant::now()));
        Self { history, state_dir: state_dir.to_owned(), saved: Instant::now(), is_writing: Arc::default() }
    }

    pub fn history(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    /// Notes how the daemon is; about once a second.
    pub fn look(&mut self, status: &Status, io: &Handle) {
        self.history.look(status, Timestamp::now(), Instant::now());
        if self.saved.elapsed() < HISTORY_SAVED_EVERY || self.is_writing.swap(true, Ordering::AcqRel) {
            return;
        }
        self.saved = Instant::now();
        let (history, state_dir, is_writing) = (self.history(), self.state_dir.clone(), Arc::clone(&self.is_writing));
        io.spawn_blocking(move || {
            save(&history, &state_dir);
            is_writing.store(false, Ordering::Release);
        });
    }

    /// Writes what there is at the stop. Blocks.
    pub fn end(&self) {
        // Of one that is under way the file would be written twice at once; what it lacks is minutes.
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.is_writing.load(Ordering::Acquire) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !self.is_writing.load(Ordering::Acquire) {
            save(&self.history, &self.state_dir);
        }
    }
}

fn save(history: &History, state_dir: &Path) {
    if let Err(error) = file::write(state_dir, &history.text()) {
        log::warn!(target: "dsmild", "{error}");
    }
}
