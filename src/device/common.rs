//! What the devices share: how a finding becomes a SOC event.

use std::fmt::Write;

use crate::event::{Category, Entity, Event, Raw, Severity, Soc, Verdict};

/// From this score on a finding is called malicious.
const MALICIOUS_FROM: f64 = 0.75;
/// Characters shown of a text that an attacker may have written.
const QUOTE_CHARS_MAX: usize = 160;

/// The severity of something not benign by its score alone, as the contract's table has it.
pub fn severity_of_score(score: f64) -> Severity {
    if score > 0.9 {
        Severity::Critical
    } else if score > 0.75 {
        Severity::High
    } else if score > 0.5 {
        Severity::Medium
    } else {
        Severity::Low
    }
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
            decision: if self.score >= MALICIOUS_FROM { Verdict::Malicious } else { Verdict::Suspicious },
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

/// Text out of a log line, made safe to show on a terminal and short.
pub fn quote(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == QUOTE_CHARS_MAX {
            shown.push('…');
            break;
        }
        if crate::detect::log_forgery::is_deceptive(character) {
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The machine that logged the line, where it says so; else the source it came through.
pub fn origin<'a>(event: &Event, raw: &'a Raw) -> &'a str {
    let _ = event;
    raw.record().entity.host.as_deref().unwrap_or(&raw.source)
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
