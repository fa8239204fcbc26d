//! The daemon's own last day, minute by minute, and what has changed of its parts: what `/api/v1/history` answers. It is kept by the
//! wall clock at the edge, never by a stage, and decides nothing.

mod answer;
mod changes;
mod file;
mod form;
mod keeper;
mod latency;
mod minute;
mod parts;
mod recorder;
mod ring;

pub(crate) use answer::{Answer, Span};
pub(crate) use changes::{Change, Kind};
pub(crate) use keeper::Keeper;
pub(crate) use recorder::History;
