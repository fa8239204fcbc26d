//! The metrics of lists that are fetched.

use metrics::{Counter, Gauge, SharedString, counter, gauge};

pub fn feed_entries(feed: impl Into<SharedString>) -> Gauge {
    gauge!("dsmil_feed_entries", "feed" => feed.into())
}

pub fn feed_last_success(feed: impl Into<SharedString>) -> Gauge {
    gauge!("dsmil_feed_last_success_timestamp_seconds", "feed" => feed.into())
}

pub fn feed_fetches(feed: impl Into<SharedString>, result: &'static str) -> Counter {
    counter!("dsmil_feed_fetches_total", "feed" => feed.into(), "result" => result)
}
