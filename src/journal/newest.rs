//! The newest entry of the journal with some fields.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::process::Command;

/// A large journal without such an entry is read from its end to its beginning.
const PATIENCE: Duration = Duration::from_secs(15);

/// Its fields; `None`: there is none.
///
/// # Errors
/// `journalctl` cannot be run, fails, or does not answer in time.
pub async fn newest(matches: &[String]) -> Result<Option<Map<String, Value>>, String> {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--output=json", "--reverse", "--lines=1"]).args(matches);
    let command = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let ended = tokio::time::timeout(PATIENCE, command).await;
    let output = ended.map_err(|_| format!("journalctl did not answer within {PATIENCE:?}"))?;
    let output = output.map_err(|error| format!("journalctl could not be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("journalctl ended with {}: {}", output.status, said.trim()));
    }
    Ok(serde_json::from_slice(&output.stdout).ok())
}
