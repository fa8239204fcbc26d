//! Which Sigma log sources a record belongs to.

use rsigma_parser::LogSource;

use crate::event::{Action, Record};

/// Services and categories of one record. The product is always `linux`; rules that name none fit as well.
pub struct Classes<'a> {
    program: Option<&'a str>,
    services: Vec<&'static str>,
    categories: &'static [&'static str],
}

const PRODUCT: &str = "linux";

/// What [`categories`] can return.
const CATEGORIES: [&str; 8] =
    ["dns", "dns_query", "file_event", "firewall", "network_connection", "process_creation", "proxy", "webserver"];

impl<'a> Classes<'a> {
    pub fn of(record: &'a Record) -> Self {
        Self { program: record.program.as_deref(), services: services(record), categories: categories(record) }
    }

    /// Every dimension that the rule names must be one of the record's.
    pub fn fit(&self, rule: &LogSource) -> bool {
        let named = |name: &str| self.program == Some(name) || one_of(&self.services, name);
        rule.product.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(PRODUCT))
            && rule.category.as_deref().is_none_or(|name| one_of(self.categories, name))
            && rule.service.as_deref().is_none_or(named)
    }

    pub fn has_category(&self, name: &str) -> bool {
        self.categories.contains(&name)
    }
}

fn one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// Whether any record can ever fit. A service may be any program's name, so only products and categories tell.
pub fn can_fit(rule: &LogSource) -> bool {
    rule.product.as_deref().is_none_or(|product| product.eq_ignore_ascii_case(PRODUCT))
        && rule.category.as_deref().is_none_or(|name| one_of(&CATEGORIES, name))
}

fn services(record: &Record) -> Vec<&'static str> {
    let mut services = Vec::with_capacity(2);
    let mut add = |name| services.push(name);
    if is_auditd(record) {
        add("auditd");
    }
    match record.program.as_deref().unwrap_or_default() {
        "" => {}
        "CRON" | "crond" | "anacron" | "crontab" => add("cron"),
        "clamd" | "freshclam" | "clamscan" => add("clamav"),
        "guacd" => add("guacamole"),
        "apache2" | "httpd" => add("apache"),
        _ => {}
    }
    if matches!(record.action, Action::Login | Action::Logout | Action::PrivilegeUse | Action::AccountChange)
        || matches!(
            record.program.as_deref(),
            Some("sshd" | "sshd-session" | "sudo" | "su" | "login" | "systemd-logind")
        )
    {
        add("auth");
    }
    if record.program.is_some() {
        add("syslog");
    }
    if record.program.as_deref() == Some("sshd-session") {
        add("sshd");
    }
    services
}

pub(super) fn is_auditd(record: &Record) -> bool {
    matches!(record.program.as_deref(), Some("auditd" | "audit"))
        || (record.field("type").is_some() && record.message.contains("msg=audit("))
}

fn categories(record: &Record) -> &'static [&'static str] {
    let starts_a_process = matches!(record.field("type"), Some("EXECVE" | "SYSCALL" | "PROCTITLE"));
    match record.action {
        Action::ProcessStart => &["process_creation"],
        Action::PrivilegeUse if record.command.is_some() => &["process_creation"],
        _ if starts_a_process && record.command.is_some() => &["process_creation"],
        _ if record.field("CommandLine").is_some() => &["process_creation"],
        Action::DnsQuery => &["dns", "dns_query"],
        Action::HttpRequest => &["webserver", "proxy"],
        Action::Connection => &["firewall", "network_connection"],
        Action::FileChange => &["file_event"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(product: Option<&str>, category: Option<&str>, service: Option<&str>) -> LogSource {
        let own = |text: Option<&str>| text.map(str::to_owned);
        LogSource { product: own(product), category: own(category), service: own(service), ..LogSource::default() }
    }

    #[test]
    fn a_rule_fits_only_records_of_its_own_log_source() {
        let sshd = Record { program: Some("sshd".into()), action: Action::Login, ..Record::default() };
        let classes = Classes::of(&sshd);
        assert!(classes.fit(&source(Some("linux"), None, Some("sshd"))));
        assert!(classes.fit(&source(Some("linux"), None, Some("auth"))));
        assert!(classes.fit(&source(Some("linux"), None, None)));
        assert!(classes.fit(&source(None, None, None)));
        assert!(!classes.fit(&source(Some("linux"), None, Some("cron"))));
        assert!(!classes.fit(&source(Some("windows"), None, None)));
        assert!(!classes.fit(&source(Some("linux"), Some("process_creation"), None)));
    }

    #[test]
    fn every_category_that_a_record_can_have_is_known_to_be_possible() {
        for action in
            [Action::ProcessStart, Action::DnsQuery, Action::HttpRequest, Action::Connection, Action::FileChange]
        {
            for category in categories(&Record { action, ..Record::default() }) {
                assert!(CATEGORIES.contains(category), "{category}");
            }
        }
    }
}
