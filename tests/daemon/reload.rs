//! SIGHUP: a broken file changes nothing, a good one changes what differs, and no event is lost meanwhile.

use std::io::Write;

use crate::harness::{Daemon, Site, dsmild, wait_for};

const FILE: &str = "[[intake.file]]\npath = \"{dir}/in.log\"\n";

pub fn hang_up(daemon: &Daemon) {
    let pid = rustix::process::Pid::from_child(&daemon.child);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
}

pub fn reloads(daemon: &Daemon, result: &str) -> u64 {
    let (_, metrics) = daemon.get("/metrics").unwrap_or_default();
    let name = format!("dsmil_config_reloads_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

fn restarts(daemon: &Daemon) -> u64 {
    daemon.status()["actors"].as_array().unwrap().iter().map(|actor| actor["restarts"].as_u64().unwrap()).sum()
}

#[test]
fn reloads_under_load_lose_nothing_and_name_every_finding() {
    let site = Site::new(FILE);
    let mut file = std::fs::File::create(site.path("in.log")).unwrap();
    let daemon = site.start_ready();
    let rounds = 20;
    let mut written = 0;
    for round in 1..=rounds {
        for _ in 0..200 {
            written += 1;
            writeln!(file, "2026-11-20T10:00:00+00:00 atlas numbered[1]: number={written}").unwrap();
        }
        let broken = round % 2 == 0;
        let extra = match (broken, round % 3) {
            (true, _) => "[l4]\nhalf_life = \"soon\"\n[fusion]\nunknown = 1\n".to_owned(),
            (_, 0) => format!("{FILE}[l4]\nhalf_life = \"{round}m\"\n[device.53]\nenabled = false\n"),
            (_, 1) => format!("{FILE}[l4]\nhalf_life = \"{round}m\"\n"),
            _ => FILE.to_owned(),
        };
        site.configure(&extra);
        let result = if broken { "failure" } else { "success" };
        let before = reloads(&daemon, result);
        hang_up(&daemon);
        wait_for(&format!("reload {round} to be a {result}"), || reloads(&daemon, result) == before + 1);
    }
    wait_for("every line to be judged", || {
        let (_, metrics) = daemon.get("/metrics").unwrap();
        let judged = metrics.lines().find_map(|line| line.strip_prefix("dsmil_events_total{stream=\"L3_OUT\"} "));
        judged.is_some_and(|judged| judged.parse::<u64>().unwrap() == written)
    });
    assert_eq!(restarts(&daemon), 0, "a reload is no failure of an actor");
    assert_eq!(daemon.stream("L3_IN").len() as u64, written);
    for key in ["l4.half_life", "fusion.unknown"] {
        site.until_said(key);
    }
    assert!(daemon.get("/readyz").is_some_and(|(code, _)| code == 200));
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_device_that_is_disabled_and_enabled_again_comes_and_goes() {
    let site = Site::new("");
    let daemon = site.start_ready();
    let runs = |name: &str| daemon.status()["actors"].as_array().unwrap().iter().any(|actor| actor["name"] == name);
    assert!(runs("device-57"));
    site.configure("[device.57]\nenabled = false\n");
    hang_up(&daemon);
    wait_for("device 57 to be gone", || !runs("device-57"));
    daemon.post("/api/v1/streams/L3_IN", "{\"payload\":\"while it is away\"}\n").unwrap();
    site.configure("");
    hang_up(&daemon);
    wait_for("device 57 to be back", || runs("device-57"));
    let (code, _) = daemon.post("/api/v1/streams/L3_IN", "{\"payload\":\"when it is back\"}\n").unwrap();
    assert_eq!(code, 200);
    wait_for("everything to be handled", || {
        daemon.status()["actors"].as_array().unwrap().iter().all(|actor| actor["lag_events"] == 0)
    });
}

#[test]
fn a_format_that_is_added_counts_from_the_reload_on() {
    let own = |program: &str| {
        format!(
            "name = \"{program}\"\nabout = \"test\"\nprograms = [\"{program}\"]\n[[message]]\nis = \"entry of {{user:word}}\"\naction = \"login\"\noutcome = \"failure\"\n"
        )
    };
    let site = Site::new("[parse]\nformats = [\"{dir}/formats\"]\n");
    std::fs::create_dir(site.path("formats")).unwrap();
    std::fs::write(site.path("formats/first.toml"), own("first")).unwrap();
    let daemon = site.start_ready();
    let judged = |program: &str, count: usize| {
        let line = format!("{{\"payload\":\"Jan  2 03:04:05 h {program}[1]: entry of eve\"}}\n");
        daemon.post("/api/v1/streams/L3_IN", &line).unwrap();
        wait_for("the line to be judged", || daemon.stream("L3_OUT").len() == count);
        daemon.stream("L3_OUT")[count - 1].to_string().contains("eve")
    };
    assert!(judged("first", 1));
    assert!(!judged("second", 2));
    std::fs::write(site.path("formats/second.toml"), own("second")).unwrap();
    std::fs::write(site.path("formats/broken.toml"), "name = 1\n").unwrap();
    hang_up(&daemon);
    wait_for("the reload", || reloads(&daemon, "success") == 1);
    assert!(judged("second", 3));
    assert!(judged("first", 4));
    site.until_said("broken.toml:1: ");
}

/// What systemd runs for `ExecReload=`: exit code and what it says.
fn ask(site: &Site, daemon: &Daemon) -> (Option<i32>, String) {
    let pid = daemon.child.id().to_string();
    let output = dsmild().args(["reload", &pid]).env("RUNTIME_DIRECTORY", site.dir.path()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn whoever_asks_for_a_reload_is_answered_when_it_is_done() {
    let site = Site::new("");
    let daemon = site.start_ready();
    for round in 1..=10 {
        site.configure(&format!("[l4]\nhalf_life = \"{round}m\"\n"));
        assert_eq!(ask(&site, &daemon), (Some(0), String::new()));
        let summary = daemon.status()["config"]["last_reload"].as_str().unwrap().to_owned();
        assert!(
            summary.contains("done: 1 parts changed: l4 ") && summary.contains(&format!("\"{round}m\"")),
            "{summary}"
        );
    }
    site.configure("[l4]\nhalf_life = \"soon\"\n");
    let (code, said) = ask(&site, &daemon);
    assert_eq!(code, Some(1));
    assert!(said.contains("refused: 1 findings"), "{said}");
    assert_eq!(reloads(&daemon, "failure"), 1);
    assert_eq!(daemon.terminate(), Some(0));
}
