//! The one ordered log in memory, its consumers' cursors, and the ledger of what each has handled.

mod turn;

pub use turn::{DeadLetter, Snapshot, Turn};
