//! `[[intel.feed]]`: lists of indicators that are fetched over HTTP, and what must hold between their keys.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Bytes, Judge, Span, secret};
use crate::limits::{FEED_BYTES_USUAL, FEEDS_MAX, INDICATOR_LIST_BYTES_MAX, NAME_BYTES_MAX};

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intel {
    pub feed: Vec<Feed>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// In status, in what device 54 says of a hit, and of the file in `state_dir`.
    pub name: String,
    /// Of the list; of the API root where there is a `collection`.
    pub url: String,
    /// The id or alias of a TAXII 2.1 collection.
    #[serde(default)]
    pub collection: Option<String>,
    #[serde(default = "hour")]
    pub interval: Span,
    /// For one answer, from the question to its end.
    #[serde(default = "minute")]
    pub timeout: Span,
    /// Of the list, unpacked.
    #[serde(default = "usual_size")]
    pub max_size: Bytes,
    /// A list that the server has not confirmed for so long is not up.
    #[serde(default = "week")]
    pub max_age: Span,
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
}

const INTERVAL_MIN: Span = Span::from_millis(1000);

fn hour() -> Span {
    Span::from_millis(3_600_000)
}

fn minute() -> Span {
    Span::from_millis(60_000)
}

fn week() -> Span {
    Span::from_millis(7 * 24 * 3_600_000)
}

fn usual_size() -> Bytes {
    Bytes::from_mib(FEED_BYTES_USUAL / 1024 / 1024)
}

/// Every relation that does not hold.
pub fn check(intel: &Intel, judge: &mut Judge<'_>) {
    // With an element taken out, the numbers of the others are not those of the file.
    if judge.is_broken(|key| key.starts_with("intel.feed") && key.ends_with(']')) {
        return;
    }
    judge.expect(
        intel.feed.len() <= FEEDS_MAX,
        &["intel.feed"],
        format!("{} feeds are too many", intel.feed.len()),
        format!("at most {FEEDS_MAX}"),
    );
    let mut names = BTreeSet::new();
    for (index, feed) in intel.feed.iter().enumerate() {
        let key = |name: &str| format!("intel.feed[{index}].{name}");
        let is_name = (1..=NAME_BYTES_MAX).contains(&feed.name.len())
            && feed.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        let remedy = format!("it names a file as well: at most {NAME_BYTES_MAX} letters, digits, `-` and `_`");
        judge.expect(is_name, &[&key("name")], "is not the name of a feed", remedy);
        let is_new = names.insert(feed.name.as_str());
        judge.expect(is_new, &[&key("name")], "is the name of a feed before it", "give each a name of its own");
        place(feed, &key, judge);
        bounds(feed, &key, judge);
        access(feed, &key, judge);
    }
}

fn place(feed: &Feed, key: &dyn Fn(&str) -> String, judge: &mut Judge<'_>) {
    let goes = "write the password to a file and name it in password_file, or a token in token_file";
    judge.expect_url(&key("url"), &feed.url, &["http", "https"], goes);
    let url = feed.url.parse::<url::Url>().ok();
    let is_plain = url.as_ref().is_some_and(|url| url.username().is_empty() && url.fragment().is_none());
    judge.expect(
        is_plain || secret::has_password(&feed.url),
        &[&key("url")],
        "cannot be used as a URL",
        "write one like \"https://feeds.example.org/list.txt\", a user in `username`",
    );
    let Some(collection) = &feed.collection else { return };
    let is_id = !collection.is_empty()
        && collection.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
        && !collection.bytes().all(|byte| byte == b'.');
    judge.expect(is_id, &[&key("collection")], "is no id of a collection", "write one as the TAXII server lists it");
    let has_query = url.is_some_and(|url| url.query().is_some());
    judge.expect(!has_query, &[&key("url")], "has parameters", "an API root has none: write https://HOST/ROOT/");
}

fn bounds(feed: &Feed, key: &dyn Fn(&str) -> String, judge: &mut Judge<'_>) {
    let interval = key("interval");
    judge.expect(
        feed.interval >= INTERVAL_MIN,
        &[&interval],
        format!("{:?} is too often", feed.interval),
        format!("at least {INTERVAL_MIN:?}; most servers ask for an hour or more"),
    );
    judge.expect(
        feed.max_age > feed.interval,
        &[&key("max_age"), &interval],
        format!("{:?} is not longer than interval = {:?}", feed.max_age, feed.interval),
        "several intervals long, so that one lost answer does not make the list too old",
    );
    judge.expect(
        (1..=INDICATOR_LIST_BYTES_MAX).contains(&feed.max_size.get()),
        &[&key("max_size")],
        format!("{:?} is no size of a list", feed.max_size),
        format!("at most {} MiB", INDICATOR_LIST_BYTES_MAX / 1024 / 1024),
    );
}

fn access(feed: &Feed, key: &dyn Fn(&str) -> String, judge: &mut Judge<'_>) {
    judge.expect(
        feed.username.is_some() == feed.password_file.is_some(),
        &[&key(if feed.username.is_some() { "username" } else { "password_file" })],
        "is set without its counterpart",
        "basic authentication needs both username and password_file",
    );
    let user = feed.username.as_deref().unwrap_or("-");
    let holds = !user.is_empty() && !user.contains(|c: char| c == ':' || c.is_control());
    judge.expect(holds, &[&key("username")], "is no name of a user", "basic authentication knows none with a colon");
    judge.expect(
        feed.token_file.is_none() || feed.password_file.is_none(),
        &[&key("token_file"), &key("password_file")],
        "is set although password_file is set too",
        "a server is shown one or the other: remove one",
    );
    let has_secret = feed.token_file.is_some() || feed.password_file.is_some();
    let is_here = || {
        let host = feed.url.parse::<url::Url>().ok().and_then(|url| Some(url.host()?.to_owned()));
        match host {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => true,
        }
    };
    judge.expect(
        !has_secret || !feed.url.starts_with("http://") || is_here(),
        &[&key("url")],
        "would show a secret to everybody on the way",
        "write https://… where a password or a token is sent",
    );
    judge.expect(
        feed.tls_ca_file.is_none() || feed.url.starts_with("https://"),
        &[&key("tls_ca_file"), &key("url")],
        "is set although url does not use TLS",
        "write https://…, or remove it",
    );
}

#[cfg(test)]
mod tests {
    use crate::config::keys;

    /// Each is wrong in one way and right but for that.
    #[test]
    fn every_broken_relation_is_reported_at_its_key() {
        let cases = [
            ("name", "name = \"../x\"\nurl = \"https://h/\""),
            ("name", "name = \"\"\nurl = \"https://h/\""),
            ("url", "name = \"a\"\nurl = \"ftp://h/\""),
            ("url", "name = \"a\"\nurl = \"https://u:pw@h/\""),
            ("url", "name = \"a\"\nurl = \"https://u@h/\""),
            ("url", "name = \"a\"\nurl = \"https://h/?x=1\"\ncollection = \"c\""),
            ("url", "name = \"a\"\nurl = \"http://h/\"\ntoken_file = \"/t\""),
            ("collection", "name = \"a\"\nurl = \"https://h/\"\ncollection = \"a/b\""),
            ("collection", "name = \"a\"\nurl = \"https://h/\"\ncollection = \"..\""),
            ("interval", "name = \"a\"\nurl = \"https://h/\"\ninterval = \"10ms\""),
            ("max_age", "name = \"a\"\nurl = \"https://h/\"\nmax_age = \"1h\""),
            ("max_size", "name = \"a\"\nurl = \"https://h/\"\nmax_size = \"1GiB\""),
            ("username", "name = \"a\"\nurl = \"https://h/\"\nusername = \"u\""),
            ("password_file", "name = \"a\"\nurl = \"https://h/\"\npassword_file = \"/p\""),
            (
                "token_file",
                "name = \"a\"\nurl = \"https://h/\"\nusername = \"u\"\npassword_file = \"/p\"\ntoken_file = \"/t\"",
            ),
            ("tls_ca_file", "name = \"a\"\nurl = \"http://h/\"\ntls_ca_file = \"/c\""),
        ];
        for (key, text) in cases {
            assert_eq!(keys(&format!("[[intel.feed]]\n{text}")), [format!("intel.feed[0].{key}")], "{text}");
        }
        let one = "[[intel.feed]]\nname = \"a\"\nurl = \"https://h/\"\n";
        assert_eq!(keys(&one.repeat(2)), ["intel.feed[1].name"]);
    }

    #[test]
    fn a_secret_may_go_to_this_machine_in_the_clear_and_elsewhere_by_tls() {
        for url in ["http://127.0.0.1:1/", "http://[::1]/", "http://localhost/", "https://h/"] {
            let text = format!("[[intel.feed]]\nname = \"a\"\nurl = \"{url}\"\ntoken_file = \"/t\"");
            assert_eq!(keys(&text), [""; 0], "{url}");
        }
    }
}
