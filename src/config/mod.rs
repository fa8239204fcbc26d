//! The one configuration file: loaded, checked as a whole, compared at a reload.

mod finding;
mod schema;
mod units;

pub use finding::Finding;
pub use schema::*;
pub use units::{Bytes, Span};
