//! What of all that happens is told, and when. Pure.

use std::time::Duration;

use super::config::{Notify, Of};
use super::quiet::Quiet;
use crate::event::Severity;
use crate::query::Filter;

#[derive(Debug, Clone)]
pub struct Rules {
    pub of: Of,
    pub filter: Filter,
    pub every: Duration,
    /// Told in quiet hours too.
    pub urgent: Severity,
    pub quiet: Option<Quiet>,
    /// Messages an hour.
    pub rate: u32,
}

impl Rules {
    /// What cannot be read, the check has found; then it is as if it were not there.
    pub fn of(notify: &Notify) -> Self {
        Self {
            of: notify.of,
            filter: notify.filter().unwrap_or_else(|_| Filter::everything()),
            every: notify.every.get(),
            urgent: notify.urgent,
            quiet: notify.quiet_hours.as_ref().and_then(|hours| hours.read().ok()),
            rate: notify.rate,
        }
    }
}
