//! Carries bytes between the server and the client, until one of them ends or the server sends what is not handed on.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use super::dial::Wire;
use super::messages::{Messages, Passage};

const READ_BYTES: usize = 64 * 1024;

/// An error of one side ends both, and the client says what it then misses.
pub async fn relay(server: Box<dyn Wire>, client: UnixStream) {
    let (from_server, to_server) = tokio::io::split(server);
    let (from_client, to_client) = client.into_split();
    tokio::select! {
        _ = questions(from_client, to_server) => {}
        _ = answers(from_server, to_client) => {}
    }
}

async fn questions(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    while from.read_buf(&mut bytes).await? > 0 {
        to.write_all(&bytes).await?;
        to.flush().await?;
        bytes.clear();
    }
    to.shutdown().await
}

async fn answers(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut messages = Messages::default();
    let mut bytes = Vec::with_capacity(READ_BYTES);
    while from.read_buf(&mut bytes).await? > 0 {
        let Passage { through, refused } = messages.look(&bytes);
        to.write_all(bytes.get(..through).unwrap_or_default()).await?;
        if let Some(refusal) = refused {
            to.write_all(&refusal.to_message()).await?;
            return to.shutdown().await;
        }
        bytes.drain(..through);
    }
    to.shutdown().await
}
