//! Several daemons of one consumer group, one Postgres: an entry that two of them took is archived once.

use std::time::Duration;

use dsmild::bus::EntryKey;
use dsmild::config::Archive;
use dsmild::event::{Body, Decision, Event, EventId, Format, Raw, Stream, Times, Timestamp};
use dsmild::outlet::archive::{Link, Progress, Window};
use dsmild::store::TakenEntry;
use sqlx::Row;

use crate::archive::wait_until_archived;
use crate::archive_keys::rows;
use crate::harness::{Site, wait_for};
use crate::postgres::{Postgres, block_on};
use crate::redis_server::{Reply, Server, installed};
use dsmild::parse::built_in;

/// `limited` loses the right to acknowledge, so that what it took and archived stays with it until another takes over.
fn site(redis: &Server, postgres: &Postgres, instance: &str, user: &str) -> Site {
    let site = Site::new("");
    std::fs::write(site.path("password"), "any").unwrap();
    let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
    let text = text.replace("[daemon]\n", &format!("[daemon]\ninstance = \"{instance}\"\n"));
    let more = format!(
        "[redis]\nurl = \"{}\"\nusername = \"{user}\"\npassword_file = \"{}\"\nkey_prefix = \"\"\n[redis.streams]\n\
         L3_OUT = \"off\"\nL4_OUT = \"off\"\nSOC_EVENTS = \"off\"\n[archive]\nurl = \"{}\"\nevery = \"100ms\"\n",
        redis.url(),
        site.path("password").display(),
        postgres.url()
    );
    std::fs::write(site.path("dsmil.toml"), text + &more).unwrap();
    site
}

fn write(redis: &Server, numbers: std::ops::Range<u64>) {
    let mut connection = redis.connect();
    for number in numbers {
        connection.ask(&["XADD", "L3_IN", "*", "source", "writer", "payload", &format!("number={number}")]);
    }
}

/// Nobody sees some of them without the others.
fn write_at_once(redis: &Server, numbers: std::ops::Range<u64>) {
    let mut connection = redis.connect();
    connection.ask(&["MULTI"]);
    for number in numbers {
        connection.ask(&["XADD", "L3_IN", "*", "source", "writer", "payload", &format!("number={number}")]);
    }
    assert!(!connection.ask(&["EXEC"]).list().is_empty());
}

fn pending(redis: &Server) -> i64 {
    match redis.ask(&["XPENDING", "L3_IN", "dsmil"]) {
        Reply::List(summary) => summary[0].number(),
        _ => 0,
    }
}

/// The numbers of the archived lines, and how many decisions there are about them.
fn archived(postgres: &Postgres) -> (Vec<u64>, u64) {
    if postgres.count("raw_events_fast") == 0 {
        return (Vec::new(), 0); // perhaps the table is not there yet
    }
    let mut numbers: Vec<u64> = postgres.rows("SELECT payload FROM raw_events_fast", |row| {
        String::from_utf8(row.get::<Vec<u8>, _>(0)).unwrap().strip_prefix("number=").unwrap().parse().unwrap()
    });
    numbers.sort_unstable();
    (numbers, postgres.count("model_outputs_fast WHERE layer = 3"))
}

#[test]
fn an_entry_that_a_dead_daemon_archived_is_not_archived_again_by_its_heir() {
    let Some(postgres) = Postgres::started() else { return };
    if !installed() {
        return;
    }
    let redis = Server::started(&[]);
    redis.ask(&["ACL", "SETUSER", "limited", "on", "nopass", "~*", "+@all"]);
    redis.ask(&["ACL", "SETUSER", "whole", "on", "nopass", "~*", "+@all"]);
    let sites = [site(&redis, &postgres, "one", "limited"), site(&redis, &postgres, "two", "whole")];
    let dies = sites[0].start_ready();
    // It asks for one at first, and each time for twice as many.
    write(&redis, 0..1000);
    wait_for("the first ones to be taken", || archived(&postgres).1 == 1000 && pending(&redis) == 0);
    redis.ask(&["ACL", "SETUSER", "limited", "-xack"]);
    // At once, so that one answer has all: after the first refusal to acknowledge it takes no more.
    write_at_once(&redis, 1000..1500);
    wait_for("the first daemon's lines and decisions in Postgres", || {
        archived(&postgres) == ((0..1500).collect::<Vec<_>>(), 1500)
    });
    assert_eq!(pending(&redis), 500, "none was acknowledged");
    dies.kill();
    let successor = sites[1].start_ready();
    wait_for("the entries to be taken over and acknowledged", || pending(&redis) == 0);
    wait_until_archived(&successor);
    assert_eq!(successor.stream("L3_OUT").len(), 500, "the successor has handled each");
    assert_eq!(archived(&postgres), ((0..1500).collect(), 1500), "and Postgres has each once");
    let dropped = "dsmil_dropped_total{where=\"archive\",reason=\"duplicate\"}";
    wait_for("what was left out to be counted", || successor.get("/metrics").unwrap().1.contains(dropped));

    // The dead one comes back with its hot store: what it archived stays as it is, and both go on.
    redis.ask(&["ACL", "SETUSER", "limited", "+xack"]);
    let back = sites[0].start_ready();
    write(&redis, 1500..1900);
    wait_for("everything to be acknowledged", || pending(&redis) == 0);
    wait_until_archived(&successor);
    wait_until_archived(&back);
    assert_eq!(archived(&postgres), ((0..1900).collect(), 1900));
}

const NOW: u64 = 1_763_856_000_000;

/// A line and its decision, as the daemon with this number made them.
fn events(daemon: u64) -> [Event; 2] {
    let (line, decision) = (EventId::new(NOW + daemon, 0), EventId::new(NOW + daemon, 1));
    let ts = Timestamp::from_millis(NOW);
    let raw = Raw::new("redis".into(), "".into(), Format::Auto, "line".into(), Vec::new(), built_in());
    let judged = Body::Decision(Box::new(Decision::benign("m".into(), 15, "".into(), line)));
    [
        Event { id: line, stream: Stream::L3In, times: Times::at(ts), root: line, body: Body::Raw(raw) },
        Event { id: decision, stream: Stream::L3Out, times: Times::at(ts), root: line, body: judged },
    ]
}

/// Writes what this daemon made of the entry; gives how much was left out.
async fn write_as(link: &mut Link, daemon: u64, content: u64) -> usize {
    let window = Window::at(Timestamp::from_millis(NOW), Duration::from_secs(86_400));
    let events = events(daemon);
    let key = EntryKey { ms: u64::MAX, n: 1, content };
    let entry = TakenEntry { id: events[0].id, stream: "L3_IN".to_owned(), key };
    link.prepare_for(&rows(&events, &link.instance, window)).await.unwrap();
    let instance = link.instance.clone();
    let mut batch = link.transaction().await.unwrap();
    batch.claim(&[entry]).await.unwrap();
    let kept: Vec<Event> = events.iter().filter(|event| !batch.is_duplicate(event.root)).cloned().collect();
    let left_out = events.len() - kept.len();
    batch.rows(&rows(&kept, &instance, window)).await.unwrap();
    batch.commit(Progress { rows: events[1].id, letters: 0 }, None).await.unwrap();
    left_out
}

#[test]
fn what_another_daemon_left_out_is_not_taken_back_by_a_restore() {
    let Some(postgres) = Postgres::started() else { return };
    let config: Archive = toml::from_str(&format!("url = \"{}\"", postgres.url())).unwrap();
    let rows = || (postgres.count("raw_events_fast"), postgres.count("model_outputs_fast"));
    block_on(async {
        let mut one = Link::open(&config, "one").await.unwrap();
        assert_eq!(write_as(&mut one, 1, 7).await, 0);
        assert_eq!(write_as(&mut one, 1, 7).await, 0, "repeated after a lost answer");
        one.take_back(EventId::ZERO).await.unwrap();
        assert_eq!(write_as(&mut one, 1, 7).await, 0, "it comes again after a restore");
        let mut two = Link::open(&config, "two").await.unwrap();
        assert_eq!(write_as(&mut two, 2, 7).await, 2);
        two.close().await;
        let mut two = Link::open(&config, "two").await.unwrap();
        assert_eq!(write_as(&mut two, 2, 7).await, 2, "still known to another connection");
        // The second daemon has acknowledged the entry: the first one will not get it again.
        one.take_back(EventId::ZERO).await.unwrap();
        assert_eq!(write_as(&mut two, 3, 8).await, 0, "another entry that was given the same id");
    });
    assert_eq!(rows(), (2, 2));
}
