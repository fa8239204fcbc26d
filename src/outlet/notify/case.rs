//! What a message is about: an incident, an alarm that grows, or a single event, as the log tells of it. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::config::redact;
use crate::detect::deceptive::excerpt;
use crate::detect::phase::Phase;
use crate::detect::tactic::Tactic;
use crate::event::{Category, Entity, EventId, Severity, Soc};
use crate::limits::{NOTIFY_NAMES_MAX, NOTIFY_PROPOSALS_MAX, NOTIFY_TEXT_CHARS_MAX, NOTIFY_WORD_CHARS_MAX};

/// Every text in it is one line that shows what would deceive, and has an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Of the incident or the alarm, or of the event that stands for itself.
    pub id: String,
    /// The newest event that told of it.
    pub event: EventId,
    /// The worst that was told of it.
    pub severity: Severity,
    pub score: f64,
    pub category: Category,
    pub summary: String,
    pub entity: Entity,
    pub attacker: Option<String>,
    /// Of ATT&CK, in the order in which an intrusion passes them.
    pub tactics: Vec<String>,
    pub techniques: Vec<String>,
    /// Epoch seconds.
    pub first_ts: f64,
    pub last_ts: f64,
    pub count: u64,
    /// What is proposed because of it.
    pub proposals: Vec<String>,
    /// How it ended.
    pub ended: Option<String>,
}

impl Case {
    /// As this event tells of it.
    pub fn of(id: &str, event: EventId, ts: f64, soc: &Soc) -> Self {
        let told = |prefix: &'static str| soc.reasons.iter().filter_map(move |reason| reason.strip_prefix(prefix));
        let alarm = soc.alarm.clone().unwrap_or_default();
        let of_alarm = soc.alarm.is_some();
        let techniques = soc.attack.iter().take(NOTIFY_NAMES_MAX).map(|name| word(name)).collect();
        let mut tactics: Vec<String> = told("tactic:").take(NOTIFY_NAMES_MAX).map(word).collect();
        if tactics.is_empty() {
            let of: BTreeSet<Tactic> = soc.attack.iter().filter_map(|technique| Tactic::of(technique)).collect();
            tactics = of.into_iter().map(|tactic| tactic.name().to_owned()).collect();
        }
        Self {
            id: word(id),
            event,
            severity: soc.severity,
            score: soc.score,
            category: soc.category,
            summary: line(&soc.summary),
            entity: shown(&soc.entity),
            attacker: told("attacker:").next().map(word),
            tactics,
            techniques,
            first_ts: if of_alarm { alarm.first_ts } else { ts },
            last_ts: if of_alarm { alarm.last_ts } else { ts },
            count: alarm.count.max(1),
            proposals: Vec::new(),
            ended: alarm.is_over.then(|| "nothing more came for long".to_owned()),
        }
    }

    /// Takes over what is known of it already.
    pub fn after(mut self, before: Self) -> Self {
        self.severity = self.severity.max(before.severity);
        self.proposals = before.proposals;
        self
    }

    pub fn propose(&mut self, summary: &str) {
        let text = line(summary.strip_prefix("proposal: ").unwrap_or(summary));
        if self.proposals.len() < NOTIFY_PROPOSALS_MAX && !self.proposals.contains(&text) {
            self.proposals.push(text);
        }
    }

    /// How far an intruder was seen to be.
    pub fn phases(&self) -> BTreeSet<Phase> {
        self.tactics.iter().filter_map(|name| Tactic::named(name)).map(Phase::of).collect()
    }

    /// Who it is about, in words; empty where nobody is known.
    pub fn who(&self) -> String {
        let Entity { user, host, src_ip, dst_ip, process, domain, .. } = &self.entity;
        let source = self.attacker.as_ref().or(src_ip.as_ref());
        let parts = [("user ", user.as_ref()), ("from ", source), ("to ", dst_ip.as_ref())];
        let parts = parts.into_iter().chain([
            ("domain ", domain.as_ref()),
            ("process ", process.as_ref()),
            ("on ", host.as_ref()),
        ]);
        let known = parts.filter_map(|(what, name)| name.map(|name| format!("{what}{name}")));
        known.collect::<Vec<_>>().join(", ")
    }
}

/// A line for a person, cut.
pub fn line(text: &str) -> String {
    redact(&excerpt(text.trim(), NOTIFY_TEXT_CHARS_MAX))
}

/// A name, cut shorter.
pub fn word(text: &str) -> String {
    redact(&excerpt(text, NOTIFY_WORD_CHARS_MAX))
}

fn shown(entity: &Entity) -> Entity {
    let part = |part: &Option<String>| part.as_deref().map(word);
    Entity {
        user: part(&entity.user),
        host: part(&entity.host),
        src_ip: part(&entity.src_ip),
        dst_ip: part(&entity.dst_ip),
        dst_port: entity.dst_port,
        process: part(&entity.process),
        domain: part(&entity.domain),
        file: part(&entity.file),
    }
}
