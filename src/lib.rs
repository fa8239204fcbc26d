//! dsmild turns logs and model outputs of one machine into fused security events.
//!
//! ```text
//! intake ──► bus ──► L3 ──► L4 ──► fusion ──► devices 51-58 ──► SOAR
//! journald   one     decision      + SHRINK    flags, incidents   proposals
//! files      ordered per event     = SOC event
//! HTTP       log
//!             │
//!             ├─► hot store   SQLite on tmpfs: the commit point
//!             └─► outlets     what is outside sees only what is committed
//! ```
//!
//! To read it in the order that data takes: [`intake`] makes drafts of lines, [`parse`] gives them time and fields, the
//! [`bus`] gives them ids and an order, [`layer`] judges (a [`layer::stage::Stage`] is a pure function with state; its
//! actor is the shell round it), [`device`] looks at what was fused, [`detect`] holds what both are made of, [`commit`]
//! takes it all to the [`store`], [`outlet`] takes it outside. [`supervise`] starts actors again, [`observe`] shows what goes on, [`server`] answers over HTTP, [`http_client`]
//! asks others over HTTP, [`daemon`] puts everything together. [`limits`] has every bound.
//!
//! What is public is so for `main.rs`, benches, `tests/` and fuzz targets; nothing is promised to other crates.

#![forbid(unsafe_code)]

pub mod bus;
mod cli;
mod client;
mod client_tls;
mod commit;
pub mod config;
pub mod daemon;
pub mod detect;
pub mod device;
pub mod event;
pub mod formats;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzzed;
mod hash_map;
mod http_client;
pub mod intake;
mod journal;
mod knowledge;
pub mod layer;
pub mod limits;
mod locked;
mod manual;
mod named_files;
pub mod observe;
pub mod outlet;
pub mod parse;
pub mod pool;
pub mod query;
pub mod redis;
mod replay;
pub(crate) mod respond;
mod retry;
pub mod server;
pub(crate) mod silence;
#[cfg(test)]
mod simulation;
pub mod store;
pub mod supervise;
mod tls;

pub use cli::{Cli, dispatch};
