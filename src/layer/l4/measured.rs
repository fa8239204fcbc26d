//! What programs elsewhere measure and send to `L4_IN`, judged by models of this daemon. Each learns what is usual of one thing, and
//! speaks of what is further from it than anything of its machine within a week.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::detection::Detection;
use crate::detect::acquainted::Acquainted;
use crate::detect::call_habits::{CallHabits, Unlike};
use crate::detect::recent::Recent;
use crate::detect::record_high::RecordHigh;
use crate::event::{Category, Decision, Evidence, Measured, Raw, Syscalls, Timestamp, cut_name};
use crate::layer::one_line;
use crate::limits;

/// The score of what is just further than all before, and how much it may be more.
const SCORE: f64 = 0.5;
const SCORE_MORE: f64 = 0.2;

#[derive(Debug, Serialize, Deserialize)]
pub struct Measurements {
    programs: Acquainted<CallHabits>,
    /// By machine and model.
    highest: Recent<RecordHigh>,
}

impl Default for Measurements {
    fn default() -> Self {
        let programs = Acquainted::new(limits::CALL_PROGRAMS_MAX);
        Self { programs, highest: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX) }
    }
}

/// What a model has to say of one event.
struct Found {
    /// As it is measured, and the highest that the machine had before.
    value: f64,
    before: f64,
    why: String,
}

impl Measurements {
    /// Takes in an event of `L4_IN`. What cannot be read was refused where it came in.
    pub fn see(&mut self, raw: &Raw, now: Timestamp) -> Option<(Detection, Decision)> {
        match Measured::read(&raw.payload) {
            Ok(Some(Measured::Syscalls(calls))) => self.calls(raw, calls, now),
            // Device 55's.
            Ok(Some(Measured::Keystrokes(_)) | None) | Err(_) => None,
        }
    }

    fn calls(&mut self, raw: &Raw, calls: Syscalls, now: Timestamp) -> Option<(Detection, Decision)> {
        const MODEL: &str = "syscall-habits";
        let is_process = !calls.process.is_empty();
        let name = cut_name(if is_process { calls.process.clone() } else { calls.user.clone() });
        let machine = machine(raw);
        let habits = self.programs.touch(&format!("{machine}\0{is_process}\0{name}"), CallHabits::default);
        let unlike = habits.see(&calls.names())?;
        let high = self.highest.touch(&format!("{MODEL}\0{machine}"), RecordHigh::default);
        let before = high.see(unlike.score, now)?;
        let found = Found { value: unlike.score, before, why: why(&name, &unlike) };
        let mut said = decision(raw, MODEL, found);
        if is_process {
            said.0.entity.process.get_or_insert(name.clone());
            said.1.entity.process.get_or_insert(name);
        }
        Some(said)
    }
}

fn why(name: &str, unlike: &Unlike) -> String {
    let Unlike { surprise, distance, new, .. } = unlike;
    let new = if new.is_empty() { String::new() } else { format!("; never before: {}", new.join(" ")) };
    format!(
        "system calls of {name} are unlike its own: {surprise:.2} nats a call in their order, {:.0} % apart from the nearest set of calls \
         that it used{new}",
        100.0 * distance
    )
}

/// The machine that it was measured on, where that is said; else the source.
fn machine(raw: &Raw) -> String {
    raw.record().entity.host.clone().unwrap_or_else(|| raw.source_key().into_owned())
}

fn decision(raw: &Raw, model: &'static str, found: Found) -> (Detection, Decision) {
    let Found { value, before, why } = found;
    let score = SCORE + SCORE_MORE * (value - before).clamp(0.0, 1.0);
    let detection = Detection {
        score,
        reasons: vec![model.to_owned()],
        techniques: Vec::new(),
        category: Category::System,
        ..Detection::from_context(raw)
    };
    let evidence = Evidence { value: Some(value), threshold: Some(before), ..Evidence::default() };
    let said = detection.decision(Arc::from(model));
    let summary = one_line(&format!("{why} ({value:.2}; the highest of its machine within a week was {before:.2})"));
    (detection, Decision { summary, evidence: Some(Box::new(evidence)), ..said })
}

#[cfg(test)]
mod tests {
    use super::super::config::L4;
    use super::super::prepare;
    use crate::event::{Body, Event, EventId, Format, Raw, Stream, Times, Timestamp, Verdict};
    use crate::layer::stage::Stage;
    use crate::layer::testing::decisions;
    use crate::parse::built_in;

    fn stage() -> Box<dyn Stage> {
        prepare(&L4::default(), &[]).unwrap().stage()
    }

    fn event(second: u64, payload: String) -> Event {
        let time = Timestamp::from_millis(1_700_006_400_000 + second * 1000);
        let raw = Raw::new("agent".into(), "ops".into(), Format::Auto, payload.into(), Vec::new(), built_in());
        let id = EventId::new(time.millis(), 0);
        Event { id, stream: Stream::L4In, times: Times::at(time), root: id, body: Body::Raw(raw) }
    }

    /// One minute after the other, what a server does; never quite the same.
    fn served(minute: u64) -> Event {
        let noise = |place: u64| (minute * 64 + place).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let usual = ["epoll_wait", "read", "write", "openat", "fstat", "close"];
        let calls: Vec<&str> = (0..12 + noise(63) % 8).map(|place| usual[noise(place) as usize % 6]).collect();
        calling(minute * 60, &calls)
    }

    fn calling(second: u64, calls: &[&str]) -> Event {
        event(second, format!(r#"{{"kind":"syscalls","host":"web","process":"nginx","calls":{calls:?}}}"#))
    }

    #[test]
    fn a_shell_out_of_a_server_is_said_with_what_is_unlike_its_calls() {
        let mut events: Vec<Event> = (0..2000).map(served).collect();
        let shell = ["socket", "connect", "dup2", "dup2", "dup2", "execve", "brk", "openat", "read", "write"];
        events.push(calling(2000 * 60, &shell));
        let said = decisions(&mut *stage(), &events);
        let last = said.last().unwrap();
        assert_eq!((last.verdict, &last.reasons[..]), (Verdict::Suspicious, &["syscall-habits".to_owned()][..]));
        assert_eq!((last.entity.process.as_deref(), last.entity.host.as_deref()), (Some("nginx"), Some("web")));
        let evidence = last.evidence.as_ref().unwrap();
        assert!(evidence.value > evidence.threshold, "{evidence:?}");
        assert!(last.summary.contains("never before: brk connect dup2 execve socket"), "{}", last.summary);
    }

    #[test]
    fn what_a_server_always_does_is_told_of_less_than_once_a_day() {
        let days = 10;
        let events: Vec<Event> = (0..days * 1440).map(served).collect();
        let said = decisions(&mut *stage(), &events);
        let told = said.iter().filter(|decision| decision.verdict != Verdict::Benign).count() as u64;
        assert!(told < days, "{told} in {days} days");
    }

    #[test]
    fn what_the_sender_says_of_its_own_counts_where_that_is_more() {
        let mut events: Vec<Event> = (0..2000).map(served).collect();
        let payload = r#"{"kind":"syscalls","host":"web","process":"nginx","score":0.9,"reasons":["own-model"],"calls":["execve"]}"#;
        events.push(event(2000 * 60, payload.to_owned()));
        assert_eq!(decisions(&mut *stage(), &events).last().unwrap().reasons, ["own-model"]);
    }
}
