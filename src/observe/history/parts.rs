//! What changes of the daemon's parts from one look at its status to the next, since when each is as it is, and how fast it goes. Pure:
//! times are handed in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::changes::{Change, Kind};
use crate::event::Timestamp;
use crate::server::gateway::{SourceState, Status};

/// A rate is an average over about this time.
const RATE_OVER: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct Parts {
    known: BTreeMap<(Kind, String), Known>,
    last_reload: Option<String>,
    is_ready: bool,
    /// There was a look before.
    has_looked: bool,
}

#[derive(Debug, Clone)]
struct Known {
    state: &'static str,
    since: Timestamp,
    restarts: u64,
    /// When a list that is fetched came.
    fetched: Option<String>,
    events: u64,
    rate: f64,
    counted: Instant,
}

/// A part as one look shows it.
struct Seen<'status> {
    kind: Kind,
    name: &'status str,
    state: &'static str,
    error: Option<&'status str>,
    restarts: u64,
    fetched: Option<&'status String>,
    events: u64,
}

/// Of a part whose events are counted.
const STORE: &str = "store";

/// `committed`: events that the store has taken since the start.
fn seen(status: &Status, committed: u64) -> impl Iterator<Item = Seen<'_>> {
    let sources = status.sources.iter().map(|source| Seen {
        kind: Kind::Source,
        name: &source.name,
        state: source.state.name(),
        error: source.last_error.as_deref(),
        restarts: 0,
        fetched: source.feed.as_ref().and_then(|feed| feed.fetched.as_ref()),
        events: source.events,
    });
    let outlets = status.outlets.iter().map(|outlet| Seen {
        kind: Kind::Outlet,
        name: &outlet.name,
        state: if outlet.up { "up" } else { "down" },
        error: outlet.last_error.as_deref(),
        restarts: 0,
        fetched: None,
        events: outlet.events,
    });
    let actors = status.actors.iter().map(|actor| Seen {
        kind: Kind::Actor,
        name: &actor.name,
        state: actor.state.name(),
        error: actor.last_error.as_deref(),
        restarts: actor.restarts,
        fetched: None,
        events: actor.handled,
    });
    let store = Seen {
        kind: Kind::Daemon,
        name: STORE,
        state: "up",
        error: None,
        restarts: 0,
        fetched: None,
        events: committed,
    };
    sources.chain(outlets).chain(actors).chain([store])
}

impl Parts {
    /// What is told since the look before.
    pub fn look(&mut self, status: &Status, committed: u64, now: Timestamp, at: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut known = BTreeMap::new();
        for part in seen(status, committed) {
            let key = (part.kind, part.name.to_owned());
            let before = self.known.remove(&key);
            if let Some(before) = &before {
                changes.extend(part.change(before, now));
            }
            known.insert(key, part.known(before.as_ref(), now, at));
        }
        self.known = known;
        changes.extend(self.of_daemon(status, now));
        self.has_looked = true;
        self.last_reload.clone_from(&status.config.last_reload);
        self.is_ready = status.ready;
        changes
    }

    fn of_daemon(&self, status: &Status, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(said) = status.config.last_reload.as_ref().filter(|said| self.last_reload.as_ref() != Some(said)) {
            let said = said.split_once(' ').map_or(said.as_str(), |(_, said)| said);
            changes.push(Change::new(now, Kind::Configuration, "configuration", "reloaded", Some(said)));
        }
        if self.has_looked && status.ready != self.is_ready {
            let (what, why) =
                if status.ready { ("ready", None) } else { ("not ready", Some(status.reasons.join("; "))) };
            changes.push(Change::new(now, Kind::Daemon, "daemon", what, why.as_deref()));
        }
        changes
    }

    /// Writes into a status since when parts are as they are, and how fast they go. What was never looked at stays as it is.
    pub fn complete(&self, status: &mut Status, at: Instant) {
        let found = |kind, name: &str| self.known.get(&(kind, name.to_owned()));
        let since = |kind, name: &str, state: &str| {
            found(kind, name).filter(|known| known.state == state).map(|known| known.since.to_string())
        };
        for source in &mut status.sources {
            source.since = since(Kind::Source, &source.name, source.state.name());
        }
        for outlet in &mut status.outlets {
            outlet.since = since(Kind::Outlet, &outlet.name, if outlet.up { "up" } else { "down" });
            outlet.rate = found(Kind::Outlet, &outlet.name).map_or(0.0, |known| known.rate_at(at));
        }
        for actor in &mut status.actors {
            actor.since = since(Kind::Actor, &actor.name, actor.state.name());
            actor.rate = found(Kind::Actor, &actor.name).map_or(0.0, |known| known.rate_at(at));
        }
        status.store.rate = found(Kind::Daemon, STORE).map_or(0.0, |known| known.rate_at(at));
    }
}

impl Known {
    fn rate_at(&self, at: Instant) -> f64 {
        self.rate * fading(at.saturating_duration_since(self.counted))
    }
}

fn fading(passed: Duration) -> f64 {
    (-passed.as_secs_f64() / RATE_OVER.as_secs_f64()).exp()
}

impl Seen<'_> {
    fn known(&self, before: Option<&Known>, now: Timestamp, at: Instant) -> Known {
        let mut known = Known {
            state: self.state,
            since: now,
            restarts: self.restarts,
            fetched: self.fetched.cloned(),
            events: self.events,
            rate: 0.0,
            counted: at,
        };
        let Some(before) = before else { return known };
        if before.state == self.state && before.restarts == self.restarts {
            known.since = before.since;
        }
        let new = self.events.saturating_sub(before.events) as f64;
        let passed = at.saturating_duration_since(before.counted);
        if !passed.is_zero() {
            let fading = fading(passed);
            known.rate = before.rate * fading + new / passed.as_secs_f64() * (1.0 - fading);
        } else {
            (known.events, known.rate) = (before.events, before.rate);
        }
        known
    }

    fn change(&self, before: &Known, now: Timestamp) -> Option<Change> {
        let tell = |what, why| Some(Change::new(now, self.kind, self.name, what, why));
        let (down, failed) = (SourceState::Down.name(), "failed");
        let has_changed = self.state != before.state;
        match self.state {
            state if has_changed && (state == down || state == failed) => tell(state, self.error),
            _ if self.restarts > before.restarts => tell("restarted", self.error),
            state if has_changed && (before.state == down || before.state == failed) => tell(state, None),
            _ if self.fetched.is_some() && self.fetched != before.fetched.as_ref() => tell("renewed", None),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::gateway::{ActorState, ActorStatus, ConfigStatus, OutletStatus, SourceStatus};

    fn status(source: SourceState, outlet_up: bool, restarts: u64) -> Status {
        let last_error = Some("it is broken".to_owned());
        let of_source = SourceStatus { name: "file:a".into(), state: source, ..SourceStatus::default() };
        let of_outlet = OutletStatus { name: "loki".into(), up: outlet_up, ..OutletStatus::default() };
        let of_actor = ActorStatus { name: "l3".into(), state: ActorState::Up, restarts, ..ActorStatus::default() };
        Status {
            ready: true,
            sources: vec![SourceStatus { last_error: last_error.clone(), ..of_source }],
            outlets: vec![OutletStatus { last_error: last_error.clone(), ..of_outlet }],
            actors: vec![ActorStatus { last_error, ..of_actor }],
            ..Status::default()
        }
    }

    fn told(changes: &[Change]) -> Vec<String> {
        let text = |change: &Change| format!("{} {}: {:?}", change.name, change.what, change.why.as_deref());
        changes.iter().map(text).collect()
    }

    #[test]
    fn what_goes_down_comes_back_or_restarts_is_told_once_and_nothing_at_the_first_look() {
        let (mut parts, at) = (Parts::default(), Instant::now());
        let mut look = |second: u64, status: &Status| {
            let changes =
                parts.look(status, 0, Timestamp::from_millis(second * 1000), at + Duration::from_secs(second));
            told(&changes)
        };
        assert_eq!(look(1, &status(SourceState::Waiting, false, 0)), [""; 0]);
        assert_eq!(look(2, &status(SourceState::Up, true, 0)), ["loki up: None"]);
        let down = status(SourceState::Down, true, 1);
        let why = "Some(\"it is broken\")";
        assert_eq!(look(3, &down), [format!("file:a down: {why}"), format!("l3 restarted: {why}")]);
        assert_eq!(look(4, &down), [""; 0]);
        let mut reloaded = status(SourceState::Up, true, 1);
        reloaded.config =
            ConfigStatus { last_reload: Some("2026 refused: 2 findings".into()), ..ConfigStatus::default() };
        reloaded.ready = false;
        reloaded.reasons = vec!["a".into(), "b".into()];
        let all = [
            "file:a up: None",
            "configuration reloaded: Some(\"refused: 2 findings\")",
            "daemon not ready: Some(\"a; b\")",
        ];
        assert_eq!(look(5, &reloaded), all);
        let mut gone = reloaded.clone();
        gone.sources.clear();
        assert_eq!(look(6, &gone), [""; 0]);
        assert_eq!(look(7, &status(SourceState::Down, true, 1)), ["daemon ready: None"], "it is new");
    }

    #[test]
    fn a_reload_before_the_first_look_is_told() {
        let (mut parts, mut shown) = (Parts::default(), status(SourceState::Up, true, 0));
        shown.config.last_reload = Some("2026 done: nothing changed".into());
        let mut look = || told(&parts.look(&shown, 0, Timestamp::ZERO, Instant::now()));
        assert_eq!(look(), ["configuration reloaded: Some(\"done: nothing changed\")"]);
        assert_eq!(look(), [""; 0]);
    }

    #[test]
    fn status_says_since_when_and_how_fast() {
        let (mut parts, at) = (Parts::default(), Instant::now());
        let time = |second| Timestamp::from_millis(second * 1000);
        for second in 0..300 {
            let state = if second < 100 { SourceState::Up } else { SourceState::Down };
            let mut shown = status(state, true, 0);
            shown.outlets[0].events = second * 5;
            shown.actors[0].handled = second * 7;
            parts.look(&shown, second * 20, time(second), at + Duration::from_secs(second));
        }
        let mut shown = status(SourceState::Down, false, 0);
        parts.complete(&mut shown, at + Duration::from_secs(299));
        assert_eq!(shown.sources[0].since, Some(time(100).to_string()));
        assert_eq!(shown.outlets[0].since, None, "since the last look it is another");
        assert_eq!(shown.actors[0].since, Some(time(0).to_string()));
        let rates = [shown.outlets[0].rate, shown.actors[0].rate, shown.store.rate];
        for (rate, real) in rates.into_iter().zip([5.0, 7.0, 20.0]) {
            assert!((rate - real).abs() < 0.1, "{rate} and {real}");
        }
        parts.complete(&mut shown, at + Duration::from_secs(900));
        assert!(shown.store.rate < 0.1);
    }
}
