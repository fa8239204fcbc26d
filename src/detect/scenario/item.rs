//! What one observation of a group differs by from others.

use super::model::Scenario;

/// The value of a line that has none.
pub const NOTHING: u64 = 0;

/// Where values are counted with their users, the bits of one that tell whose it was; none of them where it was several users', whom no
/// success of one of them clears.
const WHOSE: u64 = 0xffff;
/// Of no user that is known.
const NOBODY: u64 = 1;

/// A value that is counted, with the account that the line names.
pub fn with_user(scenario: &Scenario, item: u64, account: Option<u64>) -> u64 {
    let whose = account.map_or(NOBODY, |user| (user & WHOSE).max(NOBODY + 1));
    value(scenario, item) | whose
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
