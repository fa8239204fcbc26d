//! The daemon's own last day: over restarts, and where its file is damaged.

use serde_json::Value;

use crate::harness::{Daemon, Site, wait_for};

/// Two lines, each of which is worth a SOC event.
const LINES: &str = "{\"payload\":\"Nov 28 10:00:00 atlas sudo: eve : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow\"}\n\
                     {\"payload\":\"Nov 28 10:00:01 atlas sudo: bob : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow\"}\n";

fn history(daemon: &Daemon, span: &str) -> Value {
    let (code, body) = daemon.get(&format!("/api/v1/history?span={span}")).expect("an answer");
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn counted(history: &Value) -> (u64, u64) {
    let buckets = history["buckets"].as_array().unwrap();
    let raw = buckets.iter().filter_map(|bucket| bucket["raw_events"].as_u64()).sum();
    let of_severities = buckets.iter().filter_map(|bucket| bucket["soc_events"].as_object()).flat_map(|it| it.values());
    (raw, of_severities.filter_map(Value::as_u64).sum())
}

fn told(history: &Value, kind: &str, what: &str) -> Option<Value> {
    let changes = history["changes"].as_array().unwrap();
    changes.iter().find(|change| change["kind"] == kind && change["what"] == what).cloned()
}

#[test]
fn how_it_went_is_known_after_a_restart_and_a_damaged_file_is_said_and_begun_anew() {
    let site = Site::new("");
    let daemon = site.start_ready();
    daemon.post("/api/v1/streams/L3_IN", LINES).expect("an answer");
    wait_for("two lines and their SOC events to be counted", || {
        let (raw, soc) = counted(&history(&daemon, "1h"));
        raw == 2 && soc >= 2
    });
    let known = history(&daemon, "1h");
    let has = |is_so: &dyn Fn(&Value) -> bool| known["buckets"].as_array().unwrap().iter().any(is_so);
    assert!(
        has(&|bucket| bucket["latency_ms"]["p99"].is_number()) && has(&|bucket| bucket["rate"].as_f64() > Some(0.0))
    );
    assert_eq!(history(&daemon, "24h")["buckets"].as_array().unwrap().len(), 144);
    let (code, body) = daemon.get("/api/v1/history?span=7d").unwrap();
    assert!(code == 400 && body.contains("1h or 24h"), "{body}");
    let status = daemon.status();
    let l3 = status["actors"].as_array().unwrap().iter().find(|actor| actor["name"] == "l3").cloned().unwrap();
    assert!(l3["handled"].as_u64() >= Some(2) && l3["since"].is_string(), "{l3}");
    assert_eq!(daemon.terminate(), Some(0));

    let daemon = site.start_ready();
    let known = history(&daemon, "1h");
    let (raw, soc) = counted(&known);
    assert!(raw == 2 && soc >= 2, "{raw} lines and {soc} SOC events");
    assert!(known["buckets"][0]["raw_events"].is_null(), "an hour ago it did not run: {known}");
    assert_eq!(told(&known, "daemon", "started").unwrap()["times"], 2);
    std::fs::write(site.path("dsmil.toml"), "[store]\nmax_size = \"a lot\"\n").unwrap();
    daemon.reload();
    wait_for("the reload that was refused to be told", || {
        told(&history(&daemon, "1h"), "configuration", "reloaded")
            .is_some_and(|it| it["why"].to_string().contains("refused"))
    });
    let findings = daemon.status()["config"]["findings"].to_string();
    assert!(findings.contains("max_size"), "{findings}");
    daemon.kill();

    site.configure("");
    std::fs::write(site.path("state/history.json"), "{\"form\":1}\n").unwrap();
    let daemon = site.start_ready();
    assert!(site.log().contains("history.json.damaged"), "it is said");
    assert_eq!(counted(&history(&daemon, "24h")).0, 0);
    assert_eq!(daemon.terminate(), Some(0));
    let kept = std::fs::read_to_string(site.path("state/history.json")).unwrap();
    assert!(kept.starts_with("{\"form\":1,\"names\""), "{kept:.80}");
}
