//! Risk that accumulates over an entity and fades: many weak signals become one strong one.
//!
//! This is risk-based alerting: detections add risk to the user, address or host they concern, and an alert is raised
//! on the entity, not on the detection. With half-life `h`, an entity's risk at time `t` is
//!
//! ```text
//! R(t) = Σ wᵢ · 2^(−(t − tᵢ)/h)        wᵢ = score · 1/√(1 + k) · (1 + ¼·(c − 1))
//! ```
//!
//! where `k` is how often the same rule has spoken of this entity before (fading alike), so that one noisy rule weighs
//! less than many different ones, and `c` is the length of the longest ascending sequence of kill-chain phases that
//! ends with this signal, so that the same signals weigh more in the order of an intrusion than in any other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attack::Phase;
use crate::event::Timestamp;
use crate::limits;

/// One detection that concerns the entity.
#[derive(Debug, Clone, Copy)]
pub struct Signal<'a> {
    /// 0 to 1.
    pub score: f64,
    /// Names of the rules that matched.
    pub reasons: &'a [String],
    pub techniques: &'a [String],
    /// So often, one right after the other.
    pub times: u32,
}

/// The accumulated risk of one entity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Risk {
    value: f64,
    /// The time that `value` and the weights below are of.
    at: Timestamp,
    /// By rule: how often it matched and how much it added; both fade.
    rules: BTreeMap<String, Share>,
    techniques: BTreeSet<String>,
    /// Longest ascending sequence of phases that ends with each phase.
    chains: [u32; Phase::COUNT],
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Share {
    times: f64,
    added: f64,
}

/// Below this an entity is as if it had never been seen.
const FORGOTTEN: f64 = 0.01;
const CHAIN_GAIN: f64 = 0.25;

impl Risk {
    /// Lets the risk fade to a time. A time up to one half-life in the past changes nothing (lines of several files
    /// arrive a little out of order); one further back means that the clock was set back, and the risk stays as it is,
    /// from that time on.
    pub fn fade(&mut self, ts: Timestamp, half_life: Duration) {
        if ts < self.at {
            if self.at.since(ts) > half_life {
                self.at = ts;
            }
            return;
        }
        let factor = (-(ts.since(self.at).as_secs_f64() / half_life.as_secs_f64())).exp2();
        self.at = ts;
        self.value *= factor;
        if self.value < FORGOTTEN {
            *self = Self { at: ts, ..Self::default() };
            return;
        }
        for share in self.rules.values_mut() {
            share.times *= factor;
            share.added *= factor;
        }
        self.rules.retain(|_, share| share.added >= FORGOTTEN / 10.0);
    }

    /// Adds a signal, after [`fade`](Self::fade) to its time. Returns the risk with it.
    pub fn add(&mut self, signal: &Signal) -> f64 {
        let times = signal.reasons.iter().filter_map(|reason| self.rules.get(reason)).map(|share| share.times);
        let before = 1.0 + times.fold(0.0, f64::max);
        let count = signal.times.clamp(1, limits::REPEATED_MAX);
        let repetition: f64 = (0..count).map(|earlier| 1.0 / (before + f64::from(earlier)).sqrt()).sum();
        let chain = self.extend_chain(signal.techniques);
        let weight = signal.score * repetition * (1.0 + CHAIN_GAIN * f64::from(chain.saturating_sub(1)));
        self.value += weight;
        self.remember(signal, weight);
        self.value
    }

    pub fn value(&self) -> f64 {
        self.value
    }

    /// The rules that contributed, those that added most first.
    pub fn reasons(&self) -> Vec<String> {
        let mut rules: Vec<(&String, &Share)> = self.rules.iter().collect();
        rules.sort_by(|left, right| right.1.added.total_cmp(&left.1.added).then_with(|| left.0.cmp(right.0)));
        rules.into_iter().map(|(name, _)| name.clone()).collect()
    }

    pub fn techniques(&self) -> Vec<String> {
        self.techniques.iter().cloned().collect()
    }

    /// The longest ascending sequence that now ends with one of the techniques' phases; 0 when none has a phase.
    fn extend_chain(&mut self, techniques: &[String]) -> u32 {
        let phases: BTreeSet<Phase> = techniques.iter().filter_map(|technique| Phase::of(technique)).collect();
        let mut longest = 0;
        // From the last phase down, so that one signal cannot climb on itself.
        for phase in phases.into_iter().rev() {
            let before = self.chains.iter().take(phase as usize).max().copied().unwrap_or(0);
            if let Some(chain) = self.chains.get_mut(phase as usize) {
                *chain = (*chain).max(before + 1);
                longest = longest.max(before + 1);
            }
        }
        longest
    }

    fn remember(&mut self, signal: &Signal, weight: f64) {
        let added = weight / signal.reasons.len().max(1) as f64;
        for reason in signal.reasons {
            if self.rules.len() < limits::REASONS_MAX || self.rules.contains_key(reason) {
                let share = self.rules.entry(reason.clone()).or_default();
                share.times += f64::from(signal.times.clamp(1, limits::REPEATED_MAX));
                share.added += added;
            }
        }
        for technique in signal.techniques {
            if self.techniques.len() < limits::REASONS_MAX {
                self.techniques.insert(technique.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_LIFE: Duration = Duration::from_secs(3600);

    fn minute(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + number * 60_000)
    }

    fn risk_of(signals: &[(u64, &str, &str)]) -> f64 {
        let mut risk = Risk::default();
        for (at, reason, technique) in signals {
            risk.fade(minute(*at), HALF_LIFE);
            let (reasons, techniques) = ([(*reason).to_owned()], [(*technique).to_owned()]);
            risk.add(&Signal { score: 0.4, reasons: &reasons, techniques: &techniques, times: 1 });
        }
        risk.value()
    }

    #[test]
    fn risk_halves_in_one_half_life() {
        let mut risk = Risk::default();
        risk.fade(minute(0), HALF_LIFE);
        risk.add(&Signal { score: 0.8, reasons: &[], techniques: &[], times: 1 });
        risk.fade(minute(60), HALF_LIFE);
        assert!((risk.value() - 0.4).abs() < 1e-12, "{}", risk.value());
        risk.fade(minute(60 * 24), HALF_LIFE);
        assert_eq!(risk.value(), 0.0);
    }

    #[test]
    fn a_signal_that_stands_for_several_weighs_as_they_would_have() {
        let (reasons, techniques) = (["a".to_owned()], ["T1110".to_owned()]);
        let signal = |times| Signal { score: 0.4, reasons: &reasons, techniques: &techniques, times };
        let (mut folded, mut unfolded) = (Risk::default(), Risk::default());
        for _ in 0..9 {
            unfolded.add(&signal(1));
        }
        assert!((folded.add(&signal(9)) - unfolded.value()).abs() < 1e-9);
        assert!((folded.add(&signal(1)) - unfolded.add(&signal(1))).abs() < 1e-9, "and those after them alike");
        assert_eq!(Risk::default().add(&signal(0)), 0.4, "of a version that did not count");
        assert_eq!(Risk::default().add(&signal(u32::MAX)), Risk::default().add(&signal(limits::REPEATED_MAX)));
    }

    #[test]
    fn different_rules_weigh_more_than_one_noisy_rule() {
        let noisy = risk_of(&[(0, "a", ""), (1, "a", ""), (2, "a", ""), (3, "a", "")]);
        let different = risk_of(&[(0, "a", ""), (1, "b", ""), (2, "c", ""), (3, "d", "")]);
        assert!(noisy < 0.75 * different, "{noisy} {different}");
    }

    #[test]
    fn the_order_of_an_intrusion_weighs_more_than_the_same_signals_in_another_order() {
        let ordered = risk_of(&[(0, "a", "T1110"), (1, "b", "T1059.004"), (2, "c", "T1136"), (3, "d", "T1562.001")]);
        let reversed = risk_of(&[(0, "d", "T1562.001"), (1, "c", "T1136"), (2, "b", "T1059.004"), (3, "a", "T1110")]);
        assert!(ordered > 1.2 * reversed, "{ordered} {reversed}");
    }

    #[test]
    fn one_signal_with_many_techniques_is_no_chain() {
        let mut risk = Risk::default();
        let techniques = ["T1110", "T1059", "T1136"].map(str::to_owned);
        risk.add(&Signal { score: 0.4, reasons: &[], techniques: &techniques, times: 1 });
        assert_eq!(risk.value(), 0.4);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_risk_from_fading() {
        let mut risk = Risk::default();
        risk.fade(minute(1_000_000), HALF_LIFE);
        risk.add(&Signal { score: 0.8, reasons: &[], techniques: &[], times: 1 });
        risk.fade(minute(0), HALF_LIFE);
        risk.fade(minute(60), HALF_LIFE);
        assert!((risk.value() - 0.4).abs() < 1e-12, "{}", risk.value());
    }
}
