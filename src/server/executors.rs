//! Those who carry out what was approved, and what is known of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::asked_helper::Helper;
use super::gateway::OutletStatus;
use super::shared::Shared;
use crate::event::{EventId, Timestamp};
use crate::respond::ban_file::BanFile;
use crate::respond::bans::Ban;
use crate::respond::config::{Action, Mode, Respond};
use crate::respond::deed::Deed;
use crate::respond::executor::Executor;
use crate::respond::protocol::{Answer, Approver, Outcome, Request};
use crate::respond::runner;
use crate::respond::target::Target;

/// The name in status, and of its backoff.
pub const NAME: &str = "respond";
const ACCOUNTS_NAME: &str = "respond-accounts";
const RUNNER_NAME: &str = "respond-runner";

/// What is to be carried out.
pub struct Order<'a> {
    pub id: EventId,
    pub who: &'a str,
    pub deed: Deed,
    pub ttl_s: u64,
    pub executor: Executor,
    /// It is only asked whether it could be.
    pub dry_run: bool,
    /// Of what a runner is handed.
    pub playbook: Option<Value>,
}

pub struct Executors {
    nftables: Helper,
    accounts: Helper,
    runner: Helper,
    pub ban_file: BanFile,
    /// What `respond.ban_list` was when the list before it was last looked after.
    pub listed: Option<Option<PathBuf>>,
    /// What went wrong beside them: a step that could not be recorded, a list that could not be written.
    pub error: Option<String>,
    /// Something was asked for and is not over.
    pub has_work: bool,
    pub waiting: u64,
}

impl Executors {
    pub fn new() -> Self {
        let [nftables, accounts, runner] = [NAME, ACCOUNTS_NAME, RUNNER_NAME].map(Helper::new);
        let (ban_file, listed, error) = Default::default();
        Self { nftables, accounts, runner, ban_file, listed, error, has_work: false, waiting: 0 }
    }

    /// `None` while there is nothing to tell.
    pub fn status(&self, respond: &Respond) -> Option<OutletStatus> {
        let acts = respond.mode != Mode::Propose || self.has_work;
        let asked = || needed(respond).into_iter().filter(|_| acts).filter_map(|executor| self.helper(executor));
        let errors = asked().chain([&self.runner]).map(|helper| &helper.error).chain([&self.error]);
        let last_error = errors.flatten().next().cloned();
        (acts || last_error.is_some()).then(|| OutletStatus {
            name: NAME.to_owned(),
            up: last_error.is_none() && asked().all(Helper::is_up),
            lag_events: self.waiting,
            last_error,
            ..OutletStatus::default()
        })
    }

    /// Whether nobody is to be asked yet, after something that did not work.
    pub fn is_left_alone(&self, executor: Executor) -> bool {
        self.helper(executor).is_some_and(Helper::is_left_alone)
    }

    /// Why the last attempt went wrong.
    pub fn last_error(&self, executor: Executor) -> Option<&String> {
        self.helper(executor)?.error.as_ref()
    }

    fn helper(&self, executor: Executor) -> Option<&Helper> {
        match executor {
            Executor::Nftables => Some(&self.nftables),
            Executor::Accounts => Some(&self.accounts),
            Executor::Runner => Some(&self.runner),
            Executor::BanList => None,
        }
    }

    /// Has the helpers that are needed say whether they could act, if it is time to ask.
    pub async fn check(&mut self, respond: &Respond) {
        for executor in needed(respond).into_iter().filter(|_| respond.mode != Mode::Propose) {
            match executor {
                Executor::Nftables => self.nftables.check(&respond.socket).await,
                Executor::Accounts => self.accounts.check(&respond.accounts.socket).await,
                Executor::BanList | Executor::Runner => {}
            }
        }
        self.nftables.rest();
        self.accounts.rest();
        self.runner.rest();
    }

    /// Has it carried out, or asks whether it could be.
    ///
    /// # Errors
    /// Nobody has answered.
    pub async fn act(&mut self, shared: &Shared, respond: &Respond, order: Order<'_>) -> Result<Answer, String> {
        let Order { id, who, deed, ttl_s, executor, dry_run, playbook } = order;
        let approver = Approver::of(who);
        match (executor, deed) {
            (Executor::Nftables, Deed::Block(target)) => {
                let request = Request::Block { id, target, ttl_s, approver, dry_run };
                self.nftables.ask(&respond.socket, &request).await
            }
            (Executor::BanList, Deed::Block(target)) => {
                let will = if dry_run { "would be" } else { "is" };
                Ok(match judged(shared, Deed::Block(target), ttl_s, approver).await? {
                    Ok(()) => Answer::new(Outcome::Done, format!("{target} {will} on the ban list for {ttl_s} s")),
                    Err(why) => refused(format!("putting {target} on the ban list is refused: {why}")),
                })
            }
            (Executor::Runner, deed) => {
                if let Err(why) = judged(shared, deed, ttl_s, approver).await? {
                    return Ok(refused(format!("handing the playbook to the runner is refused: {why}")));
                }
                match playbook {
                    None => Ok(refused("the proposal has no playbook: do it yourself".to_owned())),
                    Some(_) if dry_run => Ok(Answer::new(Outcome::Done, "the runner would be handed the playbook")),
                    Some(playbook) => {
                        let answer = runner::post(&respond.runner, &format!("dsmild-proposal-{id}"), &playbook).await;
                        self.runner.heard(answer)
                    }
                }
            }
            (Executor::Accounts, Deed::Lock(user)) => {
                let request = Request::Lock { id, user, ttl_s, approver, dry_run };
                self.accounts.ask(&respond.accounts.socket, &request).await
            }
            (executor, deed) => Err(not_possible(executor, &deed)),
        }
    }

    /// Has it taken back, before its time or because that is over. What another proposal wants stays.
    ///
    /// # Errors
    /// Nobody has answered.
    pub async fn take_back(
        &mut self,
        shared: &Shared,
        respond: &Respond,
        id: EventId,
        deed: Deed,
        executor: Executor,
    ) -> Result<Answer, String> {
        match (executor, deed) {
            (Executor::Nftables, Deed::Block(target)) => {
                let now = Timestamp::now();
                let other = blocked_by_another(shared, id, target, now).await?;
                let keep_s = other.as_ref().map_or(0, |ban| ban.ends.since(now).as_secs());
                let answer = self.nftables.ask(&respond.socket, &Request::Unblock { target, keep_s }).await?;
                let said = other.map(|ban| format!("{}{}", answer.said, because_of(&ban)));
                Ok(Answer { said: said.unwrap_or(answer.said), ..answer })
            }
            (Executor::BanList, Deed::Block(target)) => {
                let other = blocked_by_another(shared, id, target, Timestamp::now()).await?;
                let said = match other {
                    None => format!("{target} is no longer on the ban list"),
                    Some(ban) => format!("{target} stays on the ban list until {}{}", ban.ends, because_of(&ban)),
                };
                Ok(Answer::new(Outcome::Done, said))
            }
            (Executor::Accounts, Deed::Lock(user)) => {
                let request = Request::Unlock { id, user };
                self.accounts.ask(&respond.accounts.socket, &request).await
            }
            (executor, deed) => Err(not_possible(executor, &deed)),
        }
    }
}

/// What else wants the same blocked.
async fn blocked_by_another(
    shared: &Shared,
    id: EventId,
    target: Target,
    now: Timestamp,
) -> Result<Option<Ban>, String> {
    let others = shared.bans(now, Some(id)).await.map_err(|error| error.to_string())?;
    Ok(others.in_force.into_iter().find(|ban| ban.target == target))
}

fn because_of(ban: &Ban) -> String {
    format!(" because of proposal {}: undo that as well", ban.id)
}

/// The helpers that the configuration needs.
fn needed(respond: &Respond) -> Vec<Executor> {
    let executors = [Action::BlockAddress, Action::LockUser].map(|action| respond.executor(action));
    executors.into_iter().flatten().filter(|executor| *executor != Executor::Runner).collect()
}

fn refused(said: String) -> Answer {
    Answer::new(Outcome::Refused, said)
}

/// Only where the log names another than the daemon would.
fn not_possible(executor: Executor, deed: &Deed) -> String {
    format!("{} does not carry out {}", executor.name(), deed.action().name())
}

/// The daemon judges by itself, as a helper would; the inner error says why it must not happen.
async fn judged(shared: &Shared, deed: Deed, ttl_s: u64, approver: Approver) -> Result<Result<(), String>, String> {
    let (guard, ttl) = (Arc::clone(&shared.guard), Duration::from_secs(ttl_s));
    let judge = move || {
        let guard = guard()?;
        Ok(guard.judge_deed(&deed, ttl, approver))
    };
    // It reads files.
    tokio::task::spawn_blocking(judge).await.map_err(|error| error.to_string())?
}
