//! Who carries out what was approved.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// The kernel of this machine, asked by the helper. Whoever reads the ban list blocks it as well.
    #[default]
    Nftables,
    /// Whoever reads the ban list, and nobody on this machine.
    BanList,
    /// The helper for accounts, which asks `usermod`.
    Accounts,
    /// Another program, which is handed the playbook, and has it from then on.
    Runner,
}

impl Executor {
    const ALL: [Self; 4] = [Self::Nftables, Self::BanList, Self::Accounts, Self::Runner];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::BanList => "ban_list",
            Self::Accounts => "accounts",
            Self::Runner => "runner",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}
