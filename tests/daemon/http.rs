//! Every route of the contract, asked of the running daemon.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Site, wait_for};

#[test]
fn a_posted_line_is_committed_judged_explained_and_counted() {
    let site = Site::new("");
    let daemon = site.start_ready();
    let lines = "{\"ts\":1795000000.5,\"source\":\"test\",\"payload\":\"sudo: hello\"}\nnot json\n";
    let (code, body) = daemon.post("/api/v1/streams/L3_IN", lines).unwrap();
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &answer["accepted"], answer["rejected"][0]["line"].as_u64()), (200, &Value::from(1), Some(2)));

    let raw = daemon.stream("L3_IN");
    assert_eq!((raw.len(), raw[0]["source"].as_str(), raw[0]["ts"].as_f64()), (1, Some("test"), Some(1_795_000_000.5)));
    wait_for("the line to be judged", || !daemon.stream("L3_OUT").is_empty());
    let decision = daemon.stream("L3_OUT").remove(0);
    assert_eq!(decision["input_ref"], raw[0]["id"]);
    let (code, body) = daemon.get(&format!("/api/v1/events/{}/explain", decision["id"].as_str().unwrap())).unwrap();
    let chain: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, chain["complete"].as_bool(), chain["steps"].as_array().unwrap().len()), (200, Some(true), 2));

    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("dsmil_events_total{stream=\"L3_IN\"} 1"), "{metrics}");
}

#[test]
fn every_route_answers() {
    let site = Site::new("");
    let daemon = site.start_ready();
    for (path, code, holds) in [
        ("/", 200, "<html"),
        ("/healthz", 200, ""),
        ("/readyz", 200, "true"),
        ("/metrics", 200, "dsmil_build_info"),
        ("/api/v1/status", 200, "\"actors\""),
        ("/api/v1/streams/SOC_EVENTS", 200, "\"events\""),
        ("/api/v1/proposals", 200, "\"proposals\""),
        ("/api/v1/openapi.json", 200, "\"openapi\": \"3.1.0\""),
        ("/api/v1/sources", 200, "\"sources\""),
        ("/api/v1/incidents", 200, "\"incidents\""),
        ("/api/v1/incidents/1-1", 404, "\"status\":404"),
        ("/api/v1/streams/NO_SUCH", 400, "SOC_EVENTS"),
        ("/api/v1/events/1-1/explain", 404, "\"status\":404"),
        ("/api/v1/incidents/1-1/explain", 404, "\"status\":404"),
        ("/api/v1/events/nonsense/explain", 400, "1763856000123-4"),
        ("/no/such/route", 404, "\"status\":404"),
    ] {
        let (found, body) = daemon.get(path).unwrap();
        assert_eq!(found, code, "{path}: {body}");
        assert!(body.contains(holds), "{path}: {body}");
    }
    let actors: Vec<_> =
        daemon.status()["actors"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap().to_owned()).collect();
    for name in ["store", "l3", "l4", "fusion", "device-51", "device-58", "http", "tick"] {
        assert!(actors.iter().any(|actor| actor == name), "{name} in {actors:?}");
    }
}

#[test]
fn metrics_are_what_prometheus_expects() {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n");
    std::fs::write(
        site.path("in.log"),
        "2026-11-20T10:00:00Z atlas sshd[1]: Invalid user x from 203.0.113.9 port 22\n",
    )
    .unwrap();
    let daemon = site.start_ready();
    wait_for("the line to be judged", || !daemon.stream("L3_OUT").is_empty());
    let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        eprintln!("skipped: promtool is not installed");
        return;
    };
    let (_, metrics) = daemon.get("/metrics").unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_client_commands_end_as_documented() {
    let site = Site::new("");
    let daemon = site.start_ready();
    let ask = |arguments: &[&str]| {
        let output = crate::harness::dsmild().args(arguments).arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, table) = ask(&["status"]);
    assert_eq!(code, Some(0));
    assert!(table.contains("device-57"), "{table}");
    assert_eq!(ask(&["explain", "1-1"]).0, Some(1));
    let (code, sources) = ask(&["sources"]);
    assert_eq!((code, sources.contains("STATE")), (Some(0), true), "{sources}");
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(ask(&["status"]).0, Some(69));
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_one_line_and_no_source_is_touched() {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n");
    std::fs::write(site.path("in.log"), "2026-11-20T10:00:00Z atlas x[1]: line\n").unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", site.port)).unwrap();
    let mut daemon = site.start();
    let ended = wait_for_end(&mut daemon.child);
    assert_eq!(ended.code(), Some(1));
    let log = site.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
    assert!(said.len() == 1 && said[0].contains("http.listen") && said[0].contains("free address"), "{said:?}");
    drop(taken);
    let daemon = site.start_ready();
    wait_for("the line to be taken", || daemon.stream("L3_IN").len() == 1);
}

#[test]
fn tail_ends_when_nobody_reads_it_any_more() {
    let site = Site::new("");
    let daemon = site.start_ready();
    daemon.post("/api/v1/streams/L3_IN", "{\"payload\":\"one\"}\n").unwrap();
    let mut tail = crate::harness::dsmild()
        .args(["tail", "L3_IN", "--after", "0-0", "-c"])
        .arg(site.path("dsmil.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(tail.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("one"), "{line}");
    // There is no further event that it could fail to write.
    assert_eq!(wait_for_end(&mut tail).code(), Some(0));
}

fn wait_for_end(child: &mut std::process::Child) -> std::process::ExitStatus {
    wait_for("the process to end", || child.try_wait().unwrap().is_some());
    child.wait().unwrap()
}
