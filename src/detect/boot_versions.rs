//! What a machine booted with, to notice when it goes back: Secure Boot, microcode, firmware.

use std::collections::BTreeSet;
use std::fmt;

use super::recent::Recent;
use serde::{Deserialize, Serialize};

/// Registers of all banks that are remembered, and lists of keys and digests.
const REGISTERS_MAX: usize = 16;
const LISTS_MAX: usize = 8;

/// A date, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day {
    year: i16,
    month: i8,
    day: i8,
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// One fact that the kernel logs about the boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    SecureBoot(bool),
    Microcode(u64),
    /// Date of the firmware.
    Firmware(Day),
    /// What a register of the TPM held, by bank and number.
    Register {
        name: String,
        value: String,
    },
    /// Whether no owner of the machine's keys is enrolled.
    SetupMode(bool),
    /// Entries of a list that Secure Boot decides by.
    Signatures {
        list: String,
        entries: BTreeSet<String>,
    },
}

/// A change for the worse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    SecureBootOff { was_on: bool },
    Microcode { from: u64, to: u64 },
    Firmware { from: Day, to: Day },
    Register { name: String, from: String, to: String },
    SetupMode,
    Signatures { list: String, added: usize, removed: usize },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootVersions {
    secure_boot: Option<bool>,
    microcode: Option<u64>,
    firmware: Option<Day>,
    registers: Recent<String>,
    #[serde(default)]
    setup_mode: Option<bool>,
    #[serde(default = "no_lists")]
    lists: Recent<BTreeSet<String>>,
}

fn no_lists() -> Recent<BTreeSet<String>> {
    Recent::new(LISTS_MAX)
}

impl Default for BootVersions {
    fn default() -> Self {
        Self {
            secure_boot: None,
            microcode: None,
            firmware: None,
            registers: Recent::new(REGISTERS_MAX),
            setup_mode: None,
            lists: no_lists(),
        }
    }
}

impl BootVersions {
    /// The fact in a message of the kernel; `None` for other messages.
    pub fn fact(message: &str) -> Option<Fact> {
        let lower = message.to_ascii_lowercase();
        if lower.contains("secureboot: secure boot disabled") {
            Some(Fact::SecureBoot(false))
        } else if lower.contains("secureboot: secure boot enabled") {
            Some(Fact::SecureBoot(true))
        } else if let Some(text) = lower.strip_prefix("microcode: ") {
            // The revision now running is the one named last: `updated early: 0xde -> 0xf0, date = 2021-11-12`.
            let revision = text.split([',', ' ', '=']).rfind(|word| word.starts_with("0x"))?;
            let is_revision = ["revision", "updated early"].iter().any(|word| text.contains(word));
            let revision = u64::from_str_radix(revision.strip_prefix("0x")?, 16).ok()?;
            is_revision.then_some(Fact::Microcode(revision))
        } else if message.starts_with("DMI: ") {
            firmware_date(message).map(Fact::Firmware)
        } else {
            None
        }
    }

    /// Remembers the fact. Returns what became worse since the last boot.
    pub fn learn(&mut self, fact: Fact) -> Option<Change> {
        match fact {
            Fact::SecureBoot(on) => {
                let before = self.secure_boot.replace(on);
                (!on && before != Some(false)).then_some(Change::SecureBootOff { was_on: before == Some(true) })
            }
            Fact::Microcode(to) => {
                self.microcode.replace(to).filter(|from| *from > to).map(|from| Change::Microcode { from, to })
            }
            Fact::Register { name, value } => {
                let before = std::mem::replace(self.registers.touch(&name, || value.clone()), value.clone());
                (before != value).then_some(Change::Register { name, from: before, to: value })
            }
            Fact::SetupMode(on) => (self.setup_mode.replace(on) == Some(false) && on).then_some(Change::SetupMode),
            Fact::Signatures { list, entries } => {
                let before = std::mem::replace(self.lists.touch(&list, || entries.clone()), entries.clone());
                let (added, removed) = (entries.difference(&before).count(), before.difference(&entries).count());
                // More that is forbidden is what updates bring.
                let is_worse = removed > 0 || (added > 0 && list != "dbx");
                is_worse.then_some(Change::Signatures { list, added, removed })
            }
            Fact::Firmware(to) => {
                self.firmware.replace(to).filter(|from| *from > to).map(|from| Change::Firmware { from, to })
            }
        }
    }
}

/// `DMI: Vendor Model, BIOS 1.14 03/21/2023`.
fn firmware_date(message: &str) -> Option<Day> {
    let mut parts = message.rsplit(' ').next()?.split('/');
    let mut number = || parts.next()?.parse::<i16>().ok();
    let (month, day, year) = (number()?, number()?, number()?);
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    jiff::civil::Date::new(year, month, day).is_ok().then_some(Day { year, month, day })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(messages: &[&str]) -> Vec<Change> {
        let mut machine = BootVersions::default();
        messages.iter().filter_map(|message| machine.learn(BootVersions::fact(message)?)).collect()
    }

    #[test]
    fn secure_boot_switched_off_is_a_change_and_staying_off_is_none() {
        let (on, off) = ("secureboot: Secure boot enabled", "secureboot: Secure boot disabled");
        assert_eq!(changes(&[on, off, off]), [Change::SecureBootOff { was_on: true }]);
        assert_eq!(changes(&[off, off]), [Change::SecureBootOff { was_on: false }]);
        assert_eq!(changes(&[on, on]), []);
    }

    #[test]
    fn microcode_and_firmware_that_go_back_are_changes() {
        let old = "microcode: Current revision: 0x000000de";
        let new = "microcode: updated early: 0xde -> 0xf0, date = 2021-11-12";
        assert_eq!(changes(&[old, new]), []);
        assert_eq!(changes(&[new, old]), [Change::Microcode { from: 0xf0, to: 0xde }]);
        let (first, second) = ("DMI: Acme X1/B, BIOS 1.14 03/21/2023", "DMI: Acme X1/B, BIOS 1.9 11/02/2021");
        assert_eq!(changes(&[second, first]), []);
        assert!(matches!(changes(&[first, second]).as_slice(), [Change::Firmware { .. }]));
    }

    #[test]
    fn forbidden_digests_may_grow_and_not_shrink_and_keys_may_do_neither() {
        let mut machine = BootVersions::default();
        let mut learn = |list: &str, entries: &[&str]| {
            let entries = entries.iter().map(|entry| (*entry).to_owned()).collect();
            let change = machine.learn(Fact::Signatures { list: list.to_owned(), entries });
            change.map(|change| match change {
                Change::Signatures { added, removed, .. } => (added, removed),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(learn("dbx", &["a", "b"]), None);
        assert_eq!(learn("dbx", &["a", "b", "c"]), None);
        assert_eq!(learn("dbx", &["a", "c", "d"]), Some((1, 1)));
        assert_eq!(learn("dbx", &[]), Some((0, 3)));
        assert_eq!(learn("db", &["k"]), None);
        assert_eq!(learn("db", &["k", "l"]), Some((1, 0)));
        assert_eq!(learn("db", &["k", "l"]), None);
        let setup = [false, true, true].map(|on| machine.learn(Fact::SetupMode(on)));
        assert_eq!(setup, [None, Some(Change::SetupMode), None]);
    }

    #[test]
    fn other_or_broken_messages_say_nothing() {
        for message in ["", "microcode: 0x", "DMI: ", "DMI: x 99/99/9999", "microcode: Microcode Update Driver: v2.2."]
        {
            assert_eq!(BootVersions::fact(message), None, "{message}");
        }
    }
}
