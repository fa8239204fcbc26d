//! What is to be done next, out of what was proposed, what was decided and what was done. Pure: the same after a kill.

use std::time::Duration;

use super::config::{Action, Mode, Respond};
use super::deed::{Deed, executable};
use super::executor::Executor;
use super::history::Progress;
use super::protocol::Approver;
use super::step::Step;
use crate::event::{EventId, Severity, Soc, Timestamp};

const HOUR: Duration = Duration::from_secs(3600);

/// One proposal with all that is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub id: EventId,
    pub proposed: &'a Soc,
    /// Until when it can be approved, by the clock of this machine.
    pub expires: Timestamp,
    pub decision: Option<Decided<'a>>,
    /// The same was proposed again since: that one stands for it.
    pub is_repeated: bool,
    /// Who wants it taken back.
    pub undo: Option<&'a str>,
    pub progress: Option<&'a Progress>,
}

/// What somebody decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided<'a> {
    pub who: &'a str,
    /// What an approval was to lead to when it was given; `None` for a rejection.
    pub mode: Option<Mode>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Approve it for the daemon itself.
    Approve(EventId),
    /// Write down that it is asked for, so that it is known after a kill.
    Request { id: EventId, who: String, ends: Timestamp, executor: Executor },
    /// Have it carried out, or ask whether it could be.
    Act { id: EventId, who: String, deed: Deed, ttl_s: u64, executor: Executor, dry_run: bool },
    TakeBack {
        id: EventId,
        who: String,
        deed: Deed,
        executor: Executor,
        /// Nobody wants it: its time is over.
        is_over: bool,
    },
    /// Write down that its time is over.
    End { id: EventId },
    /// Write down that it was not done in its time.
    GiveUp { id: EventId, who: String, executor: Executor },
}

/// How long it lasts.
pub fn time_to_live(proposed: &Soc, respond: &Respond) -> Duration {
    let seconds = |key: &str| proposed.proposal.as_ref().and_then(|proposal| proposal.get(key)?.as_f64());
    let valid_for = seconds("expires").zip(seconds("created")).map(|(expires, created)| expires - created);
    let valid_for = valid_for.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let ttl = valid_for.map_or(HOUR, |time| time.min(respond.ttl_max.get()));
    // Whole seconds are what nftables knows.
    Duration::from_secs(ttl.as_secs().max(1))
}

/// Of each proposal, what is to be done now, the oldest first.
pub fn tasks<'a>(cases: impl Iterator<Item = Case<'a>>, respond: &Respond, now: Timestamp) -> Vec<Task> {
    let cases: Vec<Case<'a>> = cases.collect();
    let mut room = respond.budget.saturating_sub(actions_of_the_hour(&cases, now));
    cases.iter().filter_map(|case| task(case, respond, now, &mut room)).collect()
}

fn actions_of_the_hour(cases: &[Case<'_>], now: Timestamp) -> u64 {
    let requested = cases.iter().filter_map(|case| case.progress?.requested);
    requested.filter(|requested| now.since(*requested) < HOUR).count() as u64
}

fn task(case: &Case<'_>, respond: &Respond, now: Timestamp, room: &mut u64) -> Option<Task> {
    let (id, deed) = (case.id, Deed::of(case.proposed).ok()?);
    if let Some(progress) = case.progress {
        let executor = progress.executor;
        if let Some(who) = case.undo.filter(|_| progress.is_in_force(now)) {
            return Some(Task::TakeBack { id, who: who.to_owned(), deed, executor, is_over: false });
        }
        if matches!(progress.last.step, Step::Ended | Step::Undone) || case.undo.is_some() {
            return None;
        }
        if progress.was_executed {
            let is_over = executor != Executor::Runner && progress.ends.is_some_and(|ends| ends <= now);
            return is_over.then(|| over(id, deed, executor));
        }
    }
    let configured = executable(case.proposed, respond).ok().map(|(_, executor)| executor);
    let Some(Decided { who, mode }) = case.decision else {
        let is_automatic =
            respond.mode == Mode::Automatic && !case.is_repeated && is_for_the_daemon(case, deed.action(), respond);
        let approved = is_automatic && configured.is_some() && now < case.expires && *room > 0;
        *room -= u64::from(approved);
        return approved.then_some(Task::Approve(id));
    };
    // What was approved when it led to less does not lead to more later.
    let mode = mode?.min(respond.mode);
    let who = who.to_owned();
    let is_over = matches!(case.progress.map(|it| &it.last), Some(last) if last.step == Step::Simulated
        || last.step == Step::Failed && !last.is_retried);
    if is_over || mode == Mode::Propose {
        return None;
    }
    let asked = case.progress.filter(|progress| progress.ends.is_some());
    let executor = asked.map(|progress| progress.executor).or(configured)?;
    if now >= case.expires {
        return Some(Task::GiveUp { id, who, executor });
    }
    let ttl = time_to_live(case.proposed, respond);
    if mode == Mode::Simulate {
        return Some(Task::Act { id, who, deed, ttl_s: ttl.as_secs(), executor, dry_run: true });
    }
    match asked.and_then(|progress| progress.ends) {
        None if *room == 0 => None,
        None => {
            *room -= 1;
            Some(Task::Request { id, who, ends: now.plus(ttl), executor })
        }
        Some(ends) if ends <= now => Some(Task::GiveUp { id, who, executor }),
        Some(ends) => {
            let ttl_s = ends.since(now).as_secs().max(1);
            Some(Task::Act { id, who, deed, ttl_s, executor, dry_run: false })
        }
    }
}

/// A block the kernel ends, or whoever reads the list. An account the helper unlocks, at once if it is asked.
fn over(id: EventId, deed: Deed, executor: Executor) -> Task {
    match deed {
        Deed::Block(_) | Deed::Run(..) => Task::End { id },
        Deed::Lock(_) => Task::TakeBack { id, who: Approver::ITSELF.to_owned(), deed, executor, is_over: true },
    }
}

/// Whether the configuration has the daemon approve it. Where somebody may be logged in from there, a person decides.
fn is_for_the_daemon(case: &Case<'_>, action: Action, respond: &Respond) -> bool {
    let proposal = case.proposed.proposal.as_ref();
    let has_caution = proposal.and_then(|proposal| proposal.get("caution")).is_some_and(|caution| !caution.is_null());
    let automatic = &respond.automatic;
    !has_caution
        && case.proposed.severity >= automatic.severity.max(Severity::High)
        && automatic.actions.contains(&action)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::respond::history::History;
    use crate::respond::step::Told;

    const ID: EventId = EventId::ZERO;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn proposed(action: &str) -> Soc {
        Soc {
            src_layer: "8".into(),
            src_device: 58,
            severity: Severity::Critical,
            proposal: Some(json!({"action": action, "target": "203.0.113.7", "refused": null, "caution": null,
                "created": 1000.0, "expires": 1060.0})),
            ..Soc::default()
        }
    }

    fn respond(mode: Mode) -> Respond {
        Respond { mode, ..Respond::default() }
    }

    struct World {
        proposed: Soc,
        history: History,
        decision: Option<(&'static str, Option<Mode>)>,
        undo: Option<&'static str>,
    }

    impl World {
        fn approved(mode: Mode) -> Self {
            let decision = Some(("alice from 192.0.2.9", Some(mode)));
            Self { proposed: proposed("block_address"), history: History::default(), decision, undo: None }
        }

        fn tell(&mut self, seconds: u64, step: Step, ends: Option<u64>, is_retried: bool) {
            let ends = ends.map(at);
            let told = Told { ends, is_retried, ..Told::new(ID, step, "", "") };
            self.history.step(at(seconds), &told.event(&self.proposed));
        }

        fn task(&self, mode: Mode, seconds: u64) -> Option<Task> {
            let case = Case {
                id: ID,
                proposed: &self.proposed,
                expires: at(1060),
                decision: self.decision.map(|(who, mode)| Decided { who, mode }),
                is_repeated: false,
                undo: self.undo,
                progress: self.history.of(ID),
            };
            tasks([case].into_iter(), &respond(mode), at(seconds)).pop()
        }
    }

    #[test]
    fn what_is_approved_is_written_down_asked_for_and_ends() {
        let mut world = World::approved(Mode::Approve);
        let request = world.task(Mode::Approve, 1010);
        assert_eq!(
            request,
            Some(Task::Request {
                id: ID,
                who: "alice from 192.0.2.9".into(),
                ends: at(1070),
                executor: Executor::Nftables,
            })
        );
        world.tell(1010, Step::Requested, Some(1070), false);
        // As often as the daemon is killed here, it is asked for the time that is left.
        for (seconds, ttl_s) in [(1010, 60), (1030, 40)] {
            assert!(
                matches!(world.task(Mode::Approve, seconds), Some(Task::Act { dry_run: false, ttl_s: left, .. }) if left == ttl_s)
            );
        }
        world.tell(1031, Step::Executed, None, false);
        assert_eq!(world.task(Mode::Approve, 1069), None);
        assert_eq!(world.task(Mode::Propose, 1070), Some(Task::End { id: ID }));
        world.tell(1070, Step::Ended, None, false);
        assert_eq!(world.task(Mode::Approve, 1071), None);
    }

    #[test]
    fn who_was_asked_first_goes_on_with_it_whatever_the_configuration_says_later() {
        let mut world = World::approved(Mode::Approve);
        let told =
            Told { executor: Some(Executor::BanList), ends: Some(at(1070)), ..Told::new(ID, Step::Requested, "", "") };
        world.history.step(at(1010), &told.event(&world.proposed));
        let task = world.task(Mode::Approve, 1011);
        assert!(matches!(task, Some(Task::Act { dry_run: false, executor: Executor::BanList, .. })), "{task:?}");
        world.tell(1012, Step::Executed, None, false);
        world.undo = Some("bob");
        let task = world.task(Mode::Approve, 1013);
        assert!(matches!(task, Some(Task::TakeBack { executor: Executor::BanList, .. })), "{task:?}");
    }

    #[test]
    fn an_approval_never_leads_to_more_than_it_did_when_it_was_given() {
        for (given, now, acts) in [
            (Mode::Propose, Mode::Approve, false),
            (Mode::Propose, Mode::Automatic, false),
            (Mode::Simulate, Mode::Approve, false),
            (Mode::Approve, Mode::Propose, false),
            (Mode::Approve, Mode::Simulate, false),
            (Mode::Approve, Mode::Automatic, true),
        ] {
            let task = World::approved(given).task(now, 1010);
            assert_eq!(matches!(task, Some(Task::Request { .. })), acts, "{given:?} {now:?} {task:?}");
        }
        let mut world = World::approved(Mode::Simulate);
        assert!(matches!(world.task(Mode::Simulate, 1010), Some(Task::Act { dry_run: true, ttl_s: 60, .. })));
        world.tell(1011, Step::Simulated, None, false);
        assert_eq!(world.task(Mode::Simulate, 1012), None);
    }

    #[test]
    fn what_failed_is_tried_again_until_the_proposal_expires_and_what_was_refused_is_not() {
        let mut world = World::approved(Mode::Approve);
        world.tell(1010, Step::Requested, Some(1070), false);
        world.tell(1011, Step::Failed, None, true);
        assert!(matches!(world.task(Mode::Approve, 1020), Some(Task::Act { dry_run: false, ttl_s: 50, .. })));
        assert!(matches!(world.task(Mode::Approve, 1060), Some(Task::GiveUp { .. })));
        world.tell(1012, Step::Failed, None, false);
        assert_eq!(world.task(Mode::Approve, 1020), None);
        let late = World::approved(Mode::Approve).task(Mode::Approve, 1060);
        assert!(matches!(late, Some(Task::GiveUp { .. })), "approved, and the daemon was not there: {late:?}");
    }

    #[test]
    fn what_is_in_force_is_taken_back_in_every_mode_and_also_when_it_is_not_known_to_be() {
        for last in [Step::Requested, Step::Executed] {
            let mut world = World::approved(Mode::Approve);
            world.tell(1010, Step::Requested, Some(1070), false);
            world.tell(1010, last, None, false);
            world.undo = Some("bob");
            assert!(matches!(world.task(Mode::Propose, 1020), Some(Task::TakeBack { ref who, .. }) if who == "bob"));
            world.tell(1021, Step::Undone, None, false);
            assert_eq!(world.task(Mode::Approve, 1022), None);
        }
    }

    #[test]
    fn an_account_is_unlocked_when_its_time_is_over_and_locked_only_where_that_is_wanted() {
        let mut world = World { proposed: proposed("lock_user"), ..World::approved(Mode::Approve) };
        world.proposed.proposal.as_mut().unwrap()["target"] = "alice".into();
        assert_eq!(world.task(Mode::Approve, 1010), None, "respond.accounts.enabled is false");
        let told =
            Told { executor: Some(Executor::Accounts), ends: Some(at(1070)), ..Told::new(ID, Step::Requested, "", "") };
        world.history.step(at(1010), &told.event(&world.proposed));
        let task = world.task(Mode::Approve, 1011);
        assert!(matches!(task, Some(Task::Act { executor: Executor::Accounts, dry_run: false, .. })), "{task:?}");
        world.tell(1012, Step::Executed, None, false);
        assert_eq!(world.task(Mode::Approve, 1069), None);
        let task = world.task(Mode::Propose, 1070);
        assert!(matches!(task, Some(Task::TakeBack { is_over: true, .. })), "{task:?}");
        world.tell(1071, Step::Failed, None, true);
        assert!(world.task(Mode::Propose, 1072).is_some(), "until it is");
        world.tell(1073, Step::Ended, None, false);
        assert_eq!(world.task(Mode::Propose, 1074), None);
    }

    #[test]
    fn a_playbook_is_handed_over_once_and_nothing_is_ended_or_taken_back_then() {
        let mut world = World { proposed: proposed("isolate_host"), ..World::approved(Mode::Approve) };
        assert_eq!(world.task(Mode::Approve, 1010), None, "there is no runner");
        let told =
            Told { executor: Some(Executor::Runner), ends: Some(at(1070)), ..Told::new(ID, Step::Requested, "", "") };
        world.history.step(at(1010), &told.event(&world.proposed));
        for second in [1011, 1020] {
            let task = world.task(Mode::Approve, second);
            assert!(matches!(task, Some(Task::Act { executor: Executor::Runner, dry_run: false, .. })), "{task:?}");
            world.tell(second, Step::Failed, None, true);
        }
        world.tell(1021, Step::Executed, None, false);
        world.undo = Some("bob");
        for second in [1022, 1069, 1070, 2000] {
            assert_eq!(world.task(Mode::Approve, second), None);
        }
        assert!(!world.history.of(ID).unwrap().is_in_force(at(1022)));
    }

    #[test]
    fn the_daemon_approves_by_itself_what_is_named_and_within_the_budget_alone() {
        let pending = || World { decision: None, ..World::approved(Mode::Approve) };
        assert_eq!(pending().task(Mode::Automatic, 1010), Some(Task::Approve(ID)));
        assert_eq!(pending().task(Mode::Approve, 1010), None);
        assert_eq!(pending().task(Mode::Automatic, 1060), None, "expired");
        let mut high = pending();
        high.proposed.severity = Severity::High;
        assert_eq!(high.task(Mode::Automatic, 1010), None);
        let mut doubtful = pending();
        doubtful.proposed.proposal.as_mut().unwrap()["caution"] = "somebody is logged in from there".into();
        assert_eq!(doubtful.task(Mode::Automatic, 1010), None);
        let other = World { proposed: proposed("lock_user"), ..pending() };
        assert_eq!(other.task(Mode::Automatic, 1010), None);

        let world = pending();
        let case = |ms| Case {
            id: EventId::new(ms, 0),
            proposed: &world.proposed,
            expires: at(1060),
            decision: None,
            is_repeated: false,
            undo: None,
            progress: None,
        };
        let respond = Respond { budget: 2, ..respond(Mode::Automatic) };
        assert_eq!(tasks((1..9).map(case), &respond, at(1010)).len(), 2);
        let repeated = |ms| Case { is_repeated: ms < 8, ..case(ms) };
        assert_eq!(tasks((1..9).map(repeated), &respond, at(1010)), [Task::Approve(EventId::new(8, 0))]);
    }
}
