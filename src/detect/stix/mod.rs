//! STIX patterns (STIX 2.1, section 9): whether what was observed is what an indicator describes. Pure and bounded.

mod compare;
mod error;
mod expression;
mod lexer;
mod literal;
pub mod observation;
mod parse_comparison;
mod parser;
mod path;
mod pattern;
mod program;
mod search;
mod shape;
mod words;

pub use error::{MatchError, PatternError};
pub use observation::Observation;
pub use pattern::Pattern;
pub use search::Seen;
pub use shape::ListedValue;
