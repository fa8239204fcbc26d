//! The one ordered log in memory, its consumers' cursors, and the ledger of what each has handled.
//!
//! Sources and stages append [`Transaction`]s; the hot store takes them in order and confirms what it has committed.
//! Stages read through a [`Reader`], which returns their events in order of root, so that the speed of a core never
//! changes what they say. Sources ask for [`admission`](Bus::admission) first: they wait while a consumer or the store
//! is behind.

mod commit;
mod ledger;
mod log;
mod reader;
mod room;
mod shared;
mod transaction;

pub use ledger::{Consumer, ConsumerId, Ledger};
pub use log::{EventRef, Log};
pub use reader::{Reader, Ready};
pub use shared::{Bus, Stale, Step, Wake};
pub use transaction::{DeadLetter, EntryKey, Snapshot, TakenEntries, Transaction, keep_position};
