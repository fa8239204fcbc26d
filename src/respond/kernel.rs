//! Runs nft, by its path and without a shell, and nothing else.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::limits;

pub const NFT: &str = "/usr/sbin/nft";
const PATIENCE: Duration = Duration::from_secs(10);

/// What nft says to a document: one value for each command that asks something.
///
/// # Errors
/// It is not there, it takes too long, or the kernel does not take it: in nft's words.
pub async fn nft(document: &str, is_dry_run: bool) -> Result<Vec<Value>, String> {
    let failed = |what: &str, why: &dyn std::fmt::Display| format!("{what} {NFT}: {why}");
    let mut command = Command::new(NFT);
    command.arg("-j").args(is_dry_run.then_some("--check")).args(["-f", "-"]).env_clear().kill_on_drop(true);
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let remedy = "; install nftables (apt-get install nftables)";
    let mut child = spawned.map_err(|error| failed("starting", &error) + remedy)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let work = async {
        let write = async {
            // What it does not read it complains of by itself.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(document.as_bytes()).await;
            }
        };
        let ((), out, err) = tokio::join!(write, read(stdout), read(stderr));
        child.wait().await.map(|status| (status, out, err))
    };
    let ended = timeout(PATIENCE, work).await.map_err(|_| failed("waiting for", &"it takes more than 10 s"))?;
    let (status, out, err) = ended.map_err(|error| failed("waiting for", &error))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&err).trim().to_owned();
        let said = if said.is_empty() { format!("it ended with {status}") } else { said };
        return Err(failed("asking", &said));
    }
    let values = serde_json::Deserializer::from_slice(&out).into_iter().collect::<Result<_, _>>();
    values.map_err(|error| failed("reading the answer of", &error))
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let _ = stream.take(limits::RESPOND_NFT_BYTES_MAX as u64).read_to_end(&mut bytes).await;
    }
    bytes
}
