//! What approved proposals do. The daemon has no rights to do anything: it asks helpers, each a unit of its own with the one right
//! that it needs, which have few verbs, read the configuration by themselves and refuse by themselves what must not happen.
//!
//! The daemon's side asks ([`ask`]) and tells what came of it ([`step`], [`history`], [`plan`]); what runs that is in the server,
//! which has the audit log. The helper's side is [`helper`]: [`protocol`] is what both speak, [`guard`] and [`budget`] what it refuses,
//! [`nft`] what it tells the kernel. What is blocked is offered to other machines' firewalls ([`bans`], [`crowdsec`], [`ban_file`]).
//! Accounts have a helper of their own with other rights
//! ([`accounts_helper`], [`accounts`], [`locked`]).
//! All of it is pure but `ask`, `ban_file`, both helpers, `runner`, `serve`, `program`, `kernel`, `spent_file` and `surroundings`.

mod accounts;
pub(crate) mod accounts_helper;
pub(crate) mod ask;
pub(crate) mod ban_file;
pub(crate) mod bans;
pub(crate) mod budget;
pub(crate) mod config;
pub(crate) mod crowdsec;
pub(crate) mod deed;
pub(crate) mod effect;
pub(crate) mod executor;
pub(crate) mod guard;
pub(crate) mod helper;
pub(crate) mod history;
mod kernel;
mod locked;
pub(crate) mod nft;
pub(crate) mod plan;
mod program;
pub(crate) mod protocol;
pub(crate) mod repeats;
pub(crate) mod runner;
mod serve;
mod sessions;
mod spent_file;
pub(crate) mod step;
pub(crate) mod surroundings;
pub(crate) mod target;
pub(crate) mod user;
