//! The silences that people have made, as the audit log or the event log tells of them.

use std::collections::BTreeMap;

use crate::event::Timestamp;
use crate::limits::SILENCES_KEPT;
use crate::observe::audit::Entry;
use crate::silence::change::Change;
use crate::silence::spec::Silence;

/// How the audit log calls what is done.
pub const ADD: &str = "silence.add";
pub const END: &str = "silence.end";

#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub silence: Silence,
    /// By whom it was ended before its time, and why.
    pub ended: Option<(String, String)>,
}

/// By id; those that are over go first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Book(BTreeMap<String, Recorded>);

impl Book {
    pub fn of_audit(entries: &[Entry]) -> Self {
        let mut book = Self::default();
        for entry in entries {
            if let Some((change, at)) = change_of(entry) {
                book.step(change, at);
            }
        }
        book
    }

    pub fn step(&mut self, change: Change, now: Timestamp) {
        match change {
            Change::Add(silence) => {
                let ended = self.0.remove(&silence.id).and_then(|before| before.ended);
                self.0.insert(silence.id.clone(), Recorded { silence, ended });
                if self.0.len() > SILENCES_KEPT {
                    let is_over = |it: &Recorded| it.ended.is_some() || it.silence.is_over(now);
                    let least = self.0.values().min_by_key(|it| (!is_over(it), it.silence.created));
                    let id = least.map(|it| it.silence.id.clone());
                    id.map(|id| self.0.remove(&id));
                }
            }
            Change::End { id, who, note } => {
                if let Some(recorded) = self.0.get_mut(&id) {
                    recorded.ended = Some((who, note));
                }
            }
        }
    }

    pub fn get(&self, id: &str) -> Option<&Recorded> {
        self.0.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Recorded> {
        self.0.values()
    }

    /// With what another one tells as well.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (id, recorded) in &other.0 {
            let own = self.0.entry(id.clone()).or_insert_with(|| recorded.clone());
            if own.ended.is_none() {
                own.ended.clone_from(&recorded.ended);
            }
        }
        self
    }
}

/// What a line of the audit log says was done about a silence.
fn change_of(entry: &Entry) -> Option<(Change, Timestamp)> {
    let change = match entry.action.as_str() {
        ADD => Change::Add(serde_json::from_str(&entry.note).ok()?),
        END => Change::End { id: entry.subject.clone(), who: entry.who.clone(), note: entry.note.clone() },
        _ => return None,
    };
    let at: jiff::Timestamp = entry.ts.parse().ok()?;
    Some((change, Timestamp::from_micros(at.as_microsecond())))
}
