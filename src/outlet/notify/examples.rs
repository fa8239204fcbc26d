//! Messages of every kind that a template must be able to make a body of. Pure.

use super::case::Case;
use super::message::{Kind, Message};
use crate::event::{Alarm, Entity, EventId, Severity, Soc};

/// One of each kind; `text` stands in every field that has one.
pub fn messages(text: &str) -> Vec<Message> {
    let name = || Some(text.to_owned());
    let soc = Soc {
        severity: Severity::Critical,
        summary: text.to_owned(),
        entity: Entity {
            user: name(),
            host: name(),
            src_ip: name(),
            dst_ip: name(),
            dst_port: Some(22),
            process: name(),
            domain: name(),
            file: name(),
        },
        attack: vec!["T1110".to_owned(), "T1059".to_owned(), text.to_owned()],
        reasons: vec![format!("attacker:{text}"), "tactic:execution".to_owned(), format!("tactic:{text}")],
        alarm: Some(Alarm { id: text.to_owned(), count: 7, first_ts: 1.0, last_ts: 2.0, ..Alarm::default() }),
        ..Soc::default()
    };
    let mut whole = Case::of(text, EventId::new(1, 0), 1.0, &soc);
    whole.propose(text);
    let bare = Case::of("1-0", EventId::new(1, 0), 1.0, &Soc::default());
    let ended = Case { ended: Some(super::case::line(text)), ..whole.clone() };
    let mut summary = Message::new(Kind::Summary, whole.clone());
    summary.lines = vec![super::case::line(text); crate::limits::NOTIFY_SUMMARY_LINES_MAX];
    vec![
        Message::new(Kind::New, whole.clone()),
        Message::new(Kind::New, bare),
        Message::new(Kind::Update, whole),
        Message::new(Kind::Closed, ended),
        summary,
    ]
}
