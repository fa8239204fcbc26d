//! So many messages an hour, and what is over them in one at its end. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::message::{Kind, Message};
use crate::event::{EventId, Severity, Timestamp};
use crate::limits::{NOTIFY_CASES_MAX, NOTIFY_SUMMARY_LINES_MAX};

const HOUR_MS: u64 = 3_600_000;

/// The hour that runs since the first message after the one before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Window {
    /// Milliseconds since the epoch; `None` before the first message.
    started: Option<u64>,
    told: u32,
    /// What there was no message for, by case.
    over: BTreeMap<String, Case>,
    /// How many messages that would have been.
    over_count: u64,
}

impl Window {
    /// The message, if there is room for it in this hour. As many again as may be told are kept for what is urgent, so that
    /// nobody hides it behind a heap of lesser things.
    pub fn pass(&mut self, message: Message, per_hour: u32, is_urgent: bool, now: Timestamp) -> Option<Message> {
        let now = now.millis();
        if self.started.is_none_or(|started| now.saturating_sub(started) >= HOUR_MS && self.over.is_empty()) {
            *self = Self { started: Some(now), ..Self::default() };
        }
        let room = if is_urgent { per_hour.saturating_mul(2) } else { per_hour };
        if self.told < room {
            self.told += 1;
            self.over.remove(&message.case.id);
            return Some(message);
        }
        self.over_count += 1;
        self.over.insert(message.case.id.clone(), message.case);
        if self.over.len() > NOTIFY_CASES_MAX {
            self.over.pop_first();
        }
        None
    }

    /// At the end of the hour: what was over, as one message, which is the first of the next hour.
    pub fn end(&mut self, now: Timestamp) -> Option<Message> {
        let ended = self.started.is_some_and(|started| now.millis().saturating_sub(started) >= HOUR_MS);
        if !ended || self.over.is_empty() {
            return None;
        }
        let over = std::mem::take(self);
        *self = Self { started: Some(now.millis()), told: 1, ..Self::default() };
        Some(over.summary())
    }

    fn summary(self) -> Message {
        let mut cases: Vec<Case> = self.over.into_values().collect();
        cases.sort_by_key(|case| (std::cmp::Reverse(case.severity), case.event));
        let count = self.over_count;
        let line = |case: &Case| {
            let ended = if case.ended.is_some() { "over: " } else { "" };
            format!("{} {ended}{} ({})", case.severity.name(), case.summary, case.id)
        };
        let mut lines: Vec<String> = cases.iter().take(NOTIFY_SUMMARY_LINES_MAX).map(line).collect();
        if cases.len() > NOTIFY_SUMMARY_LINES_MAX {
            lines.push(format!("and {} more", cases.len() - NOTIFY_SUMMARY_LINES_MAX));
        }
        let of = cases.len();
        let newest = cases.iter().map(|case| case.event).max().unwrap_or(EventId::ZERO);
        let mut first = cases.swap_remove(0);
        first.first_ts = cases.iter().map(|case| case.first_ts).fold(first.first_ts, f64::min);
        first.last_ts = cases.iter().map(|case| case.last_ts).fold(first.last_ts, f64::max);
        let severity = cases.iter().map(|case| case.severity).fold(first.severity, Severity::max);
        let case = Case {
            id: format!("summary-{}", self.started.unwrap_or_default()),
            event: newest,
            severity,
            summary: format!("{count} more messages about {of} cases in the last hour than are told one by one"),
            entity: crate::event::Entity::default(),
            attacker: None,
            tactics: Vec::new(),
            techniques: Vec::new(),
            proposals: Vec::new(),
            ended: None,
            count,
            ..first
        };
        Message { lines, ..Message::new(Kind::Summary, case) }
    }
}
