//! One JSON object a line; nested keys are joined with dots.

use serde_json::Value;

use super::super::fields;
use super::super::time::Parsed;
use super::container;
use super::layer::{Inside, Layer};
use super::object::Untwisted;
use crate::event::Record;
use crate::formats::flatten;

/// `None` where the line is not an object.
fn read(line: &str) -> Option<Parsed> {
    let Untwisted(Value::Object(object)) = serde_json::from_str(line).ok()? else { return None };
    let mut flat = Vec::new();
    for (key, value) in object {
        flatten(key, value, bytes_text, &mut flat);
    }
    Some(fields::header(flat, line))
}

/// A line that is an object: of a container runtime, of a shipper of other programs' lines, of the journal, or of a program.
pub(super) fn line(text: &str) -> Option<Layer> {
    let Parsed { time, record } = read(text)?;
    if let Some(layer) = container::docker(&record.fields, time) {
        return Some(layer);
    }
    let inside = match () {
        () if record.message == text => Inside::Text,
        () if is_shipped(&record) => Inside::Line,
        () if record.field("MESSAGE").is_some() && record.field("_HOSTNAME").is_some() => Inside::Payload,
        () => Inside::Text,
    };
    Some(Layer::new(time, record, inside))
}

/// The object that a program wrote as its message: its fields, and its own message.
pub(super) fn payload(message: &str) -> Option<Layer> {
    let text = message.strip_prefix("@cee:").map_or(message, str::trim_start);
    let Parsed { time, record } = if text.starts_with('{') { read(text)? } else { return None };
    Some(Layer::new(time, record, Inside::Text))
}

/// Keys of shippers, which take the lines of other programs as they are. In the object of any other program a header
/// inside the message is somebody's text.
const SHIPPERS: &[&str] = &[
    "agent.type",
    "log.file.path",
    "input.type",
    "kubernetes.pod_name",
    "kubernetes.namespace_name",
    "kubernetes.pod.name",
    "container_name",
    "source_type",
];

fn is_shipped(record: &Record) -> bool {
    SHIPPERS.iter().any(|key| record.field(key).is_some()) && record.program.is_none()
}

/// The journal writes a value that is not UTF-8 as its bytes.
fn bytes_text(items: &[Value]) -> Option<String> {
    let byte = |item: &Value| item.as_u64().and_then(|number| u8::try_from(number).ok());
    let bytes: Vec<u8> = items.iter().map(byte).collect::<Option<_>>().filter(|bytes: &Vec<u8>| bytes.len() > 1)?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Format, Timestamp};
    use crate::limits;
    use crate::parse::{LogTime, parse};

    #[test]
    fn nested_keys_are_joined_and_known_ones_understood() {
        let line = r#"{"ts":1769853600.5,"level":"warn","msg":"login failed for bob","service":{"name":"portal"},
            "client":{"ip":"192.0.2.7"},"tags":["a","b"],"gone":null}"#;
        let Parsed { time, record } = parse(line.as_bytes(), Format::Auto, &[]);
        assert_eq!(time, LogTime::Instant(Timestamp::from_micros(1_769_853_600_500_000)));
        assert_eq!((record.program.as_deref(), record.level), (Some("portal"), Some(4)));
        assert_eq!(record.message, "login failed for bob");
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.7"));
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
        assert_eq!(record.field("tags.1"), Some("b"));
        assert_eq!(record.field("gone"), None);
    }

    #[test]
    fn what_a_shipper_passes_on_is_read_as_the_line_that_it_was() {
        let line = r#"{"agent":{"type":"filebeat"},"message":"Jan 31 10:00:00 web sshd[7]: Failed password for root from 192.0.2.1 port 9 ssh2"}"#;
        let record = parse(line.as_bytes(), Format::Auto, &[]).record;
        assert_eq!((record.program.as_deref(), record.pid), (Some("sshd"), Some(7)));
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.1"));
        let own = line.replace("agent", "other");
        assert_eq!(parse(own.as_bytes(), Format::Auto, &[]).record.program, None, "a message of somebody's own");
    }

    #[test]
    fn every_unit_of_epoch_time_is_told_by_its_size() {
        let expected = LogTime::Instant(Timestamp::from_micros(1_769_853_600_000_000));
        for number in ["1769853600", "\"1769853600\"", "1769853600000", "1769853600000000", "1769853600000000000"] {
            let line = format!("{{\"time\":{number}}}");
            assert_eq!(read(&line).unwrap().time, expected, "{line}");
        }
    }

    #[test]
    fn a_client_s_header_is_not_the_source_address() {
        let line = r#"{"request":{"remote_ip":"192.0.2.7","method":"GET","headers":{"Client-Ip":["203.0.113.9"],
            "src_ip":"203.0.113.9"}},"status":403,"message":"handled"}"#;
        let record = parse(line.as_bytes(), Format::Json, &[]).record;
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.7"));
        assert_eq!((record.action, record.outcome), (Action::HttpRequest, Some(false)));
    }

    #[test]
    fn a_client_that_closes_its_text_and_names_another_address_is_nobody_and_frames_nobody() {
        let line = r#"{"level":"warn","msg":"login failed","ip":"192.0.2.1","user":"x","ip":"203.0.113.9"}"#;
        let record = parse(line.as_bytes(), Format::Auto, &[]).record;
        assert_eq!((record.entity.src_ip, record.action), (None, Action::Login));
    }

    #[test]
    fn the_journal_s_byte_arrays_are_text() {
        let record = read(r#"{"MESSAGE":[104,105,255],"_PID":"9","SYSLOG_IDENTIFIER":"x"}"#).unwrap().record;
        assert_eq!((record.message.as_str(), record.pid), ("hi\u{fffd}", Some(9)));
    }

    #[test]
    fn too_deep_too_wide_and_broken_objects_are_bounded() {
        assert_eq!(read(&"{\"a\":".repeat(5000)), None);
        let wide: Vec<String> = (0..1000).map(|at| format!("\"k{at}\":{at}")).collect();
        let record = read(&format!("{{{}}}", wide.join(","))).unwrap().record;
        assert_eq!(record.fields.len(), limits::FIELDS_PER_RECORD_MAX);
    }
}
