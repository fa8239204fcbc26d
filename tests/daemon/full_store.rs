//! A full tmpfs: sources wait, it is said, nothing is lost and nothing is damaged.

use std::io::Write;
use std::process::Command;

use crate::harness::{Site, wait_for, wait_for_count};

/// A tmpfs of the test's own, unmounted at the end.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(path: std::path::PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_tmpfs_pauses_the_sources_and_loses_nothing() {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n");
    let Some(_tmpfs) = Tmpfs::mount(site.path("hot"), "16m") else {
        eprintln!("skipped: a tmpfs can be mounted by root only");
        return;
    };
    let lines = 8_000;
    let mut file = std::fs::File::create(site.path("in.log")).unwrap();
    for number in 1..=lines {
        writeln!(file, "2026-11-20T10:00:00+00:00 atlas numbered[1]: {} number={number}", "x".repeat(1000)).unwrap();
    }
    // Something else takes the space that the store would need.
    let ballast = site.path("hot/ballast");
    std::fs::write(&ballast, vec![0; 12 * 1024 * 1024]).unwrap();
    let daemon = site.start_ready();
    wait_for("the daemon to say that the store is full", || {
        daemon.get("/readyz").is_some_and(|(code, body)| code == 503 && body.contains("no space"))
    });
    wait_for("the log to say it as well", || site.log().contains("sources wait"));
    assert!(daemon.get("/healthz").is_some_and(|(code, _)| code == 200));
    let (code, _) =
        daemon.post("/api/v1/streams/L3_IN", &"{\"payload\":\"x\"}\n".repeat(10)).unwrap_or((503, String::new()));
    assert_eq!(code, 503, "what cannot be committed is not accepted");

    std::fs::remove_file(&ballast).unwrap();
    wait_for("every line to have been judged in the end", || {
        let (_, metrics) = daemon.get("/metrics").unwrap();
        let judged = metrics.lines().find_map(|line| line.strip_prefix("dsmil_events_total{stream=\"L3_OUT\"} "));
        judged.is_some_and(|judged| judged.parse::<u64>().unwrap() >= lines)
    });
    assert_eq!(daemon.terminate(), Some(0));
    let log = site.log();
    let said = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).count();
    assert!(said < 15, "{said} warnings: {log}");
    let check = Command::new("sqlite3").arg(site.path("hot/hotpath.db")).arg("PRAGMA integrity_check").output();
    match check {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok"),
        Err(_) => eprintln!("skipped: sqlite3 is not installed, the integrity of the file was not checked"),
    }
}

#[test]
fn the_smallest_store_takes_long_lines_without_end() {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n[fusion]\ninclude_benign = true\n");
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    std::fs::write(site.path("dsmil.toml"), text.replace("\"512MiB\"", "\"64MiB\"")).unwrap();
    let (lines, long) = (2_000, "y".repeat(40_000));
    let text: String = (0..lines).map(|number| format!("Nov 20 10:00:00 atlas x[1]: {number} {long}\n")).collect();
    std::fs::write(site.path("in.log"), text).unwrap();
    let daemon = site.start_ready();
    // More than fits the store, so that old ones must go for those that come.
    wait_for_count("every line to be judged", lines, || {
        let (_, metrics) = daemon.get("/metrics").unwrap();
        let judged = metrics.lines().find_map(|line| line.strip_prefix("dsmil_events_total{stream=\"L3_OUT\"} "));
        judged.map_or(0, |judged| judged.parse().unwrap())
    });
    assert_eq!(daemon.terminate(), Some(0));
}
