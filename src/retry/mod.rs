//! What a part does when something outside fails: one error type, one backoff, one rule for what is said about it. Pure:
//! time comes in, and nothing here waits.

mod backoff;
mod error;
mod notice;
mod unreachable;

pub use backoff::Backoff;
pub use error::{OutsideError, Retry};
pub use notice::{Crowd, Notice, Notices, Throttle};
pub use unreachable::Asked;
