//! Attacks that one web request shows by itself: its text is read as the server would read it, and compared with patterns that
//! are described by technique, in `config/web/*.toml`.

pub(crate) mod builtin;
pub(crate) mod decode;
mod file;
mod patterns;
mod request;
#[cfg(test)]
mod samples;

pub use file::{WebText, listed};
pub use patterns::{Patterns, WebAttack};
pub use request::Request;
