//! Events on standard output: each once and in order, and a reader that is slow loses none.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;
use sqlx::Row;

use crate::harness::{Site, dsmild, wait_for};
use crate::kill::read;

/// Every line becomes a SOC event.
const CONFIGURATION: &str =
    "[fusion]\ninclude_benign = true\n[[intake.file]]\npath = \"{dir}/in.log\"\n[stdout]\nstreams = [\"SOC_EVENTS\"]\n";

fn write_lines(site: &Site, numbers: std::ops::Range<u64>) {
    let mut file = std::fs::File::options().append(true).create(true).open(site.path("in.log")).unwrap();
    for number in numbers {
        writeln!(file, "2026-11-20T10:00:00+00:00 atlas numbered[1]: number={number}").unwrap();
    }
}

/// The SOC events of the hot store, in order.
fn stored(site: &Site) -> Vec<Value> {
    read(site, "SELECT output_json FROM model_outputs_fast WHERE layer = 8 ORDER BY id", |row| {
        serde_json::from_str(&row.get::<String, _>("output_json")).unwrap()
    })
}

#[test]
fn every_soc_event_is_printed_once_and_in_order_over_orderly_stops() {
    let site = Site::new(CONFIGURATION);
    for run in 0..3 {
        let daemon = site.start_ready();
        write_lines(&site, run * 300..(run + 1) * 300);
        wait_for("some of the lines to be judged", || stored(&site).len() as u64 > run * 300 + 100);
        assert_eq!(daemon.terminate(), Some(0));
    }
    // The log of the daemon goes to the same file.
    let log = site.log();
    let printed = log.lines().filter(|line| line.starts_with('{'));
    let printed: Vec<Value> = printed.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(printed, stored(&site));
}

#[test]
fn a_reader_that_sleeps_holds_nothing_up_and_gets_everything_when_it_wakes() {
    let site = Site::new(CONFIGURATION);
    let log = std::fs::File::create(site.path("daemon.log")).unwrap();
    let mut child = dsmild()
        .args(["run", "-c"])
        .arg(site.path("dsmil.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let lines = 3000;
    write_lines(&site, 0..lines);
    let url = format!("http://127.0.0.1:{}", site.port);
    wait_for("the daemon to be ready", || {
        dsmild().args(["status", "--url", &url]).output().is_ok_and(|output| output.status.success())
    });
    wait_for("every line to be judged while nobody reads", || stored(&site).len() as u64 >= lines);
    // A pipe holds 64 KiB.
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut printed: Vec<Value> = Vec::new();
    while (printed.len() as u64) < lines {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "it ends after {} lines", printed.len());
        printed.push(serde_json::from_str(&line).unwrap());
    }
    assert_eq!(printed, stored(&site)[..printed.len()]);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
