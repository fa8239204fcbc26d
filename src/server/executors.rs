//! Those who carry out what was approved, and what is known of them.

use std::sync::Arc;
use std::time::Duration;

use super::asked_helper::Helper;
use super::gateway::OutletStatus;
use super::shared::Shared;
use crate::event::EventId;
use crate::respond::ban_file::BanFile;
use crate::respond::config::{Action, Mode, Respond};
use crate::respond::executor::Executor;
use crate::respond::protocol::{Answer, Approver, Outcome, Request};
use crate::respond::target::Target;

/// The name in status, and of its backoff.
pub const NAME: &str = "respond";

/// What is to be blocked.
pub struct Block<'a> {
    pub id: EventId,
    pub who: &'a str,
    pub target: Target,
    pub ttl_s: u64,
    pub executor: Executor,
    /// It is only asked whether it could be.
    pub dry_run: bool,
}

pub struct Executors {
    pub nftables: Helper,
    pub ban_file: BanFile,
    /// What went wrong beside them: a step that could not be recorded, a list that could not be written.
    pub error: Option<String>,
    /// Something was asked for and is not over.
    pub has_work: bool,
    pub waiting: u64,
}

impl Executors {
    pub fn new() -> Self {
        let (ban_file, error) = (BanFile::default(), None);
        Self { nftables: Helper::new(NAME), ban_file, error, has_work: false, waiting: 0 }
    }

    /// `None` while there is nothing to tell.
    pub fn status(&self, respond: &Respond) -> Option<OutletStatus> {
        let acts = respond.mode != Mode::Propose || self.has_work;
        let is_asked = respond.executor(Action::BlockAddress).is_helper();
        let last_error = self.nftables.error.clone().filter(|_| acts && is_asked).or_else(|| self.error.clone());
        (acts || last_error.is_some()).then(|| OutletStatus {
            name: NAME.to_owned(),
            up: last_error.is_none() && (!is_asked || !acts || self.nftables.is_up()),
            lag_events: self.waiting,
            last_error,
            progress: None,
        })
    }

    /// Whether nobody is to be asked yet, after something that did not work.
    pub fn is_left_alone(&self, executor: Executor) -> bool {
        match executor {
            Executor::Nftables => self.nftables.is_left_alone(),
            Executor::BanList => false,
        }
    }

    /// Why the last attempt went wrong.
    pub fn last_error(&self, executor: Executor) -> Option<&String> {
        match executor {
            Executor::Nftables => self.nftables.error.as_ref(),
            Executor::BanList => None,
        }
    }

    /// Has the helpers that are needed say whether they could act, if it is time to ask.
    pub async fn check(&mut self, respond: &Respond) {
        if respond.mode != Mode::Propose && respond.executor(Action::BlockAddress).is_helper() {
            self.nftables.check(&respond.socket).await;
        }
        self.nftables.rest();
    }

    /// Has a network blocked, or asks whether it could be.
    ///
    /// # Errors
    /// Nobody has answered.
    pub async fn block(&mut self, shared: &Shared, respond: &Respond, block: Block<'_>) -> Result<Answer, String> {
        let Block { id, who, target, ttl_s, executor, dry_run } = block;
        let approver = Approver::of(who);
        match executor {
            Executor::Nftables => {
                let request = Request::Block { id, target, ttl_s, approver, dry_run };
                self.nftables.ask(&respond.socket, &request).await
            }
            Executor::BanList => {
                let (guard, ttl) = (Arc::clone(&shared.guard), Duration::from_secs(ttl_s));
                let judge = move || {
                    let will = if dry_run { "would be" } else { "is" };
                    Ok(match guard()?.judge(target, ttl, approver) {
                        Ok(()) => Answer::new(Outcome::Done, format!("{target} {will} on the ban list for {ttl_s} s")),
                        Err(why) => {
                            Answer::new(Outcome::Refused, format!("putting {target} on the ban list is refused: {why}"))
                        }
                    })
                };
                // It reads files.
                tokio::task::spawn_blocking(judge).await.map_err(|error| error.to_string())?
            }
        }
    }

    /// Has a network let through.
    ///
    /// # Errors
    /// Nobody has answered.
    pub async fn unblock(&mut self, respond: &Respond, target: Target, executor: Executor) -> Result<Answer, String> {
        match executor {
            Executor::Nftables => self.nftables.ask(&respond.socket, &Request::Unblock { target }).await,
            Executor::BanList => Ok(Answer::new(Outcome::Done, format!("{target} is no longer on the ban list"))),
        }
    }
}
