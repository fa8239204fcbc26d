//! Stands between the client library and a server: what the server answers goes through the [`Guard`].
//!
//! The library opens its connections itself, so it is given an address in this process: an abstract Unix socket with a
//! name that nobody can guess, on which nobody but this process is let in, and once.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::guard::Guard;
use crate::event::hex;
use crate::http_client::Io;

const CHUNK_BYTES: usize = 64 * 1024;

/// Waits for the library to connect.
pub struct Relay {
    listener: UnixListener,
    /// In the form that the library takes: a zero byte first.
    pub path: PathBuf,
    /// Why the connection ended, where that is known here.
    pub end: Arc<OnceLock<String>>,
}

impl Relay {
    /// # Errors
    /// The system has no randomness or no socket to give.
    pub fn open() -> io::Result<Self> {
        let mut random = [0; 16];
        SystemRandom::new().fill(&mut random).map_err(|_| io::Error::other("the system has no randomness to give"))?;
        let path = PathBuf::from(format!("\0dsmild-redis-{}", hex::encode(&random)));
        Ok(Self { listener: UnixListener::bind(&path)?, path, end: Arc::default() })
    }

    /// Carries what the library and the server say to each other until either ends it.
    pub async fn carry(self, server: Box<dyn Io>) {
        let Ok(library) = self.accept().await else { return };
        let (mut from_library, mut to_library) = library.into_split();
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let ended = tokio::select! {
            ended = answers(&mut from_server, &mut to_library) => ended,
            ended = questions(&mut from_library, &mut to_server) => ended,
        };
        // The library's side is still open: it cannot see the end before the reason for it.
        if let Err(why) = ended {
            let _ = self.end.set(why);
        }
    }

    async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok());
            if peer == Some(std::process::id()) {
                return Ok(stream);
            }
        }
    }
}

/// Returns the reason for the end where it is the server's.
async fn answers(server: &mut (impl AsyncRead + Unpin), library: &mut (impl AsyncWrite + Unpin)) -> Result<(), String> {
    let (mut guard, mut chunk) = (Guard::default(), vec![0; CHUNK_BYTES]);
    loop {
        let length = server.read(&mut chunk).await.map_err(|error| error.to_string())?;
        if length == 0 {
            return Err("connection closed by the other side".to_owned());
        }
        let taken = guard.take(chunk.get(..length).unwrap_or_default());
        // What was whole before counts.
        let passed = library.write_all(guard.whole()).await;
        taken.map_err(|violation| violation.to_string())?;
        if passed.is_err() {
            return Ok(());
        }
        guard.clear();
    }
}

async fn questions(
    library: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
) -> Result<(), String> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let Ok(length @ 1..) = library.read(&mut chunk).await else { return Ok(()) };
        let sent = async {
            server.write_all(chunk.get(..length).unwrap_or_default()).await?;
            server.flush().await
        };
        sent.await.map_err(|error| error.to_string())?;
    }
}
