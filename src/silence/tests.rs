use std::collections::BTreeSet;

use ipnet::IpNet;
use proptest::prelude::*;

use super::change::Change;
use super::config::{Configured, check};
use super::entity::{Kind, Named};
use super::in_force::Made;
use super::matcher::Matcher;
use super::spec::Silence;
use crate::config::Judge;
use crate::event::{Body, Entity, Event, EventId, Severity, Soc, Stream, Times, Timestamp};
use crate::limits::{SILENCE_KEPT_AFTER, SILENCES_MAX};

const HOUR: u64 = 3_600_000;
const NOW: u64 = 1_700_000_000_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn silence(rule: Option<&str>) -> Silence {
    Silence {
        id: "1-0".into(),
        rule: rule.map(str::to_owned),
        entity: None,
        network: None,
        r#where: None,
        from: None,
        until: Some(at(NOW + HOUR)),
        comment: String::new(),
        who: "alice".into(),
        created: Some(at(NOW)),
    }
}

fn about(kind: Kind, value: &str) -> Silence {
    Silence { entity: Some(Named { kind, value: value.into() }), ..silence(None) }
}

fn within(network: &str) -> Silence {
    Silence { network: Some(network.parse().unwrap()), ..silence(None) }
}

fn soc(src_ip: &str) -> Soc {
    let entity = Entity { user: Some("bob".into()), src_ip: Some(src_ip.into()), ..Entity::default() };
    Soc { reasons: vec!["brute_force".into()], flags: vec!["SCAN".into()], entity, ..Soc::default() }
}

fn event(ms: u64, soc: Soc) -> Event {
    let id = EventId::new(ms, 0);
    Event { id, stream: Stream::SocEvents, times: Times::at(at(ms)), root: id, body: Body::Soc(Box::new(soc)) }
}

fn covers(silence: &Silence, soc: Soc) -> bool {
    Matcher::new(silence.clone()).unwrap().covers(&event(NOW, soc))
}

#[test]
fn a_silence_covers_by_rule_flag_entity_network_and_filter_and_all_of_them_must_hold() {
    let wanted = |rule: &str| Silence { rule: Some(rule.into()), ..about(Kind::User, "bob") };
    for silence in [
        silence(Some("brute_force")),
        silence(Some("SCAN")),
        about(Kind::User, "bob"),
        about(Kind::Ip, "::ffff:203.0.113.7"),
        within("203.0.113.0/24"),
        wanted("brute_force"),
        Silence { r#where: Some("user = bob and severity <= INFO".into()), ..silence(None) },
    ] {
        assert!(covers(&silence, soc("203.0.113.7")), "{silence:?}");
    }
    for silence in [
        silence(Some("brute")),
        about(Kind::User, "Bob"),
        about(Kind::DstIp, "203.0.113.7"),
        within("203.0.113.8/29"),
        wanted("another"),
        Silence { r#where: Some("user = bob".into()), ..within("198.51.100.0/24") },
    ] {
        assert!(!covers(&silence, soc("203.0.113.7")), "{silence:?}");
    }
}

#[test]
fn incidents_proposals_and_what_people_have_done_are_never_covered() {
    let bob = about(Kind::User, "bob");
    assert!(covers(&bob, soc("203.0.113.7")));
    assert!(!covers(&bob, Soc { incident_id: Some("1-0".into()), ..soc("203.0.113.7") }));
    assert!(!covers(&bob, Soc { proposal: Some(serde_json::json!({})), ..soc("203.0.113.7") }));
    let change = Change::Add(bob).event();
    assert!(!covers(&silence(Some("SILENCE_ADDED")), change));
}

#[test]
fn that_what_watches_is_switched_off_is_silenced_by_the_name_of_the_rule_alone() {
    let stopped = |severity| Soc { severity, attack: vec!["T1562.012".into()], ..soc("203.0.113.7") };
    for silence in [about(Kind::User, "bob"), within("203.0.113.0/24")] {
        assert!(!covers(&silence, stopped(Severity::Critical)), "{silence:?}");
        assert!(covers(&silence, stopped(Severity::High)), "{silence:?}");
    }
    assert!(covers(&silence(Some("brute_force")), stopped(Severity::Critical)));
}

#[test]
fn what_would_silence_everything_or_nothing_that_is_meant_is_refused_at_its_key() {
    let filter = |text: &str| Silence { r#where: Some(text.into()), ..silence(None) };
    for (key, silence) in [
        ("rule", silence(None)),
        ("rule", silence(Some(" "))),
        ("rule", silence(Some(&"x".repeat(513)))),
        ("network", within("0.0.0.0/0")),
        ("entity", about(Kind::SrcIp, "203.0.113")),
        ("where", filter("since 2h")),
        ("where", filter("not (user = bob or id = 1-0)")),
        ("where", filter("user =")),
        ("until", Silence { from: Some(at(NOW + HOUR)), ..silence(Some("x")) }),
        ("comment", Silence { comment: "x".repeat(513), ..silence(Some("x")) }),
    ] {
        assert_eq!(Matcher::new(silence.clone()).unwrap_err().key, key, "{silence:?}");
    }
}

#[test]
fn what_somebody_has_done_is_read_from_its_event_as_it_was_done() {
    let full = Silence {
        entity: Some(Named { kind: Kind::User, value: "bob".into() }),
        network: Some("2001:db8::/32".parse().unwrap()),
        from: Some(at(NOW - HOUR)),
        comment: "ours".into(),
        ..silence(Some("brute_force"))
    };
    for change in
        [Change::Add(full), Change::End { id: "1-0".into(), who: "bob".into(), note: "it was none of ours".into() }]
    {
        assert_eq!(Change::read(&change.event()), Some(change));
    }
    let forged = Soc { src_device: 57, ..Change::Add(silence(Some("x"))).event() };
    assert_eq!(Change::read(&forged), None, "no device says what people have done");
}

#[test]
fn as_many_are_in_force_as_may_be_and_those_long_over_are_forgotten_first() {
    let mut made = Made::default();
    let add = |made: &mut Made, id: u64, until: u64, arrival: u64| {
        let silence = Silence { id: format!("{id}-0"), until: Some(at(until)), ..silence(Some("x")) };
        made.step(Change::Add(silence), at(arrival));
    };
    let kept = SILENCE_KEPT_AFTER.as_millis() as u64;
    add(&mut made, 1, NOW, NOW);
    add(&mut made, 2, NOW + HOUR, NOW + kept);
    assert_eq!(made.matchers().len(), 2);
    add(&mut made, 3, NOW + kept + 2 * HOUR, NOW + kept + 1000);
    let ids = |made: &Made| made.matchers().iter().map(|it| it.silence().id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&made), BTreeSet::from(["2-0".to_owned(), "3-0".to_owned()]));
    for id in 10..10 + SILENCES_MAX as u64 {
        add(&mut made, id, NOW + kept + id * HOUR, NOW + kept + 2000);
    }
    assert_eq!(made.matchers().len(), SILENCES_MAX);
    assert!(!ids(&made).contains("2-0"));
}

#[test]
fn a_mistake_in_the_configuration_is_a_finding_at_its_key() {
    let keys = |text: &str| -> Vec<String> {
        #[derive(serde::Deserialize)]
        struct File {
            silence: Vec<Configured>,
        }
        let file: File = toml::from_str(text).unwrap();
        let broken = BTreeSet::new();
        let mut judge = Judge::new(&broken);
        check(&file.silence, &mut judge);
        judge.findings().into_iter().map(|finding| finding.key).collect()
    };
    let one = "[[silence]]\nid = \"scanner\"\nnetwork = \"192.0.2.0/28\"\n";
    assert_eq!(keys(one), [""; 0]);
    assert_eq!(keys(&format!("{one}{one}")), ["silence[1].id"]);
    assert_eq!(keys("[[silence]]\nid = \"12-0\"\nrule = \"x\""), ["silence[0].id"]);
    assert_eq!(keys("[[silence]]\nid = \"a\"\nwhere = \"since 1h\""), ["silence[0].where"]);
    assert_eq!(keys("[[silence]]\nid = \"a\""), ["silence[0].rule"]);
}

proptest! {
    #[test]
    fn a_silence_covers_an_address_exactly_when_the_network_has_it(address: u32, base: u32, length in 1_u8..=32) {
        let network = IpNet::new(std::net::Ipv4Addr::from(base).into(), length).unwrap();
        let address = std::net::Ipv4Addr::from(address);
        let of = |text: String| covers(&Silence { network: Some(network), ..silence(None) }, soc(&text));
        prop_assert_eq!(of(address.to_string()), network.contains(&std::net::IpAddr::from(address)));
        prop_assert_eq!(of(format!("::ffff:{address}")), network.contains(&std::net::IpAddr::from(address)));
    }

    #[test]
    fn a_silence_covers_exactly_the_time_between_its_ends(from in 0..2 * HOUR, length in 1..2 * HOUR, ms in 0..4 * HOUR) {
        let silence =
            Silence { from: Some(at(NOW + from)), until: Some(at(NOW + from + length)), ..silence(Some("SCAN")) };
        let matcher = Matcher::new(silence).unwrap();
        let is_within = ms >= from && ms < from + length;
        prop_assert_eq!(matcher.covers(&event(NOW + ms, soc("203.0.113.7"))), is_within);
    }

    #[test]
    fn whatever_is_written_is_a_silence_or_a_fault_and_never_covers_what_it_does_not_name(
        rule in "\\PC{0,12}", filter in "\\PC{0,24}", value in "\\PC{0,12}",
    ) {
        let wanted = Silence {
            r#where: Some(filter),
            entity: Some(Named { kind: Kind::Host, value }),
            ..silence(Some(&rule))
        };
        if let Ok(matcher) = Matcher::new(wanted) {
            prop_assert!(!matcher.covers(&event(NOW, soc("203.0.113.7"))));
        }
    }
}
