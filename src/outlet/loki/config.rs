//! `[loki]`: its keys, and what must hold between them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Judge, secret};
use crate::limits;

/// `[loki]`: where Loki is, as which tenant it is written to, and the labels of every line.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `http://host:3100`; with or without `/loki/api/v1/push` at its end. No password in it.
    pub url: String,
    /// X-Scope-OrgID.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Of basic authentication, with `password_file`.
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Of bearer authentication.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Certificates to trust besides the system's, PEM.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// Added to those that every stream has.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Config {
    /// The labels that every stream has.
    pub const OWN_LABELS: [&str; 5] = ["job", "instance", "stream", "severity", "category"];
}

/// Every relation that does not hold.
pub fn check(loki: &Config, judge: &mut Judge<'_>) {
    let goes = "write the password to a file and name it in loki.password_file, or a token in loki.token_file";
    judge.expect_url("loki.url", &loki.url, &["http", "https"], goes);
    let has_user = secret::authority(&loki.url).is_some_and(|authority| authority.contains('@'));
    judge.expect(
        !has_user || secret::has_password(&loki.url),
        &["loki.url"],
        "names a user",
        "write the user in loki.username",
    );
    let plain = loki.url.parse::<hyper::Uri>().is_ok_and(|url| url.query().is_none());
    let remedy = "write one like \"http://127.0.0.1:3100\", without parameters";
    judge.expect(plain || secret::has_password(&loki.url), &["loki.url"], "cannot be used as a URL", remedy);
    if let Some(tenant) = &loki.tenant {
        judge.expect_name("loki.tenant", tenant);
        judge.expect(
            tenant.is_ascii() && !tenant.is_empty(),
            &["loki.tenant"],
            "is no value of a header",
            "ASCII letters and digits",
        );
    }
    access(loki, judge);
    labels(loki, judge);
}

fn access(loki: &Config, judge: &mut Judge<'_>) {
    judge.expect(
        loki.username.is_some() == loki.password_file.is_some(),
        &[if loki.username.is_some() { "loki.username" } else { "loki.password_file" }],
        "is set without its counterpart",
        "basic authentication needs both loki.username and loki.password_file",
    );
    let user = loki.username.as_deref().unwrap_or("-");
    let holds = !user.is_empty() && !user.contains(|c: char| c == ':' || c.is_control());
    judge.expect(holds, &["loki.username"], "is no name of a user", "basic authentication knows none with a colon");
    judge.expect(
        loki.token_file.is_none() || loki.password_file.is_none(),
        &["loki.token_file", "loki.password_file"],
        "is set although loki.password_file is set too",
        "Loki is shown one or the other: remove one",
    );
    judge.expect(
        loki.tls_ca_file.is_none() || loki.url.starts_with("https://"),
        &["loki.tls_ca_file", "loki.url"],
        "is set although loki.url does not use TLS",
        "write https://…, or remove it",
    );
}

fn labels(loki: &Config, judge: &mut Judge<'_>) {
    let labels_max = limits::LOKI_LABELS_MAX - Config::OWN_LABELS.len();
    judge.expect(
        loki.labels.len() <= labels_max,
        &["loki.labels"],
        format!("{} labels are too many", loki.labels.len()),
        format!("at most {labels_max}: with those that every stream has, Loki takes {}", limits::LOKI_LABELS_MAX),
    );
    for (label, value) in &loki.labels {
        let key = format!("loki.labels.{label}");
        let mut chars = label.chars();
        let holds = chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && chars.all(|other| other.is_ascii_alphanumeric() || other == '_');
        judge.expect(holds, &[&key], "is not a label name", "letters, digits and underscores, no digit first");
        judge.expect(
            !label.starts_with("__"),
            &[&key],
            "begins with two underscores",
            "Loki keeps these names to itself: choose another",
        );
        judge.expect(
            label.len() <= limits::NAME_BYTES_MAX,
            &[&key],
            "is too long",
            format!("at most {} bytes", limits::NAME_BYTES_MAX),
        );
        let own = Config::OWN_LABELS.contains(&label.as_str());
        judge.expect(!own, &[&key], "is a label that every stream has", "choose another name");
        let holds =
            (1..=limits::LOKI_LABEL_VALUE_BYTES_MAX).contains(&value.len()) && !value.chars().any(char::is_control);
        let remedy = format!("1 to {} bytes on one line", limits::LOKI_LABEL_VALUE_BYTES_MAX);
        judge.expect(holds, &[&key], "has a value that is no label's", remedy);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::keys;

    /// Each line is wrong in one way and right but for that.
    #[test]
    fn every_broken_relation_is_reported_at_its_key() {
        let cases = [
            ("loki.url", "[loki]\nurl = \"http://u:pw@h\""),
            ("loki.url", "[loki]\nurl = \"http://u@h\""),
            ("loki.url", "[loki]\nurl = \"http://h/?a=b\""),
            ("loki.tenant", "[loki]\nurl = \"http://h\"\ntenant = \"\""),
            ("loki.username", "[loki]\nurl = \"http://h\"\nusername = \"u\""),
            ("loki.username", "[loki]\nurl = \"http://h\"\nusername = \"a:b\"\npassword_file = \"/p\""),
            ("loki.password_file", "[loki]\nurl = \"http://h\"\npassword_file = \"/p\""),
            (
                "loki.token_file",
                "[loki]\nurl = \"http://h\"\nusername = \"u\"\npassword_file = \"/p\"\ntoken_file = \"/t\"",
            ),
            ("loki.tls_ca_file", "[loki]\nurl = \"http://h\"\ntls_ca_file = \"/ca.pem\""),
            ("loki.labels.a-b", "[loki]\nurl = \"http://h\"\nlabels = { \"a-b\" = \"c\" }"),
            ("loki.labels.1a", "[loki]\nurl = \"http://h\"\nlabels = { \"1a\" = \"c\" }"),
            ("loki.labels.__a", "[loki]\nurl = \"http://h\"\nlabels = { __a = \"c\" }"),
            ("loki.labels.severity", "[loki]\nurl = \"http://h\"\nlabels = { severity = \"c\" }"),
            ("loki.labels.a", "[loki]\nurl = \"http://h\"\nlabels = { a = \"\" }"),
            (
                "loki.labels",
                "[loki]\nurl = \"http://h\"\nlabels = { a=\"x\", b=\"x\", c=\"x\", d=\"x\", e=\"x\", f=\"x\", g=\"x\", h=\"x\", i=\"x\", j=\"x\", k=\"x\" }",
            ),
        ];
        for (key, text) in cases {
            assert_eq!(keys(text), [key], "{text}");
        }
    }

    #[test]
    fn as_many_labels_as_loki_takes_with_our_own_are_no_finding() {
        let labels: Vec<String> = (0..10).map(|number| format!("l{number} = \"x\"")).collect();
        let text = format!("[loki]\nurl = \"https://h/loki/api/v1/push\"\nlabels = {{ {} }}", labels.join(", "));
        assert_eq!(keys(&text), [""; 0]);
    }
}
