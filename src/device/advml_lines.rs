//! How device 51 words what it finds, and what one line shows by itself.

use std::time::Duration;

use super::common::{Finding, in_words, quote, reason_of};
use crate::detect::crowding::Crowding;
use crate::detect::disagreement::Disagreement;
use crate::detect::glance::{Glance, Subject};
use crate::detect::log_forgery::{self, Forged, Forgery};
use crate::detect::log_sequence::audit_serial;
use crate::detect::log_tampering::{self, Tampering};
use crate::detect::prompt_injection::{has_escapes, injection};
use crate::detect::silence::Silent;
use crate::event::{Action, Entity, Raw, Record, Timestamp};
use crate::limits::ENTITIES_PER_DETECTOR_MAX;

/// Fields of a line that are searched for texts for a language model.
const PROMPT_FIELDS_MAX: usize = 32;

/// What is odd about the time of a source.
#[derive(Debug, Clone, Copy)]
pub enum Oddity {
    Backwards {
        by: Duration,
    },
    /// A line claims a time that is not believed, because nothing else tells that it is so late.
    Ahead {
        by: Duration,
    },
    Silent(Silent),
}

/// The number that this line has among the lines of its source, where it has one.
pub fn sequence_number(raw: &Raw) -> Option<(&'static str, u64)> {
    let record = raw.record();
    if let Some(number) = record.field("__SEQNUM").and_then(|number| number.parse().ok()) {
        return Some(("journal", number));
    }
    if let Some(number) = record.field("sequenceId").and_then(|number| number.parse().ok()) {
        return Some(("sequenceId", number));
    }
    audit_serial(&raw.payload).map(|serial| ("audit", serial))
}

/// What is forged in one line.
pub fn forgeries(raw: &Raw) -> Vec<Finding> {
    let record = raw.record();
    let mut forged = log_forgery::inspect(record.program.as_deref(), record.entity.user.as_deref(), &record.message);
    if quotes_lines(record) {
        forged.retain(|forged| forged.kind != Forgery::EmbeddedLine);
    }
    if let Some(evidence) = record.impostor.clone() {
        forged.push(Forged { kind: Forgery::Program, evidence });
    }
    forged
        .into_iter()
        .map(|Forged { kind, evidence }| {
            let (flag, score, what) = match kind {
                Forgery::EmbeddedLine => ("LOG_INJECTION", 0.85, "a log line inside a message"),
                Forgery::Address => ("FORGED_ADDRESS", 0.8, "a forged address in a name"),
                Forgery::TerminalControl => ("TERMINAL_ESCAPE", 0.6, "terminal control characters"),
                Forgery::Program => ("FORGED_PROGRAM", 0.9, "a program under a false name"),
            };
            Finding {
                flag,
                score,
                summary: format!("{what} from {}: {}", quote(&raw.source), quote(&evidence)),
                entity: record.entity.clone(),
                attack: if kind == Forgery::Program { &["T1036", "T1565.001"] } else { &["T1565.001"] },
                reasons: vec![reason_of(flag)],
            }
        })
        .collect()
}

/// A text that speaks to whoever reads the log with a language model.
pub fn prompt(raw: &Raw) -> Option<Finding> {
    let record = raw.record();
    let may_be = |message: &&str| Glance::at(raw).may_be(Subject::Prompt) || has_escapes(message);
    let texts = [Some(&*record.message).filter(may_be), record.entity.user.as_deref(), record.command.as_deref()];
    let fields = record.fields.iter().map(|(_, value)| &**value).take(PROMPT_FIELDS_MAX);
    let (what, words) = texts.into_iter().flatten().chain(fields).find_map(injection)?;
    Some(Finding {
        flag: "PROMPT_INJECTION",
        score: 0.7,
        summary: format!(
            "a text from {} tells a language model that reads it {}: {}",
            quote(&raw.source),
            what.in_words(),
            quote(&words)
        ),
        entity: record.entity.clone(),
        attack: &["T1565.001"],
        reasons: vec!["prompt-injection".to_owned()],
    })
}

/// More addresses within an hour than detectors remember: whoever was being counted is forgotten.
pub fn crowded(crowd: &mut Option<Crowding>, raw: &Raw, now: Timestamp) -> Option<Finding> {
    let address = raw.record().entity.src_ip.as_deref()?;
    let count = crowd.get_or_insert_with(|| Crowding::new(now)).see(address, now, ENTITIES_PER_DETECTOR_MAX)?;
    Some(Finding {
        flag: "COUNTERS_FLOODED",
        score: 0.52,
        summary: format!(
            "about {count} different addresses within the hour, and {ENTITIES_PER_DETECTOR_MAX} are remembered: slow attempts among them may not be counted"
        ),
        attack: &["T1562.006"],
        reasons: vec!["counters-flooded".to_owned()],
        ..Finding::default()
    })
}

/// What reports on the logs of others has their lines in its fields.
fn quotes_lines(record: &Record) -> bool {
    record.action == Action::Alert || record.field("cef.id").is_some() || record.field("leef.id").is_some()
}

/// What one line reports of logs being cleared or switched off.
pub fn tampering(raw: &Raw) -> Option<Finding> {
    let record = raw.record();
    let of_message = || log_tampering::of_message(record.program.as_deref(), &record.message);
    let of_message = Glance::at(raw).may_be(Subject::Tampering).then(of_message).flatten();
    let found = of_message.or_else(|| record.command.as_deref().and_then(log_tampering::of_command))?;
    let (flag, score, attack): (_, _, &[&str]) = match found {
        Tampering::Cleared => ("LOG_CLEARED", 0.85, &["T1070.002"]),
        Tampering::HistoryErased => ("HISTORY_ERASED", 0.7, &["T1070.003"]),
        Tampering::AuditingDisabled => ("AUDITING_DISABLED", 0.92, &["T1562.012"]),
        Tampering::LoggingStopped => ("LOGGING_STOPPED", 0.7, &["T1562.001"]),
        Tampering::Lost => ("LOG_LINES_LOST", 0.55, &["T1562.006"]),
    };
    let text = record.command.as_deref().unwrap_or(&record.message);
    Some(Finding {
        flag,
        score,
        summary: format!("{}: {}", in_words(flag), quote(text)),
        entity: record.entity.clone(),
        attack,
        reasons: vec!["log-tampering".to_owned()],
    })
}

/// Zeek writes of a connection when it is over, hours later, and dates that by when it began: of several that end together the times
/// go back, and nobody has turned a clock.
pub fn is_dated_by_its_beginning(record: &Record) -> bool {
    ["ts", "uid", "id.orig_h"].iter().all(|name| record.field(name).is_some())
}

/// Layer 3 and Layer 4 contradict each other about one entity.
pub fn discrepancy(found: Disagreement, entity: &Entity, about: &str) -> Finding {
    let (accuser, denier, reason, (malicious, benign, within)) = match found {
        Disagreement::LowerOnly { malicious, benign, within } => {
            ("Layer 3", "Layer 4", "l4-evasion", (malicious, benign, within))
        }
        Disagreement::UpperOnly { malicious, benign, within } => {
            ("Layer 4", "Layer 3", "l3-evasion", (malicious, benign, within))
        }
    };
    let hours = within.as_secs() / 3600;
    Finding {
        flag: "L3_L4_DISCREPANCY",
        score: 0.7,
        summary: format!(
            "{accuser} called {} malicious {malicious} times within {hours} h, {denier} called it benign {benign} times and never malicious: \
             one of them is deceived",
            quote(about)
        ),
        entity: entity.clone(),
        attack: &[],
        reasons: vec![reason.to_owned()],
    }
}

/// What is odd about the time of a source on a machine.
pub fn odd_time(source: &str, host: Option<String>, oddity: Oddity) -> Finding {
    let source = quote(source);
    let (flag, summary) = match oddity {
        Oddity::Backwards { by } => {
            ("LOG_TIME_BACKWARDS", format!("time of {source} runs backwards by {} s", by.as_secs()))
        }
        Oddity::Ahead { by } => {
            ("LOG_TIME_AHEAD", format!("a line of {source} is dated ahead by {} s and not believed", by.as_secs()))
        }
        Oddity::Silent(Silent { limit, usual, .. }) => {
            let (limit, usual) = (limit.as_secs(), usual.as_secs_f64());
            (
                "LOG_SILENCE",
                format!("{source} has been silent for more than {limit} s; it usually logs every {usual} s"),
            )
        }
    };
    let entity = Entity { host, ..Entity::default() };
    let reasons = vec![reason_of(flag)];
    // The clock of a device may as well be wrong.
    let score = if matches!(oddity, Oddity::Ahead { .. }) { 0.4 } else { 0.6 };
    Finding { flag, score, summary, entity, attack: &["T1070.002", "T1562.001"], reasons }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reports_on_the_logs_of_others_is_told_from_what_tells_of_itself() {
        let with = |name: &str| Record { fields: vec![(name.to_owned(), "7".to_owned())], ..Record::default() };
        assert!(quotes_lines(&Record { action: Action::Alert, ..Record::default() }));
        assert!(quotes_lines(&with("cef.id")) && quotes_lines(&with("leef.id")));
        assert!(!quotes_lines(&with("id")) && !quotes_lines(&Record { action: Action::Login, ..Record::default() }));
    }
}
