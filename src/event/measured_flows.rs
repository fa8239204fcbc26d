//! Flows that sensors elsewhere send to `L4_IN`, as Zeek's `conn.log`, Suricata's EVE, exporters of NetFlow and ECS write them, or in plain words.

use serde_json::Value;

use super::measured_error::MeasuredError;
use super::{Record, cut_name};
use crate::limits::{FLOWS_PER_EVENT_MAX, MEASURED_ABS_MAX};

/// One flow. What it does not say is empty, or 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MeasuredFlow {
    pub proto: String,
    /// The name of the service, or the server's port where that is one of a service.
    pub service: String,
    /// How it began and ended, in the words of who saw it: `SF`, `S0`, `closed`.
    pub state: String,
    pub client: Option<String>,
    pub server: Option<String>,
    pub port: Option<u16>,
    pub duration_s: f64,
    pub bytes_sent: f64,
    pub bytes_received: f64,
}

/// From here on ports are taken by clients as they need them.
const CLIENT_PORT_MIN: u16 = 32_768;

const PROTO: &[&str] = &["proto", "protocol", "network.transport", "netflow.protocol"];
const SERVICE: &[&str] = &["service", "app_proto", "network.protocol"];
const STATE: &[&str] = &["state", "conn_state", "flow.state", "tcp_flags", "netflow.tcp_flags"];
const CLIENT: &[&str] =
    &["src_ip", "id.orig_h", "source.ip", "ipv4_src_addr", "ipv6_src_addr", "netflow.ipv4_src_addr"];
const SERVER: &[&str] =
    &["dst_ip", "dest_ip", "id.resp_h", "destination.ip", "ipv4_dst_addr", "ipv6_dst_addr", "netflow.ipv4_dst_addr"];
const PORT: &[&str] = &["dst_port", "dest_port", "id.resp_p", "destination.port", "l4_dst_port", "netflow.l4_dst_port"];
const DURATION_S: &[&str] = &["duration_s", "duration", "flow.age"];
const SENT: &[&str] =
    &["bytes_sent", "orig_bytes", "flow.bytes_toserver", "source.bytes", "in_bytes", "netflow.in_bytes"];
const RECEIVED: &[&str] =
    &["bytes_received", "resp_bytes", "flow.bytes_toclient", "destination.bytes", "out_bytes", "netflow.out_bytes"];

/// The flows of a payload of this kind.
///
/// # Errors
/// There are none, or too many, or one says neither service nor port, or a number is out of range.
pub fn read(payload: &Value) -> Result<Vec<MeasuredFlow>, MeasuredError> {
    let flows = payload.get("flows").and_then(Value::as_array).ok_or(MeasuredError::Missing("flows"))?;
    if !(1..=FLOWS_PER_EVENT_MAX).contains(&flows.len()) {
        return Err(MeasuredError::Count("flows", flows.len(), format!("1 to {FLOWS_PER_EVENT_MAX}")));
    }
    flows.iter().map(flow).collect()
}

impl MeasuredFlow {
    /// The flow that a line of a log reports when it is over: of Zeek's `conn.log`, or of Suricata's EVE.
    pub fn logged(record: &Record) -> Option<Self> {
        let is_flow = record.field("conn_state").is_some() || record.field("event_type") == Some("flow");
        is_flow.then(|| flow(record).ok()).flatten()
    }
}

/// Where the values of a flow stand by name.
trait Named {
    fn first(&self, names: &[&str]) -> Option<String>;
}

impl Named for Record {
    fn first(&self, names: &[&str]) -> Option<String> {
        self.first_of(names).map(|text| cut_name(text.to_owned()))
    }
}

fn flow(value: &impl Named) -> Result<MeasuredFlow, MeasuredError> {
    let port: Option<u16> = value.first(PORT).and_then(|port| port.parse().ok());
    let service = value
        .first(SERVICE)
        .filter(|service| !matches!(service.as_str(), "-" | "failed"))
        .or_else(|| port.map(|port| if port < CLIENT_PORT_MIN { port.to_string() } else { "high".to_owned() }));
    Ok(MeasuredFlow {
        proto: value.first(PROTO).unwrap_or_default().to_lowercase(),
        service: service.ok_or(MeasuredError::Missing("service"))?,
        state: value.first(STATE).unwrap_or_default(),
        client: value.first(CLIENT),
        server: value.first(SERVER),
        port,
        duration_s: number("duration_s", value, DURATION_S)?,
        bytes_sent: number("bytes_sent", value, SENT)?,
        bytes_received: number("bytes_received", value, RECEIVED)?,
    })
}

impl Named for Value {
    /// As a text; `flow.age` is `age` in `flow` too.
    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let nested = || name.split('.').try_fold(self, |value, part| value.get(part));
            match self.get(*name).or_else(nested)? {
                Self::String(text) => Some(cut_name(text.clone())),
                Self::Number(number) => Some(number.to_string()),
                _ => None,
            }
        })
    }
}

fn number(name: &'static str, value: &impl Named, names: &[&str]) -> Result<f64, MeasuredError> {
    let Some(text) = value.first(names).filter(|text| text != "-") else { return Ok(0.0) };
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=MEASURED_ABS_MAX).contains(number));
    number.ok_or(MeasuredError::Range(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_writer_of_flows_is_understood() {
        let flows = json!({"flows": [
            {"proto": "tcp", "service": "ssl", "state": "SF", "src_ip": "192.0.2.7", "dst_ip": "198.51.100.1", "dst_port": 443,
             "duration_s": 3.5, "bytes_sent": 100, "bytes_received": 200},
            {"id.orig_h": "192.0.2.7", "id.resp_h": "198.51.100.1", "id.resp_p": 443, "proto": "tcp", "service": "ssl",
             "conn_state": "SF", "duration": 3.5, "orig_bytes": 100, "resp_bytes": 200},
            {"src_ip": "192.0.2.7", "dest_ip": "198.51.100.1", "dest_port": 443, "proto": "TCP", "app_proto": "ssl",
             "flow": {"bytes_toserver": 100, "bytes_toclient": 200, "age": 3.5, "state": "SF"}},
            {"source": {"ip": "192.0.2.7", "bytes": 100}, "destination": {"ip": "198.51.100.1", "port": 443, "bytes": 200},
             "network": {"transport": "tcp", "protocol": "ssl"}, "state": "SF", "duration": "3.5"},
        ]});
        let read = read(&flows).unwrap();
        assert!(read.windows(2).all(|two| two[0] == two[1]), "{read:#?}");
        assert_eq!((read[0].service.as_str(), read[0].bytes_received), ("ssl", 200.0));
    }

    #[test]
    fn a_port_stands_for_a_service_unless_a_client_has_it() {
        let service = |port: u16| {
            read(&json!({"flows": [{"ipv4_src_addr": "192.0.2.7", "l4_dst_port": port}]})).unwrap()[0].service.clone()
        };
        assert_eq!((service(8443), service(50_000)), ("8443".to_owned(), "high".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_is_wrong() {
        let wrong = |flows: Value| read(&json!({"flows": flows})).unwrap_err().to_string();
        assert!(wrong(json!([])).contains("0 values"));
        assert!(wrong(json!("no list")).contains("`flows` is missing"));
        assert!(wrong(json!([{"proto": "tcp"}])).contains("`service` is missing"));
        assert!(wrong(json!([{"service": "ssl", "orig_bytes": -5}])).contains("bytes_sent"));
        assert!(wrong(json!(vec![json!({}); FLOWS_PER_EVENT_MAX + 1])).contains("values"));
    }
}
