//! What the library of formats says of a line, put into its record.

use crate::event::{Action, Entity, Record};
use crate::formats::{self, Library, Line, Outcome, Understood};

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

/// What a format says of one line.
pub struct Meaning {
    action: formats::Action,
    outcome: Outcome,
    is_ambiguous: bool,
    fields: Vec<(String, String)>,
}

impl Meaning {
    /// `None` where no format speaks of the line.
    pub fn of(library: &Library, program: Option<&str>, message: &str, fields: &[(String, String)]) -> Option<Self> {
        let answer = library.understand(Line { program, message, fields });
        match answer.understood {
            Some(understood) => Some(Self::owned(&understood)),
            // Who wrote what cannot be told, so nobody is named.
            None if answer.is_exhausted => Some(Self {
                action: formats::Action::Other,
                outcome: Outcome::Unknown,
                is_ambiguous: true,
                fields: Vec::new(),
            }),
            None => None,
        }
    }

    fn owned(understood: &Understood<'_>) -> Self {
        let fields = understood.fields.iter();
        Self {
            action: understood.action,
            outcome: understood.outcome,
            is_ambiguous: understood.is_ambiguous,
            fields: fields.map(|(name, value)| (name.clone().into_owned(), value.clone().into_owned())).collect(),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Takes the place of what was read from the text before. `given` came beside the line and stays.
    pub fn apply(&self, record: &mut Record, given: &Entity) {
        self.name(&mut record.entity.user, given.user.is_some(), "user");
        self.name(&mut record.entity.src_ip, given.src_ip.is_some(), "src_ip");
        self.name(&mut record.entity.dst_ip, given.dst_ip.is_some(), "dst_ip");
        if let Some(port) = self.field("src_port").and_then(|port| port.parse().ok()) {
            record.src_port = Some(port);
        }
        if let Some(port) = self.field("dst_port").and_then(|port| port.parse().ok()) {
            record.entity.dst_port = given.dst_port.or(Some(port));
        }
        let first = |place: &mut Option<String>, name| {
            if place.is_none() {
                *place = self.field(name).map(str::to_owned);
            }
        };
        first(&mut record.entity.domain, "domain");
        first(&mut record.entity.file, "file");
        first(&mut record.entity.host, "host");
        first(&mut record.entity.process, "process");
        first(&mut record.command, "command");
        self.happened(record);
        self.add_fields(record);
    }

    fn name(&self, place: &mut Option<String>, is_given: bool, name: &str) {
        if is_given {
            return;
        }
        match self.field(name) {
            Some(value) => *place = Some(value.to_owned()),
            None if self.is_ambiguous => *place = None,
            None => {}
        }
    }

    fn happened(&self, record: &mut Record) {
        let outcome = match self.outcome {
            Outcome::Success => Some(true),
            Outcome::Failure => Some(false),
            Outcome::Unknown => None,
        };
        let action = self.action();
        if action != Action::Other {
            record.outcome = if record.action == action { outcome.or(record.outcome) } else { outcome };
            record.action = action;
        }
    }

    fn action(&self) -> Action {
        match self.action {
            formats::Action::Login => Action::Login,
            formats::Action::Logout => Action::Logout,
            formats::Action::PrivilegeUse => Action::PrivilegeUse,
            formats::Action::AccountChange => Action::AccountChange,
            formats::Action::Connection | formats::Action::Mail => Action::Connection,
            formats::Action::Request => Action::HttpRequest,
            formats::Action::DnsQuery => Action::DnsQuery,
            formats::Action::Process => Action::ProcessStart,
            formats::Action::File => Action::FileChange,
            formats::Action::ConfigChange => Action::SystemChange,
            formats::Action::LogControl => Action::LogChange,
            formats::Action::Service => match self.field("state") {
                Some("started") => Action::ServiceStart,
                Some("stopped") => Action::ServiceStop,
                _ => Action::Other,
            },
            formats::Action::Session | formats::Action::Alert | formats::Action::Other => Action::Other,
        }
    }

    /// Under the names that rules use; what the line itself has under a name stays.
    fn add_fields(&self, record: &mut Record) {
        let is_request = self.action == formats::Action::Request;
        for (name, value) in &self.fields {
            let taxonomy = REQUEST_FIELDS.iter().find(|(ours, _)| is_request && ours == name);
            let name = taxonomy.map_or(name.as_str(), |(_, taxonomy)| taxonomy);
            if !matches!(name, "user" | "src_ip" | "dst_ip" | "command") && record.field(name).is_none() {
                record.push(name, value.as_str());
            }
        }
        if self.is_ambiguous {
            record.push(AMBIGUOUS, "true");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;
    use crate::parse::record;

    #[test]
    fn what_a_format_says_wins_over_a_guess() {
        let line = b"Jan 10 10:00:00 gw ocserv[12]: worker[eve]: 203.0.113.7 failed authentication for 'eve'";
        let record = record(line, Format::Auto, &[]);
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)), "{record:?}");
        assert_eq!(record.entity.src_ip.as_deref(), Some("203.0.113.7"));
    }

    #[test]
    fn a_message_with_two_authors_names_nobody() {
        let line = b"Jan 10 10:00:00 gw sshd[12]: Failed password for invalid user a from 192.0.2.1 port 1 ssh2: from 198.51.100.66 port 2 ssh2";
        let record = record(line, Format::Auto, &[]);
        assert_eq!((record.entity.src_ip.as_deref(), record.field(AMBIGUOUS)), (None, Some("true")));
        assert_eq!((record.action, record.outcome), (Action::Login, Some(false)));
    }

    #[test]
    fn what_came_beside_the_line_stays() {
        let given = Entity { user: Some("alice".into()), ..Entity::default() };
        let meaning = Meaning {
            action: formats::Action::Login,
            outcome: Outcome::Failure,
            is_ambiguous: false,
            fields: vec![("user".into(), "eve".into())],
        };
        let mut record = Record { entity: given.clone(), ..Record::default() };
        meaning.apply(&mut record, &given);
        assert_eq!(record.entity.user.as_deref(), Some("alice"));
    }
}
