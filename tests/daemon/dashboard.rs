//! The shipped rules and the queries of the shipped dashboard, asked of a Prometheus that scrapes a daemon.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::break_in::break_in;
use crate::feed_server::{FeedServer, list};
use crate::harness::{Site, free_port, send, wait_for};
use crate::notify_server::Webhook;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config");

/// Ended with the test.
struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// As it is shipped, but that it scrapes this daemon, and each second. `None`, and a word about it, where it is not installed.
    fn start(site: &Site) -> Option<Self> {
        let shipped = std::fs::read_to_string(format!("{CONFIG}/prometheus/prometheus.yml")).unwrap();
        let scraped = format!("127.0.0.1:{}", site.port);
        assert!(shipped.contains("127.0.0.1:8600") && shipped.contains("15s"), "{shipped}");
        let config = shipped.replace("127.0.0.1:8600", &scraped).replace("15s", "1s");
        std::fs::write(site.path("prometheus.yml"), config).unwrap();
        std::fs::copy(format!("{CONFIG}/prometheus/dsmil.rules.yml"), site.path("dsmil.rules.yml")).unwrap();
        let port = free_port();
        let log = std::fs::File::create(site.path("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", site.path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", site.path("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let Ok(child) = child else {
            eprintln!("skipped: prometheus is not installed");
            return None;
        };
        Some(Self { child, port })
    }

    /// The `data` of an answer; an error where it does not understand the question.
    fn ask(&self, path: &str, body: &str) -> Result<Value, String> {
        let (verb, kind) = if body.is_empty() { ("GET", "") } else { ("POST", "application/x-www-form-urlencoded") };
        let answer = send(self.port, &format!("{verb} {path}"), &format!("Content-Type: {kind}"), body);
        let (_, answer) = answer.ok_or("nobody answers")?;
        let mut answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        if answer["status"] == "success" { Ok(answer["data"].take()) } else { Err(answer.to_string()) }
    }

    fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let data = self.ask("/api/v1/query", &format!("query={encoded}"))?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// The queries of the dashboard that go to Prometheus, as Grafana would ask them.
fn queries() -> Vec<String> {
    let text = std::fs::read_to_string(format!("{CONFIG}/grafana/dsmild.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| {
        let is_of =
            |target: &&Value| [&target["datasource"], &panel["datasource"]].iter().any(|of| of["type"] == "loki");
        panel["targets"].as_array().unwrap().iter().filter(move |target| !is_of(target))
    });
    targets.map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m")).collect()
}

#[test]
fn prometheus_evaluates_every_rule_and_every_query_of_the_dashboard_has_an_answer() {
    let (hook, feeds, shrink) = (Webhook::started(), FeedServer::started(), FeedServer::started());
    feeds.now(|_| Some(list("", b"203.0.113.9\n")));
    shrink.now(|_| Some(list("Content-Type: application/json\r\n", b"{\"risk_acute_stress\":0.5}")));
    let site = Site::new(&format!(
        "[[intake.file]]\npath = \"{{dir}}/in.log\"\n[[notify]]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\n\
         [[intel.feed]]\nname = \"abuse\"\nurl = \"http://127.0.0.1:{}/list\"\ninterval = \"1s\"\n\
         [shrink]\nurl = \"http://127.0.0.1:{}/\"\n",
        hook.port, feeds.port, shrink.port
    ));
    break_in(&site, "atlas", ("eve", "203.0.113.5"), (0, ""), &[]);
    let _daemon = site.start_ready();
    let Some(prometheus) = Prometheus::start(&site) else { return };
    wait_for("Prometheus to have scraped the daemon", || {
        prometheus.query("up{job=\"dsmild\"} == 1").is_ok_and(|found| !found.is_empty())
    });
    let queries = queries();
    assert!(queries.len() > 30, "{queries:?}");
    for query in queries {
        // Those that are empty as long as nothing is wrong.
        let is_quiet = query.ends_with("> 0") || query.ends_with("== 0");
        wait_for(&format!("an answer to `{query}`"), || {
            let found = prometheus.query(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
            is_quiet || !found.is_empty()
        });
    }
    let rules = || {
        let groups = prometheus.ask("/api/v1/rules", "").unwrap()["groups"].as_array().unwrap().clone();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect::<Vec<Value>>()
    };
    assert!(rules().len() > 10);
    wait_for("every rule to be evaluated", || rules().iter().all(|rule| rule["health"] != "unknown"));
    let wrong: Vec<Value> = rules().into_iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
