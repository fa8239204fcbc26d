//! What must hold between the keys of `[[notify]]`.

use std::collections::BTreeSet;

use hyper::header::{HeaderName, HeaderValue};

use super::config::{How, Notify, SmtpTls, named};
use super::quiet::QuietHours;
use crate::config::{Judge, secret};
use crate::limits;

/// Every relation that does not hold.
pub fn check(list: &[Notify], judge: &mut Judge<'_>) {
    let most = limits::NOTIFIERS_MAX;
    judge.expect(list.len() <= most, &["notify"], format!("{} are too many", list.len()), format!("at most {most}"));
    let mut names = BTreeSet::new();
    for (index, (name, notify)) in named(list).into_iter().enumerate() {
        let key = |key: &str| format!("notify[{index}].{key}");
        judge.expect_name(&key("name"), &name);
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        judge.expect(plain, &[&key("name")], "is not a name", "letters, digits, - and _");
        let is_new = names.insert(name.clone());
        judge.expect(is_new, &[&key("name")], format!("`{name}` is the name of another one too"), "give each its own");
        general(notify, &key, judge);
        lists(notify, &key, judge);
        match notify.kind {
            How::Webhook => webhook(notify, &key, judge),
            How::Email => email(notify, &key, judge),
            How::Command => command(notify, &key, judge),
        }
    }
}

fn general(notify: &Notify, key: &dyn Fn(&str) -> String, judge: &mut Judge<'_>) {
    if let Err(error) = notify.filter() {
        judge.expect(
            false,
            &[&key("where")],
            format!("is no filter: {error}"),
            "`dsmild events --where` takes the same language",
        );
    }
    judge.expect(notify.rate > 0, &[&key("rate")], "is 0", "write how many messages an hour may come");
    if let Some(Err((part, problem))) = notify.quiet_hours.as_ref().map(QuietHours::read) {
        let remedy = "write { from = \"22:00\", to = \"06:30\", time_zone = \"Europe/Berlin\" }";
        judge.expect(false, &[&key(&format!("quiet_hours.{part}"))], problem, remedy);
    }
    if let Some(link) = &notify.link {
        judge.expect_url(&key("link"), link, &["http", "https"], "a link is shown to everybody: leave it out");
    }
}

fn lists(notify: &Notify, key: &dyn Fn(&str) -> String, judge: &mut Judge<'_>) {
    let most = limits::NOTIFY_LIST_MAX;
    let counts = [
        ("params", notify.params.len()),
        ("headers", notify.headers.len()),
        ("to", notify.to.len()),
        ("command", notify.command.len()),
    ];
    for (name, count) in counts {
        judge.expect(count <= most, &[&key(name)], format!("{count} are too many"), format!("at most {most}"));
    }
    let of = |how: How, keys: &[(&str, bool)], judge: &mut Judge<'_>| {
        for (name, is_set) in keys.iter().filter(|_| notify.kind != how) {
            judge.expect(!is_set, &[&key(name)], "does nothing for this kind", "remove it");
        }
    };
    let webhook = [
        ("url", notify.url.is_some()),
        ("url_file", notify.url_file.is_some()),
        ("params", !notify.params.is_empty()),
        ("headers", !notify.headers.is_empty()),
        ("secret_header", notify.secret_header.is_some()),
        ("secret_file", notify.secret_file.is_some()),
    ];
    of(How::Webhook, &webhook, judge);
    let email = [
        ("server", notify.server.is_some()),
        ("username", notify.username.is_some()),
        ("password_file", notify.password_file.is_some()),
        ("from", notify.from.is_some()),
        ("to", !notify.to.is_empty()),
    ];
    of(How::Email, &email, judge);
    of(How::Command, &[("command", !notify.command.is_empty())], judge);
}

fn webhook(notify: &Notify, key: &dyn Fn(&str) -> String, judge: &mut Judge<'_>) {
    let has_one = notify.url.is_some() != notify.url_file.is_some();
    judge.expect(
        has_one,
        &[&key("url")],
        "is not told once",
        "write url, or url_file where the URL is a secret, and not both",
    );
    if let Some(url) = &notify.url {
        let goes = "write it to a file and name that in secret_file, or the whole URL in url_file";
        judge.expect_url(&key("url"), url, &["http", "https"], goes);
        let has_user = secret::authority(url).is_some_and(|authority| authority.contains('@'));
        judge.expect(
            !has_user || secret::has_password(url),
            &[&key("url")],
            "names a user",
            "write an Authorization header",
        );
        let readable = url.replace("{key}", "x").parse::<hyper::Uri>().is_ok();
        judge.expect(
            readable || secret::has_password(url),
            &[&key("url")],
            "cannot be used as a URL",
            "escape what is no letter of a URL",
        );
    }
    let is_plain = notify.url.as_ref().is_some_and(|url| url.starts_with("http://"));
    judge.expect(
        !(is_plain && notify.tls_ca_file.is_some()),
        &[&key("tls_ca_file"), &key("url")],
        "is set although url does not use TLS",
        "write https://…, or remove it",
    );
    let own = ["host", "content-length", "transfer-encoding", "connection", "idempotency-key"];
    for (name, value) in &notify.headers {
        let header = HeaderName::try_from(name.as_str()).ok().filter(|name| !own.contains(&name.as_str()));
        judge.expect(
            header.is_some(),
            &[&key(&format!("headers.{name}"))],
            "is no header that can be set",
            "remove it",
        );
        judge.expect(
            HeaderValue::from_str(value).is_ok(),
            &[&key(&format!("headers.{name}"))],
            "has a value that no header has",
            "one line of ASCII",
        );
    }
    let is_secret = notify.headers.keys().find(|name| name.eq_ignore_ascii_case("authorization"));
    judge.expect(
        is_secret.is_none(),
        &[&key("headers.Authorization")],
        "is a secret",
        "write it to a file, and secret_header = \"Authorization\"",
    );
    if let Some(name) = &notify.secret_header {
        let holds = HeaderName::try_from(name.as_str()).is_ok_and(|name| !own.contains(&name.as_str()));
        judge.expect(
            holds,
            &[&key("secret_header")],
            "is no header that can be set",
            "write one like \"Authorization\"",
        );
        judge.expect(
            notify.secret_file.is_some(),
            &[&key("secret_file")],
            "is missing",
            "name the file that the header's value is in",
        );
    }
}

fn email(notify: &Notify, key: &dyn Fn(&str) -> String, judge: &mut Judge<'_>) {
    judge.expect(
        notify.smtp().is_some(),
        &[&key("server")],
        "is not a server with a port",
        "write one like \"smtp.example.org:587\"",
    );
    let is_here = notify.smtp().is_none_or(|(host, _)| {
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    let open = notify.tls == SmtpTls::None;
    judge.expect(
        !open || is_here,
        &[&key("tls"), &key("server")],
        "is \"none\" for a server elsewhere",
        "write \"starttls\" or \"tls\": only what stays on this machine may be read on the way",
    );
    judge.expect(
        !(open && notify.tls_ca_file.is_some()),
        &[&key("tls_ca_file"), &key("tls")],
        "is set although tls is \"none\"",
        "remove it",
    );
    let both = notify.username.is_some() == notify.password_file.is_some();
    judge.expect(both, &[&key("username")], "is set without its counterpart", "write both username and password_file");
    let is_address = |text: &str| text.parse::<lettre::message::Mailbox>().is_ok();
    let remedy = "write one like \"soc@example.org\" or \"SOC <soc@example.org>\"";
    judge.expect(notify.from.as_deref().is_some_and(is_address), &[&key("from")], "is no address", remedy);
    judge.expect(!notify.to.is_empty(), &[&key("to")], "is empty", remedy);
    for (index, address) in notify.to.iter().enumerate() {
        judge.expect(is_address(address), &[&key(&format!("to[{index}]"))], "is no address", remedy);
    }
}

fn command(notify: &Notify, key: &dyn Fn(&str) -> String, judge: &mut Judge<'_>) {
    let is_absolute = notify.command.first().is_some_and(|program| program.starts_with('/'));
    judge.expect(
        is_absolute,
        &[&key("command")],
        "does not begin with the path of a program",
        "write [\"/usr/local/bin/page\", \"an argument\"]: no shell is between",
    );
    let is_plain = notify.command.iter().all(|part| !part.contains('\0'));
    judge.expect(is_plain, &[&key("command")], "holds a NUL", "remove it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn every_broken_relation_is_reported_at_its_key() {
        let hook = "[[notify]]\nkind = \"webhook\"\nurl = \"https://h/\"\n";
        let mail =
            "[[notify]]\nkind = \"email\"\nserver = \"localhost:25\"\nfrom = \"a@b\"\nto = [\"c@d\"]\ntls = \"none\"\n";
        let program = "[[notify]]\nkind = \"command\"\ncommand = [\"/bin/true\"]\n";
        for whole in [hook, mail, program] {
            assert_eq!(keys(whole), [""; 0], "{whole}");
        }
        let cases = [
            ("notify[0].where", format!("{hook}where = \"severty >= HIGH\"")),
            ("notify[0].rate", format!("{hook}rate = 0")),
            ("notify[0].name", format!("{hook}name = \"a b\"")),
            ("notify[1].name", format!("{hook}name = \"webhook2\"\n{hook}")),
            ("notify[0].quiet_hours.from", format!("{hook}quiet_hours = {{ from = \"x\", to = \"06:00\" }}")),
            ("notify[0].link", format!("{hook}link = \"ftp://h\"")),
            ("notify[0].to", format!("{hook}to = [\"a@b\"]")),
            ("notify[0].url", "[[notify]]\nkind = \"webhook\"".to_owned()),
            ("notify[0].url", format!("{hook}url_file = \"/u\"")),
            ("notify[0].url", "[[notify]]\nkind = \"webhook\"\nurl = \"https://h/?token=x\"".to_owned()),
            ("notify[0].headers.Host", format!("{hook}headers = {{ Host = \"h\" }}")),
            ("notify[0].headers.Authorization", format!("{hook}headers = {{ Authorization = \"x\" }}")),
            ("notify[0].secret_file", format!("{hook}secret_header = \"Authorization\"")),
            ("notify[0].server", mail.replace("localhost:25", "localhost")),
            ("notify[0].tls", mail.replace("localhost:25", "mail.example.org:25")),
            ("notify[0].from", mail.replace("a@b", "a@b\\nBcc: x@y")),
            ("notify[0].to[0]", mail.replace("c@d", "nobody")),
            ("notify[0].username", format!("{mail}username = \"u\"")),
            ("notify[0].command", program.replace("/bin/true", "true")),
            ("notify[0].server", format!("{program}server = \"h:1\"")),
        ];
        for (key, text) in cases {
            let found = keys(&text);
            assert!(found.iter().any(|found| found == key) && found.len() <= 2, "{key} in {found:?} of {text}");
        }
    }

    #[test]
    fn a_filter_that_is_wrong_is_said_with_its_column() {
        let text = "[[notify]]\nkind = \"command\"\ncommand = [\"/x\"]\nwhere = \"severity >= HIG\"";
        let config: crate::config::Config = toml::from_str(text).unwrap();
        let mut judge = Judge::new(const { &BTreeSet::new() });
        check(&config.notify, &mut judge);
        assert!(judge.findings()[0].problem.contains("column 13"));
    }
}
