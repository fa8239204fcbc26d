//! What came beside the payload: journal fields, or fields of a stream entry.

use super::{fields, joined, level};
use crate::event::{Record, named};

/// Attributes win over the text for program, pid, host and level, and are appended to the fields.
pub(super) fn apply(record: &mut Record, attributes: &[(String, String)]) {
    if attributes.is_empty() {
        return;
    }
    let first =
        |names: &[&str]| names.iter().find_map(|name| named(attributes, name)).filter(|value| !value.is_empty());
    if let Some(program) = first(PROGRAM) {
        record.program = Some(program.to_owned());
    }
    if let Some(pid) = first(&["_PID", "SYSLOG_PID", "pid"]).and_then(|pid| pid.parse().ok()) {
        record.pid = Some(pid);
    }
    if let Some(host) = first(&["_HOSTNAME", "hostname", "host"]) {
        record.entity.host = Some(host.to_owned());
    }
    if let Some(level) = first(&["PRIORITY", "level", "severity"]).and_then(level::read) {
        record.level = Some(level);
    }
    if let Some(executable) = first(&["_EXE"]) {
        record.entity.process = Some(executable.to_owned());
    }
    fields::describe(attributes, record);
    for (key, value) in attributes.iter().filter(|(key, _)| !joined::is_context(key)) {
        record.push(key.clone(), value.clone());
    }
}

/// In the order of trust: what the kernel says of the sender comes after the name it goes by in its logs.
const PROGRAM: &[&str] = &["SYSLOG_IDENTIFIER", "_COMM", "program", "appname"];

/// The name of the sender, where journald knows it without a header in the text.
pub(super) fn sender(attributes: &[(String, String)]) -> Option<&str> {
    named(attributes, "SYSLOG_IDENTIFIER").or_else(|| named(attributes, "_COMM"))
}

#[cfg(test)]
mod tests {
    use crate::event::Format;
    use crate::parse::record;

    fn attributes(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn the_journal_s_word_on_the_sender_beats_the_text() {
        let journal =
            attributes(&[("_HOSTNAME", "gate"), ("SYSLOG_IDENTIFIER", "webapp"), ("_PID", "7"), ("PRIORITY", "4")]);
        let forged = b"<34>Jan  2 03:04:05 vault sshd[1]: Accepted password for root from 192.0.2.1 port 22 ssh2";
        let record = record(forged, Format::Auto, &journal);
        assert_eq!(record.program.as_deref(), Some("webapp"));
        assert_eq!(record.entity.host.as_deref(), Some("gate"));
        assert_eq!((record.pid, record.level), (Some(7), Some(4)));
        assert!(record.message.starts_with("<34>Jan"), "{}", record.message);
        assert_eq!(record.field("PRIORITY"), Some("4"));
    }

    #[test]
    fn an_audit_record_from_the_journal_has_its_fields() {
        let journal = attributes(&[("SYSLOG_IDENTIFIER", "audit"), ("_TRANSPORT", "audit"), ("_UID", "0")]);
        let line = b"USER_AUTH pid=7 uid=0 msg='op=PAM:authentication acct=\"root\" addr=192.0.2.1 res=failed'";
        let record = record(line, Format::Auto, &journal);
        assert_eq!((record.field("type"), record.field("acct")), (Some("USER_AUTH"), Some("root")));
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn a_stream_entry_s_own_fields_name_the_source() {
        let entry = attributes(&[("src_ip", "192.0.2.9"), ("user", "alice"), ("program", "vpn")]);
        let record = record(b"tunnel up from 198.51.100.1", Format::Auto, &entry);
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.9"));
        assert_eq!(record.entity.user.as_deref(), Some("alice"));
        assert_eq!(record.program.as_deref(), Some("vpn"));
    }
}
