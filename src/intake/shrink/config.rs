//! `[shrink]`: its keys, and what must hold between them.

use serde::{Deserialize, Serialize};

use crate::config::{Judge, Span};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shrink {
    pub url: String,
    pub every: Span,
    pub timeout: Span,
    pub stale_after: Span,
}

impl Default for Shrink {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8500/api/v1/metrics".to_owned(),
            every: Span::from_millis(1000),
            timeout: Span::from_millis(500),
            stale_after: Span::from_millis(10_000),
        }
    }
}

/// Every relation that does not hold.
pub fn check(shrink: &Shrink, judge: &mut Judge<'_>) {
    judge.expect_url("shrink.url", &shrink.url, &["http"], "SHRINK is asked without one: remove it");
    judge.expect(
        shrink.url.parse::<hyper::Uri>().is_ok(),
        &["shrink.url"],
        "cannot be read as a URL",
        "write one like \"http://127.0.0.1:8500/api/v1/metrics\"",
    );
    judge.expect(
        shrink.timeout < shrink.every,
        &["shrink.timeout", "shrink.every"],
        format!("{:?} is not shorter than shrink.every = {:?}", shrink.timeout, shrink.every),
        "one poll must end before the next begins",
    );
    judge.expect(
        shrink.every < shrink.stale_after,
        &["shrink.stale_after", "shrink.every"],
        format!("{:?} is not longer than shrink.every = {:?}", shrink.stale_after, shrink.every),
        "several polls long, so that one lost answer does not make the values stale",
    );
}
