//! How far the last reload is, in a file: what systemd starts for `ExecReload=` must not end before the reload has, or
//! `systemctl reload` would come back too early.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::limits::RELOAD_MARK_BYTES_MAX;
use crate::named_files;

const FILE_NAME: &str = "reload";
const FILE_MODE: u32 = 0o644;
/// systemd gives up after `TimeoutStartSec=`, which is longer.
const PATIENCE: Duration = Duration::from_secs(55);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// `RuntimeDirectory=` of the unit.
fn folder() -> Option<PathBuf> {
    std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from)
}

/// The daemon's side. Outside systemd nothing is written.
pub struct ReloadMark {
    folder: Option<PathBuf>,
    number: u64,
}

impl ReloadMark {
    pub fn begun() -> Self {
        let mark = Self { folder: folder(), number: 0 };
        mark.write("begun");
        mark
    }

    pub fn begin(&mut self) {
        self.number += 1;
        self.write("begun");
    }

    pub fn end(&self, result: &Result<String, String>) {
        match result {
            Ok(said) => self.write(&format!("ok {said}")),
            Err(said) => self.write(&format!("failed {said}")),
        }
    }

    fn write(&self, state: &str) {
        let Some(folder) = &self.folder else { return };
        let written = replace(folder, &format!("{} {state}", self.number));
        if let Err(error) = written {
            log::warn!(target: "dsmild", "{}: {error}; systemctl reload will wait in vain", folder.display());
        }
    }
}

/// As a whole, so that nobody reads half a line.
fn replace(folder: &Path, text: &str) -> io::Result<()> {
    named_files::replace(&folder.join(FILE_NAME), text.as_bytes(), FILE_MODE, false)
}

/// Sends SIGHUP to the daemon and waits for the end of the reload that follows; returns what was done.
///
/// # Errors
/// Why nothing, or not everything, was taken over, or why it is not known.
pub fn ask(pid: i32) -> Result<String, String> {
    let pid = Pid::from_raw(pid).ok_or("there is no process 0")?;
    let file = folder().ok_or("RUNTIME_DIRECTORY is not set: use systemctl reload")?.join(FILE_NAME);
    let before = read(&file).map_or(0, |(number, _)| number);
    kill_process(pid, Signal::HUP).map_err(|error| format!("the signal could not be sent to the daemon: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // One that was running already may have read the configuration before it was changed.
        match read(&file).filter(|(number, _)| *number > before) {
            Some((_, End::Ok(said))) => return Ok(said),
            Some((_, End::Failed(said))) => return Err(said),
            Some((_, End::Open)) | None => {}
        }
        test_kill_process(pid).map_err(|_| "the daemon ended meanwhile")?;
        std::thread::sleep(LOOK_EVERY);
    }
    Err(format!("the daemon has not finished it within {} s", PATIENCE.as_secs()))
}

enum End {
    Open,
    Ok(String),
    Failed(String),
}

fn read(file: &Path) -> Option<(u64, End)> {
    let text = named_files::text(file, RELOAD_MARK_BYTES_MAX).ok()?;
    let (number, state) = text.split_once(' ')?;
    let end = match state.split_once(' ') {
        Some(("ok", said)) => End::Ok(said.to_owned()),
        Some(("failed", said)) => End::Failed(said.to_owned()),
        _ => End::Open,
    };
    Some((number.parse().ok()?, end))
}
