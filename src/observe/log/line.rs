//! One line of the log.

use log::Level;

use crate::event::Timestamp;

/// A field of every line that the daemon writes to the journal, with the instance's name: by it the intake tells the
/// daemon's own lines from those of others under the same identifiers.
pub const INSTANCE_FIELD: &str = "DSMILD_INSTANCE";

/// One line on its way to the writer.
#[derive(Debug)]
pub struct Line {
    pub time: Timestamp,
    pub level: Level,
    pub identifier: &'static str,
    pub target: String,
    pub message: String,
    pub fields: Vec<(String, String)>,
}
