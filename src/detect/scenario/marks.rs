//! The fingerprints that a line is counted by, each made once however many scenarios ask for it.

use std::cell::OnceCell;
use std::ops::Deref;
use std::sync::LazyLock;

use super::model::{Places, Scenario};
use super::raised::Observation;
use super::{group, item};
use crate::detect::credential::shows_password;
use crate::detect::fingerprint::{fingerprint, paired};
use crate::detect::sigma::normal;

/// The fields that name who did it and from where.
pub const USER: &str = "user.name";
pub const SOURCE: &str = "source.address";

/// An observation with what was asked of it so far.
pub struct Marked<'a> {
    line: &'a Observation<'a>,
    groups: Vec<OnceCell<Option<u64>>>,
    items: Vec<OnceCell<Option<u64>>>,
    account: OnceCell<Option<u64>>,
    user: OnceCell<Option<u64>>,
    source: OnceCell<Option<u64>>,
    shows_password: OnceCell<bool>,
}

impl<'a> Marked<'a> {
    /// `sizes`: how many different groups and items the scenarios have.
    pub fn new(line: &'a Observation<'a>, sizes: Places) -> Self {
        Self {
            line,
            groups: vec![OnceCell::new(); sizes.group],
            items: vec![OnceCell::new(); sizes.item],
            account: OnceCell::new(),
            user: OnceCell::new(),
            source: OnceCell::new(),
            shows_password: OnceCell::new(),
        }
    }

    /// The group that the line belongs to; none when one of the values that the scenario groups by is missing.
    pub fn group(&self, scenario: &Scenario) -> Option<u64> {
        let values = || group::values(scenario, self.line.record);
        let values = match self.groups.get(scenario.places.group) {
            Some(known) => *known.get_or_init(values),
            None => values(),
        };
        values.map(|values| values ^ scenario.salt)
    }

    /// What the line differs by from others of its group; of a value that is counted, with the user where the scenario tells them apart.
    pub fn item(&self, scenario: &Scenario) -> Option<u64> {
        let plain = || group::item(self.line.record, scenario.item());
        let plain = match self.items.get(scenario.places.item) {
            Some(known) => *known.get_or_init(plain),
            None => plain(),
        };
        let account = || *self.account.get_or_init(|| group::account_of(self.line.record));
        plain.map(|plain| if scenario.tells_users() { item::with_user(scenario, plain, account()) } else { plain })
    }

    /// The user that it names, as it is written.
    pub fn user(&self) -> Option<u64> {
        static FIELD: LazyLock<u64> = LazyLock::new(|| fingerprint(USER));
        *self.user.get_or_init(|| self.named(USER, *FIELD))
    }

    /// The address that it names as its source.
    pub fn source(&self) -> Option<u64> {
        static FIELD: LazyLock<u64> = LazyLock::new(|| fingerprint(SOURCE));
        *self.source.get_or_init(|| self.named(SOURCE, *FIELD))
    }

    fn named(&self, field: &str, number: u64) -> Option<u64> {
        let value = normal::field(self.line.record, field).filter(|value| !value.is_empty())?;
        Some(paired(number, fingerprint(&value)))
    }

    pub fn shows_password(&self) -> bool {
        *self.shows_password.get_or_init(|| shows_password(self.line.record))
    }
}

impl<'a> Deref for Marked<'a> {
    type Target = Observation<'a>;

    fn deref(&self) -> &Observation<'a> {
        self.line
    }
}
