//! What is known of proposals: those seen on the log, what people decided on them, and what became of that. Deciding only records;
//! what carries it out is in `responses`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::problem::Problem;
use super::seen::{Fold, Seen};
use super::silences::book::Book;
use crate::event::{Body, Event, EventId, Soc, Timestamp};
use crate::limits;
use crate::locked::locked;
use crate::named_files;
use crate::observe::audit::{ACCEPT_FILE, Audit, AuditError, Entry, Head, Kept};
use crate::respond::config::Mode;
use crate::respond::history::History;
use crate::respond::plan::Decided;
use crate::respond::repeats::Repeats;
use crate::respond::step::{SOAR_DEVICE, Step};

/// Approvals, by what each leads to.
const APPROVE: &str = "proposal.approve";
const APPROVE_DRY_RUN: &str = "proposal.approve.simulate";
const APPROVE_ACTION: &str = "proposal.approve.execute";
pub const REJECT: &str = "proposal.reject";
pub const UNDO: &str = "proposal.undo";
const LOOK_EVERY: Duration = Duration::from_secs(1);
const BEGUN_ANEW: &str = "audit.begun_anew";

/// What is known of proposals: those seen on the log, and the decisions in the audit log.
pub struct Proposals {
    pub seen: Seen<Newest>,
    /// Why nothing can be decided, when the audit log cannot be used.
    pub ledger: Result<Arc<Mutex<Ledger>>, String>,
    /// What is remembered of decisions where the audit log cannot be used: they hold all the same.
    remembered: BTreeMap<EventId, Entry>,
    /// Why nothing can be decided, as of the last look.
    looked: tokio::sync::Mutex<Option<(Instant, Option<String>)>>,
    /// One decision at a time, until it is remembered as well.
    pub deciding: Arc<tokio::sync::Mutex<()>>,
    /// Something was decided.
    pub changed: tokio::sync::Notify,
}

/// The newest proposals of the log, and what became of them.
#[derive(Default)]
pub struct Newest {
    pub proposals: BTreeMap<EventId, Event>,
    /// Which of them are the same again.
    pub repeats: Repeats,
    pub history: History,
}

/// A decision is in both or in neither.
pub struct Ledger {
    audit: Audit,
    decisions: BTreeMap<EventId, Entry>,
    /// Those that somebody wants taken back.
    undone: BTreeMap<EventId, Entry>,
    /// Silences that people have made.
    pub silences: Book,
    /// Steps of what was carried out that are on record.
    steps: BTreeSet<(String, String)>,
    /// The last entries.
    newest: VecDeque<Entry>,
    /// What the hot store is to remember of it.
    kept: Kept,
}

/// The answer of `approve` and `reject`.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    id: EventId,
    pub state: &'static str,
    ts: String,
    who: String,
    note: String,
}

impl Proposals {
    /// An audit log that cannot be used is reported here and at every decision; the rest of the API goes on.
    pub fn open(audit_file: &Path, kept: Option<Kept>) -> Self {
        let remembered = decisions_in(kept.iter().flat_map(|kept| &kept.entries));
        let ledger = Ledger::open(audit_file, kept).map(|ledger| Arc::new(Mutex::new(ledger))).map_err(|error| {
            log::error!(target: "dsmil-http", "no proposal can be decided: {error}");
            error.to_string()
        });
        let (seen, deciding, looked, changed) = Default::default();
        Self { seen, ledger, remembered, looked, deciding, changed }
    }

    pub fn decision(&self, id: EventId) -> Option<Decision> {
        match &self.ledger {
            Ok(ledger) => locked(ledger).decisions.get(&id).map(|entry| decision_of(id, entry)),
            Err(_) => self.remembered.get(&id).map(|entry| decision_of(id, entry)),
        }
    }

    /// What was decided, and who wants it taken back, as the audit log has it; nothing where it cannot be used.
    pub fn on_record(&self, id: EventId) -> (Option<Entry>, Option<Entry>) {
        let Ok(ledger) = &self.ledger else { return (None, None) };
        let ledger = locked(ledger);
        (ledger.decisions.get(&id).cloned(), ledger.undone.get(&id).cloned())
    }

    /// Why nothing can be decided now; looked at once a second at most.
    pub async fn fault(&self) -> Option<String> {
        let ledger = match &self.ledger {
            Ok(ledger) => Arc::clone(ledger),
            Err(error) => return Some(error.clone()),
        };
        let mut looked = self.looked.lock().await;
        let before = looked.as_ref().and_then(|(_, fault)| fault.clone());
        if looked.as_ref().is_some_and(|(at, _)| at.elapsed() < LOOK_EVERY) {
            return before;
        }
        // On a thread of its own, for it may have to be read; while a decision is written, it is as it was.
        let look = move || ledger.try_lock().ok().map(|mut ledger| ledger.audit.know_again().err());
        let found = tokio::task::spawn_blocking(look).await.ok().flatten();
        let fault = found.map_or_else(|| before.clone(), |error| error.map(|error| error.to_string()));
        if let Some(fault) = fault.as_ref().filter(|fault| Some(*fault) != before.as_ref()) {
            log::error!(target: "dsmil-http", "no proposal can be decided: {fault}");
        }
        *looked = Some((Instant::now(), fault.clone()));
        fault
    }
}

impl Fold for Newest {
    fn step(&mut self, event: &Event) {
        let at = Timestamp::from_millis(event.id.ms());
        if let Some(proposed) = proposed_in(event) {
            let waits = |id| self.proposals.get(&id).is_some_and(|earlier| !is_expired(earlier, at));
            self.repeats.add(event.id, proposed, waits);
            self.proposals.insert(event.id, event.clone());
            if self.proposals.len() > limits::PROPOSALS_MAX {
                self.forget_one(at);
            }
        } else if let Body::Soc(soc) = &event.body {
            self.history.step(at, soc);
        }
    }
}

impl Newest {
    /// The oldest of which nothing is in force. The newest stays.
    fn forget_one(&mut self, now: Timestamp) {
        let is_past = |id: &EventId| self.history.of(*id).is_none_or(|progress| progress.is_past(now));
        let before_newest = self.proposals.len().saturating_sub(1);
        let past = self.proposals.keys().take(before_newest).find(|id| is_past(id)).copied();
        let is_too_much = self.proposals.len() > limits::RESPONSES_IN_FORCE_MAX;
        let least = past.or_else(|| self.proposals.keys().next().copied().filter(|_| is_too_much));
        let forgotten = least.and_then(|id| self.proposals.remove(&id));
        if let Some((event, proposed)) = forgotten.as_ref().and_then(|event| Some((event, proposed_in(event)?))) {
            self.repeats.forget(event.id, proposed);
        }
    }
}

impl Ledger {
    fn open(path: &Path, kept: Option<Kept>) -> Result<Self, AuditError> {
        let (audit, entries) = match Audit::open(path, kept.as_ref().map(|kept| &kept.head)) {
            Ok(opened) => opened,
            Err(error) => match kept.as_ref().filter(|kept| is_given_up(path, &kept.head)) {
                Some(kept) => (begin_anew(path, &kept.head, &error)?, Vec::new()),
                None => return Err(error),
            },
        };
        let head = audit.head().clone();
        let mut kept = kept.unwrap_or_else(|| Kept::new(Head::none()));
        let ahead = head.lines.saturating_sub(kept.head.lines);
        if ahead > 1 && kept.head.lines > 0 {
            log::warn!(
                target: "dsmil-http",
                "audit log {}: {ahead} lines follow the last one that is remembered: look at who wrote them",
                path.display()
            );
        }
        // What was decided stays decided, by either of them.
        let decisions = decisions_in(kept.entries.iter().chain(&entries));
        let undone = on_proposals(kept.entries.iter().chain(&entries), |entry| entry.action == UNDO);
        let steps = entries.iter().map(|entry| (entry.action.clone(), entry.subject.clone())).collect();
        let silences = Book::of_audit(&entries);
        let unkept = entries.iter().filter(|entry| entry.seq > kept.head.lines).cloned().collect::<Vec<_>>();
        unkept.iter().for_each(|entry| kept.add(entry));
        kept.head = head;
        let newest = entries.into_iter().rev().take(limits::AUDIT_ENTRIES_KEPT).rev().collect();
        Ok(Self { audit, decisions, undone, silences, steps, newest, kept })
    }

    /// What is to be remembered of the log as it is now.
    pub fn kept(&self) -> Value {
        self.kept.to_value()
    }

    pub fn head(&self) -> &Head {
        self.audit.head()
    }

    pub fn decide(&mut self, id: EventId, action: &str, who: &str, note: &str) -> Result<Entry, Problem> {
        if let Some(Decision { state, who, ts, .. }) = self.decisions.get(&id).map(|entry| decision_of(id, entry)) {
            let detail = format!("proposal {id} was {state} by {who} at {ts}; a decision is final");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let entry = self.record(action, &id.to_string(), who, note)?;
        self.decisions.insert(id, entry.clone());
        self.kept.add(&entry);
        Ok(entry)
    }

    /// Takes back what was decided.
    pub fn undo(&mut self, id: EventId, who: &str, note: &str) -> Result<Entry, Problem> {
        if let Some(Entry { who, ts, .. }) = self.undone.get(&id) {
            let detail = format!("proposal {id} was taken back by {who} at {ts}");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let entry = self.record(UNDO, &id.to_string(), who, note)?;
        self.undone.insert(id, entry.clone());
        self.kept.add(&entry);
        Ok(entry)
    }

    /// Adds a line about what became of a proposal. What happens once is on record once, also when the daemon was killed in the middle
    /// of it.
    pub fn step(&mut self, step: Step, id: EventId, who: &str, note: &str) -> Result<(), Problem> {
        let line = (step.audited().to_owned(), id.to_string());
        if step != Step::Failed && self.steps.contains(&line) {
            return Ok(());
        }
        self.record(step.audited(), &line.1, who, note)?;
        self.steps.insert(line);
        Ok(())
    }

    /// Adds a line, which is on disk when this returns.
    pub fn record(&mut self, action: &str, subject: &str, who: &str, note: &str) -> Result<Entry, Problem> {
        let entry = self.audit.append(action, subject, who, note).map_err(|error| {
            log::error!(target: "dsmil-http", "{action} of {subject} could not be recorded: {error}");
            Problem::busy(error.to_string(), 5)
        })?;
        self.kept.head = self.audit.head().clone();
        self.newest.push_back(entry.clone());
        if self.newest.len() > limits::AUDIT_ENTRIES_KEPT {
            self.newest.pop_front();
        }
        Ok(entry)
    }

    /// The last entries, oldest first.
    pub fn newest(&self) -> &VecDeque<Entry> {
        &self.newest
    }
}

fn decisions_in<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeMap<EventId, Entry> {
    on_proposals(entries, |entry| entry.action == REJECT || mode_of(&entry.action).is_some())
}

fn on_proposals<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    is_wanted: impl Fn(&Entry) -> bool,
) -> BTreeMap<EventId, Entry> {
    let wanted = entries.filter(|entry| is_wanted(entry));
    wanted.filter_map(|entry| Some((entry.subject.parse().ok()?, entry.clone()))).collect()
}

/// How the audit log calls an approval that leads to this.
pub fn approval(mode: Mode) -> &'static str {
    match mode {
        Mode::Propose => APPROVE,
        Mode::Simulate => APPROVE_DRY_RUN,
        Mode::Approve | Mode::Automatic => APPROVE_ACTION,
    }
}

/// What an approval leads to; `None` for what is none.
fn mode_of(action: &str) -> Option<Mode> {
    [Mode::Propose, Mode::Simulate, Mode::Approve].into_iter().find(|mode| approval(*mode) == action)
}

/// A decision as what is to be done follows from it.
pub fn decided(entry: &Entry) -> Decided<'_> {
    Decided { who: &entry.who, mode: mode_of(&entry.action) }
}

/// A person wrote the remembered hash into the file beside the log.
fn is_given_up(path: &Path, head: &Head) -> bool {
    let accepted = named_files::text(&path.with_file_name(ACCEPT_FILE), limits::SECRET_FILE_BYTES_MAX);
    accepted.is_ok_and(|hash| hash.trim() == head.hash)
}

fn begin_anew(path: &Path, given_up: &Head, error: &AuditError) -> Result<Audit, AuditError> {
    let failed = |source| AuditError::Io { path: path.to_owned(), problem: "it could not be moved aside", source };
    let aside = path.with_file_name(format!("audit.log.until-{}", Timestamp::now().millis()));
    std::fs::rename(path, &aside).map_err(failed)?;
    std::fs::remove_file(path.with_file_name(ACCEPT_FILE)).map_err(failed)?;
    log::warn!(target: "dsmil-http", "a new audit log is begun, the old one is {}: {error}", aside.display());
    let (mut audit, _) = Audit::open(path, None)?;
    let note = format!("the log before ended with line {} and the hash {}", given_up.lines, given_up.hash);
    audit.append(BEGUN_ANEW, "audit.log", "operator", &note)?;
    Ok(audit)
}

/// When a proposal can no longer be approved: past what it says itself, or after as much time as it was made for.
pub fn expires(event: &Event) -> Option<Timestamp> {
    let Body::Soc(soc) = &event.body else { return None };
    let seconds = |key: &str| soc.proposal.as_ref().and_then(|proposal| proposal.get(key)).and_then(Value::as_f64);
    let (created, expires) = (seconds("created")?, seconds("expires")?);
    Timestamp::from_seconds(expires.min(event.id.ms() as f64 / 1000.0 + (expires - created)))
}

/// Whether it can no longer be approved.
pub fn is_expired(event: &Event, now: Timestamp) -> bool {
    expires(event).is_some_and(|expires| now >= expires)
}

pub fn is_proposal(event: &Event) -> bool {
    proposed_in(event).is_some()
}

fn proposed_in(event: &Event) -> Option<&Soc> {
    match &event.body {
        Body::Soc(soc) => Some(&**soc).filter(|soc| soc.producer() == SOAR_DEVICE && soc.proposal.is_some()),
        _ => None,
    }
}

pub fn decision_of(id: EventId, entry: &Entry) -> Decision {
    let state = match entry.action.as_str() {
        REJECT => "rejected",
        UNDO => "undone",
        _ => "approved",
    };
    Decision { id, state, ts: entry.ts.clone(), who: entry.who.clone(), note: entry.note.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_an_audit_log_that_was_not_known_is_where_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let (mut audit, _) = Audit::open(&path, None).unwrap();
        audit.append(APPROVE, "1-0", "alice", "").unwrap();
        audit.append(REJECT, "2-0", "alice", "").unwrap();
        let ledger = Ledger::open(&path, None).unwrap();
        assert_eq!(Kept::read(&ledger.kept()).unwrap().head, *audit.head());
        // With it, a log that has lost its last line is known to.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.split_inclusive('\n').next().unwrap()).unwrap();
        assert!(matches!(Ledger::open(&path, Kept::read(&ledger.kept())), Err(AuditError::Cut { .. })));
    }
}
