//! What audit records say only to whoever counts or decodes: the arguments of a command, the bytes of a socket address. The rest
//! is a format like any other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::auditd;
use super::fill::fill;
use crate::event::{Action, Record};

/// Of an entry of the journal that the kernel's audit system made: its serial, which the text leaves out.
pub(super) const ID: &str = "_AUDIT_ID";

/// What all records of one event have in common; `None` for what is no record of the audit system.
pub(super) fn serial(record: &Record) -> Option<&str> {
    let serial = record.field("serial").filter(|_| record.field("type").is_some())?;
    (record.message.contains("audit(") || record.field(ID) == Some(serial)).then_some(serial)
}

/// Adds to a record of the audit system what is written in it in pieces or in hex.
pub(super) fn decode(record: &mut Record) {
    match record.field("type") {
        Some("EXECVE") => {
            let command = arguments(record);
            record.set_command(&command);
            record.action = Action::ProcessStart;
        }
        Some("SOCKADDR") => {
            socket(record);
            record.action = Action::Connection;
        }
        _ => {}
    }
}

/// `a0` to `a9` and on, in the order of the line; of an argument in pieces (`a1[0]`) every piece.
fn arguments(record: &Record) -> String {
    let is_argument = |key: &str| {
        key.strip_prefix('a').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && !rest.contains('_'))
    };
    let words: Vec<&str> =
        record.fields.iter().filter(|(key, _)| is_argument(key)).map(|(_, value)| value.as_str()).collect();
    words.join(" ")
}

/// The kernel's `sockaddr` in hex: family (host order), port and address (network order).
fn socket(record: &mut Record) {
    let Some(bytes) = record.field("saddr").and_then(auditd::unhex) else { return };
    let found = match bytes.as_slice() {
        [2, 0, high, low, a, b, c, d, ..] => Some((IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)), [*high, *low])),
        [10, 0, high, low, _, _, _, _, rest @ ..] => rest
            .get(..16)
            .and_then(|octets| <[u8; 16]>::try_from(octets).ok())
            .map(|octets| (Ipv6Addr::from(octets).to_canonical(), [*high, *low])),
        _ => None,
    };
    if let Some((ip, port)) = found {
        fill(&mut record.entity.dst_ip, &ip.to_string());
        record.entity.dst_port = Some(u16::from_be_bytes(port));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;
    use crate::parse::{LogTime, parse};

    fn record_of(line: &str) -> Record {
        parse(line.as_bytes(), Format::Auto, &[]).record
    }

    #[test]
    fn a_record_has_a_serial_where_its_text_or_the_journal_says_that_the_audit_system_made_it() {
        let of = |message: &str, id: Option<&str>| {
            let fields = [("type", Some("SYSCALL")), ("serial", Some("7")), (ID, id)];
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
            serial(&Record { message: message.to_owned(), fields: fields.collect(), ..Record::default() }).is_some()
        };
        assert_eq!([of("msg=audit(1.5:7): x", None), of("x", Some("7"))], [true; 2]);
        assert_eq!([of("x", None), of("x", Some("8"))], [false; 2]);
    }

    #[test]
    fn a_failed_login_names_user_and_source() {
        let parsed = parse(
            b"node=gate type=USER_LOGIN msg=audit(1373330716.415:4063): user pid=11998 uid=0 auid=4294967295 subj=x msg='op=login acct=\"root\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.7 terminal=ssh res=failed'UID=\"root\"",
            Format::Auto,
            &[],
        );
        assert!(matches!(parsed.time, LogTime::Instant(_)));
        let record = parsed.record;
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
        assert_eq!((record.entity.user.as_deref(), record.entity.src_ip.as_deref()), (Some("root"), Some("192.0.2.7")));
        assert_eq!(
            (record.entity.host.as_deref(), record.entity.process.as_deref()),
            (Some("gate"), Some("/usr/sbin/sshd"))
        );
        assert_eq!((record.pid, record.field("UID")), (Some(11998), Some("root")));
    }

    #[test]
    fn hex_is_decoded_where_the_audit_system_encodes() {
        let record = record_of("type=PROCTITLE msg=audit(1.0:2): proctitle=6C73002D6C61");
        assert_eq!(record.command.as_deref(), Some("ls -la"));
        let record = record_of("type=EXECVE msg=audit(1.0:2): argc=3 a0=\"sh\" a1=\"-c\" a2=6563686F206869");
        assert_eq!((record.command.as_deref(), record.action), (Some("sh -c echo hi"), Action::ProcessStart));
        let record = record_of(
            "type=SYSCALL msg=audit(1.0:2): arch=c000003e syscall=59 success=yes a0=2697928 comm=\"rm\" exe=\"/bin/rm\" key=(null)",
        );
        assert_eq!((record.field("a0"), record.field("key")), (Some("2697928"), Some("(null)")));
        assert_eq!((record.action, record.outcome), (Action::ProcessStart, Some(true)));
    }

    #[test]
    fn a_forged_field_in_an_encoded_name_stays_inside_it() {
        // acct is `x addr=203.0.113.6`
        let record = record_of(
            "type=USER_LOGIN msg=audit(1.0:2): pid=1 msg='op=login acct=7820616464723D3230332E302E3131332E36 exe=\"/x\" hostname=? addr=192.0.2.7 terminal=ssh res=failed'",
        );
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.7"));
        assert_eq!(record.entity.user.as_deref(), Some("x addr=203.0.113.6"));
    }

    #[test]
    fn a_socket_address_is_where_the_connection_goes() {
        let record = record_of("type=SOCKADDR msg=audit(1.0:2): saddr=020001BBC00002070000000000000000");
        assert_eq!((record.entity.dst_ip.as_deref(), record.entity.dst_port), (Some("192.0.2.7"), Some(443)));
    }
}
