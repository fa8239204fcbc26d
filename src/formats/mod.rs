//! Formats as data: what programs log, as templates of literal text and typed fields, each with its meaning and with
//! samples that are its test. Pure: whoever reads files hands over their text.
//!
//! A file (`file`, its shape in `raw`) holds templates (`template`), which are expanded to plain sequences (`expand`) of
//! literals and fields (`kind`; `strict`, `texts` and `address` recognise those with one end). The sequences of all formats that
//! speak for a program are one prefix tree (`tree`), which a message walks once (`walk`), finding every way to read it; most
//! ways on are ruled out before they are gone, by the next two bytes (`begins`) or by what all ways need (`grams`). What
//! the readings agree in (`reading`) is named (`names`, `value`) and becomes what is `understood`. Lines that are fields
//! already are found by their keys (`records`). The `library` puts it together; `sample` runs the samples, `nearest` tells
//! why a line fits nothing.

mod address;
mod begins;
pub mod builtin;
mod claims;
mod compile;
mod expand;
mod explained;
mod field;
mod file;
mod grams;
mod keys;
mod kind;
mod library;
mod log_source;
mod meaning;
mod names;
mod nearest;
mod raw;
mod reading;
mod records;
mod sample;
mod set;
mod strict;
mod template;
mod texts;
mod tree;
mod understood;
mod value;
mod walk;

pub use explained::Explained;
pub use file::{Diagnostic, Format, FormatText, Input, Message, Program, Record, Sample, Template, read};
pub use library::{Answer, Library, Line};
pub use log_source::LogSource;
pub use meaning::{Action, Meaning, Outcome, OutcomeRule, Severity};
pub use names::{Identity, ecs};
pub use nearest::{Misses, Nearest};
pub use sample::{Envelope, Report, check};
pub use strict::duration;
pub use understood::{Fields, Understood};
pub(crate) use value::flatten;

#[cfg(test)]
mod tests;
