//! What approving a proposal leads to, in words for whoever decides.

use super::config::{Mode, Respond};
use super::executor::Executor;
use super::plan::{executable, time_to_live};
use crate::event::Soc;

/// A sentence without its end.
pub fn effect(proposed: &Soc, respond: &Respond) -> String {
    let (action, target) = match executable(proposed) {
        Ok(executable) => executable,
        Err(why) => return format!("approving is recorded, and nothing acts: {why}"),
    };
    let time = humantime::format_duration(time_to_live(proposed, respond));
    let executor = respond.executor(action);
    match respond.mode {
        Mode::Propose => {
            "approving is recorded, and nothing acts (respond.mode = \"propose\"): carry it out yourself".to_owned()
        }
        Mode::Simulate if executor == Executor::BanList => {
            format!("it is looked whether {target} may be on the ban list for {time}, and nothing changes")
        }
        Mode::Simulate => {
            format!("the kernel is asked whether it would block {target} for {time}, and nothing changes")
        }
        Mode::Approve | Mode::Automatic if executor == Executor::BanList => {
            format!("{target} is on the ban list for {time}; it ends by itself, and can be undone")
        }
        Mode::Approve | Mode::Automatic => {
            format!("the kernel blocks {target} for {time}; it ends by itself, and can be undone")
        }
    }
}
