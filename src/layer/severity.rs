//! How severe a SOC event is.

use crate::event::{Severity, Verdict};

/// What of SHRINK's values bears on severity; `None` where it is not known at that time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Operator {
    pub crisis_level: Option<f64>,
    pub acute_stress: Option<f64>,
    pub anomaly_score: Option<f64>,
}

/// Acute stress of the operator above this makes an event HIGH.
pub const ACUTE_STRESS_HIGH: f64 = 0.7;

/// CRITICAL above a score of 0.9 or a crisis of 0.8; HIGH above 0.75 or an acute stress of 0.7; MEDIUM above 0.5 or a
/// SHRINK anomaly of 3; LOW for any other decision that is not benign; else INFO. NaN is above nothing.
pub fn severity(verdict: Verdict, score: f64, operator: Operator) -> Severity {
    let above = |value: Option<f64>, bound: f64| value.is_some_and(|value| value > bound);
    if score > 0.9 || above(operator.crisis_level, 0.8) {
        Severity::Critical
    } else if score > 0.75 || above(operator.acute_stress, ACUTE_STRESS_HIGH) {
        Severity::High
    } else if score > 0.5 || above(operator.anomaly_score, 3.0) {
        Severity::Medium
    } else if verdict != Verdict::Benign {
        Severity::Low
    } else {
        Severity::Info
    }
}

/// How bad a decision is by itself.
pub fn grade(verdict: Verdict, score: f64) -> u8 {
    severity(verdict, score, Operator::default()) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_score(score: f64) -> Severity {
        severity(Verdict::Suspicious, score, Operator::default())
    }

    fn of_operator(crisis: f64, stress: f64, anomaly: f64) -> Severity {
        let operator =
            Operator { crisis_level: Some(crisis), acute_stress: Some(stress), anomaly_score: Some(anomaly) };
        severity(Verdict::Benign, 0.0, operator)
    }

    #[test]
    fn each_bound_belongs_to_the_severity_below_it() {
        let expected = [
            (0.91, Severity::Critical),
            (0.9, Severity::High),
            (0.76, Severity::High),
            (0.75, Severity::Medium),
            (0.51, Severity::Medium),
            (0.5, Severity::Low),
            (0.0, Severity::Low),
        ];
        for (score, severity) in expected {
            assert_eq!(of_score(score), severity, "{score}");
        }
    }

    #[test]
    fn the_operators_state_raises_severity_whatever_the_score() {
        assert_eq!(of_operator(0.81, 0.0, 0.0), Severity::Critical);
        assert_eq!(of_operator(0.8, 0.71, 0.0), Severity::High);
        assert_eq!(of_operator(0.8, 0.7, 3.1), Severity::Medium);
        assert_eq!(of_operator(0.8, 0.7, 3.0), Severity::Info);
    }

    #[test]
    fn a_benign_decision_with_nothing_else_is_information() {
        assert_eq!(severity(Verdict::Benign, 0.3, Operator::default()), Severity::Info);
    }

    #[test]
    fn nan_raises_nothing() {
        assert_eq!(of_operator(f64::NAN, f64::NAN, f64::NAN), Severity::Info);
        assert_eq!(of_score(f64::NAN), Severity::Low);
    }
}
