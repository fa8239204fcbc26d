//! One message: what a person is told of a case, and what tells a repetition of it. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::case::Case;
use crate::detect::phase::Phase;
use crate::event::{EventId, Severity, Timestamp};

/// What is written as it is of an id in a link.
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The first that is told of the case.
    New,
    /// It became more severe, or went further.
    Update,
    /// It is over, and was told of.
    Closed,
    /// What there were too many messages for.
    Summary,
    /// Somebody tries out whether messages arrive.
    Test,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub kind: Kind,
    pub case: Case,
    /// Of a summary: one line for each case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// How often it was handed to the outside and not taken.
    #[serde(default)]
    pub tries: u32,
}

/// What a message says besides its case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sender {
    /// The name of the notifier.
    pub notifier: String,
    /// `daemon.instance`.
    pub instance: String,
    /// Where the console is: `https://soc.example.org`.
    pub link: Option<String>,
    pub is_of_incidents: bool,
}

impl Message {
    pub fn new(kind: Kind, case: Case) -> Self {
        Self { kind, case, lines: Vec::new(), tries: 0 }
    }

    /// The same for every repetition of this message, and for no other: the case, and the event that told of this state of it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.case.id, self.case.event)
    }

    /// One line.
    pub fn title(&self) -> String {
        let case = &self.case;
        let severity = case.severity.name();
        match self.kind {
            Kind::Summary => return format!("{severity} {}", case.summary),
            Kind::Test => return "a test of this notification".to_owned(),
            Kind::New | Kind::Update | Kind::Closed => {}
        }
        let state = match self.kind {
            Kind::Closed => "closed: ",
            Kind::Update => "update: ",
            _ => "",
        };
        let who = case.who();
        let about = if who.is_empty() { case.summary.clone() } else { who };
        format!("{state}{severity} {}: {about}", case.category.name())
    }

    /// Everything that templates, programs and dead letters are given.
    pub fn context(&self, sender: &Sender) -> Value {
        let case = &self.case;
        let phase = case.phases().last().map(|phase| phase_name(*phase));
        json!({
            "kind": self.kind,
            "key": self.key(),
            "notifier": sender.notifier,
            "instance": sender.instance,
            "id": case.id,
            "incident_id": sender.is_of_incidents.then_some(&case.id),
            "event_id": case.event,
            "severity": case.severity,
            "level": level(case.severity),
            "score": case.score,
            "category": case.category,
            "title": self.title(),
            "summary": case.summary,
            "who": case.who(),
            "entity": case.entity,
            "since": rfc3339(case.first_ts),
            "last": rfc3339(case.last_ts),
            "count": case.count,
            "phase": phase,
            "tactics": case.tactics,
            "techniques": case.techniques,
            "proposals": case.proposals,
            "ended": case.ended,
            "lines": self.lines,
            "link": self.link(sender),
            "text": self.text(sender),
        })
    }

    fn link(&self, sender: &Sender) -> Option<String> {
        let base = sender.link.as_ref()?.trim_end_matches('/');
        let is_page = self.kind != Kind::Test && self.kind != Kind::Summary && sender.is_of_incidents;
        Some(if is_page {
            format!("{base}/#incident={}", utf8_percent_encode(&self.case.id, ID))
        } else {
            format!("{base}/")
        })
    }

    /// All of it as lines for a person.
    pub fn text(&self, sender: &Sender) -> String {
        let case = &self.case;
        if self.kind == Kind::Summary {
            let link = self.link(sender).map(|link| format!("See {link}"));
            return std::iter::once(case.summary.clone())
                .chain(self.lines.clone())
                .chain(link)
                .collect::<Vec<_>>()
                .join("\n");
        }
        let mut lines = vec![case.summary.clone()];
        lines.extend(case.ended.as_ref().map(|ended| format!("Over: {ended}")));
        let who = case.who();
        lines.extend((!who.is_empty()).then(|| format!("Who: {who}")));
        lines.push(format!("Since {}, last {}, {} times", rfc3339(case.first_ts), rfc3339(case.last_ts), case.count));
        if let Some(phase) = case.phases().last() {
            lines.push(format!("How far: {} ({})", phase_name(*phase), case.tactics.join(", ")));
        }
        lines.extend(case.proposals.iter().map(|proposal| format!("Proposed: {proposal}")));
        lines.extend(self.link(sender).map(|link| format!("See {link}")));
        let what = if sender.is_of_incidents { "incident" } else { "event" };
        lines.push(format!("{what} {} on {}", case.id, sender.instance));
        lines.join("\n")
    }
}

/// A message for somebody who tries out whether it arrives. `now`: so that the other side does not take it for one that it has.
pub fn test(now: Timestamp) -> Message {
    let soc = crate::event::Soc {
        severity: Severity::High,
        summary: "this is a test: nothing happened, and nothing need be done".to_owned(),
        ..crate::event::Soc::default()
    };
    let event = EventId::new(now.millis(), 0);
    Message::new(Kind::Test, Case::of(&format!("test-{}", now.millis()), event, now.seconds(), &soc))
}

pub fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::AtTheDoor => "at the door",
        Phase::Inside => "inside",
        Phase::Foothold => "has a foothold",
        Phase::Connected => "connected to others",
        Phase::Done => "data taken or destroyed",
    }
}

/// 1 to 5, for services that number their priorities.
fn level(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

fn rfc3339(seconds: f64) -> String {
    Timestamp::from_seconds(seconds).unwrap_or_default().to_string()
}
