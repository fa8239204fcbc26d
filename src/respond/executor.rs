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
}

impl Executor {
    const ALL: [Self; 2] = [Self::Nftables, Self::BanList];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::BanList => "ban_list",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether the helper does it, which has the rights.
    pub fn is_helper(self) -> bool {
        match self {
            Self::Nftables => true,
            Self::BanList => false,
        }
    }
}
