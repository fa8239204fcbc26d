//! What the mirror writes to Redis is the log, number by number, whoever dies meanwhile.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use sqlx::Row;

use crate::harness::{Daemon, Site, wait_for};
use crate::kill::{next_random, read};
use crate::redis_server::{Connection, Server, installed};

/// What happens while lines come in.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Blow {
    KillDaemon,
    KillRedis,
    Flush,
    Freeze,
}

pub struct Plan {
    pub lines: u64,
    pub blows: Vec<Blow>,
}

impl Plan {
    /// The order follows from the seed alone.
    pub fn new(lines: u64, counts: [(Blow, usize); 4], random: &mut u64) -> Self {
        let mut blows: Vec<Blow> =
            counts.into_iter().flat_map(|(blow, count)| std::iter::repeat_n(blow, count)).collect();
        for place in (1..blows.len()).rev() {
            blows.swap(place, (next_random(random) % (place as u64 + 1)) as usize);
        }
        Self { lines, blows }
    }
}

/// `DSMILD_ORACLE=full` for the large one.
fn plan(random: &mut u64) -> Plan {
    use Blow::{Flush, Freeze, KillDaemon, KillRedis};
    if std::env::var("DSMILD_ORACLE").is_ok_and(|size| size == "full") {
        return Plan::new(200_000, [(KillDaemon, 50), (KillRedis, 10), (Flush, 2), (Freeze, 3)], random);
    }
    Plan::new(20_000, [(KillDaemon, 10), (KillRedis, 3), (Flush, 1), (Freeze, 1)], random)
}

pub fn seed() -> u64 {
    let seed = std::env::var("DSMILD_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_123_u64);
    eprintln!("seed {seed}; repeat with DSMILD_TEST_SEED={seed}");
    seed
}

/// Failed logins, so that all three streams get something.
fn line(number: u64) -> String {
    format!(
        "2026-11-20T10:{:02}:{:02}.000000+00:00 atlas sshd[{number}]: Failed password for invalid user u{} from 203.0.113.{} port 4022 ssh2\n",
        number / 60 % 60,
        number % 60,
        number % 97,
        number % 200
    )
}

pub fn pause(random: &mut u64, millis_max: u64) {
    std::thread::sleep(Duration::from_millis(next_random(random) % millis_max)); // the moment of the blow is random
}

pub fn outlet(daemon: &Daemon) -> Value {
    let status = daemon.status();
    let outlets = status["outlets"].as_array().unwrap();
    outlets.iter().find(|outlet| outlet["name"] == "mirror").cloned().unwrap_or_default()
}

pub fn wait_until_mirrored(daemon: &Daemon) {
    wait_for("every stage to have handled everything and the mirror to be complete", || {
        let mirror = outlet(daemon);
        let idle = daemon.status()["actors"].as_array().unwrap().iter().all(|actor| actor["lag_events"] == 0);
        idle && mirror["up"] == true && mirror["lag_events"] == 0
    });
}

fn entries(redis: &mut Connection, key: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let reply = redis.ask(&["XRANGE", key, "-", "+"]);
    let entry = |entry: &crate::redis_server::Reply| {
        let parts = entry.list();
        let fields = parts[1].list().chunks(2).map(|pair| (pair[0].text().to_owned(), pair[1].text().to_owned()));
        (parts[0].text().to_owned(), fields.collect())
    };
    reply.list().iter().map(entry).collect()
}

fn stored(site: &Site, layer: u8) -> Vec<(String, Value)> {
    let sql = format!("SELECT id, output_json FROM model_outputs_fast WHERE layer = {layer} ORDER BY id");
    read(site, &sql, |row| {
        let id = dsmild::event::EventId::from_packed(row.get::<i64, _>("id")).to_string();
        (id, serde_json::from_str(row.get::<&str, _>("output_json")).unwrap())
    })
}

/// Each stream in Redis has the entries of the hot store: the same ids in the same order, and the same scores.
pub fn assert_mirrored(site: &Site, redis: &Server, prefix: &str) -> usize {
    let mut total = 0;
    for (stream, layer) in [("L3_OUT", 3), ("L4_OUT", 4), ("SOC_EVENTS", 8)] {
        let (entries, stored) = (entries(&mut redis.connect(), &format!("{prefix}{stream}")), stored(site, layer));
        let ids = |ids: &mut dyn Iterator<Item = &String>| ids.cloned().collect::<Vec<_>>();
        assert_eq!(ids(&mut entries.iter().map(|(id, _)| id)), ids(&mut stored.iter().map(|(id, _)| id)), "{stream}");
        for ((id, fields), (_, json)) in entries.iter().zip(&stored) {
            assert_eq!(fields["score"].parse::<f64>().ok(), json["score"].as_f64(), "{stream} {id}");
        }
        total += entries.len();
    }
    total
}

#[test]
fn redis_holds_the_log_number_by_number_whoever_dies() {
    if !installed() {
        return;
    }
    let mut random = seed();
    let plan = plan(&mut random);
    let mut redis = Server::started(&[]);
    let extra = format!(
        "[[intake.file]]\npath = \"{{dir}}/in.log\"\n[redis]\nurl = \"{}\"\nkey_prefix = \"test:\"\n[redis.streams]\nL3_IN = \"off\"\nL4_IN = \"off\"\n",
        redis.url()
    );
    let site = Site::new(&extra);
    let mut file = std::fs::File::create(site.path("in.log")).unwrap();
    let mut daemon = site.start();
    let mut written = 0;
    let share = plan.lines / (plan.blows.len() as u64 + 1);
    for blow in &plan.blows {
        for _ in 0..4 {
            let chunk: String = (written..written + share / 4).map(line).collect();
            written += share / 4;
            file.write_all(chunk.as_bytes()).unwrap();
            pause(&mut random, 60);
        }
        match blow {
            Blow::KillDaemon => {
                daemon.kill();
                daemon = site.start();
            }
            Blow::KillRedis => {
                redis.kill();
                pause(&mut random, 500);
                redis.start();
            }
            Blow::Flush => {
                redis.ask(&["FLUSHALL"]);
            }
            Blow::Freeze => {
                redis.signal(Signal::STOP);
                // Longer than the daemon waits for an answer.
                std::thread::sleep(dsmild::redis::CALL_TIMEOUT + Duration::from_millis(500));
                redis.signal(Signal::CONT);
            }
        }
    }
    wait_for("the daemon to be ready", || daemon.get("/readyz").is_some_and(|(code, _)| code == 200));
    wait_for("the last line to be judged", || stored_count(&site) == written);
    wait_until_mirrored(&daemon);
    let total = assert_mirrored(&site, &redis, "test:");
    eprintln!("{total} entries of {written} lines over {} blows", plan.blows.len());
    assert!(total as u64 > written);
    assert_eq!(daemon.terminate(), Some(0));
}

fn stored_count(site: &Site) -> u64 {
    read(site, "SELECT count(*) AS n FROM model_outputs_fast WHERE layer = 3", |row| row.get::<i64, _>("n"))[0] as u64
}
