//! What both helpers do: answer the daemon's user alone, one connection after the other, and end when nobody asks any more.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::protocol::{Answer, Outcome, Request};
use super::surroundings;
use crate::limits;

/// For the next request over a connection, and for an answer to be taken.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of both helpers.
#[derive(Debug, Clone, clap::Args)]
pub struct Asked {
    /// The daemon's configuration, which only root may write.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/dsmil/dsmil.toml")]
    pub config: PathBuf,
    /// The user of the daemon: nobody else but root is answered.
    #[arg(long, default_value = "dsmil")]
    pub user: String,
}

/// What one helper does.
pub trait Helper {
    async fn answer(&mut self, request: &Request) -> Answer;

    /// Does what it has to do by itself; how long that can wait the next time. `None`: there is nothing of the kind.
    async fn tend(&mut self) -> Option<Duration>;
}

/// Serves the socket that is standard input, for this user and root, until nobody has asked for so long and nothing is to be done.
pub fn run(helper: impl Helper, user: &str, idle: Duration) -> ExitCode {
    once(serve(helper, user, idle))
}

/// Does one thing to its end.
pub fn once(work: impl Future<Output = Result<(), String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(work)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dsmild: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(mut helper: impl Helper, user: &str, idle: Duration) -> Result<(), String> {
    let uid = surroundings::user_id(user).ok_or_else(|| format!("there is no user {user}"))?;
    let no_socket = |error: io::Error| {
        format!("standard input is not the socket that its socket unit listens on ({error}): start that unit")
    };
    let listener = io::stdin().as_fd().try_clone_to_owned().map(std::os::unix::net::UnixListener::from);
    let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    let listener = listener.and_then(UnixListener::from_std).map_err(no_socket)?;
    loop {
        let due = helper.tend().await;
        let Ok(accepted) = timeout(due.map_or(idle, |due| due.min(idle)), listener.accept()).await else {
            match due {
                Some(_) => continue,
                None => return Ok(()),
            }
        };
        let (stream, _) = accepted.map_err(no_socket)?;
        match stream.peer_cred().map(|peer| peer.uid()) {
            Ok(peer) if peer == uid || peer == 0 => {
                // Whoever breaks off is asked for no reason.
                let _ = connection(stream, &mut helper).await;
            }
            Ok(peer) => eprintln!("dsmild: uid {peer} is not {user} and gets no answer"),
            Err(error) => eprintln!("dsmild: who asks is not known: {error}"),
        }
    }
}

async fn connection(stream: UnixStream, helper: &mut impl Helper) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    for _ in 0..limits::RESPOND_REQUESTS_MAX {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(limits::RESPOND_REQUEST_BYTES_MAX as u64 + 1);
        timeout(REQUEST_PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
        let Some(request) = line.strip_suffix(b"\n") else {
            if line.is_empty() {
                return Ok(());
            }
            let text = Answer::new(Outcome::Refused, "the request is too long or has no end").line() + "\n";
            return timeout(REQUEST_PATIENCE, writer.write_all(text.as_bytes())).await?;
        };
        let answer = match Request::read(request) {
            Ok(request) => {
                let answer = helper.answer(&request).await;
                eprintln!("{}: {:?}: {}", request.line(), answer.outcome, answer.said);
                answer
            }
            Err(error) => Answer::new(Outcome::Refused, error),
        };
        timeout(REQUEST_PATIENCE, writer.write_all((answer.line() + "\n").as_bytes())).await??;
    }
    Ok(())
}
