//! What is told, and when.

use super::*;
use crate::event::{Alarm, EventId, Severity, Stream, Times};
use crate::outlet::notify::config::Notify;
use crate::outlet::notify::quiet::QuietHours;
use crate::server::incidents::change::{self, Resolution};

fn rules(more: &str) -> Rules {
    let notify: Notify = toml::from_str(&format!("kind = \"command\"\n{more}")).unwrap();
    Rules::of(&notify)
}

fn at(second: u64, body: Body) -> Event {
    let id = EventId::new(second * 1000, 0);
    let stream = if matches!(body, Body::Tick) { Stream::Tick } else { Stream::SocEvents };
    Event { id, stream, times: Times::at(Timestamp::from_millis(second * 1000)), root: id, body }
}

fn report(id: &str, severity: Severity, tactics: &[&str]) -> Soc {
    Soc {
        src_device: ANALYTICS_DEVICE,
        severity,
        incident_id: Some(id.into()),
        summary: format!("incident {id}"),
        alarm: Some(Alarm { id: id.into(), count: 3, ..Alarm::default() }),
        reasons: tactics.iter().map(|tactic| format!("tactic:{tactic}")).collect(),
        ..Soc::default()
    }
}

fn closed(id: &str) -> Soc {
    Soc {
        src_device: ANALYTICS_DEVICE,
        incident_id: Some(id.into()),
        flags: vec![Action::Close.flag().into()],
        reasons: change::reasons(Some(Resolution::False), "alice", "a drill"),
        ..Soc::default()
    }
}

/// Ticks every second until the end, and what is told: the second, what kind of message, and of which case.
fn told(rules: &Rules, events: &[(u64, Soc)], end: u64) -> Vec<(u64, Kind, String)> {
    let mut teller = Teller::default();
    let mut told = Vec::new();
    let first = events.first().map_or(0, |(second, _)| *second);
    for second in first..=end {
        for (_, soc) in events.iter().filter(|(at, _)| *at == second) {
            assert_eq!(teller.step(rules, &at(second, Body::Soc(Box::new(soc.clone())))), Step::default());
        }
        // Whatever is known survives being saved.
        let saved = serde_json::to_vec(&teller).unwrap();
        teller = serde_json::from_slice(&saved).unwrap();
        let step = teller.step(rules, &at(second, Body::Tick));
        told.extend(step.messages.into_iter().map(|message| (second, message.kind, message.case.id)));
    }
    told
}

fn of(second: u64, kind: Kind, id: &str) -> (u64, Kind, String) {
    (second, kind, id.to_owned())
}

#[test]
fn an_incident_is_told_at_once_again_when_it_is_worse_or_goes_further_and_when_it_is_over() {
    let events = [
        (0, report("a", Severity::High, &["reconnaissance"])),
        (10, report("a", Severity::High, &["reconnaissance"])),
        (20, report("a", Severity::High, &["reconnaissance", "execution"])),
        (30, report("a", Severity::High, &["reconnaissance", "execution", "persistence"])),
        (100, closed("a")),
        (110, report("b", Severity::Medium, &["execution"])),
        (120, closed("b")),
    ];
    let expected = [of(1, Kind::New, "a"), of(61, Kind::Update, "a"), of(100, Kind::Closed, "a")];
    assert_eq!(told(&rules("every = \"60s\""), &events, 300), expected);
}

#[test]
fn of_an_event_that_a_silence_covers_nobody_is_told() {
    let alarm = |silence_id: Option<&str>| Soc {
        severity: Severity::Critical,
        silence_id: silence_id.map(str::to_owned),
        ..Soc::default()
    };
    let rules = rules("of = \"events\"");
    assert_eq!(told(&rules, &[(0, alarm(Some("1-0")))], 10), []);
    assert_eq!(told(&rules, &[(0, alarm(None))], 10).len(), 1);
}

#[test]
fn what_becomes_urgent_does_not_wait_for_the_next_update() {
    let events = [(0, report("a", Severity::High, &[])), (5, report("a", Severity::Critical, &[]))];
    assert_eq!(told(&rules("every = \"1h\""), &events, 10), [of(1, Kind::New, "a"), of(5, Kind::Update, "a")]);
}

#[test]
fn one_that_only_later_is_as_bad_as_is_asked_for_is_told_then() {
    let events = [(0, report("a", Severity::Low, &[])), (50, report("a", Severity::High, &[]))];
    assert_eq!(told(&rules(""), &events, 100), [of(51, Kind::New, "a")]);
}

#[test]
fn what_is_proposed_in_the_same_moment_is_in_the_first_message() {
    let mut teller = Teller::default();
    let rules = rules("");
    let proposal = Soc {
        src_device: 58,
        incident_id: Some("a".into()),
        summary: "proposal: block 203.0.113.5 (2 steps)".into(),
        proposal: Some(serde_json::json!({})),
        ..Soc::default()
    };
    teller.step(&rules, &at(1, Body::Soc(Box::new(report("a", Severity::High, &[])))));
    assert_eq!(teller.step(&rules, &at(1, Body::Tick)).messages, []);
    teller.step(&rules, &at(1, Body::Soc(Box::new(proposal))));
    let messages = teller.step(&rules, &at(2, Body::Tick)).messages;
    assert_eq!(messages[0].case.proposals, ["block 203.0.113.5 (2 steps)"]);
}

#[test]
fn one_that_turns_out_to_be_part_of_another_is_over() {
    let mut merged = report("a", Severity::High, &[]);
    merged.reasons.push("merged:b".into());
    let events = [(0, report("a", Severity::High, &[])), (0, report("b", Severity::High, &[])), (9, merged)];
    let expected = [of(1, Kind::New, "a"), of(1, Kind::New, "b"), of(9, Kind::Closed, "b")];
    assert_eq!(told(&rules(""), &events, 20), expected);
}

#[test]
fn quiet_hours_hold_back_until_they_end_unless_it_is_urgent() {
    let mut rules = rules("every = \"1s\"");
    let hours = QuietHours { from: "00:00".into(), to: "00:01".into(), time_zone: Some("UTC".into()) };
    rules.quiet = Some(hours.read().unwrap());
    let events = [
        (1, report("a", Severity::High, &[])),
        (2, report("c", Severity::High, &[])),
        (5, closed("c")),
        (10, report("b", Severity::Critical, &[])),
        (20, closed("b")),
    ];
    let expected = [of(11, Kind::New, "b"), of(60, Kind::New, "a"), of(60, Kind::Closed, "b")];
    assert_eq!(told(&rules, &events, 100), expected);
}

#[test]
fn what_is_over_the_rate_is_one_message_at_the_end_of_the_hour_and_what_is_urgent_has_room_of_its_own() {
    let mut events: Vec<(u64, Soc)> =
        (0..5).map(|number| (number, report(&format!("i{number}"), Severity::High, &[]))).collect();
    events.push((50, report("worse", Severity::Critical, &[])));
    let found = told(&rules("rate = 2"), &events, 3700);
    let expected = [of(1, Kind::New, "i0"), of(2, Kind::New, "i1"), of(51, Kind::New, "worse")];
    assert_eq!(found[..3], expected);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!((found[3].0, found[3].1), (3601, Kind::Summary));
}

#[test]
fn events_are_told_each_and_an_alarm_that_grows_once_until_it_is_worse() {
    let rules = rules("of = \"events\"\nevery = \"5s\"");
    let alone = |text: &str| Soc { severity: Severity::High, summary: text.into(), ..Soc::default() };
    let alarm = |severity, is_over| Soc {
        severity,
        alarm: Some(Alarm { id: "7-0".into(), is_over, ..Alarm::default() }),
        ..Soc::default()
    };
    let proposal = Soc { proposal: Some(serde_json::json!({})), ..alone("x") };
    let events = [
        (0, alone("x")),
        (3, proposal),
        (10, alarm(Severity::High, false)),
        (20, alarm(Severity::High, false)),
        (30, alarm(Severity::Critical, false)),
        (40, alarm(Severity::High, true)),
        (50, alarm(Severity::High, true)),
    ];
    let expected =
        [of(1, Kind::New, "0-0"), of(11, Kind::New, "7-0"), of(30, Kind::Update, "7-0"), of(40, Kind::Closed, "7-0")];
    assert_eq!(told(&rules, &events, 60), expected);
}

#[test]
fn as_many_are_remembered_as_may_be_and_what_is_not_told_yet_stays() {
    let mut teller = Teller::default();
    let rules = rules("");
    for number in 0..2 * NOTIFY_CASES_MAX as u64 {
        let soc = report(&number.to_string(), Severity::High, &[]);
        teller.step(&rules, &at(number, Body::Soc(Box::new(soc))));
        teller.step(&rules, &at(number + 1, Body::Tick));
    }
    assert_eq!(teller.cases.len(), NOTIFY_CASES_MAX);
}

mod any_log {
    use proptest::prelude::*;

    use super::*;

    fn soc() -> impl Strategy<Value = Option<Soc>> {
        let severity = prop::sample::select(vec![Severity::Medium, Severity::High, Severity::Critical]);
        let tactic = prop::sample::select(vec!["reconnaissance", "execution", "persistence", "impact"]);
        let report = ("[ab]", severity, tactic).prop_map(|(id, severity, tactic)| report(&id, severity, &[tactic]));
        prop_oneof![4 => report.prop_map(Some), 1 => "[ab]".prop_map(|id| Some(closed(&id))), 6 => Just(None)]
    }

    proptest! {
        /// Wherever it was interrupted and what it knew was loaded again, the same log leads to the same messages; and no key comes twice.
        #[test]
        fn leads_to_the_same_messages_wherever_it_is_interrupted(
            log in prop::collection::vec(soc(), 1..80), cut in 0_usize..80, rate in 1_u32..9,
        ) {
            let rules = rules(&format!("every = \"3s\"\nrate = {rate}"));
            let events: Vec<Event> = (1..).zip(log).map(|(second, soc)| at(second, soc.map_or(Body::Tick, |soc| Body::Soc(Box::new(soc))))).collect();
            let run = |teller: &mut Teller, events: &[Event]| -> Vec<Message> {
                events.iter().flat_map(|event| teller.step(&rules, event).messages).collect()
            };
            let whole = run(&mut Teller::default(), &events);
            let (before, after) = events.split_at(cut.min(events.len()));
            let mut teller = Teller::default();
            let mut parts = run(&mut teller, before);
            let mut loaded: Teller = serde_json::from_slice(&serde_json::to_vec(&teller).unwrap()).unwrap();
            parts.extend(run(&mut loaded, after));
            prop_assert_eq!(&whole, &parts);
            let keys: BTreeSet<String> = whole.iter().map(Message::key).collect();
            prop_assert_eq!(keys.len(), whole.len());
        }
    }
}
