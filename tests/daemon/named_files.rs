//! Files that the configuration names and that are no regular files: a pipe has no end for whoever opens it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{Site, dsmild, wait_for};

fn pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
}

const NAMED: &str = "[parse]\nformats = [\"{dir}/pipe\"]\n[l4]\nscenarios = [\"{dir}/pipe\"]\n\
                     [device.54]\nindicators = [\"{dir}/pipe\"]\nallow = [\"{dir}/pipe\"]\n[device.58]\nplaybooks = [\"{dir}/pipe\"]\n";
const KEYS: [&str; 6] = [
    "parse.formats[0]",
    "l4.scenarios[0]",
    "device.54.indicators[0]",
    "device.54.allow[0]",
    "device.58.playbooks[0]",
    "http.tokens_file",
];

#[test]
fn a_pipe_is_a_finding_wherever_a_file_is_named() {
    let site = Site::new(NAMED);
    pipe(&site.path("pipe"));
    pipe(&site.path("tokens"));
    site.name_tokens();
    let output = dsmild().args(["check", "-c"]).arg(site.path("dsmil.toml")).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{text}");
    for key in KEYS {
        let is_said = text.lines().any(|line| line.contains(key) && line.contains("it is a named pipe"));
        assert!(is_said, "{key}: {text}");
    }
}

#[test]
fn a_reload_refuses_a_pipe_and_neither_the_next_one_nor_the_end_waits_for_it() {
    let site = Site::new("[l3]\nrules = [\"{dir}/rules\"]\n");
    fs::create_dir(site.path("rules")).unwrap();
    let rule = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rules/account_created.yml");
    fs::copy(rule, site.path("rules/a.yml")).unwrap();
    site.name_tokens();
    site.write_tokens("read 0123456789abcdef0123456789abcdef\n");
    let daemon = site.start();
    wait_for("the daemon to be ready", || daemon.get("/readyz").is_some_and(|(code, _)| code == 200));
    let said = |text| site.log().matches(text).count();
    for (name, back) in [("tokens", None), ("rules", Some("kept"))] {
        let (refused, done) = (said("the old configuration stays"), said("reload done"));
        if let Some(back) = back {
            fs::rename(site.path(name), site.path(back)).unwrap();
        } else {
            fs::remove_file(site.path(name)).unwrap();
        }
        pipe(&site.path(name));
        daemon.reload();
        wait_for("the reload to be refused", || said("the old configuration stays") == refused + 1);
        fs::remove_file(site.path(name)).unwrap();
        match back {
            Some(back) => fs::rename(site.path(back), site.path(name)).unwrap(),
            None => site.write_tokens("read fedcba9876543210fedcba9876543210\n"),
        }
        daemon.reload();
        wait_for("the next reload to be done", || said("reload done") == done + 1);
    }
    pipe(&site.path("rules/b.yml"));
    daemon.reload();
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn positions_that_are_no_file_are_moved_aside() {
    let site = Site::new("");
    pipe(&site.path("state/positions.json"));
    let daemon = site.start_ready();
    site.until_said("it is a named pipe");
    assert!(site.path("state/positions.json.damaged").exists());
    assert_eq!(daemon.terminate(), Some(0));
}
