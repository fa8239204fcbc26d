//! Carries out what was approved: asks the helper, and puts each step on record, in the audit log and as an event. What is to be done follows
//! from the log and the audit log alone, so that it goes on after a kill where it was; the same block twice is one block.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::decisions::{approval, decided, expires};
use super::executors::{Executors, Order};
use super::gateway::OutletStatus;
use super::proposals::{on_record, remember};
use super::shared::Shared;
use crate::event::{Body, EventId, Soc, Timestamp};
use crate::respond::ban_file::empty;
use crate::respond::config::{Mode, Respond};
use crate::respond::deed::playbook;
use crate::respond::executor::Executor;
use crate::respond::plan::{Case, Task, tasks};
use crate::respond::protocol::{Answer, Approver, Outcome};
use crate::respond::step::{Step, Told};
use crate::supervise::TaskContext;

/// Under which the hot store remembers which list was written.
const BAN_LIST: &str = "respond.ban_list";
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while nothing is to be done but to see that the configuration has changed.
const REST: Duration = Duration::from_secs(5);
/// Commits that come together are looked at together.
const GATHER: Duration = Duration::from_millis(100);

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
    let mut executors = Executors::new();
    let mut is_told = true;
    loop {
        let round = async {
            let Some(responder) = find() else { return tokio::time::sleep(LOOK_EVERY).await };
            let respond = (responder.0.respond)();
            let is_new_list = executors.ban_file.is_elsewhere(respond.ban_list.as_deref())
                || executors.listed.as_ref() != Some(&respond.ban_list);
            if is_told || respond.mode != Mode::Propose || executors.has_work || is_new_list {
                responder.round(&respond, &mut executors).await;
            }
            show(executors.status(&respond));
            let is_at_rest = respond.mode == Mode::Propose && !executors.has_work;
            is_told = responder.wait(is_at_rest).await;
        };
        if context.run_until_stopped(round).await.is_none() {
            return Ok(());
        }
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

    async fn round(&self, respond: &Respond, executors: &mut Executors) {
        executors.error = None;
        if let Err(error) = self.act(respond, executors).await {
            self.0.warn("respond", &format!("a step of a response could not be recorded, it is tried again: {error}"));
            executors.error = Some(error);
            return;
        }
        executors.check(respond).await;
        if executors.listed.as_ref() != Some(&respond.ban_list) {
            match self.leave_former_list(respond.ban_list.as_deref()).await {
                Ok(()) => executors.listed = Some(respond.ban_list.clone()),
                Err(error) => {
                    self.0.warn("ban_list", &error);
                    executors.error = Some(error);
                    return;
                }
            }
        }
        if let Some(path) = &respond.ban_list
            && let Err(error) = self.write_bans(path, executors).await
        {
            self.0.warn("ban_list", &error);
            executors.error = Some(error);
        }
    }

    async fn act(&self, respond: &Respond, executors: &mut Executors) -> Result<(), String> {
        let tasks = self.tasks(respond, executors).await?;
        executors.waiting = tasks.iter().filter(|task| executor_of(task).is_some()).count() as u64;
        for task in tasks {
            if !executor_of(&task).is_some_and(|executor| executors.is_left_alone(executor)) {
                self.perform(task, respond, executors).await?;
            }
        }
        Ok(())
    }

    /// Empties the list that was written before, if the configuration names another or none by now: also where it was changed while the
    /// daemon did not run.
    async fn leave_former_list(&self, listed: Option<&Path>) -> Result<(), String> {
        let gateway = &self.0.gateway;
        let former = gateway.remembered(BAN_LIST).and_then(|former| Some(PathBuf::from(former.as_str()?)));
        if former.as_deref() == listed {
            return Ok(());
        }
        if let Some(former) = former {
            let path = former.clone();
            // It waits for the disk.
            let emptied = tokio::task::spawn_blocking(move || empty(&path)).await.map_err(|error| error.to_string())?;
            if emptied? {
                log::warn!(
                    target: "dsmil-respond",
                    "respond.ban_list no longer names {}: the file was emptied, since nobody would take off it what is over; the blocks \
                     themselves go on where else they are",
                    former.display()
                );
            }
        }
        let listed = listed.map_or(Value::Null, |listed| listed.to_string_lossy().into());
        gateway.remember(BAN_LIST, listed).await.map_err(|error| error.to_string())
    }

    /// Has the file say who is blocked now.
    async fn write_bans(&self, path: &Path, executors: &mut Executors) -> Result<(), String> {
        let text = self.0.bans(Timestamp::now(), None).await.map_err(|error| error.to_string())?.plain();
        let (mut file, path) = (std::mem::take(&mut executors.ban_file), path.to_owned());
        // It waits for the disk.
        let write = move || {
            let written = file.write(&path, text);
            (file, written)
        };
        let (file, written) = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
        executors.ban_file = file;
        written
    }

    /// What is to be done now.
    async fn tasks(&self, respond: &Respond, executors: &mut Executors) -> Result<Vec<Task>, String> {
        let proposals = &self.0.proposals;
        // What could not be recorded is not done.
        proposals.ledger.as_ref().map_err(Clone::clone)?;
        let newest = proposals.seen.whole(&*self.0.gateway).await.map_err(|error| error.to_string())?;
        let now = Timestamp::now();
        let records: Vec<_> = newest.proposals.keys().map(|id| proposals.on_record(*id)).collect();
        let cases = newest.proposals.values().zip(&records).filter_map(|(event, (decision, undo))| {
            let Body::Soc(proposed) = &event.body else { return None };
            Some(Case {
                id: event.id,
                proposed,
                expires: expires(event)?,
                decision: decision.as_ref().map(decided),
                is_repeated: newest.repeats.newer(event.id).is_some(),
                undo: undo.as_ref().map(|entry| entry.who.as_str()),
                progress: newest.history.of(event.id),
            })
        });
        let tasks = tasks(cases, respond, now);
        let in_force = |id: &EventId| newest.history.of(*id).is_some_and(|progress| progress.is_in_force(now));
        executors.has_work = !tasks.is_empty() || newest.proposals.keys().any(in_force);
        Ok(tasks)
    }

    async fn perform(&self, task: Task, respond: &Respond, executors: &mut Executors) -> Result<(), String> {
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
            Task::Request { id, who, ends, executor } => {
                let asked = Told::new(id, Step::Requested, &who, "");
                self.tell(Told { ends: Some(ends), executor: Some(executor), ..asked }).await?;
                self.0.proposals.changed.notify_one();
                Ok(())
            }
            Task::End { id } => self.tell(Told::new(id, Step::Ended, Approver::ITSELF, "its time is over")).await,
            Task::GiveUp { id, who, executor } => {
                let last = executors.last_error(executor).map_or_else(String::new, |error| format!("; last: {error}"));
                let said = format!("the proposal expired before it could be carried out{last}");
                self.tell(Told::new(id, Step::Failed, &who, &said)).await
            }
            Task::Act { id, who, deed, ttl_s, executor, dry_run } => {
                let proposed = if executor == Executor::Runner { Some(self.proposed(id).await?) } else { None };
                let playbook = proposed.as_ref().and_then(playbook).cloned();
                let order = Order { id, who: &who, deed, ttl_s, executor, dry_run, playbook };
                let answer = executors.act(&self.0, respond, order).await;
                let done = if dry_run { Step::Simulated } else { Step::Executed };
                self.tell_answer(Told::new(id, done, &who, ""), answer).await
            }
            Task::TakeBack { id, who, deed, executor, is_over } => {
                let answer = executors.take_back(&self.0, respond, id, deed, executor).await;
                let done = if is_over { Step::Ended } else { Step::Undone };
                self.tell_answer(Told::new(id, done, &who, ""), answer).await
            }
        }
    }

    /// Puts on record what came of it; `done` where it worked.
    async fn tell_answer(&self, done: Told, answer: Result<Answer, String>) -> Result<(), String> {
        let (step, said, is_retried) = match answer {
            Ok(Answer { outcome: Outcome::Done, said, .. }) => (done.step, said, false),
            Ok(Answer { outcome: Outcome::Refused, said, .. }) => (Step::Failed, said, false),
            Ok(Answer { said, .. }) | Err(said) => (Step::Failed, said, true),
        };
        let told = Told { step, said, is_retried, ..done };
        if step == Step::Failed && self.was_told(&told).await {
            return Ok(());
        }
        self.tell(told).await
    }

    /// What fails as before is not on record again.
    async fn was_told(&self, told: &Told) -> bool {
        let Ok(newest) = self.0.proposals.seen.whole(&*self.0.gateway).await else { return false };
        let last = newest.history.of(told.proposal).map(|progress| &progress.last);
        last.is_some_and(|last| last.is_like(told))
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

/// Who is asked for it; `None` for what is only written down.
fn executor_of(task: &Task) -> Option<Executor> {
    match task {
        Task::Act { executor, .. } | Task::TakeBack { executor, .. } => Some(*executor),
        Task::Approve(_) | Task::Request { .. } | Task::End { .. } | Task::GiveUp { .. } => None,
    }
}
