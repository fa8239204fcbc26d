//! What an operator asks for: SOC events by a filter, over HTTP and on the command line.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Daemon, Site, dsmild, wait_for};

/// The logs of the demo, read as far as they go.
fn with_demo() -> (Site, Daemon) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo");
    let mut files: Vec<_> = std::fs::read_dir(&demo).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let sources = files.iter().map(|file| format!("[[intake.file]]\npath = \"{}\"\n", file.display()));
    let site = Site::new(&sources.collect::<String>());
    let daemon = site.start_ready();
    let lines: usize = files.iter().map(|file| std::fs::read_to_string(file).unwrap().lines().count()).sum();
    assert!(lines > 100, "{lines}");
    daemon.until_handled(lines);
    (site, daemon)
}

fn ask(site: &Site, arguments: &[&str]) -> Output {
    let url = format!("http://127.0.0.1:{}", site.port);
    dsmild().args(arguments).args(["--url", &url]).output().unwrap()
}

/// One JSON object a line.
fn objects(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_operator_finds_events_of_the_demo_by_what_they_say() {
    let (site, daemon) = with_demo();
    // Ticks may bring further ones at any time: what follows asks for those that are there now.
    let all = daemon.stream("SOC_EVENTS");
    let place = |event: &Value| all.iter().position(|known| known["id"] == event["id"]);
    let asked = |filter: &str| {
        let mut found = objects(&ask(&site, &["events", "--json", "--oldest", "-n", "100000", "--where", filter]));
        found.retain(|event| place(event).is_some());
        found
    };
    assert!(all.len() > 10 && asked("") == all, "a stream and a filter that everything passes have the same events");
    for filter in [
        "severity >= HIGH",
        "src_ip in 203.0.113.0/24",
        "device in (51, 57) or rule ~ \"scan\"",
        "technique = T1110",
        "user = root and not outcome = failure",
        "failed",
    ] {
        let (passes, fails) = (asked(filter), asked(&format!("not ({filter})")));
        assert!(!fails.is_empty(), "{filter}");
        let mut both = [passes, fails].concat();
        both.sort_by_key(place);
        assert_eq!(both, all, "{filter}");
    }
    let severe = asked("severity >= HIGH");
    assert!(
        !severe.is_empty() && severe.iter().all(|it| ["HIGH", "CRITICAL"].contains(&it["severity"].as_str().unwrap()))
    );
    let id = severe[0]["id"].as_str().unwrap();
    let (code, one) = daemon.get(&format!("/api/v1/events/{id}")).unwrap();
    assert_eq!((code, &serde_json::from_str::<Value>(&one).unwrap()), (200, &severe[0]));
}

#[test]
fn events_are_a_table_for_people_and_exit_codes_for_scripts() {
    let (site, daemon) = with_demo();
    let table = ask(&site, &["events", "-n", "5"]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert_eq!((table.status.code(), text.lines().count()), (Some(0), 6), "{text}");
    assert!(text.starts_with("ID ") && !text.contains('\u{1b}'), "{text}");
    let id = |line: &str| -> (u64, u64) {
        let (ms, count) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        (ms.parse().unwrap(), count.parse().unwrap())
    };
    let newest: Vec<(u64, u64)> = text.lines().skip(1).map(id).collect();
    assert!(newest.windows(2).all(|pair| pair[0] > pair[1]), "{newest:?}");

    let wrong = ask(&site, &["events", "--where", "severity >= BIG"]);
    assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("column 13"), "{wrong:?}");

    let mut following = dsmild()
        .args(["tail", "SOC_EVENTS", "--json", "--where", "severity >= HIGH", "-n", "2", "--url"])
        .arg(format!("http://127.0.0.1:{}", site.port))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert!(["HIGH", "CRITICAL"].contains(&event["severity"].as_str().unwrap()), "{event}");
    }
    // As in `dsmild tail … | head -2`.
    drop(lines);
    wait_for("tail to end", || following.try_wait().unwrap().is_some());
    assert_eq!(following.wait().unwrap().code(), Some(0));
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(ask(&site, &["events"]).status.code(), Some(69));
}
