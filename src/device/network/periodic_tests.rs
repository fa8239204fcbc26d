//! What is periodic on every network and no beacon, and what a controller's contacts look like, as Zeek, Suricata and exporters of NetFlow write
//! them.

use bytes::Bytes;

use super::*;
use crate::event::{EventId, Format, Times};
use crate::layer::testing::soc_events;
use crate::parse::built_in;

#[derive(Clone, Copy)]
struct Connection {
    client: &'static str,
    client_port: u16,
    server: &'static str,
    port: u16,
    proto: &'static str,
    state: &'static str,
    lasted_s: f64,
    sent: u64,
    packets_received: u32,
}

const SHORT: Connection = Connection {
    client: "192.168.1.5",
    client_port: 40_000,
    server: "203.0.113.9",
    port: 443,
    proto: "tcp",
    state: "SF",
    lasted_s: 0.4,
    sent: 600,
    packets_received: 9,
};

type Writer = fn(f64, &Connection) -> String;

fn zeek(at: f64, of: &Connection) -> String {
    format!(
        r#"{{"ts":{at:.6},"uid":"C1","id.orig_h":"{}","id.orig_p":{},"id.resp_h":"{}","id.resp_p":{},"proto":"{}","duration":{},"orig_bytes":{},"resp_bytes":900,"conn_state":"{}","local_orig":true,"local_resp":false,"orig_pkts":8,"resp_pkts":{}}}"#,
        of.client, of.client_port, of.server, of.port, of.proto, of.lasted_s, of.sent, of.state, of.packets_received
    )
}

fn eve(_: f64, of: &Connection) -> String {
    format!(
        r#"{{"event_type":"flow","src_ip":"{}","src_port":{},"dest_ip":"{}","dest_port":{},"proto":"{}","flow":{{"pkts_toserver":8,"pkts_toclient":{},"bytes_toserver":{},"bytes_toclient":900,"age":{},"state":"closed"}}}}"#,
        of.client,
        of.client_port,
        of.server,
        of.port,
        of.proto.to_uppercase(),
        of.packets_received,
        of.sent,
        of.lasted_s
    )
}

fn netflow(_: f64, of: &Connection) -> String {
    let number = match of.proto {
        "tcp" => 6,
        "udp" => 17,
        _ => 58,
    };
    format!(
        r#"{{"ipv4_src_addr":"{}","l4_src_port":{},"ipv4_dst_addr":"{}","l4_dst_port":{},"protocol":{number},"in_bytes":{},"in_pkts":8,"out_pkts":{},"duration":{}}}"#,
        of.client, of.client_port, of.server, of.port, of.sent, of.packets_received, of.lasted_s
    )
}

const WRITERS: [(&str, Writer); 3] = [("Zeek", zeek), ("EVE", eve), ("NetFlow", netflow)];

/// Deterministic, 0 to 1.
fn noise(step: u64) -> f64 {
    let bits = (step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ bits >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// The beacons that are reported of contacts with these gaps in seconds.
fn beacons(writer: Writer, count: u64, gap: impl Fn(u64) -> f64, of: impl Fn(u64) -> Connection) -> Vec<Soc> {
    let mut at = 1_700_000_000.0;
    let event = |step| {
        at += gap(step);
        let time = Timestamp::from_seconds(at).unwrap();
        let id = EventId::new(time.millis(), 0);
        let payload = Bytes::from(writer(at, &of(step)));
        let raw = Raw::new("flows".into(), "net".into(), Format::Json, payload, Vec::new(), built_in());
        Event { id, stream: Stream::L3In, times: Times::at(time), root: id, body: Body::Raw(raw) }
    };
    let events: Vec<Event> = (0..count).map(event).collect();
    let mut stage = (SPEC.prepare)(&toml::Table::new()).unwrap().stage();
    soc_events(stage.as_mut(), &events).into_iter().filter(|soc| soc.flags == ["BEACON"]).collect()
}

#[test]
fn the_upkeep_of_a_network_is_no_beacon() {
    let to = |server, port, proto| Connection { server, port, proto, client_port: port, state: "SF", ..SHORT };
    for (every_s, upkeep) in [
        (125.0, to("ff02::1", 131, "icmp")),
        (125.0, Connection { client: "fe80::1", packets_received: 0, state: "OTH", ..to("fe80::2", 135, "icmp") }),
        (64.0, to("203.0.113.123", 123, "udp")),
        (30.0, to("203.0.113.123", 4460, "tcp")),
        (20.0, Connection { packets_received: 0, state: "S0", ..to("239.255.255.250", 1900, "udp") }),
        (60.0, Connection { packets_received: 0, state: "S0", ..to("224.0.0.251", 5353, "udp") }),
        (300.0, to("192.168.1.1", 67, "udp")),
        (25.0, to("203.0.113.53", 53, "udp")),
        (60.0, to("192.168.1.9", 161, "udp")),
        (10.0, to("192.168.1.9", 514, "udp")),
        (25.0, to("203.0.113.8", 51_820, "udp")),
        (20.0, to("203.0.113.8", 4500, "udp")),
        (15.0, to("203.0.113.8", 3478, "udp")),
    ] {
        for (name, writer) in WRITERS {
            let found = beacons(writer, 1500, |_| every_s, |_| upkeep);
            assert!(found.is_empty(), "{name} port {}: {found:#?}", upkeep.port);
        }
    }
}

#[test]
fn what_software_does_on_a_timer_is_no_beacon() {
    let new_port = |step: u64, of: Connection| Connection { client_port: 32_768 + (step % 20_000) as u16, ..of };
    let monitored = |port| Connection { server: "192.168.1.20", port, ..SHORT };
    for (what, every_s, of) in [
        ("looks for updates", 3600.0, Connection { sent: 900, ..SHORT }),
        ("looks for mail", 300.0, Connection { port: 993, ..SHORT }),
        ("asks whether it is online", 300.0, Connection { port: 80, sent: 120, ..SHORT }),
        ("is scraped", 15.0, monitored(9187)),
        ("is watched", 30.0, monitored(10_051)),
        ("is watched and down", 30.0, Connection { packets_received: 0, state: "S0", ..monitored(8088) }),
        ("keeps a web socket", 60.0, Connection { lasted_s: 59.5, ..SHORT }),
        ("polls for long", 31.0, Connection { lasted_s: 30.0, port: 9443, ..SHORT }),
    ] {
        for (name, writer) in WRITERS {
            let found = beacons(writer, 1500, |_| every_s, |step| new_port(step, of));
            assert!(found.is_empty(), "{name} {what}: {found:#?}");
        }
    }
    for (what, of) in [
        ("a flow that a timeout cuts", Connection { lasted_s: 60.0, client_port: 50_123, ..SHORT }),
        ("a push service", Connection { port: 8883, state: "OTH", client_port: 50_123, ..SHORT }),
    ] {
        for (name, writer) in WRITERS {
            assert_eq!(beacons(writer, 1500, |step| 60.0 + noise(step), |_| of), [], "{name} {what}");
        }
    }
}

#[test]
fn a_controller_is_found_over_jitter_and_sleep_on_any_port_answered_or_not() {
    let tries = |of: Connection, step: u64| Connection { client_port: 32_768 + (step % 20_000) as u16, ..of };
    let dead = Connection { packets_received: 0, state: "S0", lasted_s: 0.0, sent: 0, ..SHORT };
    for (every_s, jitter, of) in [
        (10.0, 0.2, SHORT),
        (60.0, 0.5, SHORT),
        (45.0, 0.3, Connection { port: 8080, ..SHORT }),
        (11.5, 0.4, Connection { port: 1177, ..dead }),
        (60.0, 0.3, dead),
        (900.0, 0.3, Connection { port: 4444, ..dead }),
        (3600.0, 0.2, dead),
        (300.0, 0.0, Connection { port: 4444, ..SHORT }),
    ] {
        for (name, writer) in WRITERS {
            let gap = |step| every_s * (1.0 - jitter * noise(step));
            let found = beacons(writer, 120, gap, |step| tries(of, step));
            assert!(!found.is_empty(), "{name}: port {} every {every_s} s", of.port);
            assert!(found.iter().all(|soc| soc.entity.dst_ip.as_deref() == Some("203.0.113.9")), "{found:#?}");
        }
    }
}

#[test]
fn several_controllers_in_turn_are_each_found() {
    let servers = ["203.0.113.9", "198.51.100.7", "192.0.2.66"];
    for (name, writer) in WRITERS {
        let turn = |step: u64| Connection {
            server: servers[(step % 3) as usize],
            client_port: 32_768 + step as u16,
            port: 4443,
            ..SHORT
        };
        let found = beacons(writer, 120, |step| 20.0 - 6.0 * noise(step), turn);
        let named = |server: &&str| found.iter().any(|soc| soc.entity.dst_ip.as_deref() == Some(*server));
        assert!(servers.iter().all(named), "{name}: {found:#?}");
    }
}
