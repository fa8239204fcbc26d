//! Why a payload of a known kind cannot be read.

use crate::limits::MEASURED_ABS_MAX;

/// What is wrong with a payload of a known kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasuredError {
    #[error("it says that it is of the kind `{0}` and cannot be read as that: {1}")]
    Shape(String, String),
    #[error("`{0}` is missing; write whose or what it was")]
    Missing(&'static str),
    #[error("`{0}` has {1} values; {2} are expected")]
    Count(&'static str, usize, String),
    #[error("a value of `{0}` is not between -{MEASURED_ABS_MAX} and {MEASURED_ABS_MAX}")]
    Range(&'static str),
}
