//! What approved proposals do. The daemon has no rights to do anything: it asks a helper, which runs as a unit of its own with the one right
//! that nftables needs, has few verbs, reads the configuration by itself and refuses by itself what must not happen.
//!
//! The daemon's side asks ([`ask`]) and tells what came of it ([`step`], [`history`], [`plan`]); what runs that is in the server,
//! which has the audit log. The helper's side is [`helper`]: [`protocol`] is what both speak, [`guard`] and [`budget`] what it refuses,
//! [`nft`] what it tells the kernel. What is blocked is offered to other machines' firewalls ([`bans`], [`crowdsec`], [`ban_file`]).
//! All of it is pure but `ask`, `ban_file`, `helper`, `kernel` and `surroundings`.

pub(crate) mod ask;
pub(crate) mod ban_file;
pub(crate) mod bans;
pub(crate) mod budget;
pub(crate) mod config;
pub(crate) mod crowdsec;
pub(crate) mod effect;
pub(crate) mod executor;
pub(crate) mod guard;
pub(crate) mod helper;
pub(crate) mod history;
mod kernel;
pub(crate) mod nft;
pub(crate) mod plan;
pub(crate) mod protocol;
mod sessions;
pub(crate) mod step;
pub(crate) mod surroundings;
pub(crate) mod target;
