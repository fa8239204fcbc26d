//! How far an intruder is.

use serde::{Deserialize, Serialize};

use super::tactic::Tactic;

/// How far an intruder is, as it matters to who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// From reconnaissance to initial access.
    AtTheDoor,
    /// Something was run, read or hidden here.
    Inside,
    /// Something stays, or has more rights than it was given.
    Foothold,
    /// To other machines, and to who steers it.
    Connected,
    /// Data was taken or destroyed.
    Done,
}

impl Phase {
    pub fn of(tactic: Tactic) -> Self {
        match tactic {
            Tactic::Reconnaissance | Tactic::ResourceDevelopment | Tactic::InitialAccess => Self::AtTheDoor,
            Tactic::Execution | Tactic::DefenseEvasion | Tactic::CredentialAccess | Tactic::Discovery => Self::Inside,
            Tactic::Persistence | Tactic::PrivilegeEscalation => Self::Foothold,
            Tactic::LateralMovement | Tactic::Collection | Tactic::CommandAndControl => Self::Connected,
            Tactic::Exfiltration | Tactic::Impact => Self::Done,
        }
    }
}
