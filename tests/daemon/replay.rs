//! The demo's story, replayed and through the daemon.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Site, dsmild, wait_for};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn demo_logs() -> Vec<String> {
    let mut logs: Vec<_> = std::fs::read_dir(format!("{ROOT}/config/demo"))
        .unwrap()
        .map(|entry| format!("config/demo/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    logs.sort();
    logs
}

fn replay(arguments: &[&str], inputs: &[String]) -> Vec<u8> {
    let output = dsmild().arg("replay").args(arguments).args(inputs).current_dir(ROOT).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn events(ndjson: &[u8]) -> Vec<Value> {
    ndjson
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn texts(event: &Value, field: &str) -> BTreeSet<String> {
    event[field].as_array().into_iter().flatten().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let first = replay(&[], &demo_logs());
    assert!(!first.is_empty());
    assert_eq!(first, replay(&[], &demo_logs()));
}

#[test]
fn every_part_of_the_story_is_reported() {
    let events = events(&replay(&[], &demo_logs()));
    let reported =
        |what: &str, found: &dyn Fn(&Value) -> bool| assert!(events.iter().any(found), "not reported: {what}");
    reported("the brute force", &|event| texts(event, "reasons").contains("brute_force"));
    reported("that it got in", &|event| {
        texts(event, "reasons").contains("success_after_failures") && event["decision"] == "malicious"
    });
    reported("sudo misuse", &|event| {
        event["entity"]["user"] == "deploy" && event["summary"].as_str().unwrap().contains("/etc/shadow")
    });
    reported("the beacon", &|event| texts(event, "flags").contains("BEACON"));
    reported("the tampered log", &|event| texts(event, "flags").contains("LOG_TIME_BACKWARDS"));
    reported("the cleared log", &|event| texts(event, "flags").contains("LOG_CLEARED"));
    reported("the forged address", &|event| texts(event, "flags").contains("FORGED_ADDRESS"));
    reported("an incident of all that", &|event| event["src_device"] == 52 && event["severity"] == "CRITICAL");
    reported("a proposal", &|event| event["src_device"] == 58 && event["proposal"].is_object());
}

/// The noise before the story begins: two days in which nothing happened.
#[test]
fn the_background_alone_gives_no_event() {
    let story_begins = "2026-11-18";
    let site = Site::new("");
    let mut quiet = Vec::new();
    for log in demo_logs() {
        let text = std::fs::read_to_string(format!("{ROOT}/{log}")).unwrap();
        let noise: String = text
            .lines()
            .filter(|line| line.starts_with("2026-11-16") || line.starts_with("2026-11-17"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(!noise.contains(story_begins));
        let path = site.path(log.rsplit('/').next().unwrap());
        std::fs::write(&path, noise).unwrap();
        quiet.push(path.display().to_string());
    }
    let lines: usize = quiet.iter().map(|path| std::fs::read_to_string(path).unwrap().lines().count()).sum();
    assert!(lines > 500, "{lines} lines of noise");
    let said = replay(&[], &quiet);
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// Ids follow arrival, so whatever names one is left out of the comparison.
fn without_ids(mut event: Value) -> String {
    let of_incident: &[&str] =
        if event["incident_id"].is_null() { &[] } else { &["incident_id", "alert_id", "members"] };
    for key in ["id", "event_id", "input_ref", "proposal"].iter().chain(of_incident) {
        event.as_object_mut().unwrap().remove(*key);
    }
    if let Some(reasons) = event["reasons"].as_array_mut() {
        reasons.retain(|reason| !reason.as_str().is_some_and(|reason| reason.starts_with("similar:")));
    }
    if let Some(evidence) = event.get_mut("evidence").and_then(Value::as_object_mut) {
        evidence.remove("events");
    }
    event.to_string()
}

#[test]
fn the_daemon_over_the_same_files_gives_the_same_events() {
    let intake: String = demo_logs().iter().map(|log| format!("[[intake.file]]\npath = \"{log}\"\n")).collect();
    let site = Site::new(&intake);
    let mut daemon = site.start_in(ROOT);
    let lines: usize =
        demo_logs().iter().map(|log| std::fs::read_to_string(format!("{ROOT}/{log}")).unwrap().lines().count()).sum();
    daemon.until_ready(&site);
    wait_for("every line to have gone through every stage", || {
        let status = daemon.status();
        let read: u64 =
            status["sources"].as_array().unwrap().iter().map(|source| source["events"].as_u64().unwrap()).sum();
        read == lines as u64 && status["actors"].as_array().unwrap().iter().all(|actor| actor["lag_events"] == 0)
    });
    let config = site.path("dsmil.toml").display().to_string();
    let goes_on = |event: &Value| event["over"] != true;
    let replayed = events(&replay(&["-c", &config], &demo_logs())).into_iter();
    let mut expected: Vec<_> = replayed.filter(goes_on).map(without_ids).collect();
    // That an alarm is over is said when nothing came for an hour: by the lines' own time in a replay, which knows no other.
    let found = || daemon.stream("SOC_EVENTS").into_iter().filter(goes_on);
    wait_for("the last event to be committed", || found().count() >= expected.len());
    let mut found: Vec<_> = found().map(without_ids).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn standard_input_is_read_and_bad_input_is_exit_65() {
    let output = dsmild().args(["replay", "/no/such/file"]).output().unwrap();
    assert_eq!(output.status.code(), Some(65));
    let mut child = dsmild()
        .args(["replay", "--stream", "L3_OUT", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"2026-11-20T10:00:00Z atlas cron[1]: hello\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(events(&output.stdout)[0]["decision"], "benign");
}

#[test]
fn a_packed_log_is_read_and_what_has_no_lines_is_exit_65_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("auth.log");
    std::fs::copy(&demo_logs()[0], &plain).unwrap();
    let packed = folder.path().join("auth.log.2.gz");
    let mut encoder = flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), Default::default());
    encoder.write_all(&std::fs::read(&plain).unwrap()).unwrap();
    encoder.finish().unwrap();
    let of = |path: &std::path::Path| {
        let output = dsmild().args(["replay", "--stream", "L3_OUT"]).arg(path).output().unwrap();
        (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text, said) = of(&packed);
    assert_eq!(
        (code, text.iter().filter(|byte| **byte == b'\n').count()),
        (Some(0), of(&plain).1.iter().filter(|byte| **byte == b'\n').count()),
        "{said}"
    );
    for (name, content) in [
        ("a.zst", &b"\x28\xb5\x2f\xfd\x04"[..]),
        ("a.xz", b"\xfd7zXZ\0\0"),
        ("dsmild", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let (code, text, said) = of(&path);
        assert_eq!((code, text.len()), (Some(65), 0), "{name}");
        assert!(said.contains("cannot be replayed (it is "), "{name}: {said}");
    }
}
