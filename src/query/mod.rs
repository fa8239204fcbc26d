//! The language that events are filtered by. Pure.
//!
//! ```text
//! severity >= HIGH and src_ip in 203.0.113.0/24 and not device = 51 and rule ~ "scan"
//! (user = root or user = admin) since 2h
//! technique = T1110 and outcome = success
//! "session opened" until 2026-11-18T02:00Z
//! ```
//!
//! A filter is terms with `and`, `or`, `not` and parentheses; `and` binds closer than `or` and may be left out. A term is
//! a field with an operator and a value, `since` or `until` with a time, or a text that may stand anywhere in the event.
//!
//! | operator | means | of |
//! |---|---|---|
//! | `=`, `!=` | is, is not; of a list, one of it; a technique is also any below it | every field |
//! | `in (A, B, …)`, `in NETWORK` | is one of these, or an address in one of these networks | every field |
//! | `~`, `!~` | contains, whatever the case of letters | texts |
//! | `<` `<=` `>` `>=` | is less, more | numbers, severity, decision |
//!
//! What an event does not have is equal to nothing, so `user != root` also finds events without a user. `since` and `until`
//! go by the time that windows follow, never later than the arrival: a duration counts back from now, a time without a zone
//! is UTC, `until` leaves its own moment out. [`FIELDS`] lists the fields.

mod error;
mod expr;
mod facts;
mod field;
mod filter;
mod kind;
mod look_up;
mod moment;
mod parser;
mod token;
mod value;

pub use error::QueryError;
pub use field::{FIELDS, Field, Name};
pub use filter::Filter;
pub use look_up::Wanted;
pub use moment::Moment;

#[cfg(test)]
pub(crate) mod tests;
