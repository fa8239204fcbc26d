//! The name that what happened has in `reasons`.
//!
//! Whatever was refused or failed leaves one, and so does what changes who may do what or what is logged. Ordinary work (a login
//! that succeeds, a page that is served, a service that starts) does not: a decision names its action and outcome in any case.

use crate::event::{Action, Record};

/// A refusal or failure alone means little; it takes many of them.
const FAILURE_SCORE: f64 = 0.1;

/// Among the reasons: what is reported needs no answer, so anybody can have sent it in the name of the address.
pub const SOURCE_NOT_PROVEN: &str = "source_not_proven";
/// Among the reasons for a line that tells another time than the one it is judged by.
pub const TIME_NOT_BELIEVED: &str = "time_not_believed";
/// Among the reasons: the address was there at the end of what many did together, and has not been counted to be one of them.
pub const SOURCE_NOT_COUNTED: &str = "source_not_counted";

/// Among the reasons: the address has likely been one of the many who did it, who were too many to remember each.
pub const SOURCE_LIKELY: &str = "source_likely";

/// Among the reasons for an alarm that has rested for long and goes on.
pub const RESUMED: &str = "resumed";
/// The first of the reasons for an alarm about many sources.
pub const CAMPAIGN: &str = "campaign";

/// Whether this is among the reasons.
pub fn says(reasons: &[String], name: &str) -> bool {
    reasons.iter().any(|reason| reason == name)
}

/// The name, and the score that a single one has.
pub fn reason(action: Action, outcome: Option<bool>) -> Option<(&'static str, f64)> {
    let name = match (action, outcome) {
        (action, Some(false)) => return refused(action).map(|name| (name, FAILURE_SCORE)),
        (Action::PrivilegeUse, _) => "privilege_use",
        (Action::AccountChange, _) => "account_change",
        (Action::SystemChange, _) => "config_change",
        (Action::LogChange, _) => "log_control",
        (Action::Alert, _) => "alert",
        _ => return None,
    };
    Some((name, 0.0))
}

/// Whether a reason says what happened, or how it was seen, rather than what that means.
pub fn is_of_what_happened(name: &str) -> bool {
    const MARKS: [&str; 4] = [SOURCE_NOT_PROVEN, SOURCE_NOT_COUNTED, SOURCE_LIKELY, TIME_NOT_BELIEVED];
    const ORDINARY: [&str; 5] =
        ["privilege_use", "account_change", "config_change", "log_control", "left_before_login"];
    name.starts_with("refused_") || name.starts_with("failed_") || MARKS.contains(&name) || ORDINARY.contains(&name)
}

/// Of a client that went away before it said who it is: harmless alone, and what a scanner does a thousand times.
pub fn left_before_login(record: &Record) -> Option<(&'static str, f64)> {
    let left = record.action == Action::Connection && record.field("phase") == Some("before_login");
    left.then_some(("left_before_login", 0.0))
}

fn refused(action: Action) -> Option<&'static str> {
    Some(match action {
        Action::Login => "failed_login",
        Action::Session => "refused_session",
        Action::PrivilegeUse => "refused_privilege_use",
        Action::AccountChange => "failed_account_change",
        Action::ProcessStart => "failed_process",
        Action::ServiceStart | Action::ServiceStop | Action::Service => "failed_service",
        Action::Connection => "refused_connection",
        Action::DnsQuery => "refused_dns_query",
        Action::HttpRequest => "refused_request",
        Action::Mail => "refused_mail",
        Action::LogChange => "failed_log_control",
        Action::SystemChange => "failed_config_change",
        Action::FileChange => "refused_file",
        Action::Alert => "alert",
        Action::Logout | Action::Other => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(action: Action, outcome: Option<bool>) -> Option<&'static str> {
        reason(action, outcome).map(|(name, _)| name)
    }

    #[test]
    fn what_changes_rights_or_what_is_logged_has_a_name_of_its_own_when_it_succeeds_and_when_it_fails() {
        for (action, done, failed) in [
            (Action::PrivilegeUse, "privilege_use", "refused_privilege_use"),
            (Action::AccountChange, "account_change", "failed_account_change"),
            (Action::SystemChange, "config_change", "failed_config_change"),
            (Action::LogChange, "log_control", "failed_log_control"),
            (Action::Alert, "alert", "alert"),
        ] {
            assert_eq!([Some(true), None].map(|outcome| name(action, outcome)), [Some(done); 2], "{action:?}");
            assert_eq!(reason(action, Some(false)), Some((failed, FAILURE_SCORE)), "{action:?}");
        }
    }

    #[test]
    fn what_happened_is_told_from_what_it_means() {
        let actions = [Action::Login, Action::Session, Action::PrivilegeUse, Action::SystemChange, Action::HttpRequest];
        for action in actions {
            let mut names = [Some(true), Some(false), None].into_iter().filter_map(|outcome| name(action, outcome));
            assert!(names.all(is_of_what_happened), "{action:?}");
        }
        assert!([SOURCE_NOT_PROVEN, TIME_NOT_BELIEVED, "left_before_login"].into_iter().all(is_of_what_happened));
        assert!(!["alert", "brute_force", CAMPAIGN, "web_attack"].into_iter().any(is_of_what_happened));
    }

    #[test]
    fn what_was_refused_and_what_changes_rights_has_a_name_and_ordinary_work_has_none() {
        assert_eq!(name(Action::Login, Some(false)), Some("failed_login"));
        assert_eq!(name(Action::HttpRequest, Some(false)), Some("refused_request"));
        assert_eq!(name(Action::AccountChange, Some(true)), Some("account_change"));
        assert_eq!(name(Action::PrivilegeUse, Some(true)), Some("privilege_use"));
        let fields = vec![("phase".to_owned(), "before_login".to_owned())];
        let left = Record { action: Action::Connection, fields, ..Record::default() };
        assert_eq!(left_before_login(&left), Some(("left_before_login", 0.0)));
        for action in [Action::Login, Action::HttpRequest, Action::Connection, Action::ProcessStart, Action::Other] {
            assert_eq!(name(action, Some(true)), None, "{action:?}");
        }
    }
}
