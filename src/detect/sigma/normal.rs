//! The normal fields of a record, by their names in the Elastic Common Schema, whatever the line itself calls them.

use std::borrow::Cow;

use crate::detect::{packet, web_login};
use crate::event::{Action, Record};

/// The value of a normal field; of any other name, of the line's own field.
pub fn field<'a>(record: &'a Record, name: &str) -> Option<Cow<'a, str>> {
    let entity = &record.entity;
    let text = |value: &'a Option<String>| value.as_deref().map(Cow::Borrowed);
    let number = |value: Option<u16>| value.map(|number| Cow::Owned(number.to_string()));
    let first = |names: &[&str]| record.first_of(names).map(Cow::Borrowed);
    match name {
        "event.action" => Some(Cow::Borrowed(action(record))).filter(|name| !name.is_empty()),
        "event.outcome" => outcome(record).map(Cow::Borrowed),
        "source.ip" => text(&entity.src_ip),
        "source.address" => text(&entity.src_ip).or_else(|| first(&["src_host"])),
        "source.port" => number(record.src_port),
        "destination.ip" => text(&entity.dst_ip),
        "destination.port" => number(entity.dst_port),
        "host.name" => text(&entity.host),
        "user.name" => text(&entity.user),
        "user.target.name" => first(&["target_user"]),
        "process.name" => text(&record.program),
        "process.command_line" => text(&record.command),
        "file.path" => text(&entity.file),
        "dns.question.name" => text(&entity.domain),
        "dns.question.type" => first(&["query_type", "qtype"]),
        "session.id" => first(&["session"]),
        "event.phase" => first(&["phase"]).or_else(|| packet::is_late(record).then_some(Cow::Borrowed("late"))),
        "network.direction" => direction(record).map(Cow::Borrowed),
        "url.original" => target(record).map(Cow::Borrowed),
        "url.path" => target(record).and_then(|target| target.split(['?', '#']).next()).map(Cow::Borrowed),
        "http.request.method" => first(&["cs-method", "method"]),
        "http.response.status_code" => first(&["sc-status", "status"]),
        "user_agent.original" => first(&["cs-user-agent", "user_agent"]),
        "log.level" => record.level.map(|level| Cow::Owned(level.to_string())),
        "message" => Some(Cow::Borrowed(record.message.as_str())),
        other => record.field(other).map(Cow::Borrowed),
    }
}

/// Action and outcome, each empty where there is none; nothing where the line may have one in a field of its own.
pub fn kind(record: &Record) -> Option<Kind> {
    let kind = (action(record), outcome(record).unwrap_or_default());
    let has_own = |name: &str| record.fields.iter().any(|(key, _)| key.ends_with(name));
    let is_known =
        (!kind.0.is_empty() || !has_own("event.action")) && (!kind.1.is_empty() || !has_own("event.outcome"));
    is_known.then_some(kind)
}

/// Action and outcome.
pub type Kind = (&'static str, &'static str);

/// Every kind that there is.
pub fn kinds() -> impl Iterator<Item = Kind> {
    Action::names().flat_map(|action| ["", "success", "failure"].map(|outcome| (action, outcome)))
}

/// A login that a web server refused is a login.
fn action(record: &Record) -> &'static str {
    if web_login::is_failed(record) { Action::Login.name() } else { record.action.name() }
}

fn outcome(record: &Record) -> Option<&'static str> {
    if web_login::is_failed(record) {
        return Some("failure");
    }
    record.outcome.map(|succeeded| if succeeded { "success" } else { "failure" })
}

/// Whether a packet came in or went out: netfilter lines name the interfaces.
fn direction(record: &Record) -> Option<&'static str> {
    match (record.field("iface_in"), record.field("iface_out")) {
        (None, None) => None,
        (None, Some(_)) => Some("outbound"),
        (Some(_), _) => Some("inbound"),
    }
}

/// What was asked for, or what was sent in the place of a request.
fn target(record: &Record) -> Option<&str> {
    record.first_of(&["c-uri", "cs-uri", "uri", "url", "cs-uri-stem", "path", "request"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;
    use crate::parse::record;

    fn of(line: &str, name: &str) -> Option<String> {
        let record = record(line.as_bytes(), Format::Auto, &[]);
        field(&record, name).map(Cow::into_owned)
    }

    #[test]
    fn lines_of_all_kinds_have_the_same_names_for_the_same_things() {
        let ssh = "Nov 10 10:00:00 atlas sshd[7]: Failed password for root from 192.0.2.1 port 4242 ssh2";
        let web =
            "192.0.2.1 - - [01/Jul/2026:00:40:00 +0000] \"POST /api/login?x=1 HTTP/1.1\" 401 108 \"-\" \"curl/8\"";
        for line in [ssh, web] {
            assert_eq!(of(line, "event.action").as_deref(), Some("login"));
            assert_eq!(of(line, "event.outcome").as_deref(), Some("failure"));
            assert_eq!(of(line, "source.address").as_deref(), Some("192.0.2.1"));
        }
        assert_eq!(of(ssh, "host.name").as_deref(), Some("atlas"));
        assert_eq!(of(ssh, "user.name").as_deref(), Some("root"));
        assert_eq!(of(web, "url.path").as_deref(), Some("/api/login"));
        assert_eq!(of(web, "http.response.status_code").as_deref(), Some("401"));
        assert_eq!(of(web, "user_agent.original").as_deref(), Some("curl/8"));
    }
}
