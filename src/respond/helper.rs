//! The helper that blocks: `dsmild respond-helper`, run by `dsmil-respond.service` when somebody connects to `dsmil-respond.socket`. What is
//! blocked, the kernel ends by itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::protocol::{Answer, Blocked, Outcome, Request};
use super::serve::{self, Helper};
use super::target::Target;
use super::{kernel, nft, spent_file, surroundings};

/// Arguments of the helper.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    asked: serve::Asked,
    /// Where the actions of the last hour are kept. The daemon must not be able to write there.
    #[arg(long, value_name = "FILE", default_value = "/run/dsmil-respond/spent.json")]
    spent: PathBuf,
    /// Ends after so many seconds without a connection.
    #[arg(long, default_value_t = 60)]
    idle_s: u64,
}

pub fn run(options: &Options) -> ExitCode {
    serve::run(Blocks(options), &options.asked.user, Duration::from_secs(options.idle_s))
}

struct Blocks<'a>(&'a Options);

impl Helper for Blocks<'_> {
    async fn answer(&mut self, request: &Request) -> Answer {
        act(request, self.0).await.unwrap_or_else(|(outcome, said)| Answer::new(outcome, said))
    }

    async fn tend(&mut self) -> Option<Duration> {
        None
    }
}

/// Everything is read anew for each request: what is protected may have changed.
async fn act(request: &Request, options: &Options) -> Result<Answer, (Outcome, String)> {
    let failed = |error| (Outcome::Failed, error);
    match request {
        Request::Block { id, target, ttl_s, approver, dry_run } => {
            let (config, guard) = surroundings::read(&options.asked.config).map_err(failed)?;
            guard
                .judge(*target, Duration::from_secs(*ttl_s), *approver)
                .map_err(|why| (Outcome::Refused, format!("blocking {target} is refused: {why}")))?;
            if !*dry_run {
                let spent = spent_file::spend(&options.spent, *id, *target, config.respond.budget).map_err(failed)?;
                if let Some(answer) = spent {
                    return Ok(answer);
                }
            }
            if *dry_run {
                kernel::nft(&nft::block(*target, *ttl_s), true).await.map_err(failed)?;
                return Ok(Answer::new(Outcome::Done, format!("the kernel would block {target} for {ttl_s} s")));
            }
            // Another proposal may want it blocked for longer.
            let for_s = remaining_s(*target).await.map_err(failed)?.max(*ttl_s);
            kernel::nft(&nft::block(*target, for_s), false).await.map_err(failed)?;
            Ok(Answer::new(Outcome::Done, format!("the kernel blocks {target} for {for_s} s")))
        }
        Request::Unblock { target, keep_s } => {
            let left_s = if *keep_s == 0 { 0 } else { remaining_s(*target).await.map_err(failed)?.min(*keep_s) };
            if left_s == 0 {
                kernel::nft(&nft::unblock(*target), false).await.map_err(failed)?;
                return Ok(Answer::new(Outcome::Done, format!("the kernel lets {target} through")));
            }
            kernel::nft(&nft::block(*target, left_s), false).await.map_err(failed)?;
            Ok(Answer::new(Outcome::Done, format!("the kernel blocks {target} for {left_s} s more")))
        }
        Request::List {} => {
            let blocked = blocked().await.map_err(failed)?;
            let said = format!("{} networks are blocked", blocked.len());
            Ok(Answer { blocked, ..Answer::new(Outcome::Done, said) })
        }
        Request::Check {} => {
            surroundings::read(&options.asked.config).map_err(failed)?;
            spent_file::check::<Target>(&options.spent).map_err(failed)?;
            kernel::nft(&nft::prepare(), true).await.map_err(failed)?;
            Ok(Answer::new(Outcome::Done, "ready: the configuration is read, and the kernel takes the table"))
        }
        Request::Lock { .. } | Request::Unlock { .. } => {
            Err((Outcome::Refused, "accounts have a helper of their own: respond.accounts.socket".to_owned()))
        }
    }
}

/// Everything that is blocked now.
async fn blocked() -> Result<Vec<Blocked>, String> {
    kernel::nft(&nft::prepare(), false).await?;
    let mut blocked = Vec::new();
    for list in nft::lists() {
        blocked.extend(kernel::nft(&list, false).await?.iter().flat_map(nft::blocked));
    }
    Ok(blocked)
}

/// How long this is blocked still; 0 where it is not.
async fn remaining_s(target: Target) -> Result<u64, String> {
    let blocked = blocked().await?;
    Ok(blocked.iter().find(|one| one.target == target).map_or(0, |one| one.remaining_s))
}
