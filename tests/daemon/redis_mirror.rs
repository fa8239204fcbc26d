//! What the mirror writes to Redis.

use dsmild::event::{Body, Decision, Event, EventId, Stream, Times, Timestamp};
use dsmild::outlet::mirror::{Batch, Target, Top};
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

fn batch(numbers: std::ops::RangeInclusive<u32>) -> Batch {
    let events = numbers.map(|n| {
        let body = Body::Decision(Box::new(Decision::benign("m".into(), 15, "".into(), EventId::new(1, 0))));
        let id = EventId::new(7, n);
        Event { id, stream: Stream::L3Out, times: Times::at(Timestamp::from_millis(1500)), root: id, body }
    });
    Batch::of(&events.collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_batch_that_was_held_up_is_not_appended_to_a_stream_that_was_emptied_or_has_it() {
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    let config = toml::from_str(&format!("url = \"{}\"", redis.url())).unwrap();
    let target = Target::new("L3_OUT".to_owned(), 1000);
    let id = |n| EventId::new(7, n);
    block_on(async {
        let link = Link::connect(&config, &tokio::runtime::Handle::current()).await.unwrap();
        let append = async |after, batch: &Batch| target.append(&link, after, batch).await.unwrap();
        let (first, second) = (batch(1..=3), batch(4..=5));
        assert_eq!(append(EventId::ZERO, &first).await, Top::At(id(3)));
        assert_eq!(append(EventId::ZERO, &first).await, Top::At(id(3)), "again after a lost answer");
        assert_eq!(redis.ask(&["XLEN", "L3_OUT"]).number(), 3);
        redis.ask(&["FLUSHALL"]);
        assert_eq!(append(id(3), &second).await, Top::At(EventId::ZERO), "what comes before it is gone");
        assert_eq!(redis.ask(&["XLEN", "L3_OUT"]).number(), 0, "a gap that nobody would ever fill");
        assert_eq!(append(EventId::ZERO, &first).await, Top::At(id(3)));
        assert_eq!(append(id(3), &second).await, Top::At(id(5)));
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
