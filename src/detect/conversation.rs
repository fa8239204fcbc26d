//! What a line about a flow says of the conversation itself, whoever wrote it: Zeek, Suricata's EVE, a NetFlow exporter, a firewall, ECS.

use std::time::Duration;

use crate::event::Record;

/// `None`: the line does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conversation {
    pub client_port: Option<u16>,
    pub duration: Option<Duration>,
    /// Bytes from the client, and to it.
    pub sent: Option<u64>,
    pub received: Option<u64>,
    pub packets_sent: Option<u64>,
    pub packets_received: Option<u64>,
    /// It was already going on when it was first seen: a part of a longer one that a timeout has cut, or a protocol that has been upgraded.
    pub is_part: bool,
}

const CLIENT_PORT: &[&str] =
    &["id.orig_p", "src_port", "source.port", "l4_src_port", "netflow.l4_src_port", "L4_SRC_PORT"];
const SENT: &[&str] = &[
    "orig_bytes",
    "flow.bytes_toserver",
    "netflow.bytes",
    "source.bytes",
    "client.bytes",
    "in_bytes",
    "netflow.in_bytes",
    "IN_BYTES",
    "bytes_out",
    "sentbyte",
];
const RECEIVED: &[&str] = &[
    "resp_bytes",
    "flow.bytes_toclient",
    "destination.bytes",
    "server.bytes",
    "out_bytes",
    "netflow.out_bytes",
    "OUT_BYTES",
    "bytes_in",
    "rcvdbyte",
];
const PACKETS_SENT: &[&str] =
    &["orig_pkts", "flow.pkts_toserver", "source.packets", "in_pkts", "netflow.in_pkts", "IN_PKTS", "sentpkt"];
const PACKETS_RECEIVED: &[&str] =
    &["resp_pkts", "flow.pkts_toclient", "destination.packets", "out_pkts", "netflow.out_pkts", "OUT_PKTS", "rcvdpkt"];
/// In seconds; ECS has nanoseconds.
const DURATION_S: &[&str] = &["duration", "flow.age", "netflow.age"];
const DURATION_NS: &str = "event.duration";
/// Longer than a year is a mistake.
const DURATION_MAX_S: f64 = 365.0 * 86_400.0;

impl Conversation {
    pub fn of(record: &Record) -> Self {
        let count = |names: &[&str]| record.first_of(names).and_then(|value| value.parse().ok());
        Self {
            client_port: record.src_port.or_else(|| record.first_of(CLIENT_PORT)?.parse().ok()),
            duration: duration(record),
            sent: count(SENT),
            received: count(RECEIVED),
            packets_sent: count(PACKETS_SENT),
            packets_received: count(PACKETS_RECEIVED),
            is_part: is_part(record),
        }
    }
}

fn duration(record: &Record) -> Option<Duration> {
    let number = |name: &str| record.field(name)?.parse::<f64>().ok();
    let seconds = DURATION_S.iter().find_map(|name| number(name)).or_else(|| Some(number(DURATION_NS)? / 1e9))?;
    (0.0..=DURATION_MAX_S).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Zeek saw no first packet (`OTH`, `RSTRH`, `SHR`), or HTTP has become another protocol (101).
fn is_part(record: &Record) -> bool {
    let is = |name: &str, values: &[&str]| record.field(name).is_some_and(|value| values.contains(&value));
    is("conn_state", &["OTH", "RSTRH", "SHR"]) || is("status_code", &["101"]) || is("sc-status", &["101"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;

    fn of(line: &str) -> Conversation {
        Conversation::of(&crate::parse::record(line.as_bytes(), Format::Auto, &[]))
    }

    #[test]
    fn each_writer_of_flows_is_understood_alike() {
        let zeek = r#"{"ts":1655071198.5,"id.orig_h":"192.0.2.7","id.orig_p":5555,"id.resp_h":"198.51.100.1","id.resp_p":443,"proto":"tcp","conn_state":"SF","duration":3.5,"orig_bytes":100,"resp_bytes":200,"orig_pkts":4,"resp_pkts":5}"#;
        let eve = r#"{"timestamp":"2026-11-28T10:00:00.000000+0000","event_type":"flow","src_ip":"192.0.2.7","src_port":5555,"dest_ip":"198.51.100.1","dest_port":443,"proto":"TCP","flow":{"pkts_toserver":4,"pkts_toclient":5,"bytes_toserver":100,"bytes_toclient":200,"age":3.5,"state":"closed"}}"#;
        let ecs = r#"{"@timestamp":"2026-11-28T10:00:00Z","source":{"ip":"192.0.2.7","port":5555,"bytes":100,"packets":4},"destination":{"ip":"198.51.100.1","port":443,"bytes":200,"packets":5},"network":{"transport":"tcp"},"event":{"duration":3500000000}}"#;
        let netflow = r#"{"timestamp":"2026-11-28T10:00:00Z","ipv4_src_addr":"192.0.2.7","l4_src_port":5555,"ipv4_dst_addr":"198.51.100.1","l4_dst_port":443,"protocol":6,"in_bytes":100,"in_pkts":4,"out_bytes":200,"out_pkts":5,"duration":3.5}"#;
        let expected = Conversation {
            client_port: Some(5555),
            duration: Some(Duration::from_millis(3500)),
            sent: Some(100),
            received: Some(200),
            packets_sent: Some(4),
            packets_received: Some(5),
            is_part: false,
        };
        for line in [zeek, eve, ecs, netflow] {
            assert_eq!(of(line), expected, "{line}");
        }
    }

    #[test]
    fn nonsense_is_not_known_and_the_middle_of_a_connection_is_a_part() {
        let read = of(r#"{"id.orig_p":"99999","duration":"-1","orig_bytes":"-5","conn_state":"OTH"}"#);
        assert_eq!(read, Conversation { is_part: true, ..Conversation::default() });
        assert_eq!(of(r#"{"duration":"1e300"}"#).duration, None);
    }
}
