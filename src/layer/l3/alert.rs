//! Alerts of other products: a sensor, a scanner of files, a firewall that looks into requests.

use super::detection::{Detection, Model};
use crate::detect::sigma;
use crate::event::{Action, Record, Severity};

/// What one of an unstated severity counts as.
const UNSTATED: Severity = Severity::Medium;

/// The alert as a detection with the severity, the techniques and the rule that the product names.
pub fn detection(record: &Record) -> Option<Detection> {
    if record.action != Action::Alert {
        return None;
    }
    let named = record.field("rule").or_else(|| record.field("rule_id"));
    let rule = named.unwrap_or("unnamed rule");
    let program = record.program.as_deref().unwrap_or("another product");
    Some(Detection {
        model: Model::Formats,
        score: score(record.severity.unwrap_or(UNSTATED)),
        reason: rule.to_owned(),
        techniques: record.field("technique").map(techniques).unwrap_or_default(),
        summary: match named {
            Some(rule) => format!("{program} reports {rule}"),
            None => format!("{program} reports: {}", record.message.trim_start()),
        },
        is_of_address: false,
        rule: None,
    })
}

/// As a Sigma rule of that level.
fn score(severity: Severity) -> f64 {
    match severity {
        Severity::Info => sigma::INFORMATIONAL,
        Severity::Low => sigma::LOW,
        Severity::Medium => sigma::MEDIUM,
        Severity::High => sigma::HIGH,
        Severity::Critical => sigma::CRITICAL,
    }
}

/// Ids like `T1110.001`, however they are joined.
fn techniques(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
    words.filter(|word| is_technique(word)).map(str::to_owned).collect()
}

fn is_technique(word: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = word.strip_prefix('T') else { return false };
    match number.split_once('.') {
        Some((number, part)) => digits(number, 4) && digits(part, 3),
        None => digits(number, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_technique_has_four_digits_and_perhaps_three_more() {
        assert_eq!(techniques("attack.T1110 (T1059.004), [T1046]\tT1566.001"), ["T1059.004", "T1046", "T1566.001"]);
        for word in ["T111", "T11100", "T111x", "T1110.01", "T1110.0011", "T1110.00x", "t1110", "TA0001", "T", "1110"] {
            assert!(!is_technique(word), "{word}");
        }
    }

    #[test]
    fn every_severity_has_a_score_of_its_own() {
        let score = |severity| {
            let record = Record { action: Action::Alert, severity: Some(severity), ..Record::default() };
            detection(&record).unwrap().score
        };
        let all = Severity::ALL.map(score);
        assert!(all.is_sorted_by(|left, right| left < right), "{all:?}");
    }

    #[test]
    fn an_alert_keeps_its_severity_its_rule_and_its_techniques() {
        let fields = [("rule", "ET SCAN x"), ("technique", "[T1110.001, T1046]")];
        let record = Record {
            program: Some("suricata".into()),
            action: Action::Alert,
            severity: Some(Severity::High),
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Record::default()
        };
        let found = detection(&record).unwrap();
        assert_eq!((found.score, found.reason.as_str()), (sigma::HIGH, "ET SCAN x"));
        assert_eq!(found.techniques, ["T1110.001", "T1046"]);
        let unstated = Record { severity: None, ..record };
        assert_eq!(detection(&unstated).unwrap().score, sigma::MEDIUM);
        assert_eq!(detection(&Record { action: Action::Login, ..unstated }), None);
    }
}
