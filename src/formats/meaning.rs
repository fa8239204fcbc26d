//! What a message means once it is understood.

use std::fmt;

/// What happened. The names are those that formats write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Login,
    Logout,
    Session,
    PrivilegeUse,
    AccountChange,
    Connection,
    Request,
    Mail,
    DnsQuery,
    Process,
    File,
    ConfigChange,
    Service,
    LogControl,
    Alert,
    /// Understood, and nothing of the above.
    Other,
}

const ACTIONS: [(&str, Action); 16] = [
    ("login", Action::Login),
    ("logout", Action::Logout),
    ("session", Action::Session),
    ("privilege_use", Action::PrivilegeUse),
    ("account_change", Action::AccountChange),
    ("connection", Action::Connection),
    ("request", Action::Request),
    ("mail", Action::Mail),
    ("dns_query", Action::DnsQuery),
    ("process", Action::Process),
    ("file", Action::File),
    ("config_change", Action::ConfigChange),
    ("service", Action::Service),
    ("log_control", Action::LogControl),
    ("alert", Action::Alert),
    ("other", Action::Other),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Outcome {
    Success,
    Failure,
    #[default]
    Unknown,
}

const OUTCOMES: [(&str, Outcome); 3] =
    [("success", Outcome::Success), ("failure", Outcome::Failure), ("unknown", Outcome::Unknown)];

/// How bad another product says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

const SEVERITIES: [(&str, Severity); 5] = [
    ("info", Severity::Info),
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];

fn named<T: Copy>(table: &[(&str, T)], what: &str, name: &str) -> Result<T, String> {
    match table.iter().find(|(known, _)| *known == name) {
        Some((_, value)) => Ok(*value),
        None => {
            let known: Vec<_> = table.iter().map(|(name, _)| *name).collect();
            Err(format!("`{name}` is no {what}; there are {}", known.join(", ")))
        }
    }
}

fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

macro_rules! by_name {
    ($type:ty, $table:ident, $what:literal) => {
        impl $type {
            /// # Errors
            /// There is none of this name; the text says which there are.
            pub fn named(name: &str) -> Result<Self, String> {
                named(&$table, $what, name)
            }

            pub fn name(self) -> &'static str {
                name_of(&$table, &self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }
    };
}

by_name!(Action, ACTIONS, "action");
by_name!(Outcome, OUTCOMES, "outcome");
by_name!(Severity, SEVERITIES, "severity");

/// What a format says of all messages of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    pub action: Action,
    pub outcome: OutcomeRule,
    /// Fields that the message does not name but means.
    pub set: Vec<(String, String)>,
    pub severity: Option<SeverityRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutcomeRule {
    Always(Outcome),
    /// By a field's value.
    By {
        field: String,
        success: Vec<Pattern>,
        failure: Vec<Pattern>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    Exact(String),
    Range(i64, i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeverityRule {
    Always(Severity),
    From { field: String, values: Vec<(String, Severity)> },
}

impl Pattern {
    /// `400-599` is a range of numbers, everything else the text itself.
    pub fn read(text: &str) -> Self {
        let range = text.split_once('-').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
        range.map_or_else(|| Self::Exact(text.to_owned()), |(low, high)| Self::Range(low, high))
    }

    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => text == value,
            Self::Range(low, high) => value.parse().is_ok_and(|number: i64| (*low..=*high).contains(&number)),
        }
    }
}

impl OutcomeRule {
    pub fn of<'a>(&self, field: impl Fn(&str) -> Option<&'a str>) -> Outcome {
        match self {
            Self::Always(outcome) => *outcome,
            Self::By { field: name, success, failure } => match field(name) {
                Some(value) if failure.iter().any(|pattern| pattern.fits(value)) => Outcome::Failure,
                Some(value) if success.iter().any(|pattern| pattern.fits(value)) => Outcome::Success,
                _ => Outcome::Unknown,
            },
        }
    }
}

impl SeverityRule {
    pub fn of<'a>(&self, field: impl Fn(&str) -> Option<&'a str>) -> Option<Severity> {
        match self {
            Self::Always(severity) => Some(*severity),
            Self::From { field: name, values } => {
                let value = field(name)?;
                values.iter().find(|(known, _)| known == value).map(|(_, severity)| *severity)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_follows_from_a_field() {
        let rule = OutcomeRule::By {
            field: "status".to_owned(),
            success: vec![Pattern::read("1-399"), Pattern::read("ok")],
            failure: vec![Pattern::read("400-599")],
        };
        let of = |value: Option<&'static str>| rule.of(|name| value.filter(|_| name == "status"));
        assert_eq!(of(Some("200")), Outcome::Success);
        assert_eq!(of(Some("ok")), Outcome::Success);
        assert_eq!(of(Some("404")), Outcome::Failure);
        assert_eq!(of(Some("x")), Outcome::Unknown);
        assert_eq!(of(None), Outcome::Unknown);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        assert_eq!(Action::named("dns_query"), Ok(Action::DnsQuery));
        assert!(Action::named("logn").unwrap_err().contains("login, logout"));
        assert_eq!(Action::PrivilegeUse.to_string(), "privilege_use");
    }
}
