//! What senders call things: however long, the stages remember no more of it than names may have.

use std::sync::Arc;

use serde_json::json;

use crate::config::Config;
use crate::daemon::prepare;
use crate::event::{Stream, Timestamp};
use crate::intake::entry::from_entry;
use crate::layer::pipeline::Pipeline;

const ENTRIES: u64 = 100;

/// Whatever a sender may choose, each of so many bytes and different from all others.
fn entries(number: u64, bytes: usize) -> [(Stream, serde_json::Value); 8] {
    let long = format!("{number}{}", "x".repeat(bytes));
    let some = &long[..bytes / 3];
    let syslog = |text: String| (Stream::L3In, json!({ "source": "s", "payload": format!("Nov 27 20:00:00 {text}") }));
    let from = format!("203.0.113.{number}");
    [
        syslog(format!("h sshd[{number}]: Failed password for invalid user {long} from {from} port 1 ssh2")),
        syslog(format!("h{long} sshd[{number}]: Failed password for root from {from} port 1 ssh2")),
        syslog(format!("h sudo[{number}]: u{number} : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/{long}")),
        syslog(format!("h p{long}: started")),
        syslog(format!("h dnsmasq[9]: query[A] {long}.example.org from 10.0.0.{number}")),
        syslog(format!(
            "h postfix/smtpd[{number}]: NOQUEUE: reject: RCPT from unknown[{from}]: 554 5.7.1 <{some}>: Relay access denied; from=<{some}@x> to=<y@z> proto=ESMTP helo=<{some}>"
        )),
        (
            Stream::L3In,
            json!({
                "source": format!("s{number}"), "payload": "x", "action": "login", "outcome": "failure", "src_ip": from,
                "user": long, "host": long, "process": long, "domain": long, "session": long, "program": long,
                "command": long, "file": long,
            }),
        ),
        (
            Stream::L4In,
            json!({
                "payload": "x", "score": 0.9, "reasons.0": long, "reasons.1": long, "attack": long, "model": long,
                "user": format!("u{number}"),
            }),
        ),
    ]
}

fn remembered(bytes: usize) -> Vec<(&'static str, usize)> {
    let mut pipeline = Pipeline::new(prepare(&Config::default()).unwrap().stages);
    for number in 0..ENTRIES {
        let arrival = Timestamp::from_millis(1_795_000_000_000 + number * 1000);
        for (stream, entry) in entries(number, bytes) {
            let entry = entry.as_object().unwrap().clone();
            pipeline.push(from_entry(entry, stream, &Arc::from("http"), arrival).unwrap());
        }
    }
    pipeline.remembered_bytes()
}

#[test]
fn what_senders_call_things_is_remembered_no_longer_than_names_are() {
    for ((stage, bytes), (_, more)) in remembered(5_000).into_iter().zip(remembered(40_000)) {
        assert!(more <= bytes + bytes / 10, "{stage}: {bytes} bytes of entries of 5 kB, {more} of entries of 40 kB");
    }
}
