//! A contact of one machine with another, as firewalls, Zeek and servers log it.

use std::net::IpAddr;
use std::sync::LazyLock;

use memchr::memmem;

use super::conversation::Conversation;
use super::nets::is_private;
use super::packet;
use crate::event::{Action, Record};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
    /// ICMP and everything without ports.
    Other,
}

/// Where a contact was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// By one of the own machines.
    Inside,
    /// By somebody else, with an own machine.
    Outside,
    Unknown,
}

/// Who contacted whom, and whether there was an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow<'a> {
    pub client: IpAddr,
    /// An address, or the name of the machine that logged it.
    pub server: &'a str,
    pub port: u16,
    pub transport: Transport,
    /// `Some(false)`: refused, dropped or never answered.
    pub answered: Option<bool>,
    /// The name under which the client looked for the server, where the line has it.
    pub domain: Option<&'a str>,
    pub begun: Side,
    /// Client and server have spoken with each other: nobody else can have written the client's address there.
    pub proves_client: bool,
    pub conversation: Conversation,
}

/// Zeek's `conn_state` of an attempt without an answer: no reply, refused, ended after the first packet.
const UNANSWERED_STATES: &[&str] = &["S0", "REJ", "RSTOS0", "SH"];
/// Zeek's `conn_state` of a connection that was established.
const ANSWERED_STATES: &[&str] = &["SF", "S1", "S2", "S3", "RSTO", "RSTR"];

/// What sshd logs about a client that connected and never spoke the protocol.
static SSH_PROBES: LazyLock<[memmem::Finder<'static>; 4]> = LazyLock::new(|| {
    [
        "Did not receive identification string from ",
        "banner exchange: Connection from ",
        "Bad protocol version identification ",
        "Unable to negotiate with ",
    ]
    .map(memmem::Finder::new)
});
const SSH_PORT: u16 = 22;

/// Ports of the network's own upkeep: names, times, addresses and neighbours are asked for on a timer everywhere.
const INFRASTRUCTURE_PORTS: &[u16] =
    &[0, 53, 67, 68, 123, 137, 138, 161, 162, 323, 514, 546, 547, 853, 1900, 3702, 5351, 5353, 5355];

impl<'a> Flow<'a> {
    /// The contact that a record reports, if it reports one. The rest of a connection that a firewall has forgotten is none.
    pub fn of(record: &'a Record) -> Option<Self> {
        zeek(record).or_else(|| ssh_probe(record)).or_else(|| connection(record).filter(|_| !packet::is_late(record)))
    }

    /// Whether the network's own upkeep asked for it, or it went to no single machine: never a scan, never a beacon.
    pub fn is_upkeep(&self) -> bool {
        let to_many = match self.server.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => {
                v4.is_multicast() || v4.is_broadcast() || v4.is_link_local() || v4.octets().last() == Some(&255)
            }
            Ok(IpAddr::V6(v6)) => v6.is_multicast() || v6.is_unicast_link_local(),
            Err(_) => false,
        };
        let same = self.client.is_loopback() || self.client.is_unspecified();
        self.transport == Transport::Other || to_many || same || INFRASTRUCTURE_PORTS.contains(&self.port)
    }
}

/// A line of Zeek's conn.log, ssl.log or http.log.
fn zeek(record: &Record) -> Option<Flow<'_>> {
    let client = record.field("id.orig_h")?.parse().ok()?;
    let state = record.field("conn_state");
    // Its other logs name both ends as well, and tell of no contact of its own.
    state.or_else(|| record.first_of(&["server_name", "established", "method"]))?;
    let of = |states: &[&str]| state.is_some_and(|state| states.contains(&state));
    let is_own = |name: &str| record.field(name).map(|value| matches!(value, "T" | "true"));
    let begun = match (is_own("local_orig"), is_own("local_resp")) {
        (Some(true), _) => Side::Inside,
        (Some(false), Some(true)) => Side::Outside,
        _ => side_of(client),
    };
    let answered = if of(UNANSWERED_STATES) { Some(false) } else { of(ANSWERED_STATES).then_some(true) };
    Some(Flow {
        client,
        server: record.field("id.resp_h")?,
        port: record.field("id.resp_p")?.parse().ok()?,
        // Only conn.log names the protocol; the other logs are of protocols over TCP.
        transport: record.field("proto").map_or(Transport::Tcp, transport),
        answered,
        begun,
        proves_client: answered == Some(true),
        domain: record.field("server_name").or_else(|| record.field("host")).or(record.entity.domain.as_deref()),
        conversation: Conversation::of(record),
    })
}

fn ssh_probe(record: &Record) -> Option<Flow<'_>> {
    let is_sshd = record.program.as_deref().is_some_and(|program| program.starts_with("sshd"));
    let is_probe = is_sshd && SSH_PROBES.iter().any(|probe| probe.find(record.message.as_bytes()).is_some());
    is_probe.then_some(())?;
    Some(Flow {
        client: record.entity.src_ip.as_deref()?.parse().ok()?,
        server: record.entity.dst_ip.as_deref().or(record.entity.host.as_deref()).unwrap_or("localhost"),
        port: record.entity.dst_port.unwrap_or(SSH_PORT),
        transport: Transport::Tcp,
        answered: Some(false),
        domain: None,
        begun: Side::Outside,
        proves_client: true,
        conversation: Conversation::default(),
    })
}

fn side_of(client: IpAddr) -> Side {
    if is_private(client) { Side::Inside } else { Side::Unknown }
}

/// By the interfaces that netfilter names; a server's own log tells of its visitors, a proxy's of the own machines.
fn side(record: &Record, client: IpAddr) -> Side {
    // Without an interface, what comes next in the line stands in its place.
    let interface = |name: &str| {
        let first = record.field(name).and_then(|value| value.split_ascii_whitespace().next());
        first.is_some_and(|word| !word.contains('='))
    };
    match (interface("iface_in"), interface("iface_out")) {
        (true, false) => Side::Outside,
        (false, true) => Side::Inside,
        _ if record.action == Action::HttpRequest && !is_private(client) => Side::Outside,
        _ => side_of(client),
    }
}

/// A firewall's or a proxy's line.
fn connection(record: &Record) -> Option<Flow<'_>> {
    let entity = &record.entity;
    let may_be_counted = record.action == Action::Other && entity.dst_port.is_some();
    (may_be_counted || matches!(record.action, Action::Connection | Action::HttpRequest)).then_some(())?;
    let server = entity.dst_ip.as_deref().or(entity.domain.as_deref())?;
    let client = entity.src_ip.as_deref()?.parse().ok()?;
    // Looked up by some forty names, which is too much for each line of a log.
    let conversation = Conversation::of(record);
    (!may_be_counted || conversation.packets_sent.is_some()).then_some(())?;
    let proto = record.first_of(&["protocol", "proto", "network.transport", "netflow.protocol"]);
    let transport = proto.map_or(Transport::Tcp, transport);
    Some(Flow {
        client,
        server,
        port: entity.dst_port.unwrap_or(0),
        transport,
        answered: record.outcome.or_else(|| answered(transport, &conversation)),
        domain: entity.domain.as_deref(),
        begun: side(record, client),
        proves_client: packet::proves_source(record) && record.outcome == Some(true),
        conversation,
    })
}

/// By the packets that came back: one alone over TCP may have refused it.
fn answered(transport: Transport, conversation: &Conversation) -> Option<bool> {
    match (conversation.packets_received?, transport) {
        (0, _) => Some(false),
        (1, Transport::Tcp) => None,
        _ => Some(true),
    }
}

fn transport(name: &str) -> Transport {
    match name {
        "tcp" | "TCP" | "Tcp" | "6" => Transport::Tcp,
        "udp" | "UDP" | "Udp" | "17" => Transport::Udp,
        _ => Transport::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Entity;

    fn record(fields: &[(&str, &str)]) -> Record {
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Record { fields, ..Record::default() }
    }

    #[test]
    fn a_zeek_connection_without_a_reply_is_unanswered() {
        let mut record = record(&[
            ("id.orig_h", "192.0.2.7"),
            ("id.resp_h", "198.51.100.1"),
            ("id.resp_p", "445"),
            ("proto", "tcp"),
            ("conn_state", "S0"),
        ]);
        let flow = Flow::of(&record).unwrap();
        assert_eq!((flow.port, flow.answered, flow.is_upkeep()), (445, Some(false), false));
        record.fields.last_mut().unwrap().1 = "SF".into();
        assert_eq!(Flow::of(&record).unwrap().answered, Some(true));
    }

    #[test]
    fn what_goes_to_many_or_to_oneself_is_upkeep() {
        let is_upkeep = |client: &str, server: &str, port: &str, proto: &str| {
            let ends = [("id.orig_h", client), ("id.resp_h", server), ("id.resp_p", port)];
            let fields = [&ends[..], &[("proto", proto), ("conn_state", "SF")]].concat();
            Flow::of(&record(&fields)).unwrap().is_upkeep()
        };
        let many = ["224.0.0.251", "255.255.255.255", "169.254.1.2", "192.0.2.255", "ff02::fb", "fe80::1"];
        for server in many {
            assert!(is_upkeep("192.0.2.7", server, "8443", "tcp"), "{server}");
        }
        for client in ["127.0.0.1", "::1", "0.0.0.0"] {
            assert!(is_upkeep(client, "198.51.100.1", "8443", "tcp"), "{client}");
        }
        assert!(is_upkeep("192.0.2.7", "198.51.100.1", "53", "udp"), "names are asked for");
        assert!(!is_upkeep("192.0.2.7", "198.51.100.1", "8443", "tcp"));
        assert!(!is_upkeep("192.0.2.7", "2001:db8::1", "8443", "udp"));
    }

    #[test]
    fn neighbours_names_and_times_are_upkeep() {
        for (server, port, proto) in [
            ("ff02::1", "131", "icmp"),
            ("224.0.0.251", "5353", "udp"),
            ("192.0.2.53", "53", "udp"),
            ("192.0.2.255", "9999", "udp"),
            ("203.0.113.9", "123", "udp"),
        ] {
            let ends = [("id.orig_h", "192.0.2.7"), ("id.resp_h", server), ("id.resp_p", port)];
            let fields = [&ends[..], &[("proto", proto), ("conn_state", "OTH")]].concat();
            assert!(Flow::of(&record(&fields)).unwrap().is_upkeep(), "{server} {port}");
        }
    }

    #[test]
    fn a_firewall_line_and_a_silent_ssh_client_are_contacts() {
        let entity = Entity {
            src_ip: Some("203.0.113.5".into()),
            dst_ip: Some("192.0.2.1".into()),
            dst_port: Some(23),
            host: Some("gate".into()),
            ..Entity::default()
        };
        let blocked = Record {
            action: Action::Connection,
            outcome: Some(false),
            entity: entity.clone(),
            ..record(&[("protocol", "TCP")])
        };
        assert_eq!(Flow::of(&blocked).unwrap().port, 23);
        let silent = Record {
            program: Some("sshd".into()),
            message: "Did not receive identification string from 203.0.113.5 port 4711".into(),
            entity: Entity { dst_ip: None, dst_port: None, ..entity },
            ..Record::default()
        };
        let flow = Flow::of(&silent).unwrap();
        assert_eq!((flow.server, flow.port, flow.answered), ("gate", 22, Some(false)));
    }

    #[test]
    fn where_a_contact_was_begun_is_known_by_interfaces_by_zeek_and_by_private_addresses() {
        let begun = |line: &str| {
            let record = crate::parse::record(line.as_bytes(), crate::event::Format::Auto, &[]);
            Flow::of(&record).map(|flow| (flow.begun, flow.proves_client))
        };
        let packet = |interfaces: &str, client: &str, flags: &str| {
            begun(&format!(
                "Nov 10 10:00:00 gate kernel: [1.0] [UFW BLOCK] {interfaces} SRC={client} DST=198.51.100.1 LEN=40 TOS=0x00 PREC=0x00 \
                 TTL=240 ID=1 PROTO=TCP SPT=40000 DPT=8443 WINDOW=1024 RES=0x00 {flags} URGP=0"
            ))
        };
        assert_eq!(packet("IN=eth0 OUT= MAC=00", "203.0.113.9", "SYN"), Some((Side::Outside, false)));
        assert_eq!(packet("IN=eth0 OUT= MAC=00", "10.0.0.9", "SYN"), Some((Side::Outside, false)));
        assert_eq!(packet("IN= OUT=eth0", "203.0.113.9", "SYN"), Some((Side::Inside, false)));
        assert_eq!(packet("IN=eth1 OUT=eth0", "10.0.0.9", "SYN"), Some((Side::Inside, false)));
        assert_eq!(packet("IN=eth1 OUT=eth0", "203.0.113.9", "SYN"), Some((Side::Unknown, false)));
        assert_eq!(packet("IN=eth0 OUT= MAC=00", "203.0.113.9", "ACK RST"), None);
        let mut fields = vec![("id.orig_h", "203.0.113.9"), ("id.resp_h", "198.51.100.1"), ("id.resp_p", "8443")];
        fields.push(("conn_state", "SF"));
        let zeek = |own: &[(&str, &str)]| {
            let record = record(&[&fields[..], own].concat());
            Flow::of(&record).map(|flow| (flow.begun, flow.proves_client))
        };
        assert_eq!(zeek(&[]), Some((Side::Unknown, true)));
        assert_eq!(zeek(&[("local_orig", "T"), ("local_resp", "F")]), Some((Side::Inside, true)));
        assert_eq!(zeek(&[("local_orig", "F"), ("local_resp", "T")]), Some((Side::Outside, true)));
    }

    #[test]
    fn a_line_about_no_contact_gives_none() {
        assert_eq!(Flow::of(&record(&[("id.orig_h", "not an address")])), None);
        assert_eq!(Flow::of(&Record::default()), None);
    }
}
