//! What the keys of structured logs mean, whoever chose their spelling: `src_ip`, `SrcIP` and `source.ip` are one.

use super::fill::fill;
use super::proxy::FORWARDED_FOR;
use super::scan::Address;
use super::time::{LogTime, Parsed};
use super::{level, stamp};
use crate::event::{Action, Record};

/// Below these, a client chooses keys and values.
const CLIENT_PARTS: &[&str] =
    &["headers", "header", "args", "params", "query", "body", "form", "cookies", "resp_headers"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    /// With a rank: the lowest wins, since `ip` may be anything and `src_ip` is meant, and who is connected is known, while the
    /// client is often whom the client itself has named in a header.
    Source(u8),
    SourcePort,
    Destination,
    DestinationPort,
    User,
    Process,
    Command,
    Domain,
    File,
    Outcome,
    Event,
    Method,
    Status,
}

/// The ranks of the other end of a connection, and of the client that it may only pass on.
const PEER: u8 = 1;
const CLAIMED: u8 = 2;

fn role(key: &str) -> Option<Role> {
    let (parent, last) = match memchr::memrchr(b'.', key.as_bytes()) {
        Some(at) => (key.get(..at)?, key.get(at + 1..)?),
        None => ("", key),
    };
    let is_of_client = || parent.split('.').any(|part| CLIENT_PARTS.contains(&part));
    if last.len() > 24 || (!parent.is_empty() && is_of_client()) {
        return None;
    }
    let mut buffer = [0; 24];
    let mut length = 0;
    for byte in last.bytes().filter(u8::is_ascii_alphanumeric) {
        *buffer.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    Some(match buffer.get(..length)? {
        b"srcip" | b"sourceip" | b"srcaddr" | b"sourceaddress" | b"sourceipaddress" | b"idorigh" | b"ipv4srcaddr"
        | b"ipv6srcaddr" => Role::Source(0),
        b"clientip" | b"clientaddr" | b"clientaddress" | b"clienthost" | b"cip" => Role::Source(CLAIMED),
        b"downstreamremoteaddress"
        | b"remoteip"
        | b"remoteaddr"
        | b"remoteaddress"
        | b"rhost"
        | b"peerip"
        | b"peeraddr" => Role::Source(PEER),
        b"ip" | b"ipaddress" if parent == "source" => Role::Source(0),
        b"ip" | b"ipaddress" if parent == "client" => Role::Source(CLAIMED),
        b"ip" | b"ipaddress" if parent == "destination" || parent == "server" => Role::Destination,
        b"ip" | b"ipaddress" if parent.is_empty() => Role::Source(3),
        b"addr" | b"client" | b"remote" if !parent.contains("local") => Role::Source(4),
        b"srcport" | b"sourceport" | b"clientport" | b"remoteport" | b"idorigp" | b"l4srcport" => Role::SourcePort,
        b"dstip"
        | b"destip"
        | b"destinationip"
        | b"destinationaddress"
        | b"dstaddr"
        | b"idresph"
        | b"ipv4dstaddr"
        | b"ipv6dstaddr" => Role::Destination,
        b"dstport" | b"destport" | b"destinationport" | b"idrespp" | b"l4dstport" => Role::DestinationPort,
        b"user" | b"username" | b"acct" | b"targetuser" | b"remoteuser" | b"principalname" | b"login" => Role::User,
        b"exe" | b"image" | b"processname" | b"comm" => Role::Process,
        b"commandline" | b"cmdline" => Role::Command,
        b"qname" | b"dnsquestionname" | b"rrname" => Role::Domain,
        b"targetfilename" | b"filepath" => Role::File,
        b"success" | b"outcome" | b"result" | b"res" => Role::Outcome,
        b"event" | b"eventname" | b"eventtype" | b"action" | b"operation" => Role::Event,
        b"method" | b"requestmethod" | b"httpmethod" => Role::Method,
        b"status" | b"statuscode" | b"httpstatus" | b"downstreamstatus" | b"responsecode" => Role::Status,
        _ => return None,
    })
}

/// Whether a key means the method of a request. Nearly all others end otherwise.
fn is_method(key: &str) -> bool {
    let last = key.bytes().rev().find(u8::is_ascii_alphanumeric);
    matches!(last, Some(b'd' | b'D')) && role(key) == Some(Role::Method)
}

/// Fills what is still unknown from keys with a known meaning.
pub(super) fn describe(fields: &[(String, String)], record: &mut Record) {
    let mut source: Option<(u8, usize, Address)> = None;
    let mut claimed: Option<Address> = None;
    let (mut method, mut status) = (false, None);
    for (key, value) in fields {
        // The journal's own fields are about the sender of the line, not about what the line says.
        if key.starts_with('_') || key.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            continue;
        }
        match role(key) {
            None => {}
            Some(Role::Source(rank)) => {
                let Some(address) = Address::whole(value).or_else(|| Address::with_port(value)) else { continue };
                let rank = (rank, key.matches('.').count());
                if rank.0 == CLAIMED {
                    claimed.get_or_insert(address);
                }
                if source.as_ref().is_none_or(|(best, depth, _)| rank < (*best, *depth)) {
                    source = Some((rank.0, rank.1, address));
                }
            }
            Some(Role::SourcePort) => record.src_port = record.src_port.or(value.parse().ok()),
            Some(Role::Destination) => {
                if let Some(address) = Address::whole(value) {
                    fill(&mut record.entity.dst_ip, &address.ip.to_string());
                }
            }
            Some(Role::DestinationPort) => record.entity.dst_port = record.entity.dst_port.or(value.parse().ok()),
            Some(Role::User) => record.set_user(value),
            Some(Role::Process) => fill(&mut record.entity.process, value),
            Some(Role::Command) => {
                record.set_command(value);
                record.action = Action::ProcessStart;
            }
            Some(Role::Domain) => fill(&mut record.entity.domain, value),
            Some(Role::File) => fill(&mut record.entity.file, value),
            Some(Role::Outcome) => record.outcome = record.outcome.or(outcome(value)),
            Some(Role::Event) => {
                if record.action == Action::Other
                    && let Some((action, outcome)) = super::guess::words::verdict(value)
                {
                    record.action = action;
                    record.outcome = record.outcome.or(outcome);
                }
            }
            Some(Role::Method) => method = true,
            Some(Role::Status) => status = value.parse::<u16>().ok().or(status),
        }
    }
    if let Some((rank, _, address)) = source {
        // Behind a proxy that is trusted it is the client all the same.
        if let Some(claimed) = claimed.filter(|claimed| rank == PEER && claimed.ip != address.ip) {
            record.push(FORWARDED_FOR, claimed.ip.to_string());
        }
        record.set_source(address);
    }
    if let (true, Some(status @ 100..=599)) = (method, status)
        && record.action == Action::Other
    {
        record.says(Action::HttpRequest, Some(status < 400));
    }
}

fn outcome(value: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    if is(&["true", "success", "succeeded", "yes", "ok", "allowed", "accepted"]) {
        return Some(true);
    }
    is(&["false", "failure", "failed", "fail", "no", "denied", "blocked", "rejected", "error"]).then_some(false)
}

const TIME: &[&str] = &[
    "ts",
    "timestamp",
    "@timestamp",
    "time",
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "eventTime",
    "datetime",
    "asctime",
    "date",
    "t",
    "t.$date",
    "event_time",
    "StartUTC",
    "time_local",
    "time_iso8601",
    "requestReceivedTimestamp",
    "event.created",
    "Event.System.TimeCreated.SystemTime",
    "Event.System.TimeCreated.#attributes.SystemTime",
];
const MESSAGE: &[&str] = &["message", "msg", "MESSAGE", "log", "event.original", "Message"];
const LEVEL: &[&str] = &["level", "severity", "lvl", "log.level", "levelname", "PRIORITY", "loglevel", "priority"];
const PROGRAM: &[&str] =
    &["SYSLOG_IDENTIFIER", "program", "appname", "app", "application", "service.name", "service", "_COMM", "ident"];
const PID: &[&str] = &["_PID", "SYSLOG_PID", "pid", "process.pid", "ProcessId"];
const HOST: &[&str] = &["_HOSTNAME", "hostname", "host.name", "host", "Computer"];

/// Time, message, program, pid, host and level out of the fields of a structured line.
pub(super) fn header(fields: Vec<(String, String)>, line: &str) -> Parsed {
    let mut record = Record { fields, ..Record::default() };
    let time = time_of(&record);
    record.message = first(&record, MESSAGE).unwrap_or(line).to_owned();
    record.level = first(&record, LEVEL).and_then(level::read);
    record.program = first(&record, PROGRAM).map(str::to_owned);
    record.pid = first(&record, PID).and_then(|pid| pid.parse().ok());
    // In a record of a web request `host` is what the client asked for.
    let is_web = || record.fields.iter().any(|(key, _)| is_method(key));
    let host = first(&record, HOST).filter(|_| record.field("host").is_none() || !is_web()).map(str::to_owned);
    record.entity.host = host;
    Parsed { time, record }
}

/// Firewalls write day, time of day and offset under three keys.
fn time_of(record: &Record) -> LogTime {
    let parts = (record.field("date"), record.field("time"));
    if let (Some(day), Some(clock)) = parts
        && let Some((time, _)) = stamp::iso(&format!("{day} {clock}{}", record.field("tz").unwrap_or_default()))
    {
        return time;
    }
    TIME.iter()
        .filter_map(|name| record.field(name))
        .map(time)
        .find(|time| *time != LogTime::Absent)
        .unwrap_or_default()
}

fn first<'a>(record: &'a Record, names: &[&str]) -> Option<&'a str> {
    record.first_of(names).filter(|value| !value.is_empty())
}

fn time(value: &str) -> LogTime {
    if let Some((time, _)) = stamp::iso(value) {
        return time;
    }
    match value.parse::<f64>().ok().and_then(stamp::epoch_of_any_unit) {
        Some(time) => LogTime::Instant(time),
        None => stamp::any(value).map_or(LogTime::Absent, |(time, _)| time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(fields: &[(&str, &str)]) -> Record {
        let fields: Vec<(String, String)> =
            fields.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let mut record = Record::default();
        describe(&fields, &mut record);
        record
    }

    #[test]
    fn a_key_means_the_same_whoever_chose_its_spelling() {
        let source = |record: Record| record.entity.src_ip;
        for key in
            ["src_ip", "SrcIP", "source.ip", "sourceIPAddress", "source_address", "src.addr", "srcaddr", "id_orig_h"]
        {
            assert_eq!(source(described(&[(key, "192.0.2.1")])).as_deref(), Some("192.0.2.1"), "{key}");
        }
        for key in ["clientip", "ClientAddr", "client_address", "ClientHost", "c-ip", "DownstreamRemoteAddress"] {
            assert_eq!(source(described(&[(key, "192.0.2.1")])).as_deref(), Some("192.0.2.1"), "{key}");
        }
        for key in [
            "remote_ip",
            "remoteAddr",
            "remote_address",
            "rhost",
            "peer_ip",
            "peerAddr",
            "ip",
            "addr",
            "client",
            "remote",
        ] {
            assert_eq!(source(described(&[(key, "192.0.2.1")])).as_deref(), Some("192.0.2.1"), "{key}");
        }
        for key in ["dst_ip", "dest_ip", "destination.ip", "destinationAddress", "dstaddr", "id_resp_h", "server.ip"] {
            let record = described(&[(key, "192.0.2.1")]);
            assert_eq!(record.entity.dst_ip.as_deref(), Some("192.0.2.1"), "{key}");
            assert_eq!(source(record), None, "{key}");
        }
    }

    #[test]
    fn every_known_key_is_read_into_its_place() {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        for key in ["user", "userName", "acct", "target_user", "remote_user", "principalName", "login"] {
            assert_eq!(text(&described(&[(key, "alice")]).entity.user), "alice", "{key}");
        }
        for key in ["exe", "Image", "process.name", "processName", "comm"] {
            let is_process = described(&[(key, "/bin/x")]).entity.process.is_some();
            assert_eq!(is_process, key != "process.name", "{key}");
        }
        for key in ["qname", "dns_question_name", "rrname"] {
            assert_eq!(text(&described(&[(key, "example.org")]).entity.domain), "example.org", "{key}");
        }
        for key in ["TargetFilename", "file_path"] {
            assert_eq!(text(&described(&[(key, "/etc/passwd")]).entity.file), "/etc/passwd", "{key}");
        }
        for key in ["src_port", "sourcePort", "client_port", "remote_port", "id.orig_p"] {
            let port = described(&[(key, "4242")]).src_port;
            assert_eq!(port, if key.contains('.') { None } else { Some(4242) }, "{key}");
        }
        for key in ["dst_port", "dest_port", "destinationPort"] {
            assert_eq!(described(&[(key, "22")]).entity.dst_port, Some(22), "{key}");
        }
        for key in ["CommandLine", "cmdline"] {
            let record = described(&[(key, "id -u")]);
            assert_eq!((record.action, record.command.as_deref()), (Action::ProcessStart, Some("id -u")), "{key}");
        }
        for key in ["event", "eventName", "event_type", "action", "operation"] {
            let action = described(&[(key, "login failed")]).action;
            assert_eq!(action, Action::Login, "{key}");
        }
    }

    #[test]
    fn words_for_success_and_failure_are_outcomes_and_others_are_none() {
        for (words, outcome) in [
            (&["true", "SUCCESS", "succeeded", "yes", "ok", "allowed", "Accepted"][..], Some(true)),
            (&["false", "failure", "failed", "fail", "no", "denied", "blocked", "rejected", "ERROR"], Some(false)),
            (&["", "0", "pending", "successful?"], None),
        ] {
            for word in words {
                for key in ["success", "outcome", "result", "res"] {
                    assert_eq!(described(&[(key, word)]).outcome, outcome, "{key}={word}");
                }
            }
        }
        assert_eq!(described(&[("success", "true"), ("result", "failed")]).outcome, Some(true), "the first stands");
    }

    #[test]
    fn a_method_with_a_status_is_a_request_and_one_of_them_alone_is_none() {
        for key in ["status", "statusCode", "http_status", "DownstreamStatus", "response_code"] {
            for (status, outcome) in [("200", true), ("399", true), ("400", false), ("599", false)] {
                let record = described(&[("method", "GET"), (key, status)]);
                assert_eq!((record.action, record.outcome), (Action::HttpRequest, Some(outcome)), "{key}={status}");
            }
        }
        for fields in [&[("method", "GET")][..], &[("status", "200")], &[("httpMethod", "GET"), ("status", "99")]] {
            assert_eq!(described(fields).action, Action::Other, "{fields:?}");
        }
        assert_eq!(described(&[("requestMethod", "GET"), ("status", "600")]).action, Action::Other);
    }

    #[test]
    fn the_key_that_says_most_names_the_source_and_what_a_client_sends_names_none() {
        let source = |fields: &[(&str, &str)]| described(fields).entity.src_ip;
        let (one, other) = ("192.0.2.1", "198.51.100.1");
        for (better, worse) in
            [("src_ip", "remote_ip"), ("remote_ip", "client_ip"), ("client_ip", "ip"), ("ip", "addr")]
        {
            assert_eq!(source(&[(better, one), (worse, other)]).as_deref(), Some(one), "{better} and {worse}");
            assert_eq!(source(&[(worse, other), (better, one)]).as_deref(), Some(one), "{worse} and {better}");
        }
        assert_eq!(source(&[("a.b.src_ip", other), ("a.src_ip", one)]).as_deref(), Some(one), "the nearer to the root");
        let behind = described(&[("client_ip", other), ("remote_addr", one)]);
        assert_eq!(behind.field("forwarded_for"), Some(other), "a proxy that is trusted is believed");
        assert_eq!(described(&[("client_ip", one), ("remote_addr", one)]).field("forwarded_for"), None);
        for key in ["headers.src_ip", "request.args.ip", "body.client_ip", "_src_ip", "SRC_IP", "local.addr"] {
            assert_eq!(source(&[(key, one)]), None, "{key}");
        }
    }
}
