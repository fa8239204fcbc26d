//! Everything about one user, address or machine, from the log to the command line.

use serde_json::Value;

use crate::break_in::break_in;
use crate::harness::{Daemon, Site, dsmild, wait_for};

/// All of it, however long it takes to read the log after a start.
fn about(daemon: &Daemon, path: &str) -> Value {
    let mut known = Value::Null;
    wait_for("everything to be read", || {
        let (code, body) = daemon.get(&format!("/api/v1/entities/{path}")).unwrap();
        assert_eq!(code, 200, "{body}");
        known = serde_json::from_str(&body).unwrap();
        known["unread"] == serde_json::json!([])
    });
    known
}

#[test]
fn what_is_known_of_an_attacker_is_what_the_log_says_also_after_a_kill() {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n[device.54]\nindicators = [\"{dir}/bad.txt\"]\n");
    std::fs::write(site.path("bad.txt"), "203.0.113.5\n").unwrap();
    break_in(&site, "atlas", ("eve", "203.0.113.5"), (0, ""), &[]);
    break_in(&site, "gw", ("bob", "203.0.113.6"), (300, ""), &[]);
    let daemon = site.start_ready();
    wait_for("all lines to be judged", || daemon.stream("L3_OUT").len() >= 56 && daemon.has_no_backlog());
    let is_about =
        |event: &Value, value: &str| ["user", "src_ip", "dst_ip"].iter().any(|part| event["entity"][*part] == value);
    let check = |daemon: &Daemon| {
        let events = daemon.stream("SOC_EVENTS");
        let expected = events.iter().filter(|event| is_about(event, "203.0.113.5")).count() as u64;
        let known = about(daemon, "address/203.0.113.5?count=1000");
        assert!(expected > 3);
        assert_eq!(known["count"].as_u64(), Some(expected), "{known:#}");
        assert_eq!(known["events"].as_array().unwrap().len() as u64, expected);
        assert!(known["events"].as_array().unwrap().iter().all(|event| is_about(event, "203.0.113.5")));
        let touched: Vec<_> =
            known["touched"].as_array().unwrap().iter().map(|it| it["value"].as_str().unwrap()).collect();
        assert!(touched.contains(&"atlas") && !touched.contains(&"203.0.113.5"), "{touched:?}");
        assert!(known["indicators"][0]["list"].as_str().unwrap().contains("bad.txt"), "{known:#}");
        assert!(!known["incidents"].as_array().unwrap().is_empty() && !known["risk"].as_array().unwrap().is_empty());
        let first = known["events"].as_array().unwrap().last().unwrap()["ts"].clone();
        assert_eq!(known["first_seen"], first);
        known
    };
    let before = check(&daemon);
    daemon.kill();
    let daemon = site.start_ready();
    assert_eq!(check(&daemon), before);
    let other = about(&daemon, "user/bob");
    assert!(other["touched"].as_array().unwrap().iter().all(|it| it["value"] != "203.0.113.5"));
    let output = dsmild().args(["entity", "user", "eve", "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("user eve: ") && text.contains("incidents") && text.contains("203.0.113.5"), "{text}");
    let output = dsmild().args(["entity", "planet", "mars", "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
