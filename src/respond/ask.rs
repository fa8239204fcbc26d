//! The daemon's side of the connection to its helper.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::protocol::{Answer, Request};
use crate::limits;

/// The helper itself gives nft less.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the helper, over a connection of its own.
///
/// # Errors
/// It is not there or does not answer; whether it has done something is not known then.
pub async fn ask(socket: &Path, request: &Request) -> Result<Answer, String> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all((request.line() + "\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream.take(limits::RESPOND_ANSWER_BYTES_MAX as u64)).read_line(&mut line).await?;
        if line.is_empty() {
            return Err(io::Error::other("it ended the connection without an answer"));
        }
        serde_json::from_str(&line).map_err(io::Error::other)
    };
    let answer = timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::Error::other("it does not answer")));
    answer.map_err(|error| {
        format!(
            "asking the helper at {}: {error}; systemctl enable --now dsmil-respond.socket starts it, journalctl -u \
             dsmil-respond says what it says",
            socket.display()
        )
    })
}
