//! What a packet that a firewall logged shows, and what it does not.

use crate::event::{Action, Record};

/// From here on ports are taken by clients as they need them; those below are of services.
const CLIENT_PORT_MIN: u16 = 1024;
/// Services above that answer over UDP: VPN, RADIUS, STUN, IPsec, SIP, names, WireGuard.
const UDP_SERVICE_PORTS: [u16; 9] = [1194, 1812, 1813, 1900, 3478, 4500, 5060, 5353, 51820];

/// How netfilter begins what it says of a packet over TCP: the flags are behind it.
const TCP_OF_NETFILTER: &str = " PROTO=TCP ";

/// Whether the packet begins no connection: it answers one, goes on with it or ends it. A firewall that has forgotten the
/// connection meanwhile logs the rest of it, so this is what every busy server is sent, and no attempt of anybody.
pub fn is_late(record: &Record) -> bool {
    if record.action != Action::Connection {
        return false;
    }
    match transport(record) {
        Some("TCP" | "tcp" | "6") => goes_on(record),
        Some("UDP" | "udp" | "17") => is_answer(record),
        _ => false,
    }
}

/// Whether there was an exchange with the address that the line names. Where none is needed, anybody can have written it there.
pub fn proves_source(record: &Record) -> bool {
    match record.action {
        Action::Connection => !is_packet(record),
        Action::DnsQuery => matches!(transport(record), Some("TCP" | "tcp" | "6")),
        _ => true,
    }
}

/// A line of a firewall, not of the program that was talked to.
fn is_packet(record: &Record) -> bool {
    let source = &record.log_source;
    let is_firewall = [&source.category, &source.service].into_iter().flatten().any(|name| &**name == "firewall");
    is_firewall || (record.entity.dst_port.is_some() && transport(record).is_some())
}

fn transport(record: &Record) -> Option<&str> {
    // Only TCP has flags; some firewalls say no more of what it is.
    record.field("tcp_flags").map(|_| "TCP").or_else(|| record.first_of(&["protocol", "proto"]))
}

/// Without ACK and RST it begins a connection, or is a scanner's that no system sends by itself.
fn goes_on(record: &Record) -> bool {
    if let Some((_, rest)) = record.message.rsplit_once(TCP_OF_NETFILTER) {
        return rest.split(' ').any(|word| matches!(word, "ACK" | "RST"));
    }
    let Some(flags) = record.field("tcp_flags") else { return false };
    let are_letters = !flags.contains([' ', ',']) && flags.len() <= "SAFRPUEC".len() && !matches!(flags, "ACK" | "RST");
    if are_letters { flags.contains(['A', 'R']) } else { flags.contains("ACK") || flags.contains("RST") }
}

fn is_answer(record: &Record) -> bool {
    let is_service = |port: u16| port < CLIENT_PORT_MIN || UDP_SERVICE_PORTS.contains(&port);
    record.src_port.is_some_and(is_service) && record.entity.dst_port.is_some_and(|port| port >= CLIENT_PORT_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;
    use crate::parse::record;

    fn netfilter(rest: &str) -> Record {
        let line = format!(
            "Nov 10 10:00:00 gate kernel: [1.0] [UFW BLOCK] IN=eth0 OUT= MAC=00 SRC=203.0.113.9 DST=192.0.2.1 LEN=40 TOS=0x00 \
             PREC=0x00 TTL=240 ID=1 {rest}"
        );
        record(line.as_bytes(), Format::Auto, &[])
    }

    fn tcp(flags: &str) -> Record {
        netfilter(&format!("PROTO=TCP SPT=443 DPT=40007 WINDOW=0 RES=0x00 {flags} URGP=0"))
    }

    #[test]
    fn only_what_begins_a_connection_is_an_attempt() {
        for flags in ["ACK RST", "ACK FIN", "ACK", "RST", "ACK SYN", "ACK PSH"] {
            assert!(is_late(&tcp(flags)), "{flags}");
        }
        for flags in ["SYN", "CWR ECE SYN", "FIN", "FIN PSH URG"] {
            assert!(!is_late(&tcp(flags)), "{flags}");
        }
        let udp = |from: u16, to: u16| is_late(&netfilter(&format!("PROTO=UDP SPT={from} DPT={to} LEN=70")));
        assert!(udp(53, 40_007) && udp(4500, 1024));
        assert!(!udp(40_007, 53) && !udp(53, 161) && !udp(40_007, 31_337));
        assert!(!is_late(&netfilter("PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=2")));
    }

    #[test]
    fn flags_are_read_as_other_firewalls_write_them() {
        let with = |flags: &str| {
            let fields = [("protocol", "tcp"), ("tcp_flags", flags)];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            is_late(&Record { action: Action::Connection, fields, ..Record::default() })
        };
        assert_eq!(["S", "SEC", "SYN ", "SYN", "f"].map(with), [false; 5]);
        assert_eq!(["PA", "SA", "R", "FA", "RST ", "ACK", "FIN ACK", "RST"].map(with), [true; 8]);
    }

    #[test]
    fn a_packet_proves_no_source_and_what_was_said_in_a_connection_does() {
        let of = |line: &str| proves_source(&record(line.as_bytes(), Format::Auto, &[]));
        assert!(!proves_source(&tcp("SYN")));
        assert!(!of("Nov 10 10:00:00 ns dnsmasq[9]: query[ANY] example.org from 203.0.113.9"));
        assert!(of("Nov 10 10:00:00 atlas sshd[7]: Connection closed by 203.0.113.9 port 4242 [preauth]"));
        assert!(of("Nov 10 10:00:00 atlas sshd[7]: Failed password for root from 203.0.113.9 port 4242 ssh2"));
        assert!(of("203.0.113.9 - - [01/Jul/2026:00:40:00 +0000] \"GET / HTTP/1.1\" 404 1 \"-\" \"-\""));
    }
}
