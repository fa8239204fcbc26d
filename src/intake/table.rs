//! The table of sources.

use super::{Expected, SourceSpec, boot, feed, file, journal, redis, shrink, syslog, tick};
use crate::config::Config;

/// Every source, in the order in which they are started.
pub static SOURCES: &[SourceSpec] = &[
    shrink::SOURCE,
    file::SOURCE,
    journal::SOURCE,
    syslog::SOURCE,
    redis::SOURCE,
    tick::SOURCE,
    boot::SOURCE,
    feed::SOURCE,
];

/// Everything that is to be read by this configuration. What is sent over HTTP comes to the server.
pub fn expected(config: &Config) -> Vec<Expected> {
    let http = config.intake.http.enabled;
    let http = http.then(|| Expected { comes_by_itself: true, ..Expected::new("http", "http") });
    SOURCES.iter().flat_map(|spec| (spec.expected)(config)).chain(http).collect()
}
