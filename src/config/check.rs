//! What must hold between values that each fit by themselves. Pure: opens no connection and no file.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::schema::{Config, Durability, Http, Redis, StreamRole};
use super::{Finding, loki, secret};
use crate::event::Stream;
use crate::limits;

/// Every relation that does not hold. `broken` names keys whose value is not what the operator wrote: a relation with
/// one of them is not judged.
pub fn check(config: &Config, broken: &BTreeSet<String>) -> Vec<Finding> {
    let mut judge = Judge { broken, findings: Vec::new() };
    daemon_and_store(config, &mut judge);
    judge.findings.extend(exposure_findings(&config.http).into_iter().filter(|finding| !broken.contains(&finding.key)));
    redis(config, &mut judge);
    archive(config, &mut judge);
    shrink(config, &mut judge);
    if let Some(section) = &config.loki {
        loki::check(section, &mut judge);
    }
    intake(config, &mut judge);
    layers(config, &mut judge);
    supervisor(config, &mut judge);
    judge.findings
}

/// What must be there before the daemon listens on an address that others can reach.
pub fn exposure_findings(http: &Http) -> Vec<Finding> {
    let exposed = !http.listen.ip().to_canonical().is_loopback();
    let mut findings = Vec::new();
    if exposed && http.tokens_file.is_none() {
        let problem = format!("is missing although others can reach http.listen = \"{}\"", http.listen);
        findings.push(Finding::new("http.tokens_file", problem, "name a file of tokens, or listen on 127.0.0.1"));
    }
    let pair = [("http.tls_cert_file", &http.tls_cert_file), ("http.tls_key_file", &http.tls_key_file)];
    let any_tls = pair.iter().any(|(_, file)| file.is_some());
    for (key, file) in pair {
        if file.is_some() {
            continue;
        }
        if any_tls {
            findings.push(Finding::new(key, "is missing", "TLS needs both the certificate and its key"));
        } else if exposed {
            let problem = format!("is missing although others can reach http.listen = \"{}\"", http.listen);
            findings.push(Finding::new(key, problem, "name a PEM file, or listen on 127.0.0.1"));
        }
    }
    findings
}

pub(super) struct Judge<'a> {
    broken: &'a BTreeSet<String>,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    /// The first of `keys` is at fault unless `holds`; the others are what it was compared with.
    pub(super) fn expect(&mut self, holds: bool, keys: &[&str], problem: impl Into<String>, remedy: impl Into<String>) {
        let known = keys.iter().all(|key| !self.broken.contains(*key));
        if let (false, true, Some(key)) = (holds, known, keys.first()) {
            self.findings.push(Finding::new(*key, problem, remedy));
        }
    }

    /// A short word that ends up in labels and keys.
    pub(super) fn expect_name(&mut self, key: &str, name: &str) {
        let holds = name.len() <= limits::NAME_BYTES_MAX && !name.chars().any(|c| c.is_control() || c.is_whitespace());
        let remedy = format!("at most {} bytes without blanks", limits::NAME_BYTES_MAX);
        self.expect(holds, &[key], format!("`{}` is not a name", name.escape_debug()), remedy);
    }

    fn expect_path(&mut self, key: &str, path: &Path) {
        self.expect(!path.as_os_str().is_empty(), &[key], "is empty", "name a file");
    }

    /// A URL of one of the schemes, with a host unless it names a socket, without a password.
    pub(super) fn expect_url(&mut self, key: &str, url: &str, schemes: &[&str], secret_goes: &str) {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let known = schemes.contains(&scheme);
        let remedy = format!("write {}://…", schemes.join("://… or "));
        self.expect(known, &[key], format!("`{}` is not a URL that works here", secret::redact(url)), remedy);
        let host = secret::authority(url).unwrap_or_default().rsplit('@').next().unwrap_or_default();
        let named = !host.is_empty() || scheme.ends_with("+unix");
        self.expect(!known || named, &[key], "names no host", format!("write {scheme}://HOST…"));
        self.expect(!secret::has_password(url), &[key], "carries a secret", secret_goes);
    }
}

fn daemon_and_store(config: &Config, judge: &mut Judge<'_>) {
    let (daemon, store) = (&config.daemon, &config.store);
    judge.expect_name("daemon.instance", &daemon.instance);
    judge.expect(!daemon.instance.is_empty(), &["daemon.instance"], "is empty", "give this daemon a name");
    judge.expect_path("daemon.state_dir", &daemon.state_dir);
    judge.expect(
        daemon.memory_max.get() >= limits::MEMORY_BYTES_MIN,
        &["daemon.memory_max"],
        "is less than the daemon needs to work",
        format!("at least {} MiB", limits::MEMORY_BYTES_MIN >> 20),
    );
    judge.expect_path("store.path", &store.path);
    let together = store.path.parent().is_some_and(|folder| plain(folder) == plain(&daemon.state_dir));
    judge.expect(
        !together,
        &["store.path", "daemon.state_dir"],
        "lies in daemon.state_dir",
        "the hot store belongs on a tmpfs, positions and audit log on a disk",
    );
    judge.expect(
        store.max_size.get() >= limits::STORE_BYTES_MIN,
        &["store.max_size"],
        format!("{:?} is too small for what its readers have not read yet", store.max_size),
        format!("at least {}MiB", limits::STORE_BYTES_MIN / (1024 * 1024)),
    );
    judge.expect(
        store.durability == Durability::Process || config.archive.is_some(),
        &["store.durability"],
        "is \"power\" without [archive]",
        "configure the archive, which makes commits survive, or write \"process\"",
    );
    if let Some(flat_log) = &config.flat_log {
        judge.expect_path("flat_log.path", &flat_log.path);
    }
}

fn redis(config: &Config, judge: &mut Judge<'_>) {
    let Some(redis) = &config.redis else { return };
    let schemes = ["redis", "rediss", "redis-cluster", "rediss-cluster", "redis+unix"];
    judge.expect_url(
        "redis.url",
        &redis.url,
        &schemes,
        "write the password to a file and name it in redis.password_file",
    );
    judge.expect_name("redis.key_prefix", &redis.key_prefix);
    judge.expect(redis.maxlen > 0, &["redis.maxlen"], "0 would keep nothing", "at least 1");
    judge.expect(
        redis.username.is_none() || redis.password_file.is_some(),
        &["redis.username", "redis.password_file"],
        "is set without redis.password_file",
        "name the file with its password",
    );
    judge.expect(
        redis.tls_ca_file.is_none() || redis.url.starts_with("rediss"),
        &["redis.tls_ca_file", "redis.url"],
        "is set although redis.url does not use TLS",
        "write rediss://…, or remove it",
    );
    roles(config, redis, judge);
}

/// One writer a stream.
fn roles(config: &Config, redis: &Redis, judge: &mut Judge<'_>) {
    for stream in [Stream::SocEvents, Stream::Shrink, Stream::Tick] {
        judge.expect(
            redis.role(stream) != StreamRole::Ingest,
            &[&format!("redis.streams.{stream}")],
            "is written by this daemon and cannot be ingested",
            "\"mirror\" or \"off\"",
        );
    }
    let layers = [(Stream::L3Out, "l3", config.l3.enabled), (Stream::L4Out, "l4", config.l4.enabled)];
    for (stream, section, enabled) in layers {
        judge.expect(
            !(enabled && redis.role(stream) == StreamRole::Ingest),
            &[&format!("redis.streams.{stream}"), &format!("{section}.enabled")],
            format!("is ingested although [{section}] here writes it as well"),
            format!("set {section}.enabled = false, or \"mirror\" here"),
        );
    }
}

fn archive(config: &Config, judge: &mut Judge<'_>) {
    let Some(archive) = &config.archive else { return };
    let goes = "write the password to a file and name it in archive.password_file";
    judge.expect_url("archive.url", &archive.url, &["postgres", "postgresql"], goes);
    judge.expect(
        (1..=limits::ARCHIVE_ROWS_MAX).contains(&archive.batch),
        &["archive.batch"],
        format!("{} is out of range", archive.batch),
        format!("1 to {}", limits::ARCHIVE_ROWS_MAX),
    );
}

fn shrink(config: &Config, judge: &mut Judge<'_>) {
    let Some(shrink) = &config.shrink else { return };
    judge.expect_url("shrink.url", &shrink.url, &["http"], "SHRINK is asked without one: remove it");
    judge.expect(
        shrink.url.parse::<hyper::Uri>().is_ok(),
        &["shrink.url"],
        "cannot be read as a URL",
        "write one like \"http://127.0.0.1:8500/api/v1/metrics\"",
    );
    judge.expect(
        shrink.timeout < shrink.every,
        &["shrink.timeout", "shrink.every"],
        format!("{:?} is not shorter than shrink.every = {:?}", shrink.timeout, shrink.every),
        "one poll must end before the next begins",
    );
    judge.expect(
        shrink.every < shrink.stale_after,
        &["shrink.stale_after", "shrink.every"],
        format!("{:?} is not longer than shrink.every = {:?}", shrink.stale_after, shrink.every),
        "several polls long, so that one lost answer does not make the values stale",
    );
}

fn intake(config: &Config, judge: &mut Judge<'_>) {
    // With an element taken out, the numbers of the others are not those of the file.
    if judge.broken.iter().any(|key| key.starts_with("intake.") && key.ends_with(']')) {
        return;
    }
    journals(config, judge);
    files(config, judge);
}

fn journals(config: &Config, judge: &mut Judge<'_>) {
    for (index, journal) in config.intake.journal.iter().enumerate() {
        let key = |name: &str| format!("intake.journal[{index}].{name}");
        judge.expect_name(&key("compartment"), &journal.compartment);
        for identifier in &journal.identifiers {
            let holds = !identifier.trim_end_matches('*').contains('*') && !identifier.ends_with("**");
            let problem = format!("`{identifier}` has a `*` that is not at the end");
            judge.expect(holds, &[&key("identifiers")], problem, "`*` stands for any rest, at the end alone");
        }
        if config.intake.journal.iter().take(index).any(|earlier| earlier == journal) {
            let remedy = "remove one: every line would be taken in twice";
            judge.expect(false, &[&format!("intake.journal[{index}]")], "is there twice", remedy);
        }
    }
}

fn files(config: &Config, judge: &mut Judge<'_>) {
    let flat_log = config.flat_log.as_ref().map(|flat_log| plain(&flat_log.path));
    let mut seen = BTreeSet::new();
    for (index, file) in config.intake.file.iter().enumerate() {
        let key = |name: &str| format!("intake.file[{index}].{name}");
        judge.expect_path(&key("path"), &file.path);
        judge.expect_name(&key("compartment"), &file.compartment);
        let path = plain(&file.path);
        judge.expect(
            flat_log.as_ref() != Some(&path),
            &[&key("path"), "flat_log.path"],
            "is the file that flat_log writes",
            "its lines would come in again without end: remove it",
        );
        let first = seen.insert(path);
        let remedy = "remove one: every line would be taken in twice";
        judge.expect(first, &[&key("path")], format!("`{}` is there twice", file.path.display()), remedy);
        if let Some(zone) = &file.time_zone {
            let holds = jiff::tz::TimeZone::get(zone).is_ok();
            let problem = format!("`{zone}` is not a time zone that this machine knows");
            judge.expect(holds, &[&key("time_zone")], problem, "write an IANA name like \"Europe/Berlin\"");
        }
    }
}

fn layers(config: &Config, judge: &mut Judge<'_>) {
    let l4 = &config.l4;
    let keys = ["l4.malicious_at", "l4.suspicious_at"];
    let holds = l4.malicious_at.is_finite() && l4.malicious_at > l4.suspicious_at;
    let problem = format!("{} is not above l4.suspicious_at = {}", l4.malicious_at, l4.suspicious_at);
    judge.expect(holds, &keys, problem, "an entity is suspicious before it is malicious");
    let holds = l4.suspicious_at.is_finite() && l4.suspicious_at > 0.0;
    let problem = format!("{} is not a risk above 0", l4.suspicious_at);
    judge.expect(holds, &["l4.suspicious_at"], problem, "a number like 1.0");
}

fn supervisor(config: &Config, judge: &mut Judge<'_>) {
    let backoff = &config.supervisor.backoff;
    judge.expect(
        backoff.min <= backoff.max,
        &["supervisor.backoff.min", "supervisor.backoff.max"],
        format!("{:?} is longer than supervisor.backoff.max = {:?}", backoff.min, backoff.max),
        "the delay grows from min to max",
    );
}

/// The path without `.` and doubled separators, so that two spellings of one file are seen to be the same.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|component| !matches!(component, Component::CurDir)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Where there are findings in a file.
    pub fn keys(text: &str) -> Vec<String> {
        let config: Config = toml::from_str(text).unwrap();
        check(&config, &BTreeSet::new()).into_iter().map(|finding| finding.key).collect()
    }

    #[test]
    fn the_defaults_have_no_findings() {
        assert_eq!(check(&Config::default(), &BTreeSet::new()), []);
    }

    /// Each line is wrong in one way and right but for that.
    #[test]
    fn every_broken_relation_is_told_at_its_key() {
        let cases = [
            ("daemon.instance", "[daemon]\ninstance = \"\""),
            ("daemon.instance", "[daemon]\ninstance = \"a b\""),
            ("store.path", "[daemon]\nstate_dir = \"/a/\"\n[store]\npath = \"/a/./hot.db\""),
            ("store.max_size", "[store]\nmax_size = \"1MiB\""),
            ("store.durability", "[store]\ndurability = \"power\""),
            ("http.tls_key_file", "[http]\ntls_cert_file = \"/c.pem\""),
            ("http.tokens_file", "[http]\nlisten = \"[::]:1\"\ntls_cert_file = \"/c.pem\"\ntls_key_file = \"/k.pem\""),
            ("redis.url", "[redis]\nurl = \"http://h\""),
            ("redis.url", "[redis]\nurl = \"redis://\""),
            ("redis.url", "[redis]\nurl = \"redis://:pw@h\""),
            ("redis.maxlen", "[redis]\nurl = \"redis://h\"\nmaxlen = 0"),
            ("redis.username", "[redis]\nurl = \"redis://h\"\nusername = \"u\""),
            ("redis.tls_ca_file", "[redis]\nurl = \"redis://h\"\ntls_ca_file = \"/ca.pem\""),
            ("redis.streams.SOC_EVENTS", "[redis]\nurl = \"redis://h\"\nstreams = { SOC_EVENTS = \"ingest\" }"),
            ("redis.streams.SHRINK", "[redis]\nurl = \"redis://h\"\nstreams = { SHRINK = \"ingest\" }"),
            ("redis.streams.TICK", "[redis]\nurl = \"redis://h\"\nstreams = { TICK = \"ingest\" }"),
            ("redis.streams.L3_OUT", "[redis]\nurl = \"redis://h\"\nstreams = { L3_OUT = \"ingest\" }"),
            ("redis.streams.L4_OUT", "[redis]\nurl = \"redis://h\"\nstreams = { L4_OUT = \"ingest\" }"),
            ("archive.url", "[archive]\nurl = \"postgres://u:pw@h/d\""),
            ("archive.batch", "[archive]\nurl = \"postgres://u@h/d\"\nbatch = 0"),
            ("shrink.url", "[shrink]\nurl = \"https://h/\""),
            ("shrink.timeout", "[shrink]\ntimeout = \"1s\""),
            ("shrink.stale_after", "[shrink]\nstale_after = \"1s\""),
            ("intake.file[1].path", "[intake]\nfile = [{ path = \"/a/b\" }, { path = \"/a//./b\" }]"),
            ("intake.file[0].path", "[flat_log]\npath = \"/f\"\n[[intake.file]]\npath = \"/f\""),
            ("intake.file[0].time_zone", "[[intake.file]]\npath = \"/f\"\ntime_zone = \"Mars/Base\""),
            ("intake.journal[0].identifiers", "[[intake.journal]]\nidentifiers = [\"a*b\"]"),
            ("intake.journal[1]", "[[intake.journal]]\n[[intake.journal]]"),
            ("l4.malicious_at", "[l4]\nmalicious_at = 1.0"),
            ("l4.malicious_at", "[l4]\nmalicious_at = nan"),
            ("l4.suspicious_at", "[l4]\nsuspicious_at = -1.0"),
            ("supervisor.backoff.min", "[supervisor.backoff]\nmin = \"1h\""),
        ];
        for (key, text) in cases {
            assert_eq!(keys(text), [key], "{text}");
        }
    }

    #[test]
    fn a_layer_that_runs_elsewhere_is_no_finding() {
        let text = "[l3]\nenabled = false\n[redis]\nurl = \"redis://h\"\nstreams = { L3_OUT = \"ingest\" }";
        assert_eq!(keys(text), [""; 0]);
    }

    #[test]
    fn an_address_that_others_reach_needs_tokens_and_tls() {
        let all = ["http.tokens_file", "http.tls_cert_file", "http.tls_key_file"];
        for listen in ["0.0.0.0:1", "192.0.2.1:1", "[::]:1", "[::ffff:192.0.2.1]:1"] {
            assert_eq!(keys(&format!("[http]\nlisten = \"{listen}\"")), all, "{listen}");
        }
        for listen in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(keys(&format!("[http]\nlisten = \"{listen}\"")), [""; 0], "{listen}");
        }
    }

    #[test]
    fn nothing_is_said_of_a_value_that_could_not_be_read() {
        let config: Config = toml::from_str("[shrink]\ntimeout = \"1s\"").unwrap();
        let broken = BTreeSet::from(["shrink.every".to_owned()]);
        assert_eq!(check(&config, &broken), []);
    }

    #[test]
    fn a_finding_never_shows_the_secret_that_it_is_about() {
        let config: Config =
            toml::from_str("[redis]\nurl = \"ftp://:hunter2@h\"\n[archive]\nurl = \"postgres://u:hunter2@h/d\"")
                .unwrap();
        let shown: String = check(&config, &BTreeSet::new()).iter().map(Finding::to_string).collect();
        assert!(shown.contains("redis.url") && !shown.contains("hunter2"), "{shown}");
    }
}
