//! What is carried out of a proposal: an action, and against whom.

use std::fmt;

use super::config::{Action, Respond};
use super::executor::Executor;
use super::target::Target;
use super::user::UserName;
use crate::event::Soc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Block(Target),
    Lock(UserName),
    /// What only a runner does, by the playbook.
    Run(Action, String),
}

impl Deed {
    /// # Errors
    /// Nothing can be carried out: why, and what somebody has to do.
    pub fn of(proposed: &Soc) -> Result<Self, String> {
        let text = |key: &str| proposed.proposal.as_ref().and_then(|proposal| proposal.get(key)?.as_str());
        if let Some(refused) = text("refused") {
            return Err(refused.to_owned());
        }
        let name = text("action").unwrap_or_default();
        let action = Action::named(name).ok_or_else(|| nobody(name))?;
        let (target, unusable) = (text("target").unwrap_or_default(), |why| format!("its target is unusable: {why}"));
        Ok(match action {
            Action::BlockAddress => Self::Block(target.parse().map_err(unusable)?),
            Action::LockUser => Self::Lock(target.parse().map_err(unusable)?),
            action => Self::Run(action, target.to_owned()),
        })
    }

    pub fn action(&self) -> Action {
        match self {
            Self::Block(_) => Action::BlockAddress,
            Self::Lock(_) => Action::LockUser,
            Self::Run(action, _) => *action,
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(target) => target.fmt(formatter),
            Self::Lock(user) => user.fmt(formatter),
            Self::Run(_, target) => target.fmt(formatter),
        }
    }
}

fn nobody(name: &str) -> String {
    format!("{} is not among what the daemon can carry out: do it yourself", name.replace('_', " "))
}

/// What a runner is handed: the site's own playbook, or the one that was made for the proposal.
pub fn playbook(proposed: &Soc) -> Option<&serde_json::Value> {
    let of = |key: &str| proposed.proposal.as_ref()?.get(key).filter(|playbook| playbook.is_object());
    of("site_playbook").or_else(|| of("playbook"))
}

/// What is carried out of it as the configuration is now, and by whom.
///
/// # Errors
/// Nothing: why, and what somebody has to do.
pub fn executable(proposed: &Soc, respond: &Respond) -> Result<(Deed, Executor), String> {
    let deed = Deed::of(proposed)?;
    let executor = respond.executor(deed.action()).ok_or_else(|| match deed.action() {
        Action::LockUser => {
            "lock_user is not carried out while respond.accounts.enabled is false: do it yourself".to_owned()
        }
        action => nobody(action.name()),
    })?;
    Ok((deed, executor))
}
