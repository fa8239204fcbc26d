//! How the readers of formats and programs fill a [`Record`]: within bounds, and keeping what was known before.

use super::scan::Address;
use crate::event::{Action, Record};
use crate::limits;

/// Fields that most lines have at most.
const FIELDS: usize = 8;

impl Record {
    /// Keeps a field unless the line has too many.
    pub(super) fn push(&mut self, key: impl Into<String>, value: impl Into<String>) {
        if self.fields.len() < limits::FIELDS_PER_RECORD_MAX {
            if self.fields.capacity() == 0 {
                self.fields.reserve(FIELDS);
            }
            self.fields.push((key.into(), value.into()));
        }
    }

    /// What was known before is kept: attributes and fields come before text.
    pub(super) fn set_source(&mut self, address: Address) {
        if self.entity.src_ip.is_none() {
            self.entity.src_ip = Some(address.ip.to_string());
            self.src_port = self.src_port.or(address.port);
        }
    }

    pub(super) fn set_user(&mut self, user: &str) {
        fill(&mut self.entity.user, user);
    }

    pub(super) fn set_command(&mut self, command: &str) {
        fill(&mut self.command, command);
    }

    pub(super) fn says(&mut self, action: Action, outcome: Option<bool>) {
        self.action = action;
        self.outcome = outcome;
    }
}

/// Empty, `-` and `?` are how programs write that they do not know.
pub(super) fn fill(place: &mut Option<String>, value: &str) {
    let value = value.trim();
    if place.is_none() && !matches!(value, "" | "-" | "?") {
        *place = Some(value.to_owned());
    }
}
