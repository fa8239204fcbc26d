//! Which flows a machine usually has: of which protocol and service, how they end, how long they take and how much they carry.
//!
//! The measure of a flow is how surprising its kind is, by how often that kind came, and half as much how surprising its duration and its bytes
//! each way are, by counts in steps of their logarithm (after M. Goldstein and A. Dengel, KI-2012, who add up histograms of single values).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::acquainted::Learnt;
use crate::event::MeasuredFlow;
use crate::limits::FLOW_KINDS_MAX;

/// Flows learnt before one is judged.
const FLOWS_MIN: u32 = 1000;
/// What the surprise of one size counts beside that of the kind.
const SIZE_WEIGHT: f64 = 0.5;
/// A size never seen counts as one of so many that are imaginable.
const SIZES_IMAGINABLE: f64 = 20.0;
/// Steps for each doubling of a size.
const STEPS: f64 = 1.5;
const STEP_MAX: f64 = 90.0;
/// Sizes below one, as of short durations, are counted in tenths.
const TENTHS: u8 = 11;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FlowHabits {
    kinds: BTreeMap<String, u32>,
    duration: BTreeMap<u8, u32>,
    sent: BTreeMap<u8, u32>,
    received: BTreeMap<u8, u32>,
    learnt: u32,
}

/// How unlike the usual ones a flow is; surprises in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct UnlikeFlow {
    pub score: f64,
    pub kind: String,
    /// How often the kind came, of how many flows.
    pub seen: u32,
    pub of: u32,
    pub kind_surprise: f64,
    pub duration_surprise: f64,
    pub sent_surprise: f64,
    pub received_surprise: f64,
}

impl Learnt for FlowHabits {
    fn is_known(&self) -> bool {
        self.learnt >= FLOWS_MIN
    }
}

impl FlowHabits {
    /// Takes in the flows of one event. Returns the one that is most unlike the earlier ones, with its place, once enough of them are known.
    pub fn see(&mut self, flows: &[MeasuredFlow]) -> Option<(usize, UnlikeFlow)> {
        let judged = self.is_known().then(|| flows.iter().map(|flow| self.judge(flow)).enumerate());
        let most = judged.and_then(|judged| judged.max_by(|left, right| left.1.score.total_cmp(&right.1.score)));
        flows.iter().for_each(|flow| self.learn(flow));
        most
    }

    pub fn judge(&self, flow: &MeasuredFlow) -> UnlikeFlow {
        let all = f64::from(self.learnt);
        let kind = kind(flow);
        let seen = self.kinds.get(&kind).copied().unwrap_or(0);
        let kind_surprise = -((f64::from(seen) + 0.5) / (all + 1.0)).ln();
        let size = |counts: &BTreeMap<u8, u32>, value: f64| {
            let count = f64::from(counts.get(&step(value)).copied().unwrap_or(0));
            -((count + 0.5) / (all + SIZES_IMAGINABLE)).ln()
        };
        let duration_surprise = size(&self.duration, flow.duration_s);
        let sent_surprise = size(&self.sent, flow.bytes_sent);
        let received_surprise = size(&self.received, flow.bytes_received);
        let sizes = duration_surprise + sent_surprise + received_surprise;
        let score = kind_surprise + SIZE_WEIGHT * sizes;
        UnlikeFlow {
            score,
            kind,
            seen,
            of: self.learnt,
            kind_surprise,
            duration_surprise,
            sent_surprise,
            received_surprise,
        }
    }

    pub fn learn(&mut self, flow: &MeasuredFlow) {
        if self.learnt == u32::MAX || self.kinds.len() >= FLOW_KINDS_MAX {
            self.fade();
        }
        *self.kinds.entry(kind(flow)).or_default() += 1;
        *self.duration.entry(step(flow.duration_s)).or_default() += 1;
        *self.sent.entry(step(flow.bytes_sent)).or_default() += 1;
        *self.received.entry(step(flow.bytes_received)).or_default() += 1;
        self.learnt += 1;
    }

    /// Halves all counts until there is room: what came seldom goes first.
    fn fade(&mut self) {
        let halve = |count: &mut u32| {
            *count /= 2;
            *count > 0
        };
        loop {
            self.kinds.retain(|_, count| halve(count));
            for sizes in [&mut self.duration, &mut self.sent, &mut self.received] {
                sizes.retain(|_, count| halve(count));
            }
            if self.kinds.len() <= FLOW_KINDS_MAX / 4 * 3 {
                break;
            }
        }
        self.learnt = self.kinds.values().sum();
    }
}

impl UnlikeFlow {
    /// What of it is unusual, in words and numbers.
    pub fn words(&self, flow: &MeasuredFlow) -> String {
        let Self { kind, seen, of, kind_surprise, duration_surprise, sent_surprise, received_surprise, .. } = self;
        format!(
            "{kind} came {seen} times in {of} flows ({kind_surprise:.1} nats); {:.1} s, {} bytes sent and {} received are surprising by \
             {duration_surprise:.1}, {sent_surprise:.1} and {received_surprise:.1} nats",
            flow.duration_s, flow.bytes_sent, flow.bytes_received
        )
    }
}

fn kind(flow: &MeasuredFlow) -> String {
    format!("{} {} {}", flow.proto, flow.service, flow.state)
}

fn step(value: f64) -> u8 {
    if value < 1.0 && value.fract() > 0.0 {
        return (value * 10.0).round() as u8;
    }
    TENTHS + ((value.max(0.0) + 1.0).log2() * STEPS).min(STEP_MAX) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(service: &str, state: &str, bytes: f64) -> MeasuredFlow {
        MeasuredFlow {
            proto: "tcp".into(),
            service: service.into(),
            state: state.into(),
            duration_s: 0.3,
            bytes_sent: bytes,
            bytes_received: 10.0 * bytes,
            ..MeasuredFlow::default()
        }
    }

    fn usual(turn: u32) -> MeasuredFlow {
        let noise = turn.wrapping_mul(2_654_435_761) >> 20;
        flow(["http", "ssl", "ssl", "dns"][turn as usize % 4], "SF", 200.0 + f64::from(noise % 800))
    }

    fn learnt() -> FlowHabits {
        let mut habits = FlowHabits::default();
        (0..4000).for_each(|turn| habits.learn(&usual(turn)));
        habits
    }

    #[test]
    fn a_service_never_used_and_a_size_never_sent_are_more_unlike_than_anything_usual() {
        let habits = learnt();
        let worst = (0..500).map(|turn| habits.judge(&usual(turn)).score).fold(f64::MIN, f64::max);
        for odd in [flow("telnet", "SF", 300.0), flow("ssl", "S0", 300.0), flow("ssl", "SF", 5e9)] {
            let unlike = habits.judge(&odd);
            assert!(unlike.score > worst + 2.0, "{unlike:?} {worst}");
        }
        let words = habits.judge(&flow("telnet", "SF", 300.0)).words(&flow("telnet", "SF", 300.0));
        assert!(words.starts_with("tcp telnet SF came 0 times in 4000 flows"), "{words}");
    }

    #[test]
    fn the_most_unlike_of_an_event_is_told_once_enough_is_known() {
        let mut habits = FlowHabits::default();
        assert!((0..1000).all(|turn| habits.see(&[usual(turn)]).is_none()));
        let (place, unlike) = habits.see(&[usual(1), flow("telnet", "REJ", 0.0), usual(2)]).unwrap();
        assert_eq!((place, unlike.kind.as_str()), (1, "tcp telnet REJ"));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_usual_stays_known() {
        let mut habits = learnt();
        for number in 0..20_000 {
            habits.learn(&flow(&number.to_string(), "S0", f64::from(number)));
            habits.learn(&usual(number));
        }
        assert!(habits.kinds.len() <= FLOW_KINDS_MAX);
        assert!(habits.judge(&usual(3)).kind_surprise < 3.0);
    }

    #[test]
    fn any_size_has_a_step() {
        let steps = [0.0, 0.04, 0.3, 1.0, 1000.0, 1e15, f64::NAN, -5.0].map(step);
        assert_eq!(steps, [11, 0, 3, 12, 25, 85, 11, 11]);
    }
}
