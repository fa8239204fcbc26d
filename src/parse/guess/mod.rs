//! Lines that no format speaks of: a careful guess by words that most programs use alike.

mod source;
pub(super) mod words;

use crate::event::{Action, Record};

/// Fills what fields have not said already from the words of the message. `is_known`: formats speak of the program, though of none of
/// its lines like this one: what would be its own words for a success, it says in one of them, so here they are somebody else's.
pub(super) fn describe(message: &str, is_known: bool, record: &mut Record) {
    if record.action == Action::Other
        && let Some((action, outcome)) = words::verdict(message)
        && !(is_known && outcome == Some(true))
    {
        record.action = action;
        record.outcome = record.outcome.or(outcome);
    }
    if record.entity.src_ip.is_none()
        && let Some(address) = source::source(message)
    {
        record.set_source(address);
    }
    if record.action == Action::Login {
        record.set_user(source::user(message).unwrap_or_default());
    }
}
