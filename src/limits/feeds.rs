//! Lists of indicators that are fetched.

use std::time::Duration;

use super::INDICATOR_LIST_BYTES_MAX;

/// Feeds of one configuration, and those that are fetched at the same time: each may hold `max_size` several times meanwhile.
pub const FEEDS_MAX: usize = 32;
pub const FEEDS_AT_ONCE_MAX: usize = 2;
/// Bytes of an answer, where the configuration does not say: held in memory while it is judged.
pub const FEED_BYTES_USUAL: u64 = 64 * 1024 * 1024;
const _: () = assert!(FEED_BYTES_USUAL <= INDICATOR_LIST_BYTES_MAX, "what was fetched can be read");
/// Redirects that one request follows.
pub const FEED_REDIRECTS_MAX: usize = 5;
/// Answers that one fetch consists of: the pages of a TAXII collection.
pub const FEED_PAGES_MAX: usize = 10_000;
/// For all answers of one fetch together; each has `timeout`.
pub const FEED_FETCH_MAX: Duration = Duration::from_secs(15 * 60);
/// The first attempt after one that failed, and the longest time that a server may ask for.
pub const FEED_RETRY_MIN: Duration = Duration::from_secs(30);
pub const FEED_RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// Bytes of what is remembered of a feed beside its list.
pub const FEED_STATE_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a header that is kept to be sent again (ETag, Last-Modified), or of a mark in a collection.
pub const FEED_MARK_BYTES_MAX: usize = 1024;
const _: () = assert!((FEED_MARK_BYTES_MAX as u64) * 16 <= FEED_STATE_BYTES_MAX, "what is remembered can be read");
