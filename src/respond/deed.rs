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
    match elsewhere(proposed, respond).filter(|_| executor == Executor::Accounts) {
        Some(host) => Err(format!(
            "{deed} is an account of {host}, and this is another machine: lock it there, or name {host} in respond.accounts.hosts if that is what logs call this one"
        )),
        None => Ok((deed, executor)),
    }
}

/// The machine that it is about, where that is not this one: an account of the same name here is somebody else's.
fn elsewhere<'a>(proposed: &'a Soc, respond: &Respond) -> Option<&'a str> {
    let named = |host: &str| host.split('.').next().unwrap_or_default().to_lowercase();
    let (host, own) = (proposed.entity.host.as_deref()?, respond.host.as_deref()?);
    let is_own = |own: &str| named(own) == named(host);
    let is_here = is_own(own) || respond.accounts.hosts.iter().any(|own| is_own(own));
    (!is_here).then_some(host)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Entity;
    use crate::respond::config::Accounts;

    #[test]
    fn an_account_is_locked_on_the_machine_that_it_was_misused_on_and_on_no_other() {
        let accounts = Accounts { enabled: true, hosts: vec!["db.lan".to_owned()], ..Accounts::default() };
        let respond = Respond { host: Some("Atlas.example.org".to_owned()), accounts, ..Respond::default() };
        for (host, is_here) in [
            (None, true),
            (Some("atlas"), true),
            (Some("atlas.lan"), true),
            (Some("db"), true),
            (Some("atlas2"), false),
            (Some("web"), false),
        ] {
            let entity = Entity { host: host.map(str::to_owned), ..Entity::default() };
            let proposal = Some(json!({"action": "lock_user", "target": "deploy"}));
            let executable = executable(&Soc { entity, proposal, ..Soc::default() }, &respond);
            assert_eq!(executable.is_ok(), is_here, "{host:?}: {executable:?}");
        }
    }
}
