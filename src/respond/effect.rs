//! What approving a proposal leads to, in words for whoever decides.

use super::config::{Mode, Respond};
use super::deed::executable;
use super::executor::Executor;
use super::plan::time_to_live;
use crate::event::Soc;

/// A sentence without its end.
pub fn effect(proposed: &Soc, respond: &Respond) -> String {
    let (deed, executor) = match executable(proposed, respond) {
        Ok(executable) => executable,
        Err(why) => return format!("approving is recorded, and nothing acts: {why}"),
    };
    let time = humantime::format_duration(time_to_live(proposed, respond));
    match respond.mode {
        Mode::Propose => {
            "approving is recorded, and nothing acts (respond.mode = \"propose\"): carry it out yourself".to_owned()
        }
        Mode::Simulate => {
            let asked = match executor {
                Executor::Nftables => format!("the kernel is asked whether it would block {deed}"),
                Executor::BanList => format!("it is looked whether {deed} may be on the ban list"),
                Executor::Runner => return "no playbook is handed over, and nothing changes".to_owned(),
                Executor::Accounts => format!("it is looked whether the account {deed} may be locked"),
            };
            format!("{asked} for {time}, and nothing changes")
        }
        Mode::Approve | Mode::Automatic => {
            let done = match executor {
                Executor::Nftables => format!("the kernel blocks {deed}"),
                Executor::BanList => format!("{deed} is on the ban list"),
                Executor::Runner => {
                    return format!(
                        "the runner of respond.runner.url is handed the playbook ({} {deed}); what it does can be taken back \
                         there alone",
                        deed.action().name().replace('_', " ")
                    );
                }
                Executor::Accounts if respond.accounts.end_sessions => {
                    format!("its sessions end, and no password or key lets anybody in as {deed} on this machine")
                }
                Executor::Accounts => {
                    format!("no password or key lets anybody in as {deed} on this machine (sessions go on)")
                }
            };
            format!("{done} for {time}; it ends by itself, and can be undone")
        }
    }
}
