//! Why an event is there, in words. Pure.

use std::time::Duration;

use crate::event::{Alarm, Body, Decision, Event, Evidence, Rule, Soc, Verdict};

/// The sentence behind "because"; `None` for what came from outside.
pub fn because(event: &Event) -> Option<String> {
    match &event.body {
        Body::Raw(_) | Body::Tick => None,
        Body::Shrink(sample) => {
            let values =
                sample.values.iter().take(SHRINK_VALUES_SAID).map(|(name, value)| format!("{name} {value:.2}"));
            Some(format!("SHRINK measured of the operator: {}", values.collect::<Vec<_>>().join(", ")))
        }
        Body::Decision(decision) => Some(of_decision(decision)),
        Body::Soc(soc) => Some(of_soc(soc)),
    }
}

const SHRINK_VALUES_SAID: usize = 4;
/// The devices write layer 8.
const DEVICES: &str = "8";

fn of_decision(decision: &Decision) -> String {
    let said = if decision.summary.is_empty() { decision.reasons.join(", ") } else { decision.summary.clone() };
    let said = if said.is_empty() { format!("{} by {}", decision.verdict.name(), decision.model) } else { said };
    match decision.evidence.as_deref() {
        Some(evidence) => format!("{said}{}", by_rule(evidence)),
        None => said,
    }
}

/// Behind what was found: the rule, what it measured within which time, and from where on that is enough.
fn by_rule(evidence: &Evidence) -> String {
    let of = evidence.field.as_ref().map(|field| format!(" different {field}")).unwrap_or_default();
    let within = evidence.timespan_s.map(|seconds| format!(" within {}", span(seconds))).unwrap_or_default();
    let measured = evidence.value.map(|value| format!("{}{of}{within}", number(value)));
    let threshold = evidence.threshold.map(|threshold| format!("threshold {}", number(threshold)));
    let found = [measured, threshold].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let facts: Vec<String> = evidence.rule.iter().map(named).chain((!found.is_empty()).then_some(found)).collect();
    if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(": ")) }
}

fn named(rule: &Rule) -> String {
    let id = if rule.id.is_empty() || rule.id == rule.title { String::new() } else { format!(" {}", rule.id) };
    let file = if rule.file.is_empty() { String::new() } else { format!(" of {}", rule.file) };
    format!("rule \"{}\"{id}{file}", rule.title)
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn span(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn of_soc(soc: &Soc) -> String {
    if soc.proposal.is_some() {
        return format!("this is proposed: {}", soc.summary);
    }
    if soc.src_layer != DEVICES {
        return of_fusion(soc);
    }
    let flags = soc.flags.join(", ");
    let measured = soc.evidence.as_deref().map(by_rule).unwrap_or_default();
    match soc.alarm.as_ref().filter(|_| soc.incident_id.is_some()) {
        Some(Alarm { count, .. }) => format!("{count} alerts belong together: {}", soc.summary),
        None if flags.is_empty() => format!("device {} reports: {}{measured}", soc.src_device, soc.summary),
        None => format!("device {} reports {flags}: {}{measured}", soc.src_device, soc.summary),
    }
}

fn of_fusion(soc: &Soc) -> String {
    let layer = &soc.src_layer;
    let over = soc.alarm.as_ref().is_some_and(|alarm| alarm.is_over);
    let decided = match soc.decision {
        _ if over => format!("nothing more came of what Layer {layer} had reported"),
        Verdict::Benign => format!("Layer {layer} says so"),
        verdict => format!("Layer {layer} judged it {} with {:.2}", verdict.name(), soc.score),
    };
    let many =
        soc.alarm.as_ref().filter(|alarm| alarm.count > 1).map(|alarm| format!(", {} times by now", alarm.count));
    let stress = soc.shrink_risk.map(|risk| format!("; the operator's acute stress was {risk:.2} then"));
    [decided, many.unwrap_or_default(), stress.unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    #[test]
    fn a_count_is_told_with_its_rule_its_time_and_its_threshold() {
        let evidence = Evidence {
            rule: Some(Rule { id: "7".into(), title: "Guessing".into(), file: "built-in ssh.yml".into() }),
            value: Some(4.0),
            threshold: Some(3.5),
            field: Some("user.name".into()),
            timespan_s: Some(600.0),
            ..Evidence::default()
        };
        let decision = Decision {
            summary: "41 failed logins".into(),
            evidence: Some(Box::new(evidence)),
            ..Decision::benign("rates".into(), 24, "".into(), EventId::ZERO)
        };
        assert_eq!(
            of_decision(&decision),
            "41 failed logins (rule \"Guessing\" 7 of built-in ssh.yml: 4 different user.name within 10 min, threshold 3.50)"
        );
    }

    #[test]
    fn spans_are_told_as_people_do() {
        let said = [0.0, 90.0, 600.0, 7200.0, 259_200.0, f64::NAN, -1.0].map(span);
        assert_eq!(said, ["0 s", "90 s", "10 min", "2 h", "3 days", "0 s", "0 s"]);
    }
}
