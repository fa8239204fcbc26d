//! Which Sigma log sources a record belongs to.

use rsigma_parser::LogSource;

use super::event_log;
use crate::detect::web_login;
use crate::event::{Action, Record};

/// Product, services and categories of one record; rules that name none of a kind fit as well.
pub struct Classes<'a> {
    program: Option<&'a str>,
    product: &'a str,
    services: Names<'a>,
    categories: Names<'a>,
    is_of_event_log: bool,
}

/// The services, or the categories, of one line. At most eight: five of its program and action, and one each of its format, its channel
/// and its protocol.
#[derive(Default)]
struct Names<'a> {
    names: [&'a str; 8],
    count: usize,
}

impl<'a> Names<'a> {
    fn push(&mut self, name: &'a str) {
        debug_assert!(self.count < self.names.len(), "no room for {name}");
        if let Some(place) = self.names.get_mut(self.count) {
            *place = name;
            self.count += 1;
        }
    }

    fn all(&self) -> &[&'a str] {
        self.names.get(..self.count).unwrap_or_default()
    }
}

impl<'a> Extend<&'a str> for Names<'a> {
    fn extend<All: IntoIterator<Item = &'a str>>(&mut self, names: All) {
        names.into_iter().for_each(|name| self.push(name));
    }
}

/// What a line is of whose format names no product.
const PRODUCT: &str = "linux";

/// Software that Sigma or its own format knows as a product, and that runs on Linux: rules for Linux are for it, too.
const ON_LINUX: [&str; 13] = [
    "apache",
    "asterisk",
    "elasticsearch",
    "envoy",
    "falco",
    "haproxy",
    "lighttpd",
    "modsecurity",
    "nginx",
    "php",
    "squid",
    "suricata",
    "wazuh",
];

/// Other machines and services whose formats come with the daemon.
const ELSEWHERE: [&str; 23] = [
    "aws",
    "azure",
    "checkpoint",
    "cisco",
    "f5",
    "fortios",
    "huawei",
    "juniper",
    "kubernetes",
    "macos",
    "mikrotik",
    "nas",
    "openbsd",
    "paloalto",
    "pfsense",
    "saas",
    "sonicwall",
    "sophos",
    "unifi",
    "vmware",
    "watchguard",
    "windows",
    "zeek",
];

/// What an action or a format makes a record to be, beside what the event log has.
const CATEGORIES: [&str; 22] = [
    "account_change",
    "antivirus",
    "application",
    "authentication",
    "cef",
    "database",
    "dns",
    "dns_query",
    "ecs",
    "file_event",
    "firewall",
    "ids",
    "log_control",
    "mail",
    "network",
    "network_connection",
    "ocsf",
    "process_creation",
    "proxy",
    "service",
    "voip",
    "webserver",
];

impl<'a> Classes<'a> {
    pub fn of(record: &'a Record) -> Self {
        let of_format = &record.log_source;
        let place = event_log::place(record);
        let product = match &of_format.product {
            Some(product) if !place.is_some_and(|place| place.is_of_linux) => product,
            _ => PRODUCT,
        };
        let mut services = Names::default();
        if product == PRODUCT || one_of(&ON_LINUX, product) {
            add_services(record, &mut services);
        }
        services.extend(of_format.service.as_deref());
        services.extend(place.map(|place| place.service));
        if product == "zeek" {
            services.extend(zeek_log(record));
        }
        // The number of an event says exactly what it is.
        let known = place.map_or_else(|| categories(record), |place| place.categories);
        let mut categories = Names::default();
        categories.extend(known.iter().copied());
        if place.is_some() && record.action == Action::Login {
            categories.push("authentication");
        }
        categories.extend(of_format.category.as_deref());
        Self { program: record.program.as_deref(), product, services, categories, is_of_event_log: place.is_some() }
    }

    /// Every dimension that the rule names must be one of the record's.
    pub fn fit(&self, rule: &LogSource) -> bool {
        let named = |name: &str| self.program == Some(name) || one_of(self.services.all(), name);
        let is_product = |name: &str| {
            name.eq_ignore_ascii_case(self.product)
                || (name.eq_ignore_ascii_case(PRODUCT) && one_of(&ON_LINUX, self.product))
        };
        // The product last, which most rules and lines have in common.
        rule.category.as_deref().is_none_or(|name| one_of(self.categories.all(), name))
            && rule.service.as_deref().is_none_or(named)
            && rule.product.as_deref().is_none_or(is_product)
    }

    pub fn has_category(&self, name: &str) -> bool {
        self.categories.all().contains(&name)
    }

    pub fn is_of_event_log(&self) -> bool {
        self.is_of_event_log
    }
}

fn one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// Whether any record can ever fit. A service may be any program's name, so only products and categories tell.
pub fn can_fit(rule: &LogSource) -> bool {
    let is_known = |name: &str| one_of(&CATEGORIES, name) || event_log::categories().any(|known| known == name);
    let is_product =
        |name: &str| [&[PRODUCT], ON_LINUX.as_slice(), &ELSEWHERE].into_iter().any(|known| one_of(known, name));
    rule.product.as_deref().is_none_or(is_product) && rule.category.as_deref().is_none_or(is_known)
}

/// As messages show it: `product linux, service sshd`.
pub fn shown(source: &LogSource) -> String {
    let part = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
    let parts =
        [part("product", &source.product), part("category", &source.category), part("service", &source.service)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "any log source".to_owned() } else { parts.join(", ") }
}

/// Zeek writes a log for each protocol.
fn zeek_log(record: &Record) -> Option<&str> {
    record.field("_path").or(match record.action {
        Action::DnsQuery => Some("dns"),
        Action::HttpRequest => Some("http"),
        Action::Login => Some("ssh"),
        Action::Connection => Some("conn"),
        _ => None,
    })
}

fn add_services(record: &Record, services: &mut Names<'_>) {
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
}

pub(super) fn is_auditd(record: &Record) -> bool {
    matches!(record.program.as_deref(), Some("auditd" | "audit"))
        || (record.field("type").is_some() && record.message.contains("msg=audit("))
}

fn categories(record: &Record) -> &'static [&'static str] {
    let starts_a_process = matches!(record.field("type"), Some("EXECVE" | "SYSCALL" | "PROCTITLE"));
    match record.action {
        Action::ProcessStart => &["process_creation"],
        Action::PrivilegeUse if record.command.is_some() => &["process_creation", "authentication"],
        Action::PrivilegeUse => &["authentication"],
        _ if starts_a_process && record.command.is_some() => &["process_creation"],
        _ if record.field("CommandLine").is_some() => &["process_creation"],
        Action::DnsQuery => &["dns", "dns_query"],
        // A proxy that people go out by has a format that says so.
        Action::HttpRequest if record.log_source.category.as_deref() == Some("proxy") => &["proxy"],
        Action::HttpRequest if web_login::is_failed(record) => &["webserver", "authentication"],
        Action::HttpRequest => &["webserver"],
        Action::Login => &["authentication"],
        Action::Mail => &["mail"],
        Action::ServiceStart | Action::ServiceStop | Action::Service => &["service"],
        Action::LogChange => &["log_control"],
        Action::Connection => &["firewall", "network_connection"],
        Action::FileChange => &["file_event"],
        Action::AccountChange => &["account_change"],
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
    fn a_request_is_of_a_web_server_and_of_a_login_only_where_that_has_failed() {
        let request = |user: Option<&str>, status: &str| {
            let entity = crate::event::Entity { user: user.map(str::to_owned), ..Default::default() };
            let fields = vec![("sc-status".to_owned(), status.to_owned())];
            categories(&Record { action: Action::HttpRequest, entity, fields, ..Record::default() })
        };
        assert_eq!(request(Some("alice"), "401"), ["webserver", "authentication"]);
        assert_eq!([request(Some("alice"), "200"), request(None, "401"), request(None, "404")], [["webserver"]; 3]);
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

    #[test]
    fn every_log_source_that_a_format_names_is_known_to_be_possible() {
        let library = crate::parse::built_in();
        for format in library.library().formats() {
            let own = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
            let named =
                source(own(&format.logsource.product).as_deref(), own(&format.logsource.category).as_deref(), None);
            assert!(can_fit(&named), "{}: {named:?}", format.name);
        }
    }
}
