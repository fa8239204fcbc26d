//! Lines that go on from others: what joins them, and what the later one means with the earlier ones beside it.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::audit;
use super::envelope::{self, container};
use super::fill::fill;
use super::meaning::AMBIGUOUS;
use super::time::Parsed;
use crate::event::{Format, Record, named};
use crate::limits;

/// The attribute with the line that names the columns.
pub const COLUMNS: &str = "dsmil.columns";
/// The attribute with the earlier lines of the same record, one a line.
pub const BEFORE: &str = "dsmil.before";

/// The attribute of a record that has so many lines.
pub const LINES: &str = "dsmil.lines";

/// Attributes that tell the parser how to read a line, and are no fields of it.
pub fn is_context(name: &str) -> bool {
    name == COLUMNS || name == BEFORE || name == LINES
}

/// What all pieces of one record have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Records of the audit system, by host and serial.
    Audit(String, String),
    /// Pieces of one command of sudo, by host, pid and user.
    Sudo(String, Option<u32>, String),
    /// Parts of one line that a container runtime cut, by stream.
    Container(String),
}

impl Key {
    /// Whether a line is the first of its record.
    pub fn begins_with(&self, line: &str) -> bool {
        matches!(self, Self::Sudo(..)) && !line.contains(CONTINUED)
    }

    /// Bytes of the pieces that are kept.
    pub fn bytes_max(&self) -> usize {
        match self {
            Self::Audit(..) | Self::Sudo(..) => limits::CONTEXT_BYTES_MAX,
            Self::Container(_) => limits::LINE_BYTES_MAX,
        }
    }

    /// Whether a line is the last of its record.
    pub fn ends_with(&self, line: &str) -> bool {
        match self {
            Self::Audit(..) => line.contains("type=EOE "),
            Self::Sudo(..) => false,
            Self::Container(_) => container::part(line).is_some_and(|part| part.is_last),
        }
    }
}

/// Time and stream of a container runtime are within so many bytes.
const CUT_BYTES_MAX: usize = 48;
const CONTINUED: &str = "(command continued)";

/// Whether a line names the columns of those that follow it.
pub fn is_naming(line: &[u8]) -> bool {
    envelope::columns::is_naming(line)
}

/// Whether a message stands for the one before it.
pub fn repeats_last(message: &str) -> bool {
    envelope::repeated::of_last(message).is_some()
}

/// The part of a line that a container runtime cut, which the line's own words never tell.
pub fn container_key(line: &[u8]) -> Option<Key> {
    static STREAM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b" std"));
    let head = line.get(..CUT_BYTES_MAX.min(line.len()))?;
    STREAM.find(head)?;
    container::part(std::str::from_utf8(line).ok()?).map(|part| Key::Container(part.stream.to_owned()))
}

/// Gives a record of the audit system the serial that the journal knows.
pub(super) fn number(record: &mut Record, attributes: &[(String, String)]) {
    if let Some(serial) = named(attributes, audit::ID)
        && record.field("type").is_some()
        && record.field("serial").is_none()
    {
        record.push("serial", serial);
    }
}

/// `None` for a line that is whole.
pub fn key(record: &Record) -> Option<Key> {
    let host = || record.entity.host.clone().unwrap_or_default();
    if let Some(serial) = audit::serial(record) {
        return Some(Key::Audit(host(), serial.to_owned()));
    }
    if record.program.as_deref() == Some("sudo")
        && (record.message.contains("COMMAND=") || continued(&record.message).is_some())
    {
        let (user, _) = record.message.trim_start().split_once(" : ")?;
        return Some(Key::Sudo(host(), record.pid, user.to_owned()));
    }
    None
}

/// The line that a message without header would be in a file, to be remembered as a piece of its record.
pub fn line_of(record: &Record, key: &Key) -> String {
    let message = record.message.replace('\n', " ");
    match key {
        Key::Audit(_, serial) => {
            if let Some((kind, rest)) = message.strip_prefix("audit: type=").and_then(|rest| rest.split_once(" audit("))
            {
                return format!("type={kind} msg=audit({rest}");
            }
            match message.split_once(' ') {
                Some((kind, body)) if !kind.contains('=') => format!("type={kind} msg=audit(0.0:{serial}): {body}"),
                _ => message,
            }
        }
        Key::Sudo(..) | Key::Container(_) => {
            format!("Jan  1 00:00:00 localhost sudo[{}]: {message}", record.pid.unwrap_or(1))
        }
    }
}

/// What follows `USER : (command continued) `.
fn continued(message: &str) -> Option<&str> {
    let (_, rest) = message.trim_start().split_once(" : ")?;
    rest.strip_prefix(CONTINUED).map(str::trim_start)
}

/// The first line of a record of several.
pub(super) fn first_line<'payload>(payload: &'payload [u8], attributes: &[(String, String)]) -> Option<&'payload [u8]> {
    named(attributes, LINES)?;
    payload.get(..memchr::memchr(b'\n', payload)?)
}

/// Completes a record of several lines, of which `record` is what the first one says. Its meaning is that of its first line:
/// the others may be anybody's text. But where all of them together read as if somebody else might have done it, the first line
/// may have been broken by its own words, and nobody is named.
pub(super) fn go_on(record: &mut Record, whole: Record) {
    let (first, other) = (&record.entity.src_ip, &whole.entity.src_ip);
    let is_another = first.is_some() && other.is_some() && first != other;
    if is_another || whole.field(AMBIGUOUS).is_some() {
        (record.entity.src_ip, record.src_port, record.entity.user) = (None, None, None);
        record.push(AMBIGUOUS, "true");
    }
    record.message = whole.message;
}

/// Completes a line by those before it.
pub(super) fn join(parsed: &mut Parsed, line: &str, before: &str, format: Format) {
    if let Some(last) = container::part(line) {
        let head = line.get(..line.len() - last.message.len()).unwrap_or_default();
        let parts = before.split('\n').filter_map(container::part).map(|part| part.message);
        let whole = parts.fold(head.to_owned(), |whole, part| whole + part) + last.message;
        *parsed = envelope::open(&whole, format, None, None);
        return;
    }
    let record = &mut parsed.record;
    if let Some(times) = envelope::repeated::of_last(&record.message) {
        let last = envelope::open(before, format, None, None).record;
        if record.program.is_none() || record.program == last.program {
            *record = Record { repeated: Some(times), level: record.level.or(last.level), ..last };
        }
        return;
    }
    let earlier = before.split('\n').map(|line| envelope::open(line, format, None, None).record);
    if let (Some(serial), Some(_)) = (record.field("serial").map(str::to_owned), record.field("type")) {
        for other in earlier.filter(|other| other.field("serial") == Some(&serial)) {
            join_audit(record, &other);
        }
        return;
    }
    if let Some(rest) = continued(&record.message) {
        let whole = earlier.fold(String::new(), |whole, piece| match continued(&piece.message) {
            Some(more) => whole + " " + more,
            None => piece.message,
        });
        record.message = whole + " " + rest;
    }
}

/// Who did it stands in the SYSCALL record of a serial, what was done in the others.
fn join_audit(record: &mut Record, earlier: &Record) {
    // The title of the process says once more what the arguments have said.
    let is_title = matches!(record.field("type"), Some("PROCTITLE" | "1327"));
    if is_title && matches!(earlier.field("type"), Some("EXECVE" | "1309")) {
        record.fields.retain(|(key, _)| key != "proctitle");
        return;
    }
    if !matches!(earlier.field("type"), Some("SYSCALL" | "1300")) {
        return;
    }
    let names = ["AUID", "UID"].iter().filter_map(|name| earlier.field(name));
    if let Some(user) = names.into_iter().find(|user| !matches!(*user, "unset" | "unknown(4294967295)")) {
        record.set_user(user);
    }
    if let Some(executable) = earlier.field("exe") {
        fill(&mut record.entity.process, executable);
    }
    let is_argument = |key: &str| matches!(key, "a0" | "a1" | "a2" | "a3");
    for (key, value) in &earlier.fields {
        if !is_argument(key) && record.field(key).is_none() {
            record.push(key.as_str(), value.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_that_names_columns_is_told_from_one_that_fills_them() {
        assert!(super::is_naming(b"#fields\tts\tuid"));
        assert!(["1\t2", "#close\t2026", "{}", ""].iter().all(|line| !super::is_naming(line.as_bytes())));
    }

    use crate::event::{Format, Record};
    use crate::parse::joined::BEFORE;
    use crate::parse::record;

    fn after(before: &str, line: &str) -> Record {
        record(line.as_bytes(), Format::Auto, &[(BEFORE.to_owned(), before.to_owned())])
    }

    #[test]
    fn the_last_message_is_what_a_count_of_it_stands_for() {
        let failed = "Feb 22 10:21:42 web sshd[7]: Failed password for root from 192.0.2.1 port 4242 ssh2";
        let record = after(failed, "Feb 22 10:21:43 web last message repeated 9 times");
        assert_eq!((record.entity.src_ip.as_deref(), record.times()), (Some("192.0.2.1"), 9));
        let other = after(failed, "Feb 22 10:21:43 web cron[7]: last message repeated 9 times");
        assert_eq!((other.entity.src_ip.as_deref(), other.times()), (None, 1));
    }

    #[test]
    fn a_record_of_the_audit_system_knows_who_did_it() {
        let syscall = "type=SYSCALL msg=audit(1.5:7): arch=c000003e syscall=59 success=yes a0=1 a1=2 a2=3 a3=4 uid=0 auid=1000 exe=\"/usr/bin/bash\" AUID=\"alice\"";
        let record = after(syscall, "type=EXECVE msg=audit(1.5:7): argc=2 a0=\"bash\" a1=\"-i\"");
        assert_eq!((record.command.as_deref(), record.field("AUID")), (Some("bash -i"), Some("alice")));
        assert_eq!(record.entity.user.as_deref(), Some("alice"));
        assert_eq!(record.entity.process.as_deref(), Some("/usr/bin/bash"));
        let other = after(syscall, "type=EXECVE msg=audit(1.5:8): argc=1 a0=\"ls\"");
        assert_eq!(other.field("AUID"), None);
        let execve = "type=EXECVE msg=audit(1.5:7): argc=2 a0=\"bash\" a1=\"-i\"";
        let title = after(execve, "type=PROCTITLE msg=audit(1.5:7): proctitle=62617368002D69");
        assert_eq!(title.command, None);
    }

    #[test]
    fn a_line_that_a_container_runtime_cut_is_whole_at_its_last_part() {
        let parts = "2026-01-02T03:04:05Z stdout P {\"remote_addr\":\n2026-01-02T03:04:05Z stdout P  \"192.0.2.1\",";
        let record = after(parts, "2026-01-02T03:04:05Z stdout F  \"status\": 404}");
        assert_eq!((record.field("remote_addr"), record.field("status")), (Some("192.0.2.1"), Some("404")));
    }

    #[test]
    fn a_command_in_pieces_is_one_command() {
        let first = "Feb  9 21:21:02 web sudo[7]:  bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c echo";
        let record = after(first, "Feb  9 21:21:02 web sudo[7]:  bob : (command continued)  one two");
        assert_eq!(record.command.as_deref(), Some("/bin/sh -c echo one two"));
        assert_eq!(record.entity.user.as_deref(), Some("bob"));
    }
}
