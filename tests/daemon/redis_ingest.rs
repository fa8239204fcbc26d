//! Entries that others write to Redis are taken exactly once, whoever dies meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use dsmild::intake::redis::Group;
use dsmild::redis::Link;
use sqlx::Row;

use crate::harness::{Daemon, Site, wait_for};
use crate::kill::{count, read};
use crate::postgres::block_on;
use crate::redis_server::{Reply, Server, installed};

pub fn site(port: u16, instance: &str) -> Site {
    let site = Site::new("");
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    let text = text.replace("[daemon]\n", &format!("[daemon]\ninstance = \"{instance}\"\n"));
    let more = format!(
        "[redis]\nurl = \"redis://127.0.0.1:{port}\"\n[redis.streams]\nL3_OUT = \"off\"\nL4_OUT = \"off\"\nSOC_EVENTS = \"off\"\n",
    );
    std::fs::write(site.path("dsmil.toml"), text + &more).unwrap();
    site
}

/// Writes the numbers to the stream, each once, although Redis may die between.
pub fn write(redis: &Server, numbers: std::ops::Range<u64>) {
    let mut connection = redis.connect();
    for number in numbers.clone() {
        let payload = format!("number={number}");
        connection.send(&["XADD", "L3_IN", "*", "source", "writer", "payload", &payload]).unwrap();
    }
    for _ in numbers {
        assert!(!connection.read().unwrap().text().starts_with('-'));
    }
}

/// The numbers in the hot store in the order of the log.
pub fn taken(site: &Site) -> Vec<u64> {
    read(site, "SELECT payload FROM raw_events_fast ORDER BY id", |row| {
        let payload = String::from_utf8(row.get::<Vec<u8>, _>("payload")).unwrap();
        payload.rsplit_once("number=").unwrap().1.trim_end_matches(['"', '}']).parse().unwrap()
    })
}

pub fn pending(redis: &Server) -> i64 {
    match redis.ask(&["XPENDING", "L3_IN", "dsmil"]) {
        Reply::List(summary) => summary[0].number(),
        _ => 0, // the group is gone
    }
}

/// A daemon that has taken the first ten entries and acknowledged them.
fn with_ten_taken() -> (Server, Site, Daemon) {
    let redis = Server::started(&[]);
    let site = site(redis.port, "one");
    let daemon = site.start_ready();
    write(&redis, 0..10);
    wait_for("the first ones to be taken", || count(&site, "raw_events_fast") == 10 && pending(&redis) == 0);
    (redis, site, daemon)
}

#[test]
fn what_a_dead_daemon_held_is_taken_over_by_another_of_the_group() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    let sites = [site(redis.port, "one"), site(redis.port, "two")];
    let [dies, lives]: [Daemon; 2] = sites.each_ref().map(Site::start_ready);
    let mut written = 0;
    // Which of them Redis gives an entry is not for the test to say.
    wait_for("both to have had a share", || {
        write(&redis, written..written + 500);
        written += 500;
        written >= 10_000 && sites.iter().all(|site| count(site, "raw_events_fast") > 0)
    });
    dies.kill();
    // Held by the dead one for certain, whatever it was doing when it died.
    redis.ask(&["XADD", "L3_IN", "*", "payload", &format!("number={written}")]);
    redis.ask(&["XREADGROUP", "GROUP", "dsmil", "one", "COUNT", "1", "STREAMS", "L3_IN", ">"]);
    let all = written + 500;
    write(&redis, written + 1..all);
    wait_for("everything to be acknowledged", || pending(&redis) == 0);
    let [dead, alive] = sites.each_ref().map(taken);
    let union: BTreeSet<u64> = dead.iter().chain(&alive).copied().collect();
    assert!(union.into_iter().eq(0..all), "every entry is taken");
    let unique: BTreeSet<u64> = alive.iter().copied().collect();
    assert_eq!(unique.len(), alive.len(), "the living one takes none twice");
    assert_eq!(lives.terminate(), Some(0));
}

/// It says that it is alive by a question, and that must not be answered with entries.
#[test]
fn a_daemon_that_waits_for_room_leaves_new_entries_in_redis() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    let group = Group::new("L3_IN".to_owned(), "one");
    let config = toml::from_str(&format!("url = \"{}\"", redis.url())).unwrap();
    block_on(async {
        let link = Link::connect(&config, &tokio::runtime::Handle::current()).await.unwrap();
        group.join(&link).await.unwrap();
        write(&redis, 0..10);
        group.heartbeat(&link).await.unwrap();
        assert_eq!(pending(&redis), 0);
        assert_eq!(group.read_new(&link, 100, Some(Duration::from_millis(1))).await.unwrap().len(), 10);
    });
}

#[test]
fn what_redis_gave_on_a_connection_that_was_lost_is_taken_all_the_same() {
    if !installed() {
        return;
    }
    let (redis, site, daemon) = with_ten_taken();
    // As when a question of the daemon was held up on its way, and is answered when it listens no more. In a transaction,
    // so that the question that it is asking now does not come first.
    let give_to_nobody = |number: u64| {
        let mut connection = redis.connect();
        connection.ask(&["MULTI"]);
        connection.ask(&["XADD", "L3_IN", "*", "source", "writer", "payload", &format!("number={number}")]);
        connection.ask(&["XREADGROUP", "GROUP", "dsmil", "one", "COUNT", "1", "STREAMS", "L3_IN", ">"]);
        assert_eq!(connection.ask(&["EXEC"]).list().len(), 2);
    };
    give_to_nobody(10);
    write(&redis, 11..20);
    wait_for("the others to be taken", || count(&site, "raw_events_fast") == 20 && pending(&redis) == 0);
    give_to_nobody(20);
    wait_for("the last one to be taken", || count(&site, "raw_events_fast") == 21 && pending(&redis) == 0);
    assert!(taken(&site).into_iter().eq(0..21), "every number once and in order");
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn what_cannot_be_read_or_was_trimmed_is_reported_and_does_not_come_again() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    let site = site(redis.port, "one");
    let daemon = site.start_ready();
    write(&redis, 0..10);
    redis.ask(&["XADD", "L3_IN", "*", "ts", "yesterday", "payload", "number=77"]);
    wait_for("the unreadable entry to be acknowledged", || {
        count(&site, "raw_events_fast") == 10 && pending(&redis) == 0
    });
    let letters = read(&site, "SELECT reason, payload FROM dead_letters", |row| {
        (row.get::<String, _>(0), row.get::<Vec<u8>, _>(1))
    });
    assert_eq!(letters.len(), 1);
    assert!(letters[0].0.contains("yesterday") && String::from_utf8_lossy(&letters[0].1).contains("number=77"));
    daemon.kill();
    write(&redis, 10..1000);
    redis.ask(&["XTRIM", "L3_IN", "MAXLEN", "90"]);
    let daemon = site.start_ready();
    wait_for("the rest to be taken", || count(&site, "raw_events_fast") == 100);
    wait_for("the trimmed ones to be counted", || {
        let metrics = daemon.get("/metrics").unwrap().1;
        metrics.contains("dsmil_dropped_total{where=\"redis\",reason=\"trimmed\"} 900")
    });
    assert!(taken(&site).into_iter().eq((0..10).chain(910..1000)));
    let letters = read(&site, "SELECT count(*) FROM dead_letters", |row| row.get::<i64, _>(0));
    assert_eq!(letters, [1]);
}

#[test]
fn a_stream_that_is_begun_anew_with_smaller_ids_is_taken_from_its_beginning() {
    if !installed() {
        return;
    }
    let (redis, site, daemon) = with_ten_taken();
    let mut connection = redis.connect();
    // At once, so that the daemon does not find the stream gone.
    connection.ask(&["MULTI"]);
    connection.ask(&["DEL", "L3_IN"]);
    for number in 10..20 {
        connection.ask(&["XADD", "L3_IN", &format!("{number}-0"), "payload", &format!("number={number}")]);
    }
    connection.ask(&["EXEC"]);
    wait_for("the others to be taken", || count(&site, "raw_events_fast") == 20 && pending(&redis) == 0);
    assert!(taken(&site).into_iter().eq(0..20));
    assert_eq!(daemon.terminate(), Some(0));
}
