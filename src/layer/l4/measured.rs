//! What programs elsewhere measure and send to `L4_IN`, judged by models of this daemon. Each learns what is usual of one thing, and
//! speaks of what is further from it than anything of its machine within a week.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::detection::{DEVICE, Detection};
use super::metrics::{Odd, Series};
use crate::detect::acquainted::Acquainted;
use crate::detect::call_habits::{CallHabits, Unlike};
use crate::detect::fingerprint::fingerprint;
use crate::detect::flow_habits::FlowHabits;
use crate::detect::recent::Recent;
use crate::detect::record_high::RecordHigh;
use crate::event::{
    Category, Decision, Entity, Evidence, Happened, Measured, MeasuredFlow, Metrics, Raw, ShrinkSample, Syscalls,
    Timestamp, Verdict, cut_name,
};
use crate::layer::one_line;
use crate::limits;

/// The score of what is just further than all before, and how much it may be more.
const SCORE: f64 = 0.5;
const SCORE_MORE: f64 = 0.2;
/// A number that is no record scores less than this, half of it where it is as unusual as [`QUIET_HALF`]; below what counts
/// as a signal of risk.
pub const QUIET_BELOW: f64 = 0.19;
const QUIET_HALF: f64 = 10.0;
/// A signal of risk, no alarm: that a machine writes more than ever within a week.
const RATE_SCORE: f64 = 0.25;
const METRICS: &str = "metric-habits";

#[derive(Debug, Serialize, Deserialize)]
pub struct Measurements {
    programs: Acquainted<CallHabits>,
    #[serde(default = "no_flows")]
    flows: Acquainted<FlowHabits>,
    /// By machine and model.
    highest: Recent<RecordHigh>,
    #[serde(default)]
    series: Series,
    /// Flows that were judged, by what tells one from the others, and whether by a line of a log: a sensor may send them as well.
    #[serde(default = "no_judged")]
    judged: Recent<bool>,
}

impl Default for Measurements {
    fn default() -> Self {
        let programs = Acquainted::new(limits::CALL_PROGRAMS_MAX);
        let highest = Recent::new(limits::ENTITIES_PER_DETECTOR_MAX);
        Self { programs, flows: no_flows(), highest, series: Series::default(), judged: no_judged() }
    }
}

fn no_flows() -> Acquainted<FlowHabits> {
    Acquainted::new(limits::FLOW_MACHINES_MAX)
}

fn no_judged() -> Recent<bool> {
    Recent::new(limits::FLOWS_JUDGED_MAX)
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
            Ok(Some(Measured::Metrics(metrics))) => self.metrics(raw, &metrics, now),
            Ok(Some(Measured::Flows(flows))) => self.flows(raw, flows, false, now),
            // Device 55's.
            Ok(Some(Measured::Keystrokes(_) | Measured::Quote(_)) | None) | Err(_) => None,
        }
    }

    /// Each event of numbers has a score; a record of its machine is an alarm.
    fn metrics(&mut self, raw: &Raw, metrics: &Metrics, now: Timestamp) -> Option<(Detection, Decision)> {
        let Odd { score, before, why } = self.series.sent(&machine(raw), &metrics.values, now)?;
        if let Some(before) = before {
            return Some(decision(raw, METRICS, &Found { value: score, before, why }));
        }
        let quiet = QUIET_BELOW * score / (score + QUIET_HALF);
        let detection = Detection {
            score: quiet,
            reasons: vec![METRICS.to_owned()],
            techniques: Vec::new(),
            ..Detection::from_context(raw)
        };
        let evidence = Evidence { value: Some(score), ..Evidence::default() };
        let said = Decision { evidence: Some(Box::new(evidence)), ..detection.decision(Arc::from(METRICS)) };
        Some((detection, said))
    }

    /// Takes in a sample of SHRINK.
    pub fn shrink(&mut self, sample: &ShrinkSample, now: Timestamp) -> Option<Decision> {
        let Odd { score: value, before, why } = self.series.shrink(sample, now)?;
        let found = Found { value, before: before?, why: format!("SHRINK: {why}") };
        Some(Decision {
            verdict: Verdict::Suspicious,
            score: found.score(),
            model: Arc::from(METRICS),
            device_id: DEVICE,
            category: Category::Operator,
            reasons: vec![METRICS.to_owned()],
            summary: found.summary("of SHRINK"),
            evidence: Some(Box::new(found.evidence())),
            compartment: Arc::default(),
            input_ref: String::new(),
            entity: Entity::default(),
            happened: Happened::default(),
            attack: Vec::new(),
            alarm: None,
        })
    }

    /// Counts a line. A machine that writes more than ever within a week is a signal of risk alone.
    pub fn line(&mut self, raw: &Raw, now: Timestamp) -> Option<Detection> {
        let odd = self.series.line(raw.record().entity.host.as_deref()?, now)?;
        odd.before?;
        let entity = Entity { host: raw.record().entity.host.clone(), ..Entity::default() };
        let reasons = vec!["unusual_rate_of_lines".to_owned()];
        let detection =
            Detection { score: RATE_SCORE, reasons, techniques: Vec::new(), ..Detection::from_context(raw) };
        Some(Detection { entity, times: 1, ..detection })
    }

    /// Takes in a line of `L3_IN` that reports a flow.
    pub fn logged_flow(&mut self, raw: &Raw, now: Timestamp) -> Option<(Detection, Decision)> {
        let flow = MeasuredFlow::logged(raw.record())?;
        self.flows(raw, vec![flow], true, now)
    }

    /// Whether it was not judged already as it came another way.
    fn is_new(&mut self, flow: &MeasuredFlow, is_logged: bool) -> bool {
        // Attempts without an answer look all the same.
        if flow.duration_s == 0.0 {
            return true;
        }
        let key = format!("{:x}", fingerprint(&format!("{flow:?}")));
        if self.judged.get(&key).is_some_and(|was_logged| *was_logged != is_logged) {
            self.judged.remove(&key);
            return false;
        }
        *self.judged.touch(&key, || is_logged) = is_logged;
        true
    }

    fn flows(
        &mut self,
        raw: &Raw,
        mut flows: Vec<MeasuredFlow>,
        is_logged: bool,
        now: Timestamp,
    ) -> Option<(Detection, Decision)> {
        const MODEL: &str = "flow-habits";
        flows.retain(|flow| self.is_new(flow, is_logged));
        if flows.is_empty() {
            return None;
        }
        let machine = machine(raw);
        let (place, unlike) = self.flows.touch(&machine, FlowHabits::default).see(&flows)?;
        let high = self.highest.touch(&format!("{MODEL}\0{machine}"), RecordHigh::default);
        let before = high.see(unlike.score, now)?;
        let flow = flows.get(place)?;
        let why = format!("a flow unlike those of {machine}: {}", unlike.words(flow));
        let mut said = decision(raw, MODEL, &Found { value: unlike.score, before, why });
        said.0.category = Category::Network;
        for entity in [&mut said.0.entity, &mut said.1.entity] {
            entity.src_ip = entity.src_ip.take().or_else(|| flow.client.clone());
            entity.dst_ip = entity.dst_ip.take().or_else(|| flow.server.clone());
            entity.dst_port = entity.dst_port.or(flow.port);
        }
        Some(said)
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
        let mut said = decision(raw, MODEL, &found);
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

impl Found {
    fn score(&self) -> f64 {
        SCORE + SCORE_MORE * (self.value - self.before).clamp(0.0, 1.0)
    }

    fn evidence(&self) -> Evidence {
        Evidence { value: Some(self.value), threshold: Some(self.before), ..Evidence::default() }
    }

    fn summary(&self, whose: &str) -> String {
        let Self { value, before, why } = self;
        one_line(&format!("{why} ({value:.2}; the highest {whose} within a week was {before:.2})"))
    }
}

fn decision(raw: &Raw, model: &'static str, found: &Found) -> (Detection, Decision) {
    let detection = Detection {
        score: found.score(),
        reasons: vec![model.to_owned()],
        techniques: Vec::new(),
        category: Category::System,
        ..Detection::from_context(raw)
    };
    let said = detection.decision(Arc::from(model));
    let (summary, evidence) = (found.summary("of its machine"), Some(Box::new(found.evidence())));
    (detection, Decision { summary, evidence, ..said })
}

#[cfg(test)]
mod tests {
    use super::super::config::L4;
    use super::super::prepare;
    use super::{MeasuredFlow, Measurements, QUIET_BELOW};
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

    /// What a web server's sensor sends each minute: five flows.
    fn flowing(minute: u64) -> Event {
        let noise = |place: u64| (minute * 64 + place).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let flow = |place: u64| {
            let service = ["http", "ssl", "dns"][noise(place) as usize % 3];
            let bytes = noise(place + 8) % 900;
            format!(
                r#"{{"id.orig_h":"192.0.2.7","id.resp_h":"198.51.100.1","id.resp_p":443,"proto":"tcp","service":"{service}","conn_state":"SF","duration":0.2,"orig_bytes":{bytes},"resp_bytes":{}}}"#,
                bytes * 7
            )
        };
        let flows: Vec<String> = (0..5).map(flow).collect();
        event(minute * 60, format!(r#"{{"kind":"flows","host":"web","flows":[{}]}}"#, flows.join(",")))
    }

    /// A line of Zeek's `conn.log` on `L3_IN`.
    fn logged(second: u64, service: &str, bytes: u64) -> Event {
        let line = format!(
            r#"{{"ts":1.0,"uid":"C1","id.orig_h":"192.0.2.7","id.orig_p":4000,"id.resp_h":"198.51.100.1","id.resp_p":443,"proto":"tcp","service":"{service}","conn_state":"SF","duration":0.{second},"orig_bytes":{bytes},"resp_bytes":{bytes}}}"#
        );
        let record = crate::parse::record(line.as_bytes(), crate::event::Format::Json, &[]);
        crate::layer::testing::l3_in(second, record)
    }

    #[test]
    fn a_flow_in_a_log_is_judged_like_one_that_is_sent_and_not_twice() {
        let noise = |number: u64| number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let usual = |minute: u64| {
            logged(minute * 60, ["http", "ssl", "dns"][noise(minute) as usize % 3], noise(minute + 7) % 900)
        };
        let mut events: Vec<Event> = (0..3000).map(usual).collect();
        events.push(logged(3000 * 60, "irc", 4_000_000_000));
        let of_habits = |events: &[Event]| {
            let said = decisions(&mut *stage(), events);
            said.into_iter().filter(|decision| &*decision.model == "flow-habits").collect::<Vec<_>>()
        };
        let said = of_habits(&events);
        let last = said.last().expect("the flow of a new service");
        assert!(last.summary.contains("tcp irc SF came 0 times in 3000 flows"), "{}", last.summary);
        assert_eq!((last.entity.src_ip.as_deref(), last.entity.dst_port), (Some("192.0.2.7"), Some(443)));

        let mut measurements = Measurements::default();
        let flow = |bytes: f64| MeasuredFlow { duration_s: 3.5, bytes_sent: bytes, ..MeasuredFlow::default() };
        assert!(measurements.is_new(&flow(1.0), true) && measurements.is_new(&flow(1.0), true), "two alike");
        assert!(!measurements.is_new(&flow(1.0), false), "the same, sent by its sensor");
        assert!(measurements.is_new(&flow(2.0), false) && !measurements.is_new(&flow(2.0), true));
    }

    #[test]
    fn a_flow_of_a_service_that_a_machine_never_used_is_said_with_what_is_unlike_it() {
        let mut events: Vec<Event> = (0..2000).map(flowing).collect();
        let odd = r#"{"kind":"flows","host":"web","flows":[{"src_ip":"192.0.2.7","dest_ip":"203.0.113.66","dest_port":6667,"proto":"TCP","flow":{"state":"closed","age":7200,"bytes_toserver":9000000000,"bytes_toclient":1000}}]}"#;
        events.push(event(2000 * 60, odd.to_owned()));
        let said = decisions(&mut *stage(), &events);
        let last = said.last().unwrap();
        assert_eq!((last.verdict, &last.reasons[..]), (Verdict::Suspicious, &["flow-habits".to_owned()][..]));
        assert_eq!((last.entity.dst_ip.as_deref(), last.entity.dst_port), (Some("203.0.113.66"), Some(6667)));
        assert!(last.summary.contains("tcp 6667 closed came 0 times in 10000 flows"), "{}", last.summary);
        let told = said.iter().rev().skip(1).filter(|decision| decision.verdict != Verdict::Benign).count();
        assert!(told <= 2, "{told} in a day and a half of what is usual");
    }

    #[test]
    fn a_number_unlike_any_before_is_an_alarm_of_its_machine_and_each_other_has_a_quiet_score() {
        let noise =
            |minute: u64| (minute.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / 16_777_216.0;
        let load = |minute: u64, load: f64| {
            event(minute * 60, format!(r#"{{"kind":"metrics","host":"db","values":{{"load":{load},"users":3}}}}"#))
        };
        let days = 5;
        let mut events: Vec<Event> = (0..days * 1440).map(|minute| load(minute, 1.0 + noise(minute))).collect();
        events.push(load(days * 1440, 25.0));
        let mut said = decisions(&mut *stage(), &events);
        let last = said.pop().unwrap();
        assert_eq!(
            (last.verdict, &*last.model, last.entity.host.as_deref()),
            (Verdict::Suspicious, "metric-habits", Some("db"))
        );
        assert!(last.summary.starts_with("load is 25.000000, usual at this hour 1."), "{}", last.summary);
        let loud = said.iter().filter(|decision| decision.verdict != Verdict::Benign).count() as u64;
        assert!(loud < days, "{loud} in {days} days");
        assert!(said.iter().filter(|decision| decision.verdict == Verdict::Benign).all(|it| it.score < QUIET_BELOW));
    }

    #[test]
    fn what_the_sender_says_of_its_own_counts_where_that_is_more() {
        let mut events: Vec<Event> = (0..2000).map(served).collect();
        let payload = r#"{"kind":"syscalls","host":"web","process":"nginx","score":0.9,"reasons":["own-model"],"calls":["execve"]}"#;
        events.push(event(2000 * 60, payload.to_owned()));
        assert_eq!(decisions(&mut *stage(), &events).last().unwrap().reasons, ["own-model"]);
    }
}
