//! Records of the Linux audit system, by their type.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::auditd;
use super::super::fill::fill;
use super::super::scan::Address;
use crate::event::{Action, Record};

pub(super) fn describe(record: &mut Record) -> bool {
    let Some(kind) = record.field("type").map(str::to_owned) else { return false };
    let outcome = match record.field("res").or_else(|| record.field("success")) {
        Some("success" | "yes" | "1") => Some(true),
        Some("failed" | "no" | "0") => Some(false),
        _ => None,
    };
    let action = action(&kind, record);
    let take = |record: &Record, name: &str| record.field(name).map(str::to_owned).unwrap_or_default();
    let user = take(record, "acct");
    if user != "(unknown)" && user != "(null)" && user != "(invalid user)" {
        record.set_user(&user);
    }
    for name in ["exe", "comm"] {
        let program = take(record, name);
        fill(&mut record.entity.process, &program);
    }
    let addresses = [take(record, "addr"), take(record, "hostname")];
    if let Some(address) = addresses.iter().find_map(|text| Address::whole(text)) {
        record.set_source(address);
    }
    match kind.as_str() {
        "EXECVE" => {
            let command = arguments(record);
            record.set_command(&command);
        }
        "PROCTITLE" => {
            let command = take(record, "proctitle");
            record.set_command(&command);
        }
        "USER_CMD" => {
            let command = take(record, "cmd");
            record.set_command(&command);
        }
        "PATH" => {
            let file = take(record, "name");
            fill(&mut record.entity.file, &file);
        }
        "SOCKADDR" => socket(record),
        _ => {}
    }
    record.says(action, outcome);
    true
}

fn action(kind: &str, record: &Record) -> Action {
    match kind {
        "USER_AUTH" | "USER_LOGIN" | "USER_ERR" => Action::Login,
        "USER_LOGOUT" | "USER_END" => Action::Logout,
        "USER_CMD" | "USER_ROLE_CHANGE" => Action::PrivilegeUse,
        "ADD_USER" | "DEL_USER" | "ADD_GROUP" | "DEL_GROUP" | "USER_MGMT" | "GRP_MGMT" | "USER_CHAUTHTOK"
        | "ACCT_LOCK" | "ACCT_UNLOCK" | "USER_ACCT_MGMT" => Action::AccountChange,
        "EXECVE" | "PROCTITLE" => Action::ProcessStart,
        "SERVICE_START" => Action::ServiceStart,
        "SERVICE_STOP" => Action::ServiceStop,
        "SOCKADDR" | "NETFILTER_PKT" => Action::Connection,
        "CONFIG_CHANGE" | "DAEMON_START" | "DAEMON_END" | "DAEMON_ABORT" | "DAEMON_CONFIG" => Action::LogChange,
        "KERN_MODULE" | "SYSTEM_BOOT" | "SYSTEM_SHUTDOWN" | "NETFILTER_CFG" | "MAC_STATUS" | "MAC_POLICY_LOAD" => {
            Action::SystemChange
        }
        "PATH" if matches!(record.field("nametype"), Some("CREATE" | "DELETE")) => Action::FileChange,
        "SYSCALL" => system_call(record),
        _ => Action::Other,
    }
}

/// Numbers of x86-64 and of the table that ARM64 and RISC-V share; enriched logs have the name as well.
fn system_call(record: &Record) -> Action {
    let number = record.field("syscall").unwrap_or_default();
    let name = record.field("SYSCALL").unwrap_or_default();
    let on = |arch: &str| record.field("arch") == Some(arch);
    let (x86, arm) = (on("c000003e"), on("c00000b7") || on("c00000f3"));
    let is = |names: &[&str], x86_numbers: &[&str], arm_numbers: &[&str]| {
        names.contains(&name) || (x86 && x86_numbers.contains(&number)) || (arm && arm_numbers.contains(&number))
    };
    if is(&["execve", "execveat"], &["59", "322"], &["221", "281"]) {
        Action::ProcessStart
    } else if is(&["init_module", "finit_module", "delete_module"], &["175", "313", "176"], &["105", "273", "106"]) {
        Action::SystemChange
    } else if is(&["connect", "accept", "accept4"], &["42", "43", "288"], &["203", "202", "242"]) {
        Action::Connection
    } else {
        Action::Other
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

    fn told(line: &str) -> Record {
        parse(line.as_bytes(), Format::Auto, &[]).record
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
        let record = told("type=PROCTITLE msg=audit(1.0:2): proctitle=6C73002D6C61");
        assert_eq!(record.command.as_deref(), Some("ls -la"));
        let record = told("type=EXECVE msg=audit(1.0:2): argc=3 a0=\"sh\" a1=\"-c\" a2=6563686F206869");
        assert_eq!((record.command.as_deref(), record.action), (Some("sh -c echo hi"), Action::ProcessStart));
        let record = told(
            "type=SYSCALL msg=audit(1.0:2): arch=c000003e syscall=59 success=yes a0=2697928 comm=\"rm\" exe=\"/bin/rm\" key=(null)",
        );
        assert_eq!((record.field("a0"), record.field("key")), (Some("2697928"), Some("(null)")));
        assert_eq!((record.action, record.outcome), (Action::ProcessStart, Some(true)));
    }

    #[test]
    fn a_forged_field_in_an_encoded_name_stays_inside_it() {
        // acct is `x addr=203.0.113.6`
        let record = told(
            "type=USER_LOGIN msg=audit(1.0:2): pid=1 msg='op=login acct=7820616464723D3230332E302E3131332E36 exe=\"/x\" hostname=? addr=192.0.2.7 terminal=ssh res=failed'",
        );
        assert_eq!(record.entity.src_ip.as_deref(), Some("192.0.2.7"));
        assert_eq!(record.entity.user.as_deref(), Some("x addr=203.0.113.6"));
    }

    #[test]
    fn a_socket_address_is_where_the_connection_goes() {
        let record = told("type=SOCKADDR msg=audit(1.0:2): saddr=020001BBC00002070000000000000000");
        assert_eq!((record.entity.dst_ip.as_deref(), record.entity.dst_port), (Some("192.0.2.7"), Some(443)));
    }
}
