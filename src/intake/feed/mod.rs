//! Lists of indicators that are fetched on a schedule, over HTTP or from a TAXII 2.1 collection. What was good last is kept in
//! the state folder: from there device 54 reads it, at the start as well and while the server is away.

mod collection;
pub(crate) mod config;
mod content;
mod download;
mod fetch;
mod kept;
mod misp_feed;
mod task;

pub(crate) use kept::list_path;
pub(crate) use task::SOURCE;
