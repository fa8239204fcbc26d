//! Who is to blame for an alarm, and who is not.

use super::*;
use crate::event::{Entity, Format, Record};
use crate::layer::SOURCE_NOT_COUNTED;
use crate::layer::reasons::{CAMPAIGN, SOURCE_LIKELY};
use crate::layer::testing::{self, decisions, l3_in};
use crate::parse::record;

/// On one machine.
fn login(user: &str, address: &str, succeeded: bool) -> Record {
    let record = testing::login(user, address, succeeded);
    Record { entity: Entity { host: Some("m".into()), ..record.entity }, ..record }
}

fn said(lines: impl IntoIterator<Item = (u64, Record)>) -> Vec<Decision> {
    let mut stage = prepare(&config::L4::default(), &[]).unwrap().stage();
    let events: Vec<Event> = lines.into_iter().map(|(at, record)| l3_in(at, record)).collect();
    decisions(&mut *stage, &events)
}

fn says(decision: &Decision, name: &str) -> bool {
    decision.reasons.iter().any(|reason| reason == name)
}

#[test]
fn whoever_comes_last_is_not_to_blame_for_what_many_have_done() {
    let botnet = (0..2999).map(|n| (n / 2, login(&format!("u{}", n % 30), &format!("20.9.{}.7", n % 40), false)));
    let typo = [(1500, login("alice", "192.0.2.50", false))];
    for decision in said(botnet.chain(typo)) {
        assert_ne!(decision.entity.src_ip.as_deref(), Some("192.0.2.50"), "{decision:?}");
        assert_ne!(decision.entity.user.as_deref(), Some("alice"), "{decision:?}");
        assert!(decision.alarm.is_none_or(|alarm| !alarm.members.contains(&"192.0.2.50".to_owned())));
    }
    let network = (0..599).map(|n| (n * 3, login(&format!("u{n}"), &format!("198.51.100.{}", n % 12 + 1), false)));
    let reported = said(network.chain([(1800, login("alice", "198.51.100.77", false))]));
    let of_network: Vec<&Decision> = reported.iter().filter(|decision| says(decision, "network_brute_force")).collect();
    let last = of_network.last().unwrap();
    assert!(of_network.iter().all(|decision| decision.entity.src_ip.is_none() && decision.entity.user.is_none()));
    assert!(last.summary.contains("198.51.100.0/24") && !last.summary.contains("198.51.100.77"), "{}", last.summary);
    let members = &last.alarm.as_ref().unwrap().members;
    assert!(members.contains(&"198.51.100.1".to_owned()) && members.len() <= 16, "{members:?}");
}

#[test]
fn who_fails_beside_somebody_who_gets_in_is_not_that_one() {
    let reported = |tried: &str| {
        let failures = (0..6).map(|n| (n * 20, login(tried, "192.0.2.4", false)));
        let success = said(failures.chain([(200, login("alice", "192.0.2.4", true))]));
        success.into_iter().find(|decision| says(decision, "success_after_failures")).unwrap().score
    };
    assert!(reported("alice") > 0.8);
    assert!(reported("zz") < 0.75, "not HIGH, so that nothing is proposed against the address of all");
}

#[test]
fn one_who_gets_in_again_and_again_is_reported_once_and_as_another_or_elsewhere_at_once() {
    let round = |n: u64| {
        let failures = (0..5).map(move |at| (n * 60 + at * 2, login("root", "203.0.113.9", false)));
        failures.chain([(n * 60 + 30, login("eve", "203.0.113.9", true))])
    };
    let successes = |lines: Vec<(u64, Record)>| {
        let reported = said(lines).into_iter().filter(|decision| says(decision, "success_after_failures"));
        reported.filter_map(|decision| decision.alarm).map(|alarm| alarm.id).collect::<Vec<_>>()
    };
    let mut lines: Vec<(u64, Record)> = (0..200).flat_map(round).collect();
    let risen = said(lines.clone()).iter().filter(|decision| &*decision.model == MODEL).count();
    assert!(risen <= 2, "{risen} of risk for one who gets in as one user");
    let before = successes(lines.clone());
    assert!(before.len() <= 10 && before.iter().all(|id| *id == before[0]), "{before:?}");
    lines.extend((0..5).map(|at| (12_000 + at * 2, login("root", "203.0.113.9", false))));
    lines.push((12_030, login("root", "203.0.113.9", true)));
    let after = successes(lines);
    assert_eq!(after.len(), before.len() + 1);
    assert_ne!(after.last(), before.last());
}

#[test]
fn of_many_sources_only_one_that_was_counted_comes_after_itself_and_none_is_blamed_for_all() {
    let yaml = "title: F\nname: failed\nlogsource: {category: authentication}\ndetection:\n  s: {event.outcome: failure}\n  \
                condition: s\n---\ntitle: D\nname: done\nlogsource: {category: authentication}\ndetection:\n  s: \
                {event.outcome: success}\n  condition: s\n---\ntitle: T\nid: t\ncorrelation: {type: value_count, rules: \
                [failed], group-by: [user.name], timespan: 10m, condition: {field: source.address, gte: 5}}\ndsmil: \
                {followed-by: {rule: done, reason: got_in}}\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.yml"), yaml).unwrap();
    let config =
        config::L4 { scenarios: vec![folder.path().to_owned()], builtin_scenarios: false, ..config::L4::default() };
    let got_in = |sources: u64, address: &str| {
        let mut stage = prepare(&config, &[]).unwrap().stage();
        let name = |n: u64| format!("20.{}.{}.9", n / 250, n % 250);
        let failures = (0..sources).map(|n| l3_in(n / 10, login("root", &name(n), false)));
        let events: Vec<Event> = failures.chain([l3_in(sources / 10 + 5, login("root", address, true))]).collect();
        decisions(&mut *stage, &events).into_iter().find(|decision| says(decision, "got_in"))
    };
    assert_eq!(got_in(8, "192.0.2.4"), None);
    let found = got_in(8, "20.0.3.9").unwrap();
    assert_eq!(found.entity.src_ip.as_deref(), Some("20.0.3.9"));
    assert!(says(&found, SOURCE_NOT_COUNTED) && found.happened.outcome == Some(true), "{found:?}");
    assert!(!says(&found, SOURCE_LIKELY), "each of a few is remembered");
    // Of thousands not each is remembered, but that it was one of them.
    let early: Vec<Decision> = (0..20).filter_map(|n| got_in(5000, &format!("20.{n}.{n}.9"))).collect();
    assert_eq!(early.len(), 20);
    assert!(early.iter().all(|found| says(found, SOURCE_LIKELY) && says(found, SOURCE_NOT_COUNTED)), "{early:?}");
    assert!(early.iter().all(|found| found.summary.ends_with("is likely")), "{early:?}");
    assert_eq!((0..20).filter_map(|n| got_in(5000, &format!("192.0.2.{n}"))).count(), 0);
}

/// A packet that a firewall has dropped.
fn packet(from: &str, port: u64) -> Record {
    let line = format!(
        "Nov 10 10:00:00 gate kernel: [1.0] [UFW BLOCK] IN=eth0 OUT= MAC=00 SRC={from} DST=192.0.2.1 LEN=40 TOS=0x00 PREC=0x00 TTL=240 \
         ID=1 PROTO=TCP SPT=40000 DPT={port} WINDOW=1024 RES=0x00 SYN URGP=0"
    );
    record(line.as_bytes(), Format::Auto, &[])
}

#[test]
fn packets_that_anybody_can_have_sent_are_no_risk_of_an_address() {
    let reported = said((0..600).map(|n| (n / 4, packet("9.9.9.9", 1000 + n))));
    assert!(reported.iter().any(|decision| says(decision, "port_scan")));
    assert!(
        reported.iter().all(|decision| says(decision, SOURCE_NOT_PROVEN) && &*decision.model != MODEL),
        "{reported:?}"
    );
}

#[test]
fn a_flood_from_made_up_sources_is_one_alarm_about_whom_it_hits_and_accuses_nobody() {
    let reported = said((0..3000).map(|n| (n / 50, packet(&format!("20.{}.{}.7", n / 250, n % 250), 7777))));
    assert!(reported.iter().all(|decision| says(decision, "packets_of_many")), "{reported:?}");
    assert!(reported.iter().all(|it| it.entity.src_ip.is_none() && it.entity.dst_ip.as_deref() == Some("192.0.2.1")));
    let ids: std::collections::BTreeSet<&String> =
        reported.iter().filter_map(|decision| Some(&decision.alarm.as_ref()?.id)).collect();
    assert_eq!(ids.len(), 1, "{reported:?}");
    let usual = (0..300).map(|n| (n * 2, packet(&format!("20.{n}.1.7"), 1000 + n % 9)));
    let of_one = (0..600).map(|n| (n / 10, packet("9.9.9.9", 7777)));
    assert_eq!(said(usual.chain(of_one)), []);
}

#[test]
fn scans_in_the_name_of_many_are_a_campaign_after_a_few_for_whoever_sends_them_has_any_name() {
    let scan = |n: u64| (0..20).map(move |port| (n * 5, packet(&format!("20.9.{n}.7"), 1000 + port)));
    let reported = said((0..100).flat_map(scan));
    let single = reported.iter().filter(|it| says(it, "port_scan") && !says(it, "campaign"));
    assert_eq!(single.count(), limits::CAMPAIGN_SINGLE_FEW_MAX);
}

#[test]
fn a_weak_alarm_about_a_machine_silences_no_attack_on_one_of_its_users() {
    let background = (0..120).map(|n| (n * 200, login(&format!("u{n}"), &format!("20.1.{n}.7"), false)));
    let attack = (0..20).map(|n| (30_000 + n * 25, login("ceo", &format!("30.1.{n}.7"), false)));
    let reported = said(background.chain(attack));
    assert!(reported.iter().any(|it| it.entity.user.is_none() && says(it, "distributed_brute_force")), "{reported:?}");
    assert!(reported.iter().any(|it| it.entity.user.as_deref() == Some("ceo")), "{reported:?}");
}

#[test]
fn five_hundred_attackers_who_go_on_and_on_are_one_campaign_and_its_worse_ones_are_reported() {
    let guess =
        |n: u64, at: u64| (n * 7 + at / 4, login("root", &format!("198.{}.{}.7", 18 + n / 250, n % 250), false));
    let reported = said((0..500).flat_map(|n| (0..20).map(move |at| guess(n, at))));
    let of_guessing = reported.iter().filter(|decision| says(decision, "brute_force"));
    let single = of_guessing.clone().filter(|decision| !says(decision, "campaign"));
    let ids: std::collections::BTreeSet<&String> =
        single.clone().filter_map(|decision| Some(&decision.alarm.as_ref()?.id)).collect();
    assert!(ids.len() <= 80, "{} each for itself", ids.len());
    assert!(of_guessing.count() <= 250);
    let risk = reported.iter().filter(|decision| &*decision.model == MODEL).count();
    assert!(risk <= 70, "{risk} of risk");
}

#[test]
fn who_gets_in_as_hundreds_of_users_or_names_hundreds_of_machines_makes_one_campaign_that_names_them() {
    let round = |n: u64| {
        let failures = (0..5).map(move |at| (n * 9 + at, login("root", &format!("2001:db8:1:{n:x}::1"), false)));
        failures.chain([(n * 9 + 5, login(&format!("u{n}"), &format!("2001:db8:1:{n:x}::1"), true))])
    };
    let made_root = |n: u64| {
        let line = format!("Nov 10 10:00:00 h{n} useradd[8]: new user: name=eve, UID=0, GID=0, home=/, shell=/bin/sh");
        (n * 7, record(line.as_bytes(), Format::Auto, &[]))
    };
    for (reason, lines, named) in [
        ("success_after_failures", (0..300).flat_map(round).collect::<Vec<_>>(), "2001:db8:1:c8::/64: u200 on m"),
        ("second_root", (0..300).map(made_root).collect(), "eve on h200"),
    ] {
        let said = said(lines);
        let is_told = |decision: &&Decision| says(decision, reason) && &*decision.model != MODEL;
        let told: Vec<&Decision> = said.iter().filter(is_told).collect();
        assert!((33..=40).contains(&told.len()), "{reason}: {}", told.len());
        let alone = |decision: &&&Decision| !says(decision, CAMPAIGN);
        assert_eq!(told.iter().filter(alone).count(), limits::CAMPAIGN_SINGLE_MAX, "{reason}");
        let members = &told.last().unwrap().alarm.as_ref().unwrap().members;
        assert!(members.contains(&named.to_owned()), "{reason}: {members:?}");
    }
}
