//! What a line means: what the library of formats says of it, put into its record.

use super::fill::fill;
use super::{audit, fields, guess, proxy, stamp};
use crate::event::{Action, Entity, LogSource, Record, Severity};
use crate::formats::{self, Answer, Library, Line, Outcome, Understood};

/// The field that marks a line which somebody could have written to read like its program's own words.
pub const AMBIGUOUS: &str = "dsmil.ambiguous";

/// The names that Sigma's taxonomy has for the fields of a request, by ours.
const REQUEST_FIELDS: &[(&str, &str)] = &[
    ("method", "cs-method"),
    ("url", "c-uri"),
    ("path", "cs-uri-stem"),
    ("query", "cs-uri-query"),
    ("status", "sc-status"),
    ("agent", "cs-user-agent"),
    ("referrer", "cs-referer"),
    ("vhost", "cs-host"),
];

/// Fills entity, action, command and outcome: a format that speaks of the line counts, and where none does, a guess. Who and
/// where came beside the line stays.
pub(super) fn describe(record: &mut Record, library: &Library, trusted: &proxy::Trusted) {
    let given = Given::of(&record.entity);
    let is_audit = record.program.as_deref() == Some("auditd") || audit::serial(record).is_some();
    let message = std::mem::take(&mut record.message);
    let program = record.program.take();
    let written = std::mem::take(&mut record.fields);
    let words = said(&message);
    let answer = library.understand(Line { program: program.as_deref(), message: words, fields: &written });
    let found = apply(&answer, record, given);
    if answer.understood.as_ref().is_some_and(|understood| understood.is_guess()) {
        prefer_own(&written, record, given);
    }
    // The keys of audit records have meanings of their own.
    if program.as_deref() != Some("auditd") {
        if !matches!(found, Found::Record | Found::Ambiguous) {
            fields::describe(&written, record);
        }
        if found == Found::Nothing {
            let is_known = program.as_deref().is_some_and(|program| library.knows(program));
            guess::describe(words, is_known, record);
        }
    }
    let of_format = std::mem::replace(&mut record.fields, written);
    add_fields(record, of_format);
    if found == Found::Ambiguous {
        record.push(AMBIGUOUS, "true");
    }
    if is_audit {
        audit::decode(record);
    }
    if !given.src_ip {
        trusted.apply(record);
    }
    if let Some(program) = &program {
        fill(&mut record.entity.process, program);
    }
    record.program = program;
    record.message = message;
}

/// A line that has a key for who or where names it there: words that its message only resembles do not count against that.
fn prefer_own(written: &[(String, String)], record: &mut Record, given: Given) {
    let mut own = Record::default();
    fields::describe(written, &mut own);
    if own.entity.src_ip.is_some() && !given.src_ip {
        record.entity.src_ip = own.entity.src_ip;
        record.src_port = own.src_port;
    }
    if own.entity.user.is_some() && !given.user {
        record.entity.user = own.entity.user;
    }
}

/// rsyslog folds repeated lines into one.
fn unfolded(message: &str) -> &str {
    let inner = message.strip_prefix("message repeated ").and_then(|rest| rest.split_once(" times: [ "));
    inner.and_then(|(_, inner)| inner.strip_suffix(']')).unwrap_or(message)
}

/// What the program itself said: without what the syslog daemon and the program's own log put round it.
pub fn said(message: &str) -> &str {
    let message = unfolded(message);
    match stamp::any(message).filter(|_| message.starts_with(|c: char| c.is_ascii_digit() || c == '[')) {
        Some((_, rest)) => rest.trim_start(),
        None => message,
    }
}

/// Which parts of an entity came beside the line.
#[derive(Debug, Clone, Copy)]
struct Given {
    user: bool,
    src_ip: bool,
    dst_ip: bool,
}

impl Given {
    fn of(entity: &Entity) -> Self {
        Self { user: entity.user.is_some(), src_ip: entity.src_ip.is_some(), dst_ip: entity.dst_ip.is_some() }
    }
}

/// Which kind of format spoke of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Message,
    Record,
    /// Who wrote what cannot be told, so nobody is named.
    Ambiguous,
}

/// Leaves the format's further fields in `record.fields`.
fn apply(answer: &Answer<'_>, record: &mut Record, given: Given) -> Found {
    let Some(understood) = &answer.understood else {
        return if answer.is_exhausted { Found::Ambiguous } else { Found::Nothing };
    };
    happened(understood, record);
    for (name, value) in &understood.fields {
        let entity = &mut record.entity;
        let place = match name.as_ref() {
            "user" => (!given.user).then_some(&mut entity.user),
            "src_ip" => (!given.src_ip).then_some(&mut entity.src_ip),
            "dst_ip" => (!given.dst_ip).then_some(&mut entity.dst_ip),
            "domain" => Some(&mut entity.domain),
            "file" => Some(&mut entity.file),
            "host" => Some(&mut entity.host),
            "process" => Some(&mut entity.process),
            "command" => Some(&mut record.command),
            "src_port" => {
                record.src_port = value.parse().ok().or(record.src_port);
                None
            }
            "dst_port" => {
                entity.dst_port = entity.dst_port.or_else(|| value.parse().ok());
                None
            }
            _ => None,
        };
        if let Some(place) = place
            && place.is_none()
        {
            *place = Some(value.clone().into_owned());
        }
        if !matches!(name.as_ref(), "user" | "src_ip" | "dst_ip" | "command") {
            let name = taxonomy(understood.action, name);
            record.push(name, value.clone());
        }
    }
    match understood {
        Understood { is_ambiguous: true, .. } => Found::Ambiguous,
        Understood { record: Some(_), .. } => Found::Record,
        _ => Found::Message,
    }
}

fn taxonomy(action: formats::Action, name: &str) -> String {
    let known = REQUEST_FIELDS.iter().find(|(ours, _)| action == formats::Action::Request && *ours == name);
    known.map_or(name, |(_, taxonomy)| taxonomy).to_owned()
}

/// What the line itself has under a name stays.
fn add_fields(record: &mut Record, of_format: Vec<(String, String)>) {
    let written = record.fields.len();
    for (name, value) in of_format {
        let is_known = record.fields.iter().take(written).any(|(known, _)| *known == name);
        if !is_known {
            record.push(name, value);
        }
    }
}

fn happened(understood: &Understood<'_>, record: &mut Record) {
    record.severity = understood.severity.map(|severity| match severity {
        formats::Severity::Info => Severity::Info,
        formats::Severity::Low => Severity::Low,
        formats::Severity::Medium => Severity::Medium,
        formats::Severity::High => Severity::High,
        formats::Severity::Critical => Severity::Critical,
    });
    let outcome = match understood.outcome {
        Outcome::Success => Some(true),
        Outcome::Failure => Some(false),
        Outcome::Unknown => None,
    };
    record.says(action(understood), outcome);
    let formats::LogSource { product, category, service } = understood.format.logsource.clone();
    record.log_source = LogSource { product, category, service };
}

fn action(understood: &Understood<'_>) -> Action {
    match understood.action {
        formats::Action::Login => Action::Login,
        formats::Action::Logout => Action::Logout,
        formats::Action::Session => Action::Session,
        formats::Action::PrivilegeUse => Action::PrivilegeUse,
        formats::Action::AccountChange => Action::AccountChange,
        formats::Action::Connection => Action::Connection,
        formats::Action::Mail => Action::Mail,
        formats::Action::Request => Action::HttpRequest,
        formats::Action::DnsQuery => Action::DnsQuery,
        formats::Action::Process => Action::ProcessStart,
        formats::Action::File => Action::FileChange,
        formats::Action::ConfigChange => Action::SystemChange,
        formats::Action::LogControl => Action::LogChange,
        formats::Action::Alert => Action::Alert,
        formats::Action::Service => match understood.field("state") {
            Some("started") => Action::ServiceStart,
            Some("stopped") => Action::ServiceStop,
            _ => Action::Service,
        },
        formats::Action::Other => Action::Other,
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Action, Format};
    use crate::parse::meaning::AMBIGUOUS;
    use crate::parse::record;

    #[test]
    fn a_message_with_two_authors_names_nobody() {
        let line = b"Jan 10 10:00:00 gw sshd[12]: Failed password for invalid user a from 192.0.2.1 port 1 ssh2: from 198.51.100.66 port 2 ssh2";
        let record = record(line, Format::Auto, &[]);
        assert_eq!((record.entity.src_ip.as_deref(), record.field(AMBIGUOUS)), (None, Some("true")));
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
    }

    #[test]
    fn words_for_a_success_that_a_programs_own_lines_do_not_have_are_no_success() {
        let read = |program: &str| {
            let line = format!("Jan 10 10:00:00 gw {program}[12]: mallory reports login successful for eve");
            let record = record(line.as_bytes(), Format::Auto, &[]);
            (record.action, record.outcome)
        };
        assert_eq!(read("frobnicated"), (Action::Login, Some(true)));
        assert_ne!(read("sshd").1, Some(true));
    }

    #[test]
    fn what_came_beside_the_line_stays() {
        let line = b"Failed password for eve from 192.0.2.1 port 1 ssh2";
        let beside = [("program", "sshd"), ("user", "alice")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let record = record(line, Format::Auto, &beside);
        assert_eq!(
            (record.entity.user.as_deref(), record.entity.src_ip.as_deref()),
            (Some("alice"), Some("192.0.2.1"))
        );
    }

    #[test]
    fn a_key_that_names_the_source_counts_and_not_the_words_of_a_message_that_nobody_knows() {
        let line = br#"{"msg":"Login failed for user x from 203.0.113.66","ip":"192.0.2.1"}"#;
        assert_eq!(record(line, Format::Auto, &[]).entity.src_ip.as_deref(), Some("192.0.2.1"));
        let line = br#"{"msg":"Login failed for user x from 192.0.2.1"}"#;
        assert_eq!(record(line, Format::Auto, &[]).entity.src_ip.as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn fields_that_a_template_leaves_open_are_read_by_their_names() {
        let line = br#"{"msg":"tenant blue was slow","client":{"ip":"192.0.2.7"},"username":"bob"}"#;
        let record = record(line, Format::Auto, &[]);
        assert_eq!((record.entity.user.as_deref(), record.entity.src_ip.as_deref()), (Some("bob"), Some("192.0.2.7")));
    }
}
