//! The helper: `dsmild respond-helper`, run by `dsmil-respond.service` when somebody connects to `dsmil-respond.socket`. It answers the
//! daemon's user alone, one connection after the other, and ends when nobody asks any more. What is blocked, the kernel ends by itself.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::budget::Spent;
use super::protocol::{Answer, Outcome, Request};
use super::{kernel, nft, surroundings};
use crate::{limits, named_files};

/// For the next request over a connection, and for an answer to be taken.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of the helper.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The daemon's configuration, which only root may write.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/dsmil/dsmil.toml")]
    config: PathBuf,
    /// The user of the daemon: nobody else but root is answered.
    #[arg(long, default_value = "dsmil")]
    user: String,
    /// Where the actions of the last hour are kept. The daemon must not be able to write there.
    #[arg(long, value_name = "FILE", default_value = "/run/dsmil-respond/spent.json")]
    spent: PathBuf,
    /// Ends after so many seconds without a connection.
    #[arg(long, default_value_t = 60)]
    idle_s: u64,
}

pub fn run(options: &Options) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(serve(options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dsmild respond-helper: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> Result<(), String> {
    let uid = surroundings::user_id(&options.user).ok_or_else(|| format!("there is no user {}", options.user))?;
    let no_socket = |error: io::Error| {
        format!("standard input is not the socket that dsmil-respond.socket listens on ({error}): start that unit")
    };
    let listener = io::stdin().as_fd().try_clone_to_owned().map(std::os::unix::net::UnixListener::from);
    let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    let listener = listener.and_then(UnixListener::from_std).map_err(no_socket)?;
    while let Ok(accepted) = timeout(Duration::from_secs(options.idle_s), listener.accept()).await {
        let (stream, _) = accepted.map_err(no_socket)?;
        let peer = stream.peer_cred().map(|peer| peer.uid());
        match peer {
            Ok(peer) if peer == uid || peer == 0 => {
                // Whoever breaks off is asked for no reason.
                let _ = connection(stream, options).await;
            }
            Ok(peer) => eprintln!("dsmild respond-helper: uid {peer} is not {} and gets no answer", options.user),
            Err(error) => eprintln!("dsmild respond-helper: who asks is not known: {error}"),
        }
    }
    Ok(())
}

async fn connection(stream: UnixStream, options: &Options) -> io::Result<()> {
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
                let answer = answer(&request, options).await;
                eprintln!("{}: {:?}: {}", request.line(), answer.outcome, answer.said);
                answer
            }
            Err(error) => Answer::new(Outcome::Refused, error),
        };
        timeout(REQUEST_PATIENCE, writer.write_all((answer.line() + "\n").as_bytes())).await??;
    }
    Ok(())
}

async fn answer(request: &Request, options: &Options) -> Answer {
    act(request, options).await.unwrap_or_else(|(outcome, said)| Answer::new(outcome, said))
}

/// Everything is read anew for each request: what is protected may have changed.
async fn act(request: &Request, options: &Options) -> Result<Answer, (Outcome, String)> {
    let failed = |error| (Outcome::Failed, error);
    match request {
        Request::Block { id, target, ttl_s, approver, dry_run } => {
            let config = surroundings::configuration(&options.config).map_err(failed)?;
            let guard = surroundings::guard(&config).map_err(failed)?;
            guard
                .judge(*target, Duration::from_secs(*ttl_s), *approver)
                .map_err(|why| (Outcome::Refused, format!("blocking {target} is refused: {why}")))?;
            if !*dry_run {
                let spend = |spent: &mut Spent| spent.spend(*id, *target, uptime(), config.respond.budget);
                match with_spent(&options.spent, spend).map_err(failed)? {
                    Ok(()) => {}
                    Err(seconds) => {
                        let budget = config.respond.budget;
                        let said = format!(
                            "the hour's budget of {budget} actions is spent: the next is possible in {seconds} s, or with a \
                             larger respond.budget"
                        );
                        return Err((Outcome::Spent, said));
                    }
                }
            }
            kernel::nft(&nft::block(*target, *ttl_s), *dry_run).await.map_err(failed)?;
            let would = if *dry_run { "the kernel would block" } else { "the kernel blocks" };
            Ok(Answer::new(Outcome::Done, format!("{would} {target} for {ttl_s} s")))
        }
        Request::Unblock { target } => {
            kernel::nft(&nft::unblock(*target), false).await.map_err(failed)?;
            Ok(Answer::new(Outcome::Done, format!("the kernel lets {target} through")))
        }
        Request::List {} => {
            kernel::nft(&nft::prepare(), false).await.map_err(failed)?;
            let mut blocked = Vec::new();
            for list in nft::lists() {
                let listed = kernel::nft(&list, false).await.map_err(failed)?;
                blocked.extend(listed.iter().flat_map(nft::blocked));
            }
            let said = format!("{} networks are blocked", blocked.len());
            Ok(Answer { blocked, ..Answer::new(Outcome::Done, said) })
        }
        Request::Check {} => {
            let config = surroundings::configuration(&options.config).map_err(failed)?;
            surroundings::guard(&config).map_err(failed)?;
            with_spent(&options.spent, |_| ()).map_err(failed)?;
            kernel::nft(&nft::prepare(), true).await.map_err(failed)?;
            Ok(Answer::new(Outcome::Done, "ready: the configuration is read, and the kernel takes the table"))
        }
    }
}

fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or_default())
}

/// Reads what was spent and keeps it before anything is done: an action that fails half-way counts.
fn with_spent<T>(path: &Path, change: impl FnOnce(&mut Spent) -> T) -> Result<T, String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("{}: what the last hour's budget went to: {error}; look at the file, and remove it", path.display())
    };
    let mut spent: Spent = match named_files::text(path, limits::RESPOND_FILE_BYTES_MAX) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| failed(&error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Spent::default(),
        Err(error) => return Err(failed(&error)),
    };
    let out = change(&mut spent);
    let text = serde_json::to_vec(&spent).map_err(|error| failed(&error))?;
    named_files::replace(path, &text, 0o600, true).map_err(|error| failed(&error))?;
    Ok(out)
}
