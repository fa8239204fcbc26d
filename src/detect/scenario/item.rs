//! What one observation of a group differs by from others.

use super::group;
use super::model::Scenario;
use crate::event::Record;

/// The value of a line that has none.
pub const NOTHING: u64 = 0;

/// Where values are counted with their users, the bits of one that tell whose it was; none of them where it was several users', whom no
/// success of one of them clears.
const WHOSE: u64 = 0xffff;
/// Of no user that is known.
const NOBODY: u64 = 1;

/// The item of a line; of a value that is counted, with the user where the scenario tells them apart.
pub fn of(scenario: &Scenario, record: &Record) -> Option<u64> {
    let item = group::item(record, scenario.item())?;
    if !scenario.tells_users() {
        return Some(item);
    }
    let whose = group::account_of(record).map_or(NOBODY, |user| (user & WHOSE).max(NOBODY + 1));
    Some(value(scenario, item) | whose)
}

/// What differs, whosever it was.
pub fn value(scenario: &Scenario, item: u64) -> u64 {
    if scenario.tells_users() { item & !WHOSE } else { item }
}

/// The same of no known user.
pub fn of_nobody(scenario: &Scenario, item: u64) -> u64 {
    value(scenario, item) | NOBODY
}

/// The item of a value that was counted before, as `known`.
pub fn counted_again(scenario: &Scenario, item: u64, known: u64) -> u64 {
    if item == known { item } else { value(scenario, item) }
}
