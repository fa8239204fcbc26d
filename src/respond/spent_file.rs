//! The actions of the last hour on the disk, where the daemon cannot write.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::budget::Spent;
use super::protocol::{Answer, Outcome};
use crate::event::EventId;
use crate::{limits, named_files};

/// Spends one action of the hour's budget; where that is spent, the answer that says so.
///
/// # Errors
/// The file cannot be read or written.
pub fn spend<Target>(path: &Path, id: EventId, target: Target, budget: u64) -> Result<Option<Answer>, String>
where
    Target: PartialEq + Serialize + DeserializeOwned,
{
    let spent = with_spent(path, |spent: &mut Spent<Target>| spent.spend(id, target, uptime(), budget))?;
    Ok(spent.err().map(|seconds| {
        let said = format!(
            "the hour's budget of {budget} actions is spent: the next is possible in {seconds} s, or with a larger \
             respond.budget"
        );
        Answer::new(Outcome::Spent, said)
    }))
}

/// Whether it can be read and written.
///
/// # Errors
/// It cannot.
pub fn check<Target: Serialize + DeserializeOwned>(path: &Path) -> Result<(), String> {
    with_spent(path, |_: &mut Spent<Target>| ())
}

fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or_default())
}

/// Reads what was spent and keeps it before anything is done: an action that fails half-way counts.
fn with_spent<Target: Serialize + DeserializeOwned, T>(
    path: &Path,
    change: impl FnOnce(&mut Spent<Target>) -> T,
) -> Result<T, String> {
    let named = |problem: &str, error: &dyn std::fmt::Display| {
        format!("{}: what the last hour's budget went to {problem}: {error}", path.display())
    };
    let mut spent: Spent<Target> = match named_files::text(path, limits::RESPOND_FILE_BYTES_MAX) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| named("is not what was written there", &error) + "; look at the file, and remove it")?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Spent::default(),
        Err(error) => return Err(named("cannot be read", &error)),
    };
    let out = change(&mut spent);
    let text = serde_json::to_vec(&spent).map_err(|error| named("cannot be written", &error))?;
    named_files::replace(path, &text, 0o600, true).map_err(|error| {
        named("cannot be written", &error)
            + "; nothing is done before it can: make room on the disk, or let this folder be written"
    })?;
    Ok(out)
}
