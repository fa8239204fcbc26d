//! What the mirror writes to Redis.

use dsmild::event::{Body, Decision, Event, EventId, Stream, Times, Timestamp};
use dsmild::outlet::mirror::{Appender, Batch, Target, Top};
use dsmild::redis::Link;
use serde_json::Value;
use sqlx::Row;

use crate::harness::{Daemon, Site, wait_for};
use crate::kill::read;
use crate::postgres::block_on;
use crate::redis_server::{Server, installed};

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

fn target() -> Target {
    Target { key: "L3_OUT".to_owned(), maxlen: 1_000_000 }
}

fn batch(numbers: std::ops::RangeInclusive<u32>) -> Batch {
    let events = numbers.map(|n| {
        let body = Body::Decision(Box::new(Decision::benign("m".into(), 15, "".into(), EventId::new(1, 0))));
        let id = EventId::new(7, n);
        Event { id, stream: Stream::L3Out, times: Times::at(Timestamp::from_millis(1500)), root: id, body }
    });
    Batch::of(&target(), &events.collect::<Vec<_>>()).unwrap()
}

/// Over a connection of its own, as this user.
async fn appender(redis: &Server, user: &str) -> Appender {
    let config = format!("url = \"{}\"\n{user}", redis.url());
    let config = toml::from_str(&config).unwrap();
    let link = Link::connect(&config, &tokio::runtime::Handle::current()).await.unwrap();
    Appender::new(link, target())
}

fn id(n: u32) -> EventId {
    EventId::new(7, n)
}

fn entries(redis: &Server) -> i64 {
    redis.ask(&["XLEN", "L3_OUT"]).number()
}

/// How often Redis has run this command.
fn runs(redis: &Server, command: &str) -> u64 {
    let statistics = redis.ask(&["INFO", "commandstats"]);
    let statistics = statistics.text();
    let found = statistics.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    found.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[test]
fn a_batch_that_was_held_up_is_not_appended_to_a_stream_that_was_emptied_or_has_it() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    block_on(async {
        // The first batch of a connection goes by a script, those after it by a transaction.
        for before in [0, 1] {
            redis.ask(&["FLUSHALL"]);
            let mut held_up = appender(&redis, "").await;
            let mut after = EventId::ZERO;
            for n in 1..=before {
                assert_eq!(held_up.append(after, &batch(n..=n)).await.unwrap(), Top::At(id(n)));
                after = id(n);
            }
            let (first, second) = (batch(before + 1..=before + 3), batch(before + 4..=before + 5));
            let mut other = appender(&redis, "").await;
            let (third, fifth) = (Top::At(id(before + 3)), Top::At(id(before + 5)));
            assert_eq!(other.append(after, &first).await.unwrap(), third);
            assert_eq!(held_up.append(after, &first).await.unwrap(), third, "again after a lost answer");
            assert_eq!(entries(&redis), i64::from(before) + 3);
            assert_eq!(held_up.append(id(before + 3), &second).await.unwrap(), fifth);
            redis.ask(&["FLUSHALL"]);
            let third = batch(before + 6..=before + 7);
            assert_eq!(held_up.append(id(before + 5), &third).await.unwrap(), Top::At(EventId::ZERO));
            assert_eq!(entries(&redis), 0, "a gap that nobody would ever fill");
            // It was filled from its beginning meanwhile, over another connection.
            assert_eq!(other.append(EventId::ZERO, &batch(1..=1)).await.unwrap(), Top::At(id(1)));
            assert_eq!(held_up.append(EventId::ZERO, &third).await.unwrap(), Top::At(id(1)));
            assert_eq!(entries(&redis), 1);
        }
    });
}

#[test]
fn who_deletes_what_was_read_does_not_keep_more_from_coming() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    block_on(async {
        let mut appender = appender(&redis, "").await;
        let mut after = EventId::ZERO;
        for n in 1..=5 {
            assert_eq!(appender.append(after, &batch(n..=n)).await.unwrap(), Top::At(id(n)));
            after = id(n);
            assert_eq!(redis.ask(&["XDEL", "L3_OUT", &after.to_string()]).number(), 1);
        }
        assert_eq!(appender.append(after, &batch(6..=9)).await.unwrap(), Top::At(id(9)));
        assert_eq!(entries(&redis), 4);
    });
}

#[test]
fn who_reads_in_a_group_leaves_the_stream_to_transactions_and_who_may_not_use_them_is_served_all_the_same() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    redis.ask(&["ACL", "SETUSER", "streams", "on", ">secret", "~*", "+@stream", "+eval", "+auth"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "secret").unwrap();
    let without = format!("username = \"streams\"\npassword_file = {:?}", folder.path().join("password"));
    block_on(async {
        for (user, by_script) in [("", 1), (&*without, 4)] {
            redis.ask(&["FLUSHALL"]);
            redis.ask(&["CONFIG", "RESETSTAT"]);
            let mut appender = appender(&redis, user).await;
            assert_eq!(appender.append(EventId::ZERO, &batch(1..=1)).await.unwrap(), Top::At(id(1)));
            redis.ask(&["XGROUP", "CREATE", "L3_OUT", "readers", "0"]);
            for n in 2..=4 {
                redis.ask(&["XREADGROUP", "GROUP", "readers", "one", "STREAMS", "L3_OUT", ">"]);
                redis.ask(&["XACK", "L3_OUT", "readers", &id(n - 1).to_string()]);
                assert_eq!(appender.append(id(n - 1), &batch(n..=n)).await.unwrap(), Top::At(id(n)));
            }
            assert_eq!((entries(&redis), runs(&redis, "eval")), (4, by_script));
        }
    });
}

#[test]
fn the_last_events_of_an_orderly_stop_are_in_redis() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    let streams = "[redis.streams]\nL3_IN = \"off\"\nL4_IN = \"off\"";
    let site = Site::new(&format!(
        "[[intake.file]]\npath = \"{{dir}}/in.log\"\n[redis]\nurl = \"{}\"\n{streams}\n",
        redis.url()
    ));
    let daemon = site.start_ready();
    wait_for("the mirror to be up", || outlet(&daemon)["up"] == true);
    let lines: String = (0..5000).map(|number| format!("Nov 20 10:00:00 atlas numbered[1]: {number}\n")).collect();
    std::fs::write(site.path("in.log"), lines).unwrap();
    // In the middle of them, so that the stop finds every part of the way busy.
    wait_for("some to be judged", || redis.ask(&["XLEN", "L3_OUT"]).number() > 0);
    assert_eq!(daemon.terminate(), Some(0));
    let stored =
        read(&site, "SELECT count(*) AS n FROM model_outputs_fast WHERE layer = 3", |row| row.get::<i64, _>(0));
    assert_eq!(vec![redis.ask(&["XLEN", "L3_OUT"]).number()], stored);
}
