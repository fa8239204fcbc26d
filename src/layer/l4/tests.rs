//! Risk: many weak signals about one user, address or host.

use super::*;
use crate::event::{Entity, EventId, Format, Raw, Record, Times};
use crate::layer::stage::Stage;
use crate::layer::testing::decisions;
use crate::layer::verdict;
use crate::parse::built_in;

fn stage() -> Box<dyn Stage> {
    prepare(&config::L4::default(), &[]).unwrap().stage()
}

fn decision(minute: u64, user: &str, score: f64, reason: &str) -> Event {
    let decision = Decision {
        verdict: verdict(score),
        score,
        entity: Entity { user: Some(user.into()), host: Some("atlas".into()), ..Entity::default() },
        reasons: vec![reason.into()],
        ..Decision::benign("sigma".into(), 15, "ops".into(), EventId::ZERO)
    };
    event(minute, Stream::L3Out, Body::Decision(Box::new(decision)))
}

fn event(minute: u64, stream: Stream, body: Body) -> Event {
    let ms = 1_700_000_000_000 + minute * 60_000;
    Event {
        id: EventId::new(ms, 0),
        stream,
        times: Times::at(Timestamp::from_millis(ms)),
        root: EventId::new(ms, 0),
        body,
    }
}

#[test]
fn ten_weak_signals_on_one_user_become_one_malicious_decision() {
    let weak: Vec<Event> = (0..10).map(|at| decision(at, "alice", 0.35, &format!("rule {at}"))).collect();
    let decisions = decisions(&mut *stage(), &weak);
    let malicious: Vec<&Decision> =
        decisions.iter().filter(|decision| decision.verdict == Verdict::Malicious).collect();
    assert_eq!(malicious.len(), 1);
    assert_eq!(malicious[0].entity.user.as_deref(), Some("alice"));
    assert!(malicious[0].reasons.len() >= 7 && malicious[0].score >= 0.8, "{malicious:?}");
}

#[test]
fn the_same_signals_on_ten_users_or_over_ten_days_become_nothing_malicious() {
    let users: Vec<Event> = (0..10).map(|at| decision(at, &format!("user{at}"), 0.35, &format!("rule {at}"))).collect();
    assert!(decisions(&mut *stage(), &users).iter().all(|decision| decision.verdict != Verdict::Malicious));
    let days: Vec<Event> = (0..10).map(|at| decision(at * 1440, "alice", 0.35, &format!("rule {at}"))).collect();
    assert_eq!(decisions(&mut *stage(), &days), []);
}

#[test]
fn a_decision_that_stands_for_many_weighs_as_many() {
    let folded = |times| {
        let mut event = decision(0, "alice", 0.35, "rule");
        if let Body::Decision(decision) = &mut event.body {
            decision.happened.times = times;
        }
        decisions(&mut *stage(), &[event])
    };
    let unfolded: Vec<Event> = (0..9).map(|_| decision(0, "alice", 0.35, "rule")).collect();
    let last = decisions(&mut *stage(), &unfolded).pop().unwrap();
    assert_eq!(folded(1), []);
    assert_eq!(folded(9).iter().map(|decision| decision.verdict).collect::<Vec<_>>(), [last.verdict]);
}

#[test]
fn the_risk_of_a_hundred_addresses_is_reported_of_the_first_few_and_then_of_all() {
    let signals: Vec<Event> = (0..300)
        .map(|n| {
            let mut event = decision(n / 10, "", 0.4, &format!("rule {}", n % 3));
            if let Body::Decision(decision) = &mut event.body {
                decision.entity = Entity { src_ip: Some(format!("20.1.{}.7", n / 3)), ..Entity::default() };
            }
            event
        })
        .collect();
    let reported = decisions(&mut *stage(), &signals);
    let of_many: Vec<u64> = reported.iter().filter_map(|decision| Some(decision.alarm.as_ref()?.count)).collect();
    assert_eq!(of_many, [9, 16, 32, 64]);
    assert_eq!(reported.len() - of_many.len(), 8);
}

fn of_address(minute: u64, address: &str, reason: &str) -> Event {
    let mut event = decision(minute, "", 0.4, reason);
    if let Body::Decision(decision) = &mut event.body {
        decision.entity = Entity { src_ip: Some(address.to_owned()), ..Entity::default() };
    }
    event
}

#[test]
fn however_many_addresses_attack_the_risk_of_a_user_is_not_forgotten() {
    let flood = (0..limits::ENTITIES_PER_DETECTOR_MAX + 100)
        .map(|n| of_address(2, &format!("20.{}.{}.7", n / 250, n % 250), "sql_injection"));
    let before = (0..2).map(|at| decision(at, "alice", 0.4, &format!("rule {at}")));
    let signals: Vec<Event> = before.chain(flood).chain([decision(3, "alice", 0.4, "rule 3")]).collect();
    let decisions = decisions(&mut *stage(), &signals);
    assert_eq!(decisions.iter().filter_map(|decision| decision.entity.user.as_deref()).collect::<Vec<_>>(), ["alice"]);
}

#[test]
fn who_changes_the_address_within_a_network_of_one_customer_loses_no_risk() {
    let signals: Vec<Event> =
        (0..8).map(|n| of_address(n, &format!("2001:db8:1:2::{n}"), &format!("rule {n}"))).collect();
    let decisions = decisions(&mut *stage(), &signals);
    assert_eq!(decisions.iter().map(|it| it.verdict).collect::<Vec<_>>(), [Verdict::Suspicious, Verdict::Malicious]);
    assert!(decisions[0].summary.starts_with("risk of src_ip 2001:db8:1:2::/64"), "{}", decisions[0].summary);
}

#[test]
fn the_decision_names_the_one_that_tipped_it() {
    let signals: Vec<Event> = (0..3).map(|at| decision(at, "alice", 0.4, &format!("rule {at}"))).collect();
    let decisions = decisions(&mut *stage(), &signals);
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0].input_ref, signals[2].id.to_string());
    assert_eq!((decisions[0].verdict, decisions[0].score >= 0.5), (Verdict::Suspicious, true));
}

#[test]
fn risk_becomes_a_score_that_rises_evenly_between_the_thresholds_and_towards_certainty_beyond() {
    let thresholds = Thresholds { suspicious_at: 2.0, malicious_at: 6.0, half_life: Duration::from_secs(3600) };
    let score = |risk| (thresholds.score(risk) * 1000.0).round() / 1000.0;
    let middle = f64::midpoint(SUSPICIOUS_SCORE, MALICIOUS_FROM);
    assert_eq!([2.0, 4.0, 6.0].map(score), [SUSPICIOUS_SCORE, middle, MALICIOUS_FROM]);
    assert_eq!(score(0.5), SUSPICIOUS_SCORE);
    assert_eq!(score(12.0), f64::midpoint(MALICIOUS_FROM, 1.0), "twice as much: half of the way");
    assert!(thresholds.score(1e9) < 1.0);
    assert_eq!(
        [1.9, 2.0, 5.9, 6.0].map(|risk| thresholds.verdict(risk) as u8),
        [Verdict::Benign as u8, Verdict::Suspicious as u8, Verdict::Suspicious as u8, Verdict::Malicious as u8]
    );
}

#[test]
fn an_event_of_another_model_says_its_score_its_reasons_and_its_techniques() {
    let of = |fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let raw = Raw::new("model-x".into(), "ops".into(), Format::Json, "{}".into(), Vec::new(), built_in());
        Detection::from_context(&raw.with_record(Record { fields, ..Record::default() }))
    };
    let said = of(&[
        ("score", "0.7"),
        ("reasons.0", "odd hour"),
        ("reasons.1", "odd place"),
        ("reasons_of_others", "no"),
        ("attack", "T1078"),
        ("attack.1", "T1110"),
        ("attacker", "T1595"),
    ]);
    assert_eq!(
        (said.score, said.reasons, said.techniques),
        (0.7, vec!["odd hour".to_owned(), "odd place".to_owned()], vec!["T1078".to_owned(), "T1110".to_owned()])
    );
    assert_eq!(of(&[("model", "forest")]).reasons, ["forest"]);
    assert_eq!(of(&[]).reasons, ["model-x"], "who says nothing of it is named");
    for (text, score) in [("0", 0.0), ("1", 1.0), ("1.01", 0.0), ("-0.1", 0.0), ("NaN", 0.0), ("high", 0.0)] {
        assert_eq!(of(&[("score", text)]).score, score, "{text}");
    }
}

#[test]
fn a_host_is_no_news_once_the_user_is_and_is_when_many_users_share_the_risk() {
    let one: Vec<Event> = (0..30).map(|at| decision(at, "alice", 0.5, &format!("rule {at}"))).collect();
    assert!(decisions(&mut *stage(), &one).iter().all(|decision| decision.entity.user.is_some()));
    let many: Vec<Event> = (0..30).map(|at| decision(at, &format!("user{at}"), 0.5, &format!("rule {at}"))).collect();
    let verdicts: Vec<(Option<String>, Verdict)> =
        decisions(&mut *stage(), &many).into_iter().map(|decision| (decision.entity.user, decision.verdict)).collect();
    assert_eq!(verdicts, [(None, Verdict::Suspicious), (None, Verdict::Malicious)]);
}

#[test]
fn risk_that_hovers_at_a_threshold_alarms_once_and_again_after_it_has_fallen() {
    let mut stage = stage();
    let hovering: Vec<Event> = (0..6).map(|at| decision(at * 30, "alice", 0.4, &format!("rule {at}"))).collect();
    assert_eq!(decisions(&mut *stage, &hovering).len(), 1);
    let later: Vec<Event> = (0..3).map(|at| decision(2000 + at, "alice", 0.4, &format!("rule {at}"))).collect();
    assert_eq!(decisions(&mut *stage, &later).len(), 1);
}

#[test]
fn a_signal_after_the_risk_has_faded_is_news_at_once() {
    let config = config::L4 { suspicious_at: 0.2, ..config::L4::default() };
    let mut stage = prepare(&config, &[]).unwrap().stage();
    for minute in [0, 50_000] {
        let signal = [decision(minute, "alice", 0.35, &format!("rule {minute}"))];
        assert_eq!(decisions(&mut *stage, &signal).len(), 1, "minute {minute}");
    }
}

#[test]
fn benign_decisions_and_one_loud_one_are_no_news_to_layer_4() {
    let quiet: Vec<Event> = (0..500).map(|at| decision(at / 10, "alice", 0.1, "informational")).collect();
    assert_eq!(decisions(&mut *stage(), &quiet), []);
    let loud = [decision(0, "alice", 0.95, "critical"), decision(1, "alice", 0.35, "weak")];
    assert_eq!(decisions(&mut *stage(), &loud), []);
}

#[test]
fn every_event_of_l4_in_gets_one_decision_and_its_score_counts() {
    let context = |minute: u64, score: &str| {
        let record = Record {
            entity: Entity { user: Some("bob".into()), ..Entity::default() },
            fields: vec![("score".into(), score.into()), ("reasons.0".into(), format!("model {minute}"))],
            ..Record::default()
        };
        let raw =
            Raw::new("hr".into(), "ops".into(), Format::Json, "".into(), Vec::new(), built_in()).with_record(record);
        event(minute, Stream::L4In, Body::Raw(raw))
    };
    let events = [context(0, ""), context(1, "0.4"), context(2, "0.3"), context(3, "NaN"), context(4, "0.4")];
    let verdicts: Vec<Verdict> = decisions(&mut *stage(), &events).iter().map(|decision| decision.verdict).collect();
    assert_eq!(verdicts, [Verdict::Benign, Verdict::Suspicious, Verdict::Benign, Verdict::Benign, Verdict::Suspicious]);
}

#[test]
fn a_restored_stage_goes_on_where_it_was() {
    let signals: Vec<Event> = (0..12).map(|at| decision(at, "alice", 0.35, &format!("rule {}", at % 5))).collect();
    let whole = decisions(&mut *stage(), &signals);
    let mut first = stage();
    let mut halves = decisions(&mut *first, &signals[..5]);
    let mut second = stage();
    second.load(&first.save().unwrap()).unwrap();
    halves.extend(decisions(&mut *second, &signals[5..]));
    assert_eq!(halves, whole);
    assert!(!whole.is_empty());
}

#[test]
fn a_program_that_writes_something_new_every_day_and_a_machine_with_a_busy_hour_are_no_alarm() {
    let line = |minute: u64, message: String| {
        let entity = Entity { host: Some("plant".into()), ..Entity::default() };
        let record = Record { program: Some("pumpd".into()), message, entity, ..Record::default() };
        let raw = Raw::new("file".into(), "ops".into(), Format::Auto, "".into(), Vec::new(), built_in());
        event(minute, Stream::L3In, Body::Raw(raw.with_record(record)))
    };
    let word = |number: u64| number.to_string().bytes().map(|digit| char::from(digit + 50)).collect::<String>();
    let days = 14;
    let mut lines = Vec::new();
    for minute in (0..days * 1440).step_by(3) {
        lines.push(line(minute, format!("cycle {minute} done")));
        if minute % 1440 == 600 {
            lines.extend((0..20 + minute / 100).map(|number| line(minute, format!("flush {number}"))));
            lines.push(line(minute, format!("note {} of {}", word(minute), word(minute / 7))));
        }
    }
    assert_eq!(decisions(&mut *stage(), &lines), []);
}
