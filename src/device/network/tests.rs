use bytes::Bytes;

use super::*;
use crate::event::{Entity, EventId, Format, Severity, Times};
use crate::layer::SOURCE_NOT_PROVEN;
use crate::layer::stage::Stage;
use crate::layer::testing::soc_events;
use crate::parse::built_in;

fn event(second: f64, record: Record) -> Event {
    let ts = Timestamp::from_seconds(1e9 + second).unwrap();
    let id = EventId::new(ts.millis(), 0);
    let raw =
        Raw::new("test".into(), "net".into(), Format::Text, Bytes::new(), Vec::new(), built_in()).with_record(record);
    Event { id, stream: Stream::L3In, times: Times::at(ts), root: id, body: Body::Raw(raw) }
}

fn blocked(client: &str, server: &str, port: u16) -> Record {
    let entity =
        Entity { src_ip: Some(client.into()), dst_ip: Some(server.into()), dst_port: Some(port), ..Entity::default() };
    Record { action: Action::Connection, outcome: Some(false), entity, ..Record::default() }
}

fn make() -> Box<dyn Stage> {
    (SPEC.prepare)(&toml::Table::new()).unwrap().stage()
}

#[test]
fn a_port_scan_is_one_event_with_source_target_and_technique() {
    let events: Vec<Event> =
        (1..60).map(|port| event(f64::from(port), blocked("203.0.113.5", "192.0.2.1", port))).collect();
    let written = soc_events(make().as_mut(), &events);
    assert_eq!(written.len(), 2, "when it is one, and ten times as large: {written:#?}");
    let soc = &written[1];
    assert_eq!((soc.src_device, soc.flags.as_slice()), (57, &["PORT_SCAN".to_owned()][..]));
    assert_eq!(soc.entity.src_ip.as_deref(), Some("203.0.113.5"));
    assert_eq!((soc.severity, soc.attack.as_slice()), (Severity::Medium, &["T1595.001".to_owned()][..]));
    assert_eq!(soc.compartment, "net");
}

#[test]
fn what_layer_3_and_4_have_told_of_a_source_as_bad_is_not_told_again_of_what_it_scans_in_vain() {
    let told = |client: &str, score: f64, reason: &str| {
        let soc = Soc {
            decision: Verdict::Suspicious,
            score,
            entity: Entity { src_ip: Some(client.into()), ..Entity::default() },
            reasons: vec![reason.to_owned()],
            ..Soc::default()
        };
        Event { stream: Stream::SocEvents, body: Body::Soc(Box::new(soc)), ..event(0.0, Record::default()) }
    };
    let scanned = |client: &str, before: Event| {
        let scan = (1..8).map(|port| event(f64::from(port), blocked(client, "192.0.2.1", port)));
        let events: Vec<Event> = std::iter::once(before).chain(scan).collect();
        soc_events(make().as_mut(), &events).len()
    };
    assert_eq!(scanned("203.0.113.5", told("203.0.113.5", 0.6, "brute_force")), 0);
    for (client, before) in [
        ("203.0.113.5", told("203.0.113.6", 0.6, "brute_force")),
        ("203.0.113.5", told("203.0.113.5", 0.6, SOURCE_NOT_PROVEN)),
    ] {
        assert_eq!(scanned(client, before.clone()), 1, "{before:?}");
    }
}

/// What a firewall logs of a packet.
fn packet(interfaces: &str, ends: &str, rest: &str) -> Record {
    let line = format!(
        "Nov 10 10:00:00 gate kernel: [1.0] [UFW BLOCK] {interfaces} {ends} LEN=40 TOS=0x00 PREC=0x00 TTL=240 ID=1 {rest} URGP=0"
    );
    crate::parse::record(line.as_bytes(), Format::Auto, &[])
}

#[test]
fn a_sender_that_calls_itself_like_a_log_of_zeek_does_not_rename_its_columns() {
    let line = |text: &'static str, is_named| {
        let raw = Raw::new("file:/zeek".into(), "".into(), Format::Auto, text.into(), Vec::new(), built_in());
        raw.named_by_sender(is_named)
    };
    let mut network = Network::new(Settings::default());
    network.zeek(&line("#fields\tts\tid.orig_h", false));
    network.zeek(&line("#fields\tts\tid.resp_h", true));
    let read = |network: &mut Network, is_named| {
        let (_, record) = network.zeek(&line("1655071198.5\t192.0.2.7", is_named)).unwrap();
        record.field("id.orig_h").map(str::to_owned)
    };
    assert_eq!(read(&mut network, false).as_deref(), Some("192.0.2.7"));
    assert_eq!(read(&mut network, true), None);
}

#[test]
fn what_is_sent_to_an_own_machine_at_a_regular_pace_is_no_beacon_and_what_one_sends_is() {
    for (every, port) in [(60, 31_337), (60, 443), (3, 22), (720, 9100)] {
        let said = |interfaces: &str| {
            let syn = format!("PROTO=TCP SPT=40000 DPT={port} WINDOW=1024 RES=0x00 SYN");
            let syn = packet(interfaces, "SRC=203.0.113.9 DST=198.51.100.1", &syn);
            let events: Vec<Event> = (0..28).map(|step| event(f64::from(step * every), syn.clone())).collect();
            soc_events(make().as_mut(), &events)
        };
        assert_eq!(said("IN=eth0 OUT= MAC=00"), [], "port {port}");
        assert!(said("IN= OUT=eth0").iter().any(|soc| soc.flags == ["BEACON"]), "port {port}");
    }
}

#[test]
fn a_scan_of_packets_alone_says_that_anybody_can_have_sent_them_and_late_packets_are_none() {
    let said = |rest: fn(u16) -> String| {
        let events: Vec<Event> = (0..60)
            .map(|step| {
                let packet = packet("IN=eth0 OUT= MAC=00", "SRC=9.9.9.9 DST=198.51.100.1", &rest(40_000 + step * 7));
                event(f64::from(step), packet)
            })
            .collect();
        soc_events(make().as_mut(), &events)
    };
    let scan = said(|port| format!("PROTO=TCP SPT=40000 DPT={port} WINDOW=1024 RES=0x00 SYN"));
    assert!(!scan.is_empty());
    assert!(scan.iter().all(|soc| soc.reasons.iter().any(|reason| reason == SOURCE_NOT_PROVEN)), "{scan:#?}");
    assert_eq!(said(|port| format!("PROTO=TCP SPT=443 DPT={port} WINDOW=0 RES=0x00 ACK FIN")), []);
    assert_eq!(said(|port| format!("PROTO=UDP SPT=53 DPT={port} LEN=70")), []);
}

#[test]
fn a_server_that_many_clients_keep_contact_with_is_no_controller() {
    let mut stage = make();
    let mut written = Vec::new();
    for round in 0..50 {
        for client in 0..6 {
            let record = Record { outcome: Some(true), ..blocked(&format!("192.0.2.{client}"), "203.0.113.80", 443) };
            written.extend(soc_events(stage.as_mut(), &[event(f64::from(round) * 30.0 + f64::from(client), record)]));
        }
    }
    assert_eq!(written, []);
}

#[test]
fn a_saved_state_goes_on_where_it_was() {
    let events: Vec<Event> = (0..130)
        .map(|step| {
            let record = Record { outcome: Some(true), ..blocked("192.0.2.9", "203.0.113.66", 4444) };
            event(f64::from(step) * 60.0, record)
        })
        .collect();
    let whole = soc_events(make().as_mut(), &events);
    assert_eq!(whole.len(), 2, "when it begins, and when it has grown");
    let mut first = make();
    let mut written = soc_events(first.as_mut(), &events[..8]);
    let mut second = make();
    second.load(&first.save().unwrap()).unwrap();
    written.extend(soc_events(second.as_mut(), &events[8..]));
    assert_eq!(written, whole);
    assert!(make().load(b"not a state").is_err());
}

#[test]
fn hostile_text_in_a_name_is_shown_escaped() {
    let record = |step: u32| Record {
        action: Action::Connection,
        outcome: Some(false),
        entity: Entity {
            src_ip: Some("192.0.2.9".into()),
            domain: Some("a\u{1b}[2Jb".into()),
            dst_port: Some(4444),
            ..Entity::default()
        },
        pid: Some(step),
        ..Record::default()
    };
    let events: Vec<Event> = (0..40).map(|step| event(f64::from(step) * 60.0, record(step))).collect();
    let written = soc_events(make().as_mut(), &events);
    assert!(!written.is_empty() && written.iter().all(|soc| !soc.summary.contains('\u{1b}')), "{written:#?}");
}

/// Many sources, each of which tries this many ports of one machine.
fn scans(sources: u32, ports: u16) -> Vec<Event> {
    let client = |n: u32| format!("20.{}.{}.7", n / 200, n % 200);
    let tries = |n: u32| (0..ports).map(move |port| (n, 1000 + port));
    let lines = (0..sources).flat_map(tries);
    lines
        .map(|(n, port)| {
            event(f64::from(n) * 4.0 + f64::from(port % 100) / 50.0, blocked(&client(n), "192.0.2.1", port))
        })
        .collect()
}

fn tick(second: f64) -> Event {
    Event { stream: Stream::Tick, body: Body::Tick, ..event(second, Record::default()) }
}

#[test]
fn two_hundred_sources_of_one_scan_are_two_campaigns_that_name_all_of_them() {
    let mut events = scans(200, 50);
    events.extend((1..200).map(|minute| tick(800.0 + f64::from(minute) * 60.0)));
    let written = soc_events(make().as_mut(), &events);
    let scans: Vec<&Soc> = written.iter().filter(|soc| soc.flags == ["PORT_SCAN"]).collect();
    assert!(scans.len() < 32, "{}", scans.len());
    for severity in [Severity::Low, Severity::Medium] {
        let is_alone = |soc: &&&Soc| soc.alarm.is_none() && soc.severity == severity;
        assert_eq!(scans.iter().filter(is_alone).count(), 8, "{severity:?}");
    }
    let members = |soc: &&Soc| soc.alarm.as_ref().map(|alarm| alarm.members.clone()).unwrap_or_default();
    let named: std::collections::BTreeSet<String> = scans.iter().flat_map(members).collect();
    assert_eq!(named.len(), 200);
    let over: Vec<&&Soc> = scans.iter().filter(|soc| soc.alarm.as_ref().is_some_and(|alarm| alarm.is_over)).collect();
    assert_eq!(over.iter().map(|soc| soc.severity).collect::<Vec<_>>(), [Severity::Info; 2]);
    let last = scans.iter().rfind(|soc| soc.severity == Severity::Medium).unwrap();
    assert!(last.reasons[0] == "campaign" && last.summary.starts_with("port-scan by 128 sources"), "{last:#?}");
}

#[test]
fn who_is_worse_than_the_many_is_said_for_himself() {
    let mut events = scans(60, 6);
    events
        .extend((0..600).map(|port| event(300.0 + f64::from(port), blocked("203.0.113.5", "192.0.2.1", port as u16))));
    let written = soc_events(make().as_mut(), &events);
    let of_him: Vec<(Severity, bool)> = written
        .iter()
        .filter(|soc| soc.entity.src_ip.as_deref() == Some("203.0.113.5"))
        .map(|soc| (soc.severity, soc.alarm.is_some()))
        .collect();
    assert_eq!(of_him, [(Severity::Medium, false), (Severity::Medium, false)]);
}

#[test]
fn all_addresses_of_one_customer_are_one_scanner() {
    let events: Vec<Event> = (0..100_u16)
        .flat_map(|n| (0..12).map(move |port| (n, port)))
        .map(|(n, port)| event(f64::from(n), blocked(&format!("2001:db8:5:6::{n:x}"), "192.0.2.1", 1000 + port)))
        .collect();
    let scans = soc_events(make().as_mut(), &events).into_iter().filter(|soc| soc.flags == ["PORT_SCAN"]).count();
    assert_eq!(scans, 1);
}

#[test]
fn who_knocks_at_one_shut_door_all_day_is_said_once_and_its_regularity_is_one_alarm() {
    let events: Vec<Event> =
        (0..100).map(|step| event(f64::from(step) * 720.0, blocked("203.0.113.9", "192.0.2.1", 22))).collect();
    let written = soc_events(make().as_mut(), &events);
    let of = |flag: &str| written.iter().filter(|soc| soc.flags == [flag]).collect::<Vec<_>>();
    assert_eq!(of("UNANSWERED_CONTACTS").len(), 1);
    let beacon: Vec<u64> = of("BEACON").iter().filter_map(|soc| soc.alarm.as_ref()).map(|alarm| alarm.count).collect();
    assert_eq!(beacon, [12]);
}
