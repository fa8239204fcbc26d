//! What must hold between values that each fit by themselves. Each section judges its own values; what must hold between
//! sections is here. Opens no connection and no file.

use std::collections::BTreeSet;

use super::judge::{Judge, plain};
use super::schema::Config;
use super::{Finding, daemon};
use crate::event::Stream;
use crate::outlet::{archive, flat_log, loki, notify, stdout};
use crate::redis::config::StreamRole;
use crate::store::config::Durability;
use crate::{intake, layer, redis, respond, server, silence, store, supervise};

/// Every relation that does not hold. `broken` names keys whose value is not what the operator wrote: a relation with
/// one of them is not judged.
pub fn check(config: &Config, broken: &BTreeSet<String>) -> Vec<Finding> {
    let mut judge = Judge::new(broken);
    sections(config, &mut judge);
    state_and_store(config, &mut judge);
    one_writer_a_stream(config, &mut judge);
    standard_output(config, &mut judge);
    judge.findings()
}

fn sections(config: &Config, judge: &mut Judge<'_>) {
    daemon::check(&config.daemon, judge);
    store::config::check(&config.store, judge);
    server::config::check(&config.http, judge);
    if let Some(section) = &config.redis {
        redis::config::check(section, judge);
    }
    if let Some(section) = &config.shrink {
        intake::shrink::config::check(section, judge);
    }
    outlets(config, judge);
    let flat_log = config.flat_log.as_ref().map(|flat_log| flat_log.path.as_path());
    intake::config::check(&config.intake, flat_log, judge);
    intake::feed::config::check(&config.intel, judge);
    layer::l4::config::check(&config.l4, judge);
    supervise::config::check(&config.supervisor, judge);
    respond::config::check(&config.respond, judge);
    silence::config::check(&config.silence, judge);
}

fn outlets(config: &Config, judge: &mut Judge<'_>) {
    if let Some(section) = &config.archive {
        archive::check(section, judge);
    }
    if let Some(section) = &config.flat_log {
        flat_log::check(section, judge);
    }
    if let Some(section) = &config.loki {
        loki::check(section, judge);
    }
    if let Some(section) = &config.stdout {
        stdout::check(section, judge);
    }
    notify::check(&config.notify, judge);
}

fn state_and_store(config: &Config, judge: &mut Judge<'_>) {
    let (daemon, store) = (&config.daemon, &config.store);
    let together = store.path.parent().is_some_and(|folder| plain(folder) == plain(&daemon.state_dir));
    judge.expect(
        !together,
        &["store.path", "daemon.state_dir"],
        "lies in daemon.state_dir",
        "the hot store belongs on a tmpfs, positions and audit log on a disk",
    );
    judge.expect(
        store.durability == Durability::Process || config.archive.is_some(),
        &["store.durability"],
        "is \"power\" without [archive]",
        "configure the archive, which makes commits survive, or write \"process\"",
    );
}

fn standard_output(config: &Config, judge: &mut Judge<'_>) {
    judge.expect(
        !(config.daemon.print_events && config.stdout.is_some()),
        &["daemon.print_events", "stdout"],
        "is set although [stdout] says what is printed",
        "keep one of them: print_events is short for [stdout] with format = \"text\" and min_severity = \"LOW\"",
    );
}

fn one_writer_a_stream(config: &Config, judge: &mut Judge<'_>) {
    let Some(redis) = &config.redis else { return };
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

#[cfg(test)]
pub(crate) mod tests {
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
    fn every_broken_relation_is_reported_at_its_key() {
        let cases = [
            ("daemon.instance", "[daemon]\ninstance = \"\""),
            ("daemon.instance", "[daemon]\ninstance = \"a b\""),
            ("redis.key_prefix", "[redis]\nurl = \"redis://h\"\nkey_prefix = \"a b\""),
            ("loki.tenant", "[loki]\nurl = \"http://h\"\ntenant = \"a\\nb\""),
            ("store.path", "[daemon]\nstate_dir = \"/a/\"\n[store]\npath = \"/a/./hot.db\""),
            ("store.max_size", "[store]\nmax_size = \"1MiB\""),
            ("flat_log.path", "[flat_log]\npath = \"\""),
            ("store.durability", "[store]\ndurability = \"power\""),
            ("daemon.print_events", "[daemon]\nprint_events = true\n[stdout]"),
            ("stdout.streams", "[stdout]\nstreams = []"),
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
            ("respond.budget", "[respond]\nbudget = 0"),
            ("respond.prefix_v4", "[respond]\nprefix_v4 = 8"),
            ("respond.prefix_v6", "[respond]\nprefix_v6 = 129"),
            ("respond.ttl_max", "[respond]\nttl_max = \"31d\""),
            ("respond.socket", "[respond]\nsocket = \"x.sock\""),
            ("respond.socket", "[respond]\nsocket = \"\""),
            ("respond.automatic.actions", "[respond]\nmode = \"automatic\"\nautomatic = { actions = [] }"),
            ("respond.automatic.severity", "[respond]\nmode = \"automatic\"\nautomatic = { severity = \"LOW\" }"),
            ("supervisor.backoff.min", "[supervisor.backoff]\nmin = \"1h\""),
            ("supervisor.frozen_after", "[supervisor]\nfrozen_after = \"1999ms\""),
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
