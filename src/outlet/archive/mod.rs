//! The cold archive in Postgres: the tables of the hot store, partitioned by day, for years instead of hours.
//!
//! Every batch is one transaction that also moves `dsmil_archive_state`, so that Postgres itself says how far it is and a
//! row is there once whatever dies in between. Several daemons archive to one Postgres, each row with its `instance`:
//! the key is `(id, ts)`, and where two daemons gave the same id at the same time, the later row moves by a microsecond
//! and says so in `ts_shift`.
//!
//! With `store.durability = "power"` the state also holds cursors, positions and saved states as of one commit of the
//! hot store: after a loss of power the daemon goes on from there, as after `kill -9` at that commit.
//!
//! What is searched beyond the hot store is read over a connection of its own (`search`), by the index of the SOC events.
//!
//! `dsmil_audit_heads` has numbers and hashes of lines of the audit log, which the daemon only ever adds.

mod answer;
mod begin;
mod columns;
mod config;
mod copied;
mod days;
mod entries;
mod errors;
mod guard;
mod heads;
mod item;
mod lane;
mod link;
mod outlet;
mod partitions;
mod restore;
mod rows;
mod search;
mod sql;
mod state;
mod stretch;
mod values;
mod write;

pub use begin::{begin, restored};
pub use config::{Config, check};
pub use days::Window;
pub use heads::kept_head;
pub use link::{Link, Progress};
pub use outlet::Archive;
pub use restore::Restored;
pub use rows::Rows;
pub use search::{Asked, Reader};
pub use state::{ABOUT, NAME};
pub use write::Transaction;
