//! `store.durability = "power"`: a reboot with an empty hot store neither loses nor repeats anything in the archive.

use std::collections::BTreeMap;

use dsmild::config;
use dsmild::event::EventId;
use dsmild::outlet::archive;
use dsmild::store::HotStore;
use sqlx::Row;

use crate::archive::write_lines;
use crate::harness::{Site, dsmild, wait_for};
use crate::postgres::{Postgres, block_on};
use crate::random::Random;

const REBOOTS: u32 = 8;

/// A site whose store is durable over a loss of power.
fn site(postgres: &Postgres) -> Site {
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n");
    make_durable(&site, postgres);
    site
}

/// Adds an archive, and that the store is as durable as that.
pub fn make_durable(site: &Site, postgres: &Postgres) {
    let toml = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    let store = toml.replace("max_size = ", "durability = \"power\"\nmax_size = ");
    let archive = format!("[archive]\nurl = \"{}\"\nevery = \"100ms\"\nbatch = 200\n", postgres.url());
    std::fs::write(site.path("dsmil.toml"), store + &archive).unwrap();
    let check = dsmild().args(["check", "-c"]).arg(site.path("dsmil.toml")).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn every_line_is_in_the_archive_exactly_once_over_losses_of_power() {
    let Some(mut postgres) = Postgres::started() else { return };
    let site = site(&postgres);
    let mut random = Random::new();
    let mut written = 0;
    for reboot in 0..REBOOTS {
        let daemon = if reboot % 3 == 0 { site.start_ready() } else { site.start() };
        for _ in 0..random.below(4) + 1 {
            let count = random.below(200);
            write_lines(&site, written..written + count);
            written += count;
            random.pause(700);
        }
        daemon.kill();
        if random.below(4) > 0 {
            lose_power(&site);
        }
        if random.below(3) == 0 {
            postgres.stop();
            postgres.start();
        }
    }
    let daemon = site.start_ready();
    wait_for("the last line to be judged and archived", || {
        postgres.count("model_outputs_fast WHERE layer = 3") >= written && postgres.count("raw_events_fast") >= written
    });
    assert_eq!(daemon.terminate(), Some(0));
    check(&postgres, written);
}

/// What was on the tmpfs is gone; a daemon that died early had made nothing yet.
pub fn lose_power(site: &Site) {
    if site.path("hot").exists() {
        std::fs::remove_dir_all(site.path("hot")).unwrap();
    }
}

fn check(postgres: &Postgres, written: u64) {
    let rows: Vec<(i64, u64)> = postgres.rows("SELECT id, payload FROM raw_events_fast ORDER BY id", |row| {
        let payload = String::from_utf8(row.get::<Vec<u8>, _>("payload")).unwrap();
        (row.get("id"), payload.rsplit_once("number=").unwrap().1.parse::<u64>().unwrap())
    });
    let numbers: Vec<u64> = rows.iter().map(|(_, number)| *number).collect();
    assert!(numbers.iter().copied().eq(0..written), "every line once and in order: {numbers:?}");
    let raw: BTreeMap<i64, u64> = rows.into_iter().collect();
    let mut judged = postgres.rows("SELECT input_ref FROM model_outputs_fast WHERE layer = 3", |row| {
        row.get::<String, _>("input_ref").parse::<EventId>().unwrap().packed()
    });
    judged.sort_unstable();
    assert!(judged.iter().eq(raw.keys()), "every line has exactly one decision of layer 3");
}

#[test]
fn after_a_loss_of_power_the_start_waits_for_postgres_and_says_so() {
    let Some(mut postgres) = Postgres::started() else { return };
    let site = site(&postgres);
    write_lines(&site, 0..100);
    let daemon = site.start_ready();
    wait_for("the lines to be archived", || postgres.count("model_outputs_fast WHERE layer = 3") == 100);
    daemon.kill();
    lose_power(&site);
    postgres.stop();
    write_lines(&site, 100..200);
    let daemon = site.start();
    wait_for("the daemon to say what it waits for", || {
        daemon.get("/readyz").is_some_and(|(code, body)| code == 503 && body.contains("waiting for Postgres"))
    });
    assert_eq!(daemon.status()["ready"], false);
    assert_eq!(daemon.terminate(), Some(0), "a daemon that waits can be stopped");
    let daemon = site.start();
    postgres.start();
    wait_for("the daemon to be ready", || daemon.get("/readyz").is_some_and(|(code, _)| code == 200));
    wait_for("the new lines to be archived", || postgres.count("model_outputs_fast WHERE layer = 3") == 200);
    assert_eq!(daemon.terminate(), Some(0));
    check(&postgres, 200);
}

#[test]
fn a_hot_store_that_was_filled_from_postgres_says_how_far_sources_were_read_whoever_dies_next() {
    let Some(postgres) = Postgres::started() else { return };
    let site = site(&postgres);
    write_lines(&site, 0..100);
    let daemon = site.start_ready();
    wait_for("the lines to be archived", || postgres.count("model_outputs_fast WHERE layer = 3") == 100);
    assert_eq!(daemon.terminate(), Some(0));
    lose_power(&site);
    let config = config::load(Some(&site.path("dsmil.toml"))).unwrap().config;
    let opened = || async { HotStore::open(&config.store).await.unwrap() };
    let (filled, found) = block_on(async {
        let (store, found) = opened().await;
        let filled = archive::begin(&config, &store, found, &[], async |_| {}).await.unwrap();
        store.close().await; // and here the daemon dies
        (filled, opened().await.1)
    });
    let source = site.path("in.log").display().to_string();
    assert!(filled.positions.contains_key(&source), "{:?}", filled.positions);
    assert_eq!(found.positions, filled.positions);
}

#[test]
fn what_is_posted_is_confirmed_only_when_postgres_has_it() {
    let Some(mut postgres) = Postgres::started() else { return };
    let site = site(&postgres);
    let daemon = site.start_ready();
    let line = "{\"ts\": 1763856000, \"source\": \"test\", \"payload\": \"number=0\"}\n";
    wait_for("a line to be taken", || daemon.post("/api/v1/streams/L3_IN", line).is_some_and(|(code, _)| code == 200));
    assert!(postgres.count("raw_events_fast") >= 1, "confirmed and not in Postgres");
    postgres.stop();
    wait_for("the loss to be noticed", || {
        daemon.post("/api/v1/streams/L3_IN", line).is_some_and(|(code, _)| code == 503)
    });
}
