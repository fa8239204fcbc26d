//! What became of a proposal, as an event on the log says it.

use serde::Serialize;

use super::executor::Executor;
use crate::event::{EventId, Severity, Soc, Timestamp, Verdict};
use crate::limits;

/// The device that proposes.
pub const SOAR_DEVICE: u16 = 58;
const PROPOSAL: &str = "proposal:";
const ENDS: &str = "ends:";
const SAID: &str = "said:";
const BY: &str = "by:";
const VIA: &str = "via:";
const WILL_BE_TRIED_AGAIN: &str = "retry";
/// What is said twice is said alike for so long.
const ALIKE_CHARS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The helper is asked from now on.
    Requested,
    /// The kernel has it.
    Executed,
    /// The kernel would have taken it; nothing was changed.
    Simulated,
    Failed,
    /// Its time is over: the kernel has ended it by itself.
    Ended,
    /// Taken back by somebody.
    Undone,
}

impl Step {
    const ALL: [Self; 6] = [Self::Requested, Self::Executed, Self::Simulated, Self::Failed, Self::Ended, Self::Undone];

    pub fn flag(self) -> &'static str {
        match self {
            Self::Requested => "RESPONSE_REQUESTED",
            Self::Executed => "RESPONSE_EXECUTED",
            Self::Simulated => "RESPONSE_SIMULATED",
            Self::Failed => "RESPONSE_FAILED",
            Self::Ended => "RESPONSE_ENDED",
            Self::Undone => "RESPONSE_UNDONE",
        }
    }

    /// Its name in the audit log.
    pub fn audited(self) -> &'static str {
        match self {
            Self::Requested => "response.requested",
            Self::Executed => "response.executed",
            Self::Simulated => "response.simulated",
            Self::Failed => "response.failed",
            Self::Ended => "response.ended",
            Self::Undone => "response.undone",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Executed => "executed",
            Self::Simulated => "simulated",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::Undone => "undone",
        }
    }
}

/// One step of one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub proposal: EventId,
    pub step: Step,
    /// When what was asked for ends by itself.
    pub ends: Option<Timestamp>,
    /// What the kernel said, or why it failed and what to do.
    pub said: String,
    /// Who wanted it.
    pub who: String,
    /// Who carries it out, of what is asked for.
    pub executor: Option<Executor>,
    /// Of a failure: it is tried again.
    pub is_retried: bool,
}

impl Told {
    pub fn new(proposal: EventId, step: Step, who: &str, said: &str) -> Self {
        let (who, said) = (who.to_owned(), said.to_owned());
        Self { proposal, step, ends: None, said, who, executor: None, is_retried: false }
    }

    /// The event that says it: information, about whom the proposal is about.
    pub fn event(&self, proposed: &Soc) -> Soc {
        let said: String = self.said.chars().take(limits::RESPOND_SAID_CHARS_MAX).collect();
        let what = proposed.summary.split(" (").next().unwrap_or_default();
        let what = what.strip_prefix("proposal: ").unwrap_or(what);
        let mut reasons = vec![format!("{PROPOSAL}{}", self.proposal), format!("{BY}{}", self.who)];
        reasons.extend(self.executor.map(|executor| format!("{VIA}{}", executor.name())));
        reasons.extend(self.ends.map(|ends| format!("{ENDS}{}", ends.millis())));
        reasons.extend((!said.is_empty()).then(|| format!("{SAID}{said}")));
        reasons.extend(self.is_retried.then(|| WILL_BE_TRIED_AGAIN.to_owned()));
        let colon = if said.is_empty() { "" } else { ": " };
        let failed = self.step == Step::Failed;
        Soc {
            src_layer: "8".to_owned(),
            src_device: SOAR_DEVICE,
            decision: Verdict::Benign,
            severity: if failed { Severity::Medium } else { Severity::Info },
            input_ref: self.proposal.to_string(),
            category: proposed.category,
            compartment: proposed.compartment.clone(),
            summary: format!("response {} ({what}){colon}{said}", self.step.word()),
            entity: proposed.entity.clone(),
            flags: vec![self.step.flag().to_owned()],
            reasons,
            incident_id: proposed.incident_id.clone(),
            ..Soc::default()
        }
    }

    /// The same came of it, in nearly the same words: at the end of them may be a number that counts.
    pub fn is_like(&self, other: &Self) -> bool {
        let begins = |told: &Self| told.said.chars().take(ALIKE_CHARS).collect::<String>();
        self.step == other.step && self.is_retried == other.is_retried && begins(self) == begins(other)
    }

    /// `None` for an event that says something else.
    pub fn read(soc: &Soc) -> Option<Self> {
        if soc.producer() != SOAR_DEVICE || soc.proposal.is_some() {
            return None;
        }
        let step = Step::ALL.into_iter().find(|step| soc.flags.iter().any(|flag| flag == step.flag()))?;
        let of = |prefix: &str| soc.reasons.iter().find_map(|reason| reason.strip_prefix(prefix));
        Some(Self {
            proposal: of(PROPOSAL)?.parse().ok()?,
            step,
            ends: of(ENDS).and_then(|ends| ends.parse().ok()).map(Timestamp::from_millis),
            said: of(SAID).unwrap_or_default().to_owned(),
            who: of(BY).unwrap_or_default().to_owned(),
            executor: of(VIA).and_then(Executor::named),
            is_retried: soc.reasons.iter().any(|reason| reason == WILL_BE_TRIED_AGAIN),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_from_its_event_as_it_was_told() {
        let proposed = Soc {
            summary: "proposal: block address 203.0.113.7 (1 steps, waits for approval)".into(),
            proposal: Some(serde_json::json!({})),
            ..Soc::default()
        };
        for step in Step::ALL {
            for is_retried in [false, true] {
                let told = Told {
                    proposal: EventId::new(9, 2),
                    step,
                    ends: Some(Timestamp::from_millis(1234)),
                    said: "proposal:1-1 by:x: said".into(),
                    who: "alice from 192.0.2.9".into(),
                    executor: is_retried.then_some(Executor::BanList),
                    is_retried,
                };
                let event = told.event(&proposed);
                assert_eq!(Told::read(&event), Some(told));
                assert!(event.summary.contains("(block address 203.0.113.7)"), "{}", event.summary);
            }
        }
        assert_eq!(Told::read(&proposed), None);
    }

    #[test]
    fn another_reason_is_another_step_however_short_it_is() {
        let told = |said: &str| Told::new(EventId::new(9, 2), Step::Failed, "alice", said);
        assert!(told("no room").is_like(&told("no room")));
        assert!(!told("no room").is_like(&told("no right")));
        let long = "é".repeat(ALIKE_CHARS);
        assert!(told(&(long.clone() + "in 3 s")).is_like(&told(&(long.clone() + "in 2 s"))));
        assert!(!told(&long).is_like(&Told { is_retried: true, ..told(&long) }));
    }
}
