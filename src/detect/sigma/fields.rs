//! The names that public Sigma rules use, over a record as it was parsed.

use std::borrow::Cow;
use std::cell::OnceCell;

use rsigma_eval::{Event, EventValue};
use serde_json::Value;

use super::logsource::{Classes, is_auditd};
use super::{event_log, normal};
use crate::event::Record;

/// The names of Sigma's taxonomy that [`SigmaRecord`] has whatever the line calls them.
pub const TAXONOMY: [&str; 41] = [
    "user",
    "program",
    "message",
    "CommandLine",
    "Image",
    "ParentImage",
    "User",
    "CurrentDirectory",
    "src_ip",
    "SourceIp",
    "c-ip",
    "src_port",
    "SourcePort",
    "dst_ip",
    "DestinationIp",
    "dst_port",
    "DestinationPort",
    "DestinationHostname",
    "query",
    "QueryName",
    "record_type",
    "qtype_name",
    "TargetFilename",
    "Initiated",
    "cs-method",
    "cs-uri",
    "cs-uri-query",
    "c-uri",
    "c-uri-query",
    "cs-uri-stem",
    "c-uri-stem",
    "c-uri-extension",
    "sc-status",
    "cs-user-agent",
    "c-useragent",
    "cs-referer",
    "cs-host",
    "cs-username",
    "EventID",
    "Channel",
    "Provider_Name",
];

/// A record as Sigma sees it. A field that the line itself has wins over a derived one of the same name.
pub struct SigmaRecord<'a> {
    record: &'a Record,
    command: Option<Cow<'a, str>>,
    is_process_creation: bool,
    is_of_event_log: bool,
    /// A normal field wins over one that the line itself calls so.
    is_normal: bool,
    /// The values of fields that are not part of the message.
    beside: OnceCell<Vec<&'a str>>,
}

impl<'a> SigmaRecord<'a> {
    pub fn new(record: &'a Record, classes: &Classes) -> Self {
        let is_process_creation = classes.has_category("process_creation");
        let command = record.command.as_deref().map(Cow::Borrowed).or_else(|| {
            let journal = is_process_creation.then(|| record.field("_CMDLINE")).flatten();
            journal.map(Cow::Borrowed)
        });
        let is_of_event_log = classes.is_of_event_log();
        Self { record, command, is_process_creation, is_of_event_log, is_normal: false, beside: OnceCell::new() }
    }

    /// For scenarios, which count what all programs mean alike.
    pub fn normal(record: &'a Record, classes: &Classes) -> Self {
        Self { is_normal: true, ..Self::new(record, classes) }
    }

    /// Derived fields; see the Sigma taxonomy for what each name means.
    fn derived(&self, name: &str) -> Option<Cow<'_, str>> {
        let entity = &self.record.entity;
        let text = |value: &'a Option<String>| value.as_deref().map(Cow::Borrowed);
        let number = |value: Option<u16>| value.map(|number| Cow::Owned(number.to_string()));
        match name {
            "user" => text(&entity.user),
            "program" => text(&self.record.program),
            "message" => Some(Cow::Borrowed(self.record.message.as_str())),
            "CommandLine" => self.command.as_deref().map(Cow::Borrowed),
            "Image" => self.image(),
            "ParentImage" if self.is_process_creation => self.parent_image(),
            "User" => self.first_of(&["target_user"]).or_else(|| text(&entity.user)),
            "CurrentDirectory" => self.first_of(&["PWD", "cwd"]),
            "src_ip" | "SourceIp" | "c-ip" => text(&entity.src_ip),
            "src_port" | "SourcePort" => number(self.record.src_port),
            "dst_ip" | "DestinationIp" => text(&entity.dst_ip),
            "dst_port" | "DestinationPort" => number(entity.dst_port),
            "DestinationHostname" | "query" | "QueryName" => text(&entity.domain),
            "record_type" | "qtype_name" => self.first_of(&["query_type", "qtype"]),
            "TargetFilename" => text(&entity.file),
            "Initiated" => self.initiated(),
            web if web.starts_with(['c', 's']) => self.web(web),
            _ => None,
        }
    }

    fn first_of(&self, names: &[&str]) -> Option<Cow<'_, str>> {
        self.record.first_of(names).map(Cow::Borrowed)
    }

    /// The program that was started. Rules compare the end of a path (`/nc`), and an audit record or a command often
    /// has the bare name only: that gets the slash.
    fn image(&self) -> Option<Cow<'_, str>> {
        if let Some(path) = self.first_of(&["exe"]) {
            return Some(path);
        }
        let program = self.command.as_deref()?.split_whitespace().next()?;
        Some(if program.contains('/') { Cow::Borrowed(program) } else { Cow::Owned(format!("/{program}")) })
    }

    /// What reports a command being run (sudo, cron) is what started it; an audit record does not tell.
    fn parent_image(&self) -> Option<Cow<'_, str>> {
        if is_auditd(self.record) {
            return None;
        }
        if self.is_of_event_log {
            return event_log::field(self.record, "ParentProcessName").map(Cow::Borrowed);
        }
        self.first_of(&["_EXE"]).or_else(|| self.record.program.as_ref().map(|name| Cow::Owned(format!("/{name}"))))
    }

    /// Whether this machine opened the connection: netfilter lines name the interface that a packet leaves by.
    fn initiated(&self) -> Option<Cow<'_, str>> {
        match (self.record.field("iface_in"), self.record.field("iface_out")) {
            (None, None) => None,
            (None, Some(_)) => Some(Cow::Borrowed("true")),
            (Some(_), _) => Some(Cow::Borrowed("false")),
        }
    }

    /// Fields of access logs that go by several names.
    fn web(&self, name: &str) -> Option<Cow<'_, str>> {
        let target = || self.first_of(&["c-uri", "cs-uri", "uri", "url", "path"]);
        match name {
            "cs-method" => self.first_of(&["method"]),
            "cs-uri" | "cs-uri-query" | "c-uri" | "c-uri-query" => target(),
            "cs-uri-stem" | "c-uri-stem" => target().map(before_query),
            "c-uri-extension" => target().and_then(extension),
            "sc-status" => self.first_of(&["status"]),
            "cs-user-agent" | "c-useragent" => self.first_of(&["cs-user-agent", "user_agent"]),
            "cs-referer" => self.first_of(&["referer", "referrer"]),
            "cs-host" => self.first_of(&["host"]).or_else(|| self.record.entity.domain.as_deref().map(Cow::Borrowed)),
            "cs-username" => self.record.entity.user.as_deref().map(Cow::Borrowed),
            _ => None,
        }
    }

    /// The field under the line's own name. Public rules look for paths in `cs-uri-query` as well, so where the whole
    /// request target is known it is compared instead of the part after the question mark.
    fn own(&self, name: &str) -> Option<&str> {
        let target = (name == "cs-uri-query").then(|| self.record.field("c-uri")).flatten();
        let of_event = || event_log::field(self.record, name).filter(|_| self.is_of_event_log);
        target.or_else(|| self.record.field(name)).or_else(of_event)
    }

    /// The message, and of the fields what is not part of it.
    pub(super) fn message_and_beside(&self) -> impl Iterator<Item = &str> {
        let message = self.record.message.as_str();
        // Letters of other scripts may change their form with what follows.
        let is_part = |value: &str| value.is_ascii() && is_within(value.as_bytes(), message.as_bytes());
        let values = || self.record.fields.iter().map(|(_, value)| value.as_str());
        let beside = self.beside.get_or_init(|| values().filter(|value| !is_part(value)).collect());
        std::iter::once(message).chain(beside.iter().copied())
    }

    fn strings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.record.message.as_str()).chain(self.record.fields.iter().map(|(_, value)| value.as_str()))
    }
}

/// Most parts of a message are found where their first byte is for the first few times: to prepare a search costs several times as much.
fn is_within(part: &[u8], whole: &[u8]) -> bool {
    const TRIES: usize = 8;
    let Some(first) = part.first() else { return true };
    let mut left = whole;
    for _ in 0..TRIES {
        let Some(at) = memchr::memchr(*first, left) else { return false };
        left = left.get(at..).unwrap_or_default();
        if left.starts_with(part) {
            return true;
        }
        left = left.get(1..).unwrap_or_default();
    }
    memchr::memmem::find(left, part).is_some()
}

fn before_query(target: Cow<'_, str>) -> Cow<'_, str> {
    match target {
        Cow::Borrowed(target) => Cow::Borrowed(target.split('?').next().unwrap_or_default()),
        Cow::Owned(target) => Cow::Owned(target.split('?').next().unwrap_or_default().to_owned()),
    }
}

fn extension(target: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let path = before_query(target);
    let name = path.rsplit('/').next()?;
    name.rsplit_once('.').map(|(_, extension)| Cow::Owned(extension.to_owned()))
}

impl Event for SigmaRecord<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let normal = || path.contains('.').then(|| normal::field(self.record, path)).flatten();
        let first = if self.is_normal { normal() } else { None };
        let value =
            first.or_else(|| self.own(path).map(Cow::Borrowed)).or_else(|| self.derived(path)).or_else(normal)?;
        Some(EventValue::Str(value))
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.strings().any(pred)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.strings().map(Cow::Borrowed).collect()
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        self.strings().for_each(visit);
    }

    /// Asked for only by rules that want the event in their result, which nothing here reads.
    fn to_json(&self) -> Value {
        Value::String(self.record.message.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Entity};

    fn get(record: &Record, name: &str) -> Option<String> {
        let view = SigmaRecord::new(record, &Classes::of(record));
        view.get_field(name).and_then(|value| value.as_str().map(Cow::into_owned))
    }

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_host_of_a_request_is_the_one_it_names_or_else_that_of_the_server() {
        let request = |fields| Record {
            action: Action::HttpRequest,
            entity: Entity { domain: Some("www.example.org".into()), ..Entity::default() },
            fields,
            ..Record::default()
        };
        let named = request(fields(&[("host", "evil.example")]));
        assert_eq!(get(&named, "cs-host").as_deref(), Some("evil.example"));
        assert_eq!(get(&request(Vec::new()), "cs-host").as_deref(), Some("www.example.org"));
    }

    #[test]
    fn a_sudo_command_is_a_process_creation() {
        let record = Record {
            program: Some("sudo".into()),
            action: Action::PrivilegeUse,
            command: Some("/usr/bin/cat /etc/shadow".into()),
            fields: fields(&[("PWD", "/home/bob"), ("target_user", "root")]),
            ..Record::default()
        };
        assert_eq!(get(&record, "Image").as_deref(), Some("/usr/bin/cat"));
        assert_eq!(get(&record, "CommandLine").as_deref(), Some("/usr/bin/cat /etc/shadow"));
        assert_eq!(get(&record, "ParentImage").as_deref(), Some("/sudo"));
        assert_eq!(get(&record, "User").as_deref(), Some("root"));
        assert_eq!(get(&record, "CurrentDirectory").as_deref(), Some("/home/bob"));
    }

    #[test]
    fn an_audit_record_keeps_its_own_fields_and_names_its_program_as_a_path() {
        let record = Record {
            message: "type=EXECVE msg=audit(1:1): argc=2 a0=\"nc\" a1=\"-l\"".into(),
            command: Some("nc -l".into()),
            fields: fields(&[("type", "EXECVE"), ("a0", "nc"), ("a1", "-l")]),
            ..Record::default()
        };
        assert_eq!(get(&record, "a1").as_deref(), Some("-l"));
        assert_eq!(get(&record, "Image").as_deref(), Some("/nc"));
        assert_eq!(get(&record, "ParentImage"), None);
    }

    #[test]
    fn every_name_of_the_taxonomy_leads_to_what_is_known_of_the_line() {
        let text = |value: &str| Some(value.to_owned());
        let record = Record {
            program: text("named"),
            message: "m".into(),
            src_port: Some(4242),
            fields: fields(&[("query_type", "TXT"), ("cwd", "/tmp"), ("iface_out", "eth0")]),
            entity: Entity {
                user: text("alice"),
                src_ip: text("192.0.2.1"),
                dst_ip: text("192.0.2.2"),
                dst_port: Some(53),
                domain: text("example.org"),
                file: text("/etc/hosts"),
                ..Entity::default()
            },
            ..Record::default()
        };
        for (names, value) in [
            (&["user", "User"][..], "alice"),
            (&["program"], "named"),
            (&["message"], "m"),
            (&["src_ip", "SourceIp"], "192.0.2.1"),
            (&["src_port", "SourcePort"], "4242"),
            (&["dst_ip", "DestinationIp"], "192.0.2.2"),
            (&["dst_port", "DestinationPort"], "53"),
            (&["DestinationHostname", "query", "QueryName"], "example.org"),
            (&["record_type", "qtype_name"], "TXT"),
            (&["TargetFilename"], "/etc/hosts"),
            (&["CurrentDirectory"], "/tmp"),
            (&["Initiated"], "true"),
        ] {
            for name in names {
                assert_eq!(get(&record, name).as_deref(), Some(value), "{name}");
            }
        }
        let inward = Record { fields: fields(&[("iface_in", "eth0"), ("iface_out", "eth1")]), ..Record::default() };
        assert_eq!(get(&inward, "Initiated").as_deref(), Some("false"));
        assert_eq!(get(&Record::default(), "Initiated"), None);
        assert_eq!(get(&record, "no_such_name"), None);
    }

    #[test]
    fn keywords_are_looked_for_in_the_message_and_in_every_field() {
        let record = Record { message: "hello".into(), fields: fields(&[("a", "x"), ("b", "y")]), ..Record::default() };
        let view = SigmaRecord::new(&record, &Classes::of(&record));
        assert_eq!(view.all_string_values(), ["hello", "x", "y"]);
        assert!(view.any_string_value(&|value| value == "y") && !view.any_string_value(&|value| value == "z"));
        let mut visited = Vec::new();
        view.visit_string_values(&mut |value| visited.push(value.to_owned()));
        assert_eq!(visited, ["hello", "x", "y"]);
    }

    #[test]
    fn an_access_log_line_has_the_fields_of_webserver_rules() {
        let record = Record {
            action: Action::HttpRequest,
            fields: fields(&[
                ("cs-method", "GET"),
                ("c-uri", "/a/b.php?id=1"),
                ("cs-uri-query", "id=1"),
                ("status", "404"),
            ]),
            entity: Entity { src_ip: Some("192.0.2.1".into()), ..Entity::default() },
            ..Record::default()
        };
        assert_eq!(get(&record, "cs-uri-stem").as_deref(), Some("/a/b.php"));
        assert_eq!(get(&record, "cs-uri-query").as_deref(), Some("/a/b.php?id=1"));
        assert_eq!(get(&record, "c-uri-extension").as_deref(), Some("php"));
        assert_eq!(get(&record, "sc-status").as_deref(), Some("404"));
        assert_eq!(get(&record, "c-ip").as_deref(), Some("192.0.2.1"));
    }
}
