//! Has the history go on over restarts: read at the start, written now and then and at the stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::file;
use super::recorder::History;
use crate::event::Timestamp;
use crate::limits::HISTORY_SAVED_EVERY;
use crate::server::gateway::Status;

/// At the stop a write that is under way is waited for.
const END_PATIENCE: Duration = Duration::from_secs(1);

pub struct Keeper {
    history: Arc<History>,
    state_dir: PathBuf,
    saved: Instant,
    /// On a thread of its own: the disk may be slow.
    writing: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Blocks.
    pub fn open(state_dir: &Path) -> Self {
        let history = Arc::new(History::begin(file::read(state_dir), Timestamp::now(), Instant::now()));
        Self { history, state_dir: state_dir.to_owned(), saved: Instant::now(), writing: None }
    }

    pub fn history(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    /// Notes how the daemon is; about once a second.
    pub fn look(&mut self, status: &Status, io: &Handle) {
        self.history.look(status, Timestamp::now(), Instant::now());
        let is_writing = self.writing.as_ref().is_some_and(|writing| !writing.is_finished());
        if self.saved.elapsed() < HISTORY_SAVED_EVERY || is_writing {
            return;
        }
        self.saved = Instant::now();
        let (history, state_dir) = (self.history(), self.state_dir.clone());
        self.writing = Some(io.spawn_blocking(move || save(&history, &state_dir)));
    }

    /// Writes what there is at the stop. Blocks.
    pub async fn end(&mut self) {
        // Beside one that is under way the file would be written twice at once; what that lacks is minutes.
        if let Some(writing) = self.writing.take()
            && timeout(END_PATIENCE, writing).await.is_err()
        {
            return;
        }
        save(&self.history, &self.state_dir);
    }
}

fn save(history: &History, state_dir: &Path) {
    if let Err(error) = file::write(state_dir, &history.text()) {
        log::warn!(target: "dsmild", "{error}");
    }
}
