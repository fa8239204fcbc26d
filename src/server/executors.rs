//! Those who carry out what was approved, and what is known of them.

use std::sync::Arc;
use std::time::Duration;

use super::asked_helper::Helper;
use super::gateway::OutletStatus;
use super::shared::Shared;
use crate::event::EventId;
use crate::respond::ban_file::BanFile;
use crate::respond::config::{Action, Mode, Respond};
use crate::respond::deed::Deed;
use crate::respond::executor::Executor;
use crate::respond::protocol::{Answer, Approver, Outcome, Request};
use crate::respond::target::Target;

/// The name in status, and of its backoff.
pub const NAME: &str = "respond";
const ACCOUNTS_NAME: &str = "respond-accounts";

/// What is to be carried out.
pub struct Order<'a> {
    pub id: EventId,
    pub who: &'a str,
    pub deed: Deed,
    pub ttl_s: u64,
    pub executor: Executor,
    /// It is only asked whether it could be.
    pub dry_run: bool,
}

pub struct Executors {
    nftables: Helper,
    accounts: Helper,
    pub ban_file: BanFile,
    /// What went wrong beside them: a step that could not be recorded, a list that could not be written.
    pub error: Option<String>,
    /// Something was asked for and is not over.
    pub has_work: bool,
    pub waiting: u64,
}

impl Executors {
    pub fn new() -> Self {
        let (nftables, accounts) = (Helper::new(NAME), Helper::new(ACCOUNTS_NAME));
        Self { nftables, accounts, ban_file: BanFile::default(), error: None, has_work: false, waiting: 0 }
    }

    /// `None` while there is nothing to tell.
    pub fn status(&self, respond: &Respond) -> Option<OutletStatus> {
        let acts = respond.mode != Mode::Propose || self.has_work;
        let asked = || needed(respond).into_iter().filter(|_| acts).filter_map(|executor| self.helper(executor));
        let last_error = asked().find_map(|helper| helper.error.clone()).or_else(|| self.error.clone());
        (acts || last_error.is_some()).then(|| OutletStatus {
            name: NAME.to_owned(),
            up: last_error.is_none() && asked().all(Helper::is_up),
            lag_events: self.waiting,
            last_error,
            progress: None,
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
            Executor::BanList => None,
        }
    }

    /// Has the helpers that are needed say whether they could act, if it is time to ask.
    pub async fn check(&mut self, respond: &Respond) {
        for executor in needed(respond).into_iter().filter(|_| respond.mode != Mode::Propose) {
            match executor {
                Executor::Nftables => self.nftables.check(&respond.socket).await,
                Executor::Accounts => self.accounts.check(&respond.accounts.socket).await,
                Executor::BanList => {}
            }
        }
        self.nftables.rest();
        self.accounts.rest();
    }

    /// Has it carried out, or asks whether it could be.
    ///
    /// # Errors
    /// Nobody has answered.
    pub async fn act(&mut self, shared: &Shared, respond: &Respond, order: Order<'_>) -> Result<Answer, String> {
        let Order { id, who, deed, ttl_s, executor, dry_run } = order;
        let approver = Approver::of(who);
        match (executor, deed) {
            (Executor::Nftables, Deed::Block(target)) => {
                let request = Request::Block { id, target, ttl_s, approver, dry_run };
                self.nftables.ask(&respond.socket, &request).await
            }
            (Executor::BanList, Deed::Block(target)) => listed(shared, target, ttl_s, approver, dry_run).await,
            (Executor::Accounts, Deed::Lock(user)) => {
                let request = Request::Lock { id, user, ttl_s, approver, dry_run };
                self.accounts.ask(&respond.accounts.socket, &request).await
            }
            (executor, deed) => Err(not_possible(executor, &deed)),
        }
    }

    /// Has it taken back, before its time or because that is over.
    ///
    /// # Errors
    /// Nobody has answered.
    pub async fn take_back(
        &mut self,
        respond: &Respond,
        id: EventId,
        deed: Deed,
        executor: Executor,
        is_over: bool,
    ) -> Result<Answer, String> {
        match (executor, deed) {
            (Executor::Nftables, Deed::Block(target)) => {
                self.nftables.ask(&respond.socket, &Request::Unblock { target }).await
            }
            (Executor::BanList, Deed::Block(target)) => {
                Ok(Answer::new(Outcome::Done, format!("{target} is no longer on the ban list")))
            }
            (Executor::Accounts, Deed::Lock(user)) => {
                let request = Request::Unlock { id, user, is_over };
                self.accounts.ask(&respond.accounts.socket, &request).await
            }
            (executor, deed) => Err(not_possible(executor, &deed)),
        }
    }
}

/// Those whom the configuration names.
fn needed(respond: &Respond) -> Vec<Executor> {
    [Action::BlockAddress, Action::LockUser].into_iter().filter_map(|action| respond.executor(action)).collect()
}

/// Only where the log names another than the daemon would.
fn not_possible(executor: Executor, deed: &Deed) -> String {
    format!("{} does not carry out {}", executor.name(), deed.action().name())
}

/// The daemon judges by itself, as the helper would.
async fn listed(
    shared: &Shared,
    target: Target,
    ttl_s: u64,
    approver: Approver,
    dry_run: bool,
) -> Result<Answer, String> {
    let (guard, ttl) = (Arc::clone(&shared.guard), Duration::from_secs(ttl_s));
    let judge = move || {
        let will = if dry_run { "would be" } else { "is" };
        Ok(match guard()?.judge(target, ttl, approver) {
            Ok(()) => Answer::new(Outcome::Done, format!("{target} {will} on the ban list for {ttl_s} s")),
            Err(why) => Answer::new(Outcome::Refused, format!("putting {target} on the ban list is refused: {why}")),
        })
    };
    // It reads files.
    tokio::task::spawn_blocking(judge).await.map_err(|error| error.to_string())?
}
