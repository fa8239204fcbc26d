//! `store.durability = "power"` with entries from Redis: a reboot with an empty hot store neither loses nor repeats any of
//! them in the archive, and none is acknowledged before Postgres has it.

use std::collections::BTreeSet;

use crate::archive_power::{lose_power, make_durable};
use crate::harness::{Site, wait_for_count};
use crate::oracle_writer::Writer;
use crate::places::{archived_raw, assert_every_archived_is_mirrored, assert_every_number_archived};
use crate::postgres::Postgres;
use crate::random::Random;
use crate::redis_mirror::wait_until_mirrored;
use crate::redis_server::{Reply, Server, installed};

const REBOOTS: u32 = 10;

#[test]
fn every_entry_is_in_the_archive_exactly_once_over_losses_of_power() {
    if !installed() {
        return;
    }
    let Some(mut postgres) = Postgres::started() else { return };
    let redis = Server::started(&["--appendfsync", "always"]);
    let site = Site::new(&format!("[redis]\nurl = \"{}\"\n", redis.url()));
    make_durable(&site, &postgres);
    let writer = Writer::start(redis.port);
    let mut random = Random::new();
    for reboot in 0..REBOOTS {
        let daemon = if reboot % 3 == 0 { site.start_ready() } else { site.start() };
        for _ in 0..random.below(4) + 1 {
            writer.ask_for(random.below(500));
            random.pause(700);
        }
        daemon.kill();
        assert_acknowledged_is_archived(&redis, &postgres);
        if random.below(4) > 0 {
            lose_power(&site);
        }
        if random.below(3) == 0 {
            postgres.stop();
            postgres.start();
        }
    }
    let daemon = site.start_ready();
    let judged = "model_outputs_fast WHERE layer = 3";
    wait_for_count("the entries to be judged and archived", writer.asked(), || postgres.count(judged));
    wait_for_count("them to be acknowledged", 0, || pending(&redis).len() as u64);
    wait_until_mirrored(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    assert!(!site.log().contains("did not write"), "the mirror knows its own entries");
    assert_every_number_archived(writer.asked(), &postgres);
    assert_every_archived_is_mirrored(&postgres, &redis);
}

/// What Redis has given to the daemon and does not hold for it any more is in Postgres.
fn assert_acknowledged_is_archived(redis: &Server, postgres: &Postgres) {
    let Reply::List(groups) = redis.ask(&["XINFO", "GROUPS", "L3_IN"]) else { return };
    let Some(group) = groups.first() else { return };
    let given = number(group.list()[7].text());
    let archived = if postgres.count("raw_events_fast") > 0 { archived_raw(postgres) } else { Vec::new() };
    let archived: BTreeSet<u64> = archived.into_iter().map(|(_, number)| number).collect();
    let pending = pending(redis);
    let early: Vec<u64> =
        (1..=given).filter(|number| !pending.contains(number) && !archived.contains(number)).collect();
    assert!(early.is_empty(), "acknowledged and not in Postgres: {early:?}");
}

fn pending(redis: &Server) -> BTreeSet<u64> {
    let pending = redis.ask(&["XPENDING", "L3_IN", "dsmil", "-", "+", "100000"]);
    let Reply::List(pending) = pending else { return BTreeSet::new() };
    pending.iter().map(|held| number(held.list()[0].text())).collect()
}

fn number(id: &str) -> u64 {
    id.split_once('-').unwrap().0.parse().unwrap()
}
