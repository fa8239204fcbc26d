//! What is known of every configured source, from the first second on: whether it can be read, and what came of it. Pure:
//! times are handed in.
//!
//! | what is known                                          | state   |
//! |--------------------------------------------------------|---------|
//! | its reader said that it can be read                    | up      |
//! | its reader said that it could not be read, and why     | down    |
//! | lines wait in it, and none came within [`STALLED_AFTER`] | down    |
//! | the actor of its reader does not run                   | down    |
//! | its reader said nothing within [`READ_WITHIN`]         | down    |
//! | its reader is about to look, or waits for the first of what may never come | waiting |

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::event::Timestamp;
use crate::server::gateway::{FeedStatus, SourceState, SourceStatus};

/// A reader that has not looked at its source after this long does not read it.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// A source in which lines wait, and of which none is handed out for so long, is not being read.
const STALLED_AFTER: Duration = Duration::from_secs(20);
/// How late the last event was is shown for so long, if nothing waits behind it.
const LAG_SHOWN: Duration = Duration::from_secs(30);
/// The rate is an average over about this time.
const RATE_OVER: Duration = Duration::from_secs(30);

/// A source that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// In status and metrics, and what its reader calls it.
    pub name: String,
    /// Who reads it.
    pub actor: String,
    /// It can be read whenever the actor runs: nothing has to be opened for it.
    pub comes_by_itself: bool,
}

impl Expected {
    pub fn new(name: impl Into<String>, actor: impl Into<String>) -> Self {
        Self { name: name.into(), actor: actor.into(), comes_by_itself: false }
    }
}

/// What a reader says of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Up,
    Waiting,
    /// Why.
    Down(String),
}

#[derive(Debug, Default)]
pub struct SourceBoard(BTreeMap<String, Row>);

#[derive(Debug)]
struct Row {
    actor: String,
    comes_by_itself: bool,
    /// The name of the pattern that it was found by; it is not in the configuration itself.
    found_by: Option<String>,
    since: Instant,
    /// `None`: nothing yet.
    said: Option<Said>,
    /// What went wrong last without it being down.
    remark: Option<String>,
    events: u64,
    last_event: Option<Timestamp>,
    lag_s: Option<f64>,
    /// Whether there is anything that was not handed out, as its reader says; `None` where readers cannot know.
    is_at_end: Option<bool>,
    /// Since then something waits in it, and nothing of it was handed out.
    waits_since: Option<Instant>,
    /// Events a second at `rated`.
    rate: f64,
    rated: Instant,
    /// Of a list that is fetched.
    feed: Option<FeedStatus>,
}

impl Row {
    fn new(expected: Expected, found_by: Option<String>, now: Instant) -> Self {
        Self {
            actor: expected.actor,
            comes_by_itself: expected.comes_by_itself,
            found_by,
            since: now,
            said: None,
            remark: None,
            events: 0,
            last_event: None,
            lag_s: None,
            is_at_end: None,
            waits_since: None,
            rate: 0.0,
            rated: now,
            feed: None,
        }
    }

    fn rate(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.rated).as_secs_f64();
        self.rate * (-passed / RATE_OVER.as_secs_f64()).exp()
    }

    /// How late it is: behind its last event nothing waits for long, or what waits becomes later and later.
    fn lag_s(&self, now: Instant) -> Option<f64> {
        let passed = now.saturating_duration_since(self.rated);
        match self.is_at_end {
            // Before the first event it is what has been seen to wait.
            Some(false) => self.lag_s.map(|lag| lag + passed.as_secs_f64()).or(Some(self.waits(now).as_secs_f64())),
            _ if passed >= LAG_SHOWN => self.lag_s.and(Some(0.0)),
            _ => self.lag_s,
        }
    }

    fn waits(&self, now: Instant) -> Duration {
        self.waits_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// The state, and why it is down. `actor` as the supervisor knows it; `None` while it does not.
    fn state(&self, actor: Option<Result<(), String>>, now: Instant) -> (SourceState, Option<String>) {
        let is_running = match actor {
            Some(Err(why)) => return (SourceState::Down, Some(why)),
            Some(Ok(())) => true,
            None => false,
        };
        match &self.said {
            Some(Said::Up) if self.waits(now) >= STALLED_AFTER => {
                let seconds = STALLED_AFTER.as_secs();
                let why = format!(
                    "lines wait in it, and none was handed out for more than {seconds} s: what comes after sources is full, see \
                     the other reasons, or a line without end stands in it"
                );
                (SourceState::Down, Some(why))
            }
            Some(Said::Up) => (SourceState::Up, None),
            Some(Said::Waiting) => (SourceState::Waiting, None),
            Some(Said::Down(why)) => (SourceState::Down, Some(why.clone())),
            None if self.comes_by_itself && is_running => (SourceState::Up, None),
            None if now.saturating_duration_since(self.since) < READ_WITHIN => (SourceState::Waiting, None),
            None => {
                let why =
                    format!("{} has not looked at it: sources may have to wait, see the other reasons", self.actor);
                (SourceState::Down, Some(why))
            }
        }
    }
}

impl SourceBoard {
    /// Exactly these are configured now. What is known of those that stay is kept, and what was found by their patterns.
    pub fn configure(&mut self, expected: Vec<Expected>, now: Instant) {
        let names: BTreeSet<String> = expected.iter().map(|expected| expected.name.clone()).collect();
        self.0.retain(|name, row| names.contains(row.found_by.as_ref().unwrap_or(name)));
        for expected in expected {
            if let Some(row) = self.0.get_mut(&expected.name) {
                row.found_by = None;
            } else {
                self.0.insert(expected.name.clone(), Row::new(expected, None, now));
            }
        }
    }

    /// Of a source that is on the board.
    pub fn say(&mut self, name: &str, said: Said) {
        let Some(row) = self.0.get_mut(name) else { return };
        if matches!(row.said, Some(Said::Down(_))) && said == Said::Up {
            row.remark = None;
        }
        row.said = Some(said);
    }

    /// Its reader has looked whether anything is left in it.
    pub fn set_at_end(&mut self, name: &str, is_at_end: bool, now: Instant) {
        if let Some(row) = self.0.get_mut(name) {
            row.is_at_end = Some(is_at_end);
            row.waits_since = if is_at_end { None } else { row.waits_since.or(Some(now)) };
        }
    }

    /// These were found by patterns (name, pattern), and no others by the same actor.
    pub fn set_found(&mut self, actor: &str, found: &BTreeMap<&str, &str>, now: Instant) {
        self.0.retain(|name, row| row.found_by.is_none() || row.actor != actor || found.contains_key(name.as_str()));
        for (name, pattern) in found {
            if !self.0.contains_key(*name) && self.0.contains_key(*pattern) {
                let row = Row::new(Expected::new(*name, actor), Some((*pattern).to_owned()), now);
                self.0.insert((*name).to_owned(), row);
            }
        }
    }

    /// Something went wrong, which does not mean that the source is down.
    pub fn remark(&mut self, name: &str, text: &str) {
        if let Some(row) = self.0.get_mut(name) {
            row.remark = Some(text.to_owned());
        }
    }

    /// Of a list that is fetched; `remark` is what went wrong last, if anything.
    pub fn say_of_feed(&mut self, name: &str, said: Said, feed: FeedStatus, remark: Option<String>) {
        if let Some(row) = self.0.get_mut(name) {
            row.said = Some(said);
            row.feed = Some(feed);
            row.remark = remark;
        }
    }

    /// So many events came, the newest of which arrived at `arrival`, this late.
    pub fn note(&mut self, name: &str, events: u64, arrival: Timestamp, lag: Duration, now: Instant) {
        let Some(row) = self.0.get_mut(name) else { return };
        row.events += events;
        row.last_event = Some(arrival);
        row.lag_s = Some(lag.as_secs_f64());
        row.rate = row.rate(now) + events as f64 / RATE_OVER.as_secs_f64();
        row.rated = now;
        row.waits_since = row.waits_since.and(Some(now));
    }

    /// Every source. `actor` says of an actor that it runs, or why not; `None` where nothing is known of it.
    pub fn shown(&self, actor: impl Fn(&str) -> Option<Result<(), String>>, now: Instant) -> Vec<SourceStatus> {
        let shown = self.0.iter().map(|(name, row)| {
            let (state, error) = row.state(actor(&row.actor), now);
            SourceStatus {
                name: name.clone(),
                state,
                up: state != SourceState::Down,
                events: row.events,
                last_event: row.last_event.map(|time| time.to_string()),
                rate: row.rate(now),
                lag_s: row.lag_s(now),
                last_error: error.or_else(|| row.remark.clone()),
                feed: row.feed.clone(),
                since: None,
            }
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn board(names: &[&str], now: Instant) -> SourceBoard {
        let mut board = SourceBoard::default();
        board.configure(names.iter().map(|name| Expected::new(*name, "reader")).collect(), now);
        board
    }

    fn states(board: &SourceBoard, now: Instant) -> Vec<(String, SourceState)> {
        let shown = board.shown(|_| Some(Ok(())), now);
        shown.into_iter().map(|status| (status.name, status.state)).collect()
    }

    fn only(board: &SourceBoard, actor: Option<Result<(), &str>>, now: Instant) -> SourceStatus {
        board.shown(|_| actor.map(|actor| actor.map_err(str::to_owned)), now).remove(0)
    }

    #[test]
    fn what_is_configured_waits_from_the_first_moment_and_is_down_when_nobody_looks_at_it() {
        let now = Instant::now();
        let mut board = board(&["a"], now);
        assert_eq!(only(&board, None, now).state, SourceState::Waiting);
        let late = only(&board, Some(Ok(())), now + READ_WITHIN);
        assert_eq!((late.state, late.up), (SourceState::Down, false));
        assert!(late.last_error.is_some_and(|error| error.contains("reader")));
        board.say("a", Said::Up);
        assert_eq!(only(&board, Some(Ok(())), now + 2 * READ_WITHIN).state, SourceState::Up);
    }

    #[test]
    fn a_source_is_no_more_up_than_the_actor_that_reads_it() {
        let now = Instant::now();
        let mut board = board(&["a"], now);
        board.say("a", Said::Up);
        let shown = only(&board, Some(Err("reader has failed")), now);
        assert_eq!((shown.state, shown.last_error.as_deref()), (SourceState::Down, Some("reader has failed")));
    }

    #[test]
    fn what_comes_by_itself_is_up_as_soon_as_its_actor_runs() {
        let now = Instant::now();
        let mut board = SourceBoard::default();
        board.configure(vec![Expected { comes_by_itself: true, ..Expected::new("http", "http") }], now);
        assert_eq!(only(&board, None, now).state, SourceState::Waiting);
        assert_eq!(only(&board, Some(Ok(())), now).state, SourceState::Up);
    }

    #[test]
    fn what_comes_back_is_up_without_its_error_and_a_remark_alone_is_no_error() {
        let now = Instant::now();
        let mut board = board(&["a"], now);
        board.say("a", Said::Down("it is gone".to_owned()));
        board.remark("a", "it is gone");
        assert_eq!(only(&board, Some(Ok(())), now).last_error.as_deref(), Some("it is gone"));
        board.say("a", Said::Up);
        assert_eq!(only(&board, Some(Ok(())), now).last_error, None);
        board.remark("a", "a line was cut");
        board.say("a", Said::Up);
        let shown = only(&board, Some(Ok(())), now);
        assert_eq!((shown.state, shown.last_error.as_deref()), (SourceState::Up, Some("a line was cut")));
    }

    #[test]
    fn what_a_pattern_found_comes_and_goes_and_nobody_else_enters_the_board() {
        let now = Instant::now();
        let mut board = board(&["*.log"], now);
        board.say("b.log", Said::Up);
        board.set_found("reader", &BTreeMap::from([("a.log", "*.log"), ("x", "of nobody")]), now);
        let expected = [("*.log", SourceState::Waiting), ("a.log", SourceState::Waiting)];
        assert_eq!(states(&board, now), expected.map(|(name, state)| (name.to_owned(), state)));
        board.configure(vec![Expected::new("*.log", "reader"), Expected::new("c", "reader")], now);
        assert_eq!(states(&board, now).len(), 3, "what was found stays with its pattern");
        board.set_found("reader", &BTreeMap::new(), now);
        assert_eq!(states(&board, now).len(), 2, "and goes with its file");
        board.configure(vec![Expected::new("c", "reader")], now);
        assert_eq!(states(&board, now), [("c".to_owned(), SourceState::Waiting)]);
    }

    #[test]
    fn a_source_is_late_while_something_waits_in_it_and_no_longer_than_that() {
        let start = Instant::now();
        let mut board = board(&["a"], start);
        assert_eq!(only(&board, None, start).lag_s, None);
        let lag = |board: &SourceBoard, seconds: u32| only(board, None, start + seconds * SECOND).lag_s;
        board.note("a", 1, Timestamp::ZERO, 400 * SECOND, start);
        assert_eq!(lag(&board, 1), Some(400.0), "for whoever looks");
        assert_eq!(lag(&board, 30), Some(0.0), "nothing came since");
        board.set_at_end("a", false, start);
        assert_eq!(lag(&board, 30), Some(430.0), "the next one waits");
        board.set_at_end("a", true, start);
        assert_eq!((lag(&board, 1), lag(&board, 30)), (Some(400.0), Some(0.0)));
    }

    #[test]
    fn a_source_of_which_nothing_comes_while_lines_wait_in_it_is_late_at_once_and_soon_not_up() {
        let start = Instant::now();
        let mut board = board(&["a"], start);
        board.say("a", Said::Up);
        board.set_at_end("a", false, start);
        board.set_at_end("a", false, start + SECOND);
        let shown = |board: &SourceBoard, now| {
            let status = only(board, Some(Ok(())), now);
            (status.state, status.lag_s)
        };
        assert_eq!(shown(&board, start + 2 * SECOND), (SourceState::Up, Some(2.0)));
        let late = start + STALLED_AFTER;
        assert_eq!(shown(&board, late), (SourceState::Down, Some(STALLED_AFTER.as_secs_f64())));
        board.note("a", 1, Timestamp::ZERO, SECOND, late);
        assert_eq!(shown(&board, late), (SourceState::Up, Some(1.0)), "one came, others wait");
        assert_eq!(shown(&board, late + STALLED_AFTER).0, SourceState::Down);
        board.set_at_end("a", true, late);
        assert_eq!(shown(&board, late + STALLED_AFTER).0, SourceState::Up, "nothing waits");
    }

    #[test]
    fn the_rate_is_that_of_the_last_while_and_fades_when_nothing_comes() {
        let start = Instant::now();
        let mut board = board(&["a"], start);
        for second in 0..300 {
            board.note("a", 5, Timestamp::from_millis(second), SECOND, start + SECOND * second as u32);
        }
        let now = start + 300 * SECOND;
        let shown = only(&board, None, now);
        assert!((shown.rate - 5.0).abs() < 0.5, "{}", shown.rate);
        assert_eq!((shown.events, shown.lag_s), (1500, Some(1.0)));
        assert_eq!(shown.last_event, Some(Timestamp::from_millis(299).to_string()));
        assert!(only(&board, None, now + 10 * RATE_OVER).rate < 0.01);
    }
}
