//! The names of fields: ours, and those of the Elastic Common Schema.

use std::borrow::Cow;

/// Fields that say who acted and from where. Readings of one line that disagree in one of them leave it empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    User,
    TargetUser,
    SourceIp,
    SourceHost,
    SourcePort,
    DestinationIp,
    DestinationHost,
    DestinationPort,
}

/// How many there are: one for each bit of [`Identities`].
pub const IDENTITIES: usize = 8;

const IDENTITY_NAMES: [(&str, Identity); IDENTITIES] = [
    ("user", Identity::User),
    ("target_user", Identity::TargetUser),
    ("src_ip", Identity::SourceIp),
    ("src_host", Identity::SourceHost),
    ("src_port", Identity::SourcePort),
    ("dst_ip", Identity::DestinationIp),
    ("dst_host", Identity::DestinationHost),
    ("dst_port", Identity::DestinationPort),
];

impl Identity {
    /// The one with this number, in the order of the declaration.
    pub fn at(index: usize) -> Option<Self> {
        IDENTITY_NAMES.get(index).map(|(_, identity)| *identity)
    }

    pub fn name(self) -> &'static str {
        IDENTITY_NAMES.iter().find(|(_, identity)| *identity == self).map_or("", |(name, _)| name)
    }
}

/// Some of these fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identities(u8);

impl Identities {
    pub const ALL: Self = Self(u8::MAX);

    pub fn insert(&mut self, identity: Identity) {
        self.0 |= 1 << identity as u8;
    }

    pub fn has(self, identity: Identity) -> bool {
        self.0 >> identity as u8 & 1 == 1
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of the declaration.
    pub fn iter(self) -> impl Iterator<Item = Identity> {
        (0..).map_while(Identity::at).filter(move |identity| self.has(*identity))
    }
}

impl FromIterator<Identity> for Identities {
    fn from_iter<T: IntoIterator<Item = Identity>>(identities: T) -> Self {
        let mut all = Self::default();
        identities.into_iter().for_each(|identity| all.insert(identity));
        all
    }
}

/// `None`: a field that readings may disagree in.
pub fn identity(name: &str) -> Option<Identity> {
    IDENTITY_NAMES.iter().find(|(known, _)| *known == name).map(|(_, identity)| *identity)
}

/// Ours, and what it is called outside. What is not here keeps its name.
const ECS: &[(&str, &str)] = &[
    ("user", "user.name"),
    ("target_user", "user.target.name"),
    ("src_ip", "source.ip"),
    ("src_port", "source.port"),
    ("src_host", "source.domain"),
    ("src_mac", "source.mac"),
    ("dst_ip", "destination.ip"),
    ("dst_port", "destination.port"),
    ("dst_host", "destination.domain"),
    ("host", "host.name"),
    ("process", "process.name"),
    ("exe", "process.executable"),
    ("pid", "process.pid"),
    ("parent", "process.parent.name"),
    ("command", "process.command_line"),
    ("cwd", "process.working_directory"),
    ("tty", "process.tty"),
    ("uid", "user.id"),
    ("group", "group.name"),
    ("service", "service.name"),
    ("session", "session.id"),
    ("url", "url.original"),
    ("path", "url.path"),
    ("query", "url.query"),
    ("status", "http.response.status_code"),
    ("bytes", "http.response.body.bytes"),
    ("agent", "user_agent.original"),
    ("referrer", "http.request.referrer"),
    ("vhost", "url.domain"),
    ("domain", "dns.question.name"),
    ("qtype", "dns.question.type"),
    ("rcode", "dns.response_code"),
    ("file", "file.path"),
    ("rule", "rule.name"),
    ("rule_id", "rule.id"),
    ("technique", "threat.technique.id"),
    ("protocol", "network.transport"),
    ("app", "network.protocol"),
    ("direction", "network.direction"),
    ("reason", "event.reason"),
    ("code", "event.code"),
    ("from", "email.from"),
    ("to", "email.to"),
    ("queue", "email.queue_id"),
];

/// The name outside. `method` is that of a request, or how somebody proved who he is.
pub fn ecs<'a>(name: &'a str, is_request: bool) -> Cow<'a, str> {
    if name == "method" {
        return Cow::Borrowed(if is_request { "http.request.method" } else { "auth_method" });
    }
    match ECS.iter().find(|(ours, _)| *ours == name) {
        Some((_, theirs)) => Cow::Borrowed(*theirs),
        None => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice_in_the_table() {
        for (at, (ours, theirs)) in ECS.iter().enumerate() {
            assert!(ECS.iter().skip(at + 1).all(|(other, outside)| other != ours && outside != theirs), "{ours}");
        }
    }

    #[test]
    fn who_acted_goes_by_one_name_each_way() {
        for index in 0..IDENTITIES {
            let who = Identity::at(index).unwrap();
            assert_eq!(identity(who.name()), Some(who));
        }
    }

    #[test]
    fn a_method_is_of_a_request_or_of_a_login() {
        assert_eq!(ecs("method", true), "http.request.method");
        assert_eq!(ecs("method", false), "auth_method");
        assert_eq!(ecs("src_ip", false), "source.ip");
        assert_eq!(ecs("jail", false), "jail");
    }
}
