//! Runs one program of the machine, by its path, without a shell and without an environment.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::limits;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a program finds on its standard input.
pub enum Input<'a> {
    Text(&'a str),
    /// An empty file that is locked: it stays so until the program has ended, also when this process is killed before.
    Held(File),
}

/// What it writes to its standard output.
///
/// # Errors
/// It is not there (`remedy` says what to do then), it takes too long, or it fails: in its own words.
pub async fn run(path: &str, arguments: &[&str], input: Input<'_>, remedy: &str) -> Result<Vec<u8>, String> {
    let failed = |what: &str, why: &dyn std::fmt::Display| format!("{what} {path}: {why}");
    let mut command = Command::new(path);
    command.args(arguments).env_clear().kill_on_drop(true);
    let (input, given) = match input {
        Input::Text(text) => (text, Stdio::piped()),
        Input::Held(file) => ("", Stdio::from(file)),
    };
    let spawned = command.stdin(given).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| format!("{}; {remedy}", failed("starting", &error)))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let work = async {
        let write = async {
            // What it does not read it complains of by itself.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let ((), out, err) = tokio::join!(write, read(stdout), read(stderr));
        child.wait().await.map(|status| (status, out, err))
    };
    let ended = timeout(PATIENCE, work).await.map_err(|_| failed("waiting for", &"it takes more than 10 s"))?;
    let (status, out, err) = ended.map_err(|error| failed("waiting for", &error))?;
    if status.success() {
        return Ok(out);
    }
    let said = String::from_utf8_lossy(&err).trim().to_owned();
    let said = if said.is_empty() { format!("it ended with {status}") } else { said };
    Err(failed("asking", &said))
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let _ = stream.take(limits::RESPOND_NFT_BYTES_MAX as u64).read_to_end(&mut bytes).await;
    }
    bytes
}
