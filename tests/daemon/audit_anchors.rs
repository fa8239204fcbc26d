//! Whoever changes the audit log is found by each place that remembers where it ends, also where only one is left.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sqlx::Row;

use crate::archive;
use crate::archive_search::attack;
use crate::harness::{Daemon, Site, dsmild, wait_for};
use crate::journald::Journald;
use crate::postgres::Postgres;
use crate::records::{decide, demo, proposals_of_demo};
use crate::redis_server::{Reply, Server, installed};

const DECISIONS: usize = 2;

/// What somebody does to the file; each leaves something else than what was decided.
fn damages(whole: &[u8], another: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut flipped = whole.to_vec();
    flipped[whole.len() / 2] ^= 1;
    vec![
        ("replaced", another.to_vec()),
        ("emptied", Vec::new()),
        ("its last line cut", whole[..last_line].to_vec()),
        ("its last bytes cut", whole[..whole.len() - 3].to_vec()),
        ("a bit flipped", flipped),
    ]
}

/// Decides on so many proposals; returns the audit log.
fn decided(site: &Site, daemon: &Daemon, verb: &str) -> Vec<u8> {
    for id in &proposals_of_demo(daemon)[..DECISIONS] {
        let (code, answer) = decide(site, id, verb);
        assert_eq!(code, 200, "{answer}");
    }
    std::fs::read(site.path("state/audit.log")).unwrap()
}

/// The head of the audit log that the newest SOC events in Redis have.
fn head_in_redis(redis: &Server) -> Option<Value> {
    let entries = redis.ask(&["XREVRANGE", "SOC_EVENTS", "+", "-", "COUNT", "1000"]);
    entries.list().iter().find_map(|entry| {
        let fields: Vec<&str> = entry.list()[1].list().iter().map(Reply::text).collect();
        let head = fields.chunks(2).find(|pair| pair[0] == "audit_head")?;
        serde_json::from_str(head[1]).ok()
    })
}

/// Of a machine that has nothing but the file and what `more` names.
fn verify_with(dir: &Path, log: &[u8], more: &str) -> Output {
    std::fs::create_dir_all(dir.join("state")).unwrap();
    std::fs::write(dir.join("state/audit.log"), log).unwrap();
    let (state, none) = (dir.join("state"), dir.join("none"));
    let store =
        if more.contains("[store]") { String::new() } else { format!("[store]\npath = \"{}\"\n", none.display()) };
    let text =
        format!("[daemon]\nstate_dir = \"{}\"\n[http]\nlisten = \"127.0.0.1:9\"\n{store}{more}", state.display());
    std::fs::write(dir.join("dsmil.toml"), text).unwrap();
    dsmild().arg("verify").arg("-c").arg(dir.join("dsmil.toml")).output().unwrap()
}

#[test]
fn each_place_that_remembers_the_audit_log_finds_by_itself_what_was_done_to_it() {
    let Some(postgres) = Postgres::started() else { return };
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    let other = Site::new(&demo());
    let another = decided(&other, &other.start_ready(), "reject");

    let mirror = format!("[redis]\nurl = \"{}\"\n[redis.streams]\nL3_IN = \"off\"\nL4_IN = \"off\"\n", redis.url());
    let site = Site::new(&archive::configuration(&postgres.url(), &(demo() + &mirror)));
    let daemon = site.start_ready();
    let whole = decided(&site, &daemon, "approve");
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    assert!(lines >= DECISIONS);
    let mut number = 0;
    wait_for("the head with a batch of SOC events in Redis", || {
        attack(&site, number..number + 3);
        number += 3;
        head_in_redis(&redis).is_some_and(|head| head["lines"] == lines)
    });
    let heads = || postgres.rows("SELECT max(lines) FROM dsmil_audit_heads", |row| row.get::<Option<i64>, _>(0));
    wait_for("the head in Postgres", || heads() == [Some(lines as i64)]);
    // The positions are saved now and then.
    wait_for("verify to find every place that remembers the head", || {
        let asked = dsmild().arg("verify").arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(asked.status.success(), "{said} {asked:?}");
        said.contains("the daemon, positions.json, the hot store, Postgres and Redis know it")
    });
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(std::fs::read(site.path("state/audit.log")).unwrap(), whole);

    let saved = std::fs::read(site.path("state/positions.json")).unwrap();
    let hot = format!("[store]\npath = \"{}\"\n", site.path("hot/hotpath.db").display());
    let places = [
        ("positions.json", String::new()),
        ("the hot store", hot),
        ("Postgres", format!("[archive]\nurl = \"{}\"\n", postgres.url())),
        ("Redis", mirror),
    ];
    for (place, more) in places {
        let dir = tempfile::tempdir().unwrap();
        if place == "positions.json" {
            std::fs::create_dir_all(dir.path().join("state")).unwrap();
            std::fs::write(dir.path().join("state/positions.json"), &saved).unwrap();
        }
        let good = verify_with(dir.path(), &whole, &more);
        let said = String::from_utf8_lossy(&good.stdout).into_owned();
        assert!(good.status.success() && said.contains(&format!("as {place} knows it")), "{place}: {said} {good:?}");
        for (what, log) in damages(&whole, &another) {
            let bad = verify_with(dir.path(), &log, &more);
            let said = String::from_utf8_lossy(&bad.stderr).into_owned();
            assert_eq!(bad.status.code(), Some(1), "{what}, {place}: {bad:?}");
            assert!(said.contains("audit log "), "{what}, {place}: {said}");
        }
    }
}

#[test]
fn the_journal_has_each_head_with_a_message_id_and_the_audit_log_is_compared_with_the_newest() {
    let Some(journald) = Journald::start() else { return };
    let site = Site::new(&demo());
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap().replace("\"stderr\"", "\"journald\"");
    std::fs::write(site.path("dsmil.toml"), text).unwrap();
    let enter = journald.enter();
    let mut daemon = site.start_under("nsenter", &enter.each_ref().map(String::as_str));
    daemon.until_ready(&site);
    let whole = decided(&site, &daemon, "approve");
    let entry = || journald.journalctl(&["-o", "json", "MESSAGE_ID=15d2ed3d61f9492ea7e67b9f4d7550ec"]);
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    wait_for("the heads in the journal", || entry().lines().count() == lines);
    // Somebody who is not the daemon says that it has another head.
    let forged = |uid: &str| {
        let said =
            "SYSLOG_IDENTIFIER=dsmil-http\\nMESSAGE=x\\nMESSAGE_ID=15d2ed3d61f9492ea7e67b9f4d7550ec\\nSEQ=9\\nHASH=00";
        let instance: Value = serde_json::from_str(entry().lines().next().unwrap()).unwrap();
        let instance = instance["DSMILD_INSTANCE"].as_str().unwrap().to_owned();
        let send = format!("printf '{said}\\nDSMILD_INSTANCE={instance}\\n' | logger --journald");
        let command = ["setpriv", "--reuid", uid, "--clear-groups", "sh", "-c", &send];
        assert!(Command::new("nsenter").args(&enter).args(command).status().unwrap().success());
    };
    forged("65534");
    wait_for("the forged entry", || entry().lines().count() == lines + 1);
    assert_eq!(daemon.terminate(), Some(0));
    let dir = tempfile::tempdir().unwrap();
    let verify = |log: &[u8]| {
        // Makes the configuration; whoever asks outside of the namespace has another journal.
        verify_with(dir.path(), log, "");
        let program = dsmild();
        let command = Command::new("nsenter")
            .args(&enter)
            .arg(program.get_program())
            .arg("verify")
            .arg("-c")
            .arg(dir.path().join("dsmil.toml"))
            .output();
        command.unwrap()
    };
    let good = verify(&whole);
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success() && said.contains("as the journal knows it"), "{said} {good:?}");
    for (what, log) in damages(&whole, b"") {
        assert_eq!(verify(&log).status.code(), Some(1), "{what}");
    }
}
