//! The table of sources.

use super::{SourceSpec, boot, file, journal, redis, shrink, tick};

/// Every source, in the order in which they are started.
pub static SOURCES: [SourceSpec; 6] =
    [shrink::SOURCE, file::SOURCE, journal::SOURCE, redis::SOURCE, tick::SOURCE, boot::SOURCE];
