//! Carries out what was approved: asks the helper, and puts each step on record, in the audit log and as an event. What is to be done follows
//! from the log and the audit log alone, so that it goes on after a kill where it was; the same block twice is one block.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decisions::{approval, decided, expires};
use super::gateway::OutletStatus;
use super::proposals::{on_record, remember};
use super::shared::Shared;
use crate::event::{Body, EventId, Soc, Timestamp};
use crate::respond::ask::ask;
use crate::respond::config::{Mode, Respond};
use crate::respond::plan::{Case, Task, tasks};
use crate::respond::protocol::{Answer, Approver, Outcome, Request};
use crate::respond::step::{Step, Told};
use crate::retry::Backoff;
use crate::supervise::TaskContext;

/// The name in status, and of its backoff.
pub const NAME: &str = "respond";
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while nothing is to be done but to see that the configuration has changed.
const REST: Duration = Duration::from_secs(5);
/// Commits that come together are looked at together.
const GATHER: Duration = Duration::from_millis(100);
/// Between two attempts at what did not work.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Between two questions whether the helper is there, while it is.
const CHECK_EVERY: Duration = Duration::from_secs(300);

/// The way to the server that runs.
#[derive(Clone)]
pub struct Responder(pub(super) Arc<Shared>);

/// Where its state is shown; `None` takes it from there.
pub type Show = Arc<dyn Fn(Option<OutletStatus>) + Send + Sync>;

/// The body of the actor. `find` gives the server that runs, where one does.
pub async fn run(
    context: TaskContext,
    find: Arc<dyn Fn() -> Option<Responder> + Send + Sync>,
    show: Show,
) -> Result<(), String> {
    let mut helper = Helper::new();
    let mut is_told = true;
    loop {
        let round = async {
            let Some(responder) = find() else { return tokio::time::sleep(LOOK_EVERY).await };
            let respond = (responder.0.respond)();
            if is_told || respond.mode != Mode::Propose || helper.has_work {
                responder.round(&respond, &mut helper).await;
            }
            show(helper.status(&respond));
            let is_at_rest = respond.mode == Mode::Propose && !helper.has_work;
            is_told = responder.wait(is_at_rest).await;
        };
        if context.run_until_stopped(round).await.is_none() {
            return Ok(());
        }
    }
}

/// What is known of the helper.
struct Helper {
    /// Why it does not work.
    error: Option<String>,
    backoff: Backoff,
    /// It is left alone until then.
    next: Instant,
    checked: Option<Instant>,
    /// Something was asked for and is not over.
    has_work: bool,
    waiting: u64,
}

impl Helper {
    fn new() -> Self {
        let backoff = Backoff::of(NAME);
        Self { error: None, backoff, next: Instant::now(), checked: None, has_work: false, waiting: 0 }
    }

    fn status(&self, respond: &Respond) -> Option<OutletStatus> {
        (respond.mode != Mode::Propose || self.has_work).then(|| OutletStatus {
            name: NAME.to_owned(),
            up: self.error.is_none() && self.checked.is_some(),
            lag_events: self.waiting,
            last_error: self.error.clone(),
            progress: None,
        })
    }

    async fn ask(&mut self, respond: &Respond, request: &Request) -> Result<Answer, String> {
        let answer = ask(&respond.socket, request).await;
        let error = match &answer {
            Ok(answer) if answer.outcome == Outcome::Failed => Some(answer.said.clone()),
            Ok(answer) if answer.outcome == Outcome::Spent => {
                self.pause();
                None
            }
            Ok(_) => None,
            Err(error) => Some(error.clone()),
        };
        match &error {
            Some(error) => {
                if self.error.as_ref() != Some(error) {
                    log::error!(target: "dsmil-respond", "what is approved cannot be carried out: {error}");
                }
                self.pause();
            }
            None => {
                if self.error.is_some() {
                    log::info!(target: "dsmil-respond", "the helper acts again");
                }
                self.checked = Some(Instant::now());
            }
        }
        self.error = error;
        answer
    }

    fn pause(&mut self) {
        self.next = Instant::now() + self.backoff.delay(PAUSES.0, PAUSES.1);
    }

    fn is_left_alone(&self) -> bool {
        Instant::now() < self.next
    }
}

impl Responder {
    /// Until something may be to do; whether somebody has decided something.
    async fn wait(&self, is_at_rest: bool) -> bool {
        let mut committed = self.0.gateway.committed();
        committed.mark_unchanged();
        tokio::select! {
            () = self.0.proposals.changed.notified() => true,
            _ = committed.changed(), if !is_at_rest => {
                tokio::time::sleep(GATHER).await;
                false
            }
            () = tokio::time::sleep(if is_at_rest { REST } else { LOOK_EVERY }) => false,
        }
    }

    async fn round(&self, respond: &Respond, helper: &mut Helper) {
        let tasks = match self.tasks(respond, helper).await {
            Ok(tasks) => tasks,
            Err(error) => {
                helper.error = Some(error);
                return;
            }
        };
        helper.waiting = tasks.iter().filter(|task| needs_helper(task)).count() as u64;
        for task in tasks {
            if needs_helper(&task) && helper.is_left_alone() {
                continue;
            }
            if let Err(error) = self.perform(task, respond, helper).await {
                self.0.warn(
                    "respond",
                    &format!("a step of a response could not be recorded, it is tried again: {error}"),
                );
                helper.error = Some(error);
                return;
            }
        }
        let is_due = helper.checked.is_none_or(|checked| checked.elapsed() >= CHECK_EVERY) || helper.error.is_some();
        if respond.mode != Mode::Propose && is_due && !helper.is_left_alone() {
            let _ = helper.ask(respond, &Request::Check {}).await;
        }
        if helper.error.is_none() && !helper.is_left_alone() {
            helper.backoff.reset();
        }
    }

    /// What is to be done now.
    async fn tasks(&self, respond: &Respond, helper: &mut Helper) -> Result<Vec<Task>, String> {
        let proposals = &self.0.proposals;
        // What could not be recorded is not done.
        proposals.ledger.as_ref().map_err(Clone::clone)?;
        let mut seen = proposals.seen.lock().await;
        let newest = seen.catch_up(&*self.0.gateway).await.map_err(|error| error.to_string())?;
        let now = Timestamp::now();
        let records: Vec<_> = newest.proposals.keys().map(|id| proposals.on_record(*id)).collect();
        let cases = newest.proposals.values().zip(&records).filter_map(|(event, (decision, undo))| {
            let Body::Soc(proposed) = &event.body else { return None };
            Some(Case {
                id: event.id,
                proposed,
                expires: expires(event)?,
                decision: decision.as_ref().map(decided),
                undo: undo.as_ref().map(|entry| entry.who.as_str()),
                progress: newest.history.of(event.id),
            })
        });
        let tasks = tasks(cases, respond, now);
        let in_force = |id: &EventId| newest.history.of(*id).is_some_and(|progress| progress.is_in_force(now));
        helper.has_work = !tasks.is_empty() || newest.proposals.keys().any(in_force);
        Ok(tasks)
    }

    async fn perform(&self, task: Task, respond: &Respond, helper: &mut Helper) -> Result<(), String> {
        match task {
            Task::Approve(id) => {
                let note = format!("respond.mode = \"{}\"", respond.mode.name());
                let decide = move |ledger: &mut super::decisions::Ledger| {
                    ledger.decide(id, approval(Mode::Automatic), Approver::ITSELF, &note)
                };
                on_record(&self.0, decide).await.map_err(|problem| problem.detail().to_owned())?;
                remember(Arc::clone(&self.0)).await;
                self.0.proposals.changed.notify_one();
                Ok(())
            }
            Task::Request { id, who, ends } => {
                self.tell(Told { ends: Some(ends), ..told(id, who, Step::Requested, "") }).await?;
                self.0.proposals.changed.notify_one();
                Ok(())
            }
            Task::End { id } => self.tell(told(id, Approver::ITSELF.to_owned(), Step::Ended, "its time is over")).await,
            Task::GiveUp { id, who } => {
                let last = helper.error.as_ref().map_or_else(String::new, |error| format!("; last: {error}"));
                let said = format!("the proposal expired before it could be carried out{last}");
                self.tell(told(id, who, Step::Failed, &said)).await
            }
            Task::Block { id, who, target, ttl_s } => {
                let request = Request::Block { id, target, ttl_s, approver: Approver::of(&who), dry_run: false };
                self.ask_and_tell(id, who, Step::Executed, &request, respond, helper).await
            }
            Task::Simulate { id, who, target, ttl_s } => {
                let request = Request::Block { id, target, ttl_s, approver: Approver::of(&who), dry_run: true };
                self.ask_and_tell(id, who, Step::Simulated, &request, respond, helper).await
            }
            Task::Unblock { id, who, target } => {
                self.ask_and_tell(id, who, Step::Undone, &Request::Unblock { target }, respond, helper).await
            }
        }
    }

    async fn ask_and_tell(
        &self,
        id: EventId,
        who: String,
        done: Step,
        request: &Request,
        respond: &Respond,
        helper: &mut Helper,
    ) -> Result<(), String> {
        let (step, said, is_retried) = match helper.ask(respond, request).await {
            Ok(Answer { outcome: Outcome::Done, said, .. }) => (done, said, false),
            Ok(Answer { outcome: Outcome::Refused, said, .. }) => (Step::Failed, said, false),
            Ok(Answer { said, .. }) | Err(said) => (Step::Failed, said, true),
        };
        let told = Told { is_retried, ..told(id, who, step, &said) };
        if step == Step::Failed && self.was_told(&told).await {
            return Ok(());
        }
        self.tell(told).await
    }

    /// What fails as before is not on record again.
    async fn was_told(&self, told: &Told) -> bool {
        let mut seen = self.0.proposals.seen.lock().await;
        let Ok(newest) = seen.catch_up(&*self.0.gateway).await else { return false };
        let last = newest.history.of(told.proposal).map(|progress| &progress.last);
        last.is_some_and(|last| last.step == told.step && last.is_retried == told.is_retried)
            && last.is_some_and(|last| last.said.get(..64) == told.said.get(..64))
    }

    /// Puts a step on record: in the audit log first, then on the event log.
    async fn tell(&self, told: Told) -> Result<(), String> {
        let shared = &self.0;
        let proposed = self.proposed(told.proposal).await?;
        let deciding = Arc::clone(&shared.proposals.deciding).lock_owned().await;
        let (step, id, who, said) = (told.step, told.proposal, told.who.clone(), told.said.clone());
        let recorded = on_record(shared, move |ledger| ledger.step(step, id, &who, &said)).await;
        recorded.map_err(|problem| problem.detail().to_owned())?;
        shared.say(vec![told.event(&proposed)]).await.map_err(|problem| problem.detail().to_owned())?;
        drop(deciding);
        remember(Arc::clone(shared)).await;
        Ok(())
    }

    async fn proposed(&self, id: EventId) -> Result<Soc, String> {
        let event = self.0.gateway.event(id).await.map_err(|error| error.to_string())?;
        match event.map(|event| event.body) {
            Some(Body::Soc(soc)) => Ok(*soc),
            _ => Err(format!("proposal {id} is no longer in the hot store")),
        }
    }
}

fn needs_helper(task: &Task) -> bool {
    matches!(task, Task::Block { .. } | Task::Simulate { .. } | Task::Unblock { .. })
}

fn told(proposal: EventId, who: String, step: Step, said: &str) -> Told {
    Told { proposal, step, ends: None, said: said.to_owned(), who, is_retried: false }
}
