//! From a journal entry to an event, and which entries are the daemon's own.

use bytes::Bytes;

use crate::event::{Body, Draft, Provenance, Times, Timestamp};
use crate::intake::Origin;
use crate::intake::context::Context;
use crate::journal::Entry;

/// The journal field that the daemon adds to every line of its own log.
pub const OWN_FIELD: &str = "DSMILD_INSTANCE";

/// Addresses of the entry and of its sender's run: they say nothing about what happened.
const LEFT_OUT: [&str; 6] =
    ["_BOOT_ID", "_MACHINE_ID", "_CAP_EFFECTIVE", "_RUNTIME_SCOPE", "_STREAM_ID", "_SYSTEMD_INVOCATION_ID"];

/// How journald knows this daemon; senders cannot forge these.
#[derive(Debug, Clone)]
pub struct Own {
    pub uid: String,
    pub pid: String,
    pub exe: Option<String>,
}

impl Own {
    /// Whether this daemon wrote it, in this run or an earlier one. Its mark alone would let anybody hide an entry, so
    /// that the user has to be the same as well.
    pub fn wrote(&self, entry: &Entry) -> bool {
        let exe = entry.text("_EXE").map(without_deleted);
        entry.text("_UID") == Some(&self.uid)
            && (entry.field(OWN_FIELD).is_some()
                || entry.text("_PID") == Some(&self.pid)
                || (exe.is_some() && exe == self.exe.as_deref().map(without_deleted)))
    }
}

/// After an update of the program, the one that runs is called `… (deleted)`.
fn without_deleted(exe: &str) -> &str {
    exe.strip_suffix(" (deleted)").unwrap_or(exe)
}

/// The event of an entry, at the time when the sender handed it over; that is journald's word and not the sender's. `context`: what
/// came before it in the same journal.
pub fn draft(entry: &Entry, origin: &Origin, context: &mut Context, arrival: Timestamp) -> Draft {
    let payload = entry.field("MESSAGE").map(|message| Bytes::copy_from_slice(message)).unwrap_or_default();
    let is_kept = |name: &str| name != "MESSAGE" && !name.starts_with("__") && !LEFT_OUT.contains(&name);
    let attributes = entry.fields.iter().filter(|(name, _)| is_kept(name) && !name.ends_with("_TIMESTAMP"));
    let attributes = attributes.map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()));
    let mut draft = origin.message_after(payload, attributes.collect(), Times::claimed(time(entry), arrival), context);
    if let Body::Raw(raw) = &mut draft.body {
        raw.provenance = entry.text("__CURSOR").and_then(Provenance::in_journal).map(Box::new);
    }
    draft
}

fn time(entry: &Entry) -> Timestamp {
    let micros = |name| entry.text(name).and_then(|text| text.parse::<i64>().ok()).filter(|micros| *micros > 0);
    let micros = micros("_SOURCE_REALTIME_TIMESTAMP").or_else(|| micros("__REALTIME_TIMESTAMP"));
    Timestamp::from_micros(micros.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Format, Record, Stream};

    fn entry(fields: &[(&str, &'static str)]) -> Entry {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Bytes::from_static(value.as_bytes())));
        let mut entry = Entry::default();
        entry.fields = fields.collect();
        entry
    }

    #[test]
    fn an_entry_becomes_its_message_with_the_fields_that_say_something() {
        let entry = entry(&[
            ("__CURSOR", "c"),
            ("__REALTIME_TIMESTAMP", "1763856000999999"),
            ("_SOURCE_REALTIME_TIMESTAMP", "1763856000000001"),
            ("_BOOT_ID", "b"),
            ("SYSLOG_IDENTIFIER", "sshd"),
            ("MESSAGE", "hello"),
            ("_PID", "7"),
        ]);
        let origin = Origin {
            stream: Stream::L3In,
            source: Arc::from("journal"),
            compartment: Arc::from(""),
            format: Format::Auto,
        };
        let draft = draft(&entry, &origin, &mut Context::default(), Timestamp::from_millis(1_763_856_000_001));
        let claim = Timestamp::from_micros(1_763_856_000_000_001);
        assert_eq!(draft.times, Times::claimed(claim, Timestamp::from_millis(1_763_856_000_001)));
        let Body::Raw(raw) = draft.body else { panic!("a raw event") };
        assert_eq!(&*raw.payload, b"hello");
        let expected = [("SYSLOG_IDENTIFIER", "sshd"), ("_PID", "7")];
        assert_eq!(raw.attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    fn record_of(context: &mut Context, fields: &[(&str, &'static str)]) -> Record {
        let origin = Origin {
            stream: Stream::L3In,
            source: Arc::from("journal"),
            compartment: Arc::from(""),
            format: Format::Auto,
        };
        let Body::Raw(raw) = draft(&entry(fields), &origin, context, Timestamp::ZERO).body else {
            panic!("a raw event")
        };
        let again = crate::parse::record(&raw.payload, raw.format, &raw.attributes);
        assert_eq!(raw.record(), &again, "the same when it comes back from the store");
        again
    }

    const SYSCALL: &str = "SYSCALL arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=1 pid=7 auid=1000 uid=0 exe=\"/usr/bin/bash\" AUID=\"alice\" UID=\"root\"";
    const EXECVE: &str = "EXECVE argc=2 a0=\"bash\" a1=\"-i\"";
    const OF_KERNEL: [(&str, &str); 3] =
        [("_TRANSPORT", "audit"), ("SYSLOG_IDENTIFIER", "audit"), ("_HOSTNAME", "web")];

    #[test]
    fn records_of_one_audit_event_know_who_did_it_whichever_way_they_reach_the_journal() {
        let mut context = Context::default();
        let mut audit = |message: &'static str, serial: &'static str| {
            record_of(&mut context, &[&OF_KERNEL[..], &[("_AUDIT_ID", serial), ("MESSAGE", message)]].concat())
        };
        audit(SYSCALL, "7");
        audit("SYSCALL arch=c000003e auid=1001 AUID=\"bob\" exe=\"/usr/bin/vi\"", "8");
        let record = audit(EXECVE, "7");
        assert_eq!((record.command.as_deref(), record.entity.user.as_deref()), (Some("bash -i"), Some("alice")));
        assert_eq!(record.entity.process.as_deref(), Some("/usr/bin/bash"));
        assert_eq!(audit(EXECVE, "9").entity.user, None, "of another event");
        let mut context = Context::default();
        let kernel = [("_TRANSPORT", "kernel"), ("SYSLOG_IDENTIFIER", "kernel"), ("_HOSTNAME", "web")];
        let syscall = "audit: type=1300 audit(1.5:7): arch=c000003e syscall=59 success=yes pid=7 auid=1000 exe=\"/usr/bin/bash\" AUID=\"alice\"";
        record_of(&mut context, &[&kernel[..], &[("MESSAGE", syscall)]].concat());
        let execve = "audit: type=1309 audit(1.5:7): argc=1 a0=\"ls\"";
        let record = record_of(&mut context, &[&kernel[..], &[("MESSAGE", execve)]].concat());
        assert_eq!(record.entity.user.as_deref(), Some("alice"));
    }

    #[test]
    fn nobody_slips_a_piece_into_a_record_of_the_audit_system() {
        let mut context = Context::default();
        let forged = "type=SYSCALL msg=audit(1.5:7): auid=0 AUID=\"root\" exe=\"/usr/bin/backup\"";
        let sender =
            [("_TRANSPORT", "syslog"), ("SYSLOG_IDENTIFIER", "audisp-syslog"), ("_UID", "1000"), ("_HOSTNAME", "web")];
        let beside = [("_EXE", "/usr/bin/logger"), ("_COMM", "logger"), ("MESSAGE", forged)];
        assert!(record_of(&mut context, &[&sender[..], &beside].concat()).impostor.is_some());
        let record = record_of(&mut context, &[&OF_KERNEL[..], &[("_AUDIT_ID", "7"), ("MESSAGE", EXECVE)]].concat());
        assert_eq!(record.entity.user, None);
        assert_ne!(record.entity.process.as_deref(), Some("/usr/bin/backup"));
    }

    #[test]
    fn a_command_of_sudo_in_pieces_is_one_command() {
        let mut context = Context::default();
        let sudo = [("SYSLOG_IDENTIFIER", "sudo"), ("_PID", "7"), ("_HOSTNAME", "web")];
        let first = "     bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c echo";
        record_of(&mut context, &[&sudo[..], &[("MESSAGE", first)]].concat());
        let second = "     bob : (command continued) one two";
        let record = record_of(&mut context, &[&sudo[..], &[("MESSAGE", second)]].concat());
        assert_eq!(record.command.as_deref(), Some("/bin/sh -c echo one two"));
        assert_eq!(record.entity.user.as_deref(), Some("bob"));
    }

    #[test]
    fn own_lines_are_known_by_what_cannot_be_forged() {
        let own = Own { uid: "990".into(), pid: "42".into(), exe: Some("/usr/bin/dsmild".into()) };
        assert!(own.wrote(&entry(&[("_UID", "990"), (OWN_FIELD, "a")])), "an earlier run, by its mark");
        assert!(own.wrote(&entry(&[("_UID", "990"), ("_PID", "42")])), "standard error of this run");
        assert!(own.wrote(&entry(&[("_UID", "990"), ("_EXE", "/usr/bin/dsmild (deleted)")])), "before an update");
        assert!(!own.wrote(&entry(&[("_UID", "1000"), (OWN_FIELD, "a")])), "somebody who wants to hide");
        assert!(!own.wrote(&entry(&[("_UID", "990"), ("SYSLOG_IDENTIFIER", "dsmil-l3"), ("_PID", "43")])));
    }
}
