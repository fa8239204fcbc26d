//! What the devices share: how a finding becomes a SOC event.

use crate::detect::deceptive::excerpt;
use crate::event::{Category, Entity, Raw, Severity, Soc, Verdict};
use crate::layer::severity::{Operator, severity};
use crate::layer::verdict;

/// Characters shown of a text that an attacker may have written.
const QUOTE_CHARS_MAX: usize = 160;

/// The severity of something not benign by its score alone; fusion alone adds the state of the operator.
pub fn severity_of_score(score: f64) -> Severity {
    severity(Verdict::Suspicious, score, Operator::default())
}

/// What a device has found, before it is a SOC event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Finding {
    /// In UPPER_SNAKE, like `LOG_TIME_BACKWARDS`.
    pub flag: &'static str,
    /// 0 to 1, above 0.
    pub score: f64,
    /// One line; what comes from a log line in it has gone through [`quote`].
    pub summary: String,
    pub entity: Entity,
    /// ATT&CK technique ids.
    pub attack: &'static [&'static str],
    pub reasons: Vec<String>,
}

impl Finding {
    pub fn into_soc(self, device: u16, category: Category, compartment: &str) -> Soc {
        Soc {
            src_device: device,
            decision: verdict(self.score).max(Verdict::Suspicious),
            score: self.score,
            severity: severity_of_score(self.score),
            category,
            compartment: compartment.to_owned(),
            summary: self.summary,
            entity: self.entity,
            flags: vec![self.flag.to_owned()],
            attack: self.attack.iter().map(|id| (*id).to_owned()).collect(),
            reasons: self.reasons,
            ..Soc::default()
        }
    }
}

/// Text out of a log line: short, and safe to show on a terminal.
pub fn quote(text: &str) -> String {
    excerpt(text, QUOTE_CHARS_MAX)
}

/// A flag as a reader says it: `log cleared` for `LOG_CLEARED`.
pub fn in_words(flag: &str) -> String {
    flag.to_ascii_lowercase().replace('_', " ")
}

/// A flag as a reason: `log-cleared` for `LOG_CLEARED`.
pub fn reason_of(flag: &str) -> String {
    in_words(flag).replace(' ', "-")
}

/// The machine that logged the line, where the line names it; else the source it came through.
pub fn origin(raw: &Raw) -> &str {
    raw.record().entity.host.as_deref().unwrap_or(&raw.source)
}

/// Lines for tests of the devices.
#[cfg(test)]
pub mod testing {
    use crate::event::{Action, Body, Entity, Event, EventId, Format, Raw, Record, Stream, Times, Timestamp};
    use crate::layer::stage::Stage;
    use crate::layer::testing::soc_events;
    use crate::parse::built_in;

    /// What a parser would make of a line.
    #[derive(Clone, Default)]
    pub struct Line {
        pub source: &'static str,
        /// By the sender.
        pub is_named: bool,
        /// Since the tests' epoch, Monday 2024-12-30.
        pub second: u64,
        pub host: Option<&'static str>,
        pub program: &'static str,
        pub pid: Option<u32>,
        pub message: &'static str,
        pub user: Option<&'static str>,
        pub src_ip: Option<&'static str>,
        pub command: Option<String>,
        pub action: Action,
        pub outcome: Option<bool>,
        pub fields: Vec<(&'static str, &'static str)>,
        pub impostor: Option<&'static str>,
    }

    pub fn at(second: u64) -> Timestamp {
        Timestamp::from_millis((1_735_516_800 + second) * 1000)
    }

    pub fn event(ts: Timestamp, stream: Stream, body: Body) -> Event {
        let id = EventId::new(ts.millis(), 0);
        Event { id, stream, times: Times::at(ts), root: id, body }
    }

    impl Line {
        pub fn event(&self) -> Event {
            let text = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
            let record = Record {
                program: text(self.program),
                pid: self.pid,
                message: self.message.to_owned(),
                fields: self.fields.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
                entity: Entity {
                    user: self.user.map(str::to_owned),
                    host: self.host.map(str::to_owned),
                    src_ip: self.src_ip.map(str::to_owned),
                    ..Entity::default()
                },
                command: self.command.clone(),
                action: self.action,
                outcome: self.outcome,
                impostor: self.impostor.map(str::to_owned),
                ..Record::default()
            };
            let payload = bytes::Bytes::from_static(self.message.as_bytes());
            let raw = Raw::new(self.source.into(), "ops".into(), Format::Text, payload, Vec::new(), built_in())
                .with_record(record)
                .named_by_sender(self.is_named);
            event(at(self.second), Stream::L3In, Body::Raw(raw))
        }
    }

    /// The flags that the device raises on these lines.
    pub fn flags(stage: &mut dyn Stage, lines: &[Line]) -> Vec<String> {
        let events: Vec<Event> = lines.iter().map(Line::event).collect();
        soc_events(stage, &events).into_iter().flat_map(|soc| soc.flags).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_cannot_drive_a_terminal_and_is_short() {
        assert_eq!(quote("a\u{1b}[2Jb\nc\u{202e}d é"), "a\\u{1b}[2Jb\\nc\\u{202e}d é");
        assert!(quote(&"x".repeat(100_000)).chars().count() <= QUOTE_CHARS_MAX + 1);
    }

    #[test]
    fn severity_follows_the_table_of_scores() {
        let of = severity_of_score;
        assert_eq!(
            [of(0.95), of(0.9), of(0.75), of(0.5)],
            [Severity::Critical, Severity::High, Severity::Medium, Severity::Low]
        );
    }
}
