//! The whole fabric against what it was fed: numbered entries in Redis, through the daemon, to the streams in Redis, to the
//! hot store and to Postgres, number by number, whoever dies meanwhile.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Daemon, Site, wait_for, wait_for_at_least, wait_for_count};
use crate::kill::read;
use crate::oracle_writer::Writer;
use crate::places::{self, assert_every_number_everywhere};
use crate::postgres::Postgres;
use crate::random::Random;
use crate::redis_server::{Reply, Server, installed};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Blow {
    KillDaemon,
    KillRedis,
    FreezeRedis,
    StopPostgres,
    Flush,
}

struct Plan {
    entries: u64,
    blows: Vec<Blow>,
}

impl Plan {
    /// `DSMILD_ORACLE=full` for the large one. The order follows from the seed alone.
    fn new(flushes: usize, random: &mut Random) -> Self {
        use Blow::{Flush, FreezeRedis, KillDaemon, KillRedis, StopPostgres};
        let full = std::env::var("DSMILD_ORACLE").is_ok_and(|size| size == "full");
        let (entries, daemon, redis, freezes, postgres) =
            if full { (200_000, 50, 10, 5, 5) } else { (20_000, 8, 3, 2, 2) };
        let counts = [
            (KillDaemon, daemon),
            (KillRedis, redis),
            (FreezeRedis, freezes),
            (StopPostgres, postgres),
            (Flush, flushes),
        ];
        let mut blows: Vec<Blow> =
            counts.into_iter().flat_map(|(blow, count)| std::iter::repeat_n(blow, count)).collect();
        random.shuffle(&mut blows);
        Self { entries, blows }
    }
}

#[test]
fn every_number_is_everywhere_once_and_in_order_whoever_dies() {
    story(0);
}

#[test]
fn a_redis_that_is_wiped_twice_is_filled_again_and_no_id_is_given_twice() {
    story(2);
}

fn story(flushes: usize) {
    if !installed() {
        return;
    }
    let Some(postgres) = Postgres::new() else { return };
    let mut random = Random::new();
    let plan = Plan::new(flushes, &mut random);
    let begun = Instant::now();
    let mut fabric = Fabric::new(postgres);
    let share = plan.entries / (plan.blows.len() as u64 + 1);
    for blow in &plan.blows {
        for _ in 0..4 {
            fabric.writer.ask_for(share / 4);
            random.pause(60);
        }
        fabric.keep_up(3 * share);
        fabric.strike(*blow, &mut random);
        fabric.mend_some(&mut random);
    }
    fabric.mend_redis();
    fabric.mend_postgres();
    fabric.writer.ask_for(plan.entries - fabric.writer.asked());
    let struck = begun.elapsed();
    while !fabric.is_complete_at_its_stop() {}
    let settled = begun.elapsed();
    let Fabric { redis, postgres, site, .. } = fabric;
    let counts = assert_every_number_everywhere(plan.entries, &site, &redis, &postgres);
    eprintln!(
        "{} entries over {} blows: {counts}; blows {struck:.0?}, settled {settled:.0?}, compared {:.0?}",
        plan.entries,
        plan.blows.len(),
        begun.elapsed()
    );
}

/// Everything that can be struck.
struct Fabric {
    redis: Server,
    postgres: Postgres,
    daemon: Option<Daemon>,
    site: Site,
    writer: Writer,
    freezes: u32,
    /// What is down, and how long at least.
    redis_down: Option<(Down, Instant)>,
    postgres_down: Option<Instant>,
}

#[derive(Clone, Copy)]
enum Down {
    Dead,
    Frozen,
}

impl Fabric {
    fn new(postgres: Postgres) -> Self {
        // What was confirmed to the writer must be there after a kill, or the test would not know what to expect.
        let redis = Server::new(&["--appendfsync", "always"]);
        let extra = format!(
            "[redis]\nurl = \"{}\"\nmaxlen = 100000000\n[archive]\nurl = \"{}\"\nevery = \"100ms\"\n[fusion]\ninclude_benign = true\n",
            redis.url(),
            postgres.url()
        );
        let site = Site::new(&extra);
        let text = std::fs::read_to_string(site.path("dsmil.toml")).unwrap();
        std::fs::write(
            site.path("dsmil.toml"),
            text.replace("512MiB", "8GiB").replace("[log]", "[log]\nlevel = \"warn\""),
        )
        .unwrap();
        let daemon = Some(site.start_ready());
        let writer = Writer::start(redis.port);
        // Both come later than the daemon.
        let (redis_down, postgres_down) = (Some((Down::Dead, Instant::now())), Some(Instant::now()));
        Self { redis, postgres, daemon, site, writer, freezes: 0, redis_down, postgres_down }
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// The number of the newest entry that is committed.
    fn taken(&self) -> u64 {
        if !self.site.path("hot/hotpath.db").exists() {
            return 0;
        }
        let newest = "SELECT payload FROM raw_events_fast ORDER BY id DESC LIMIT 1";
        read(&self.site, newest, |row| places::number(&payload(&row))).first().copied().flatten().unwrap_or(0)
    }

    /// Blows are to strike a daemon at work: the writer does not run away from it.
    fn keep_up(&self, lead: u64) {
        if self.redis_down.is_none() {
            let goal = self.writer.asked().saturating_sub(lead);
            wait_for_at_least("the daemon to follow the writer", goal, || self.taken());
        }
    }

    fn strike(&mut self, blow: Blow, random: &mut Random) {
        match blow {
            Blow::KillDaemon => {
                self.daemon.take().unwrap().kill();
                random.pause(200);
                self.daemon = Some(self.site.start());
            }
            Blow::KillRedis => {
                self.mend_redis();
                self.redis.kill();
                self.redis_down = Some((Down::Dead, random.later(1000)));
            }
            Blow::FreezeRedis => {
                self.mend_redis();
                self.redis.signal(Signal::STOP);
                self.freezes += 1;
                // In turn longer than the daemon waits for an answer, and shorter.
                let at_least = if self.freezes % 2 == 1 { dsmild::redis::CALL_TIMEOUT } else { Duration::ZERO };
                self.redis_down = Some((Down::Frozen, random.later(2000) + at_least));
            }
            Blow::StopPostgres => {
                self.mend_postgres();
                self.postgres.stop();
                self.postgres_down = Some(random.later(2000));
            }
            Blow::Flush => {
                self.mend_redis();
                // What nobody has read yet would be lost with it.
                wait_for_count("the entries to be taken", self.writer.asked(), || self.taken());
                self.redis.ask(&["FLUSHALL"]);
            }
        }
    }

    /// Some outages last into the next blow.
    fn mend_some(&mut self, random: &mut Random) {
        if random.below(3) > 0 {
            self.mend_redis();
        }
        if random.below(3) > 0 {
            self.mend_postgres();
        }
    }

    fn mend_redis(&mut self) {
        let Some((down, until)) = self.redis_down.take() else { return };
        std::thread::sleep(until.saturating_duration_since(Instant::now())); // as long as the outage lasts
        match down {
            Down::Dead => self.redis.start(),
            Down::Frozen => self.redis.signal(Signal::CONT),
        }
    }

    fn mend_postgres(&mut self) {
        let Some(until) = self.postgres_down.take() else { return };
        std::thread::sleep(until.saturating_duration_since(Instant::now())); // as long as the outage lasts
        self.postgres.start();
    }

    /// A tick may bring one more event of a device at the very last moment: then the daemon takes it to Redis in another
    /// life. Postgres gets it at the stop.
    fn is_complete_at_its_stop(&mut self) -> bool {
        self.settle();
        assert_eq!(self.daemon.take().unwrap().terminate(), Some(0));
        let complete = places::is_mirrored(&self.site, "", |_| self.redis.connect());
        if !complete {
            self.daemon = Some(self.site.start());
        }
        complete
    }

    /// Until everything is everywhere by the daemon's own account.
    fn settle(&self) {
        wait_for_count("the entries to be taken", self.writer.asked(), || self.taken());
        wait_for("the daemon to be ready", || self.daemon().get("/readyz").is_some_and(|(code, _)| code == 200));
        wait_for_count("the stages and the outlets", 0, || {
            let status = self.daemon().status();
            let lag = |list: &str| {
                let parts = status[list].as_array().unwrap().iter();
                parts.map(|part| part["lag_events"].as_u64().unwrap()).sum::<u64>()
            };
            lag("actors") + lag("outlets")
        });
        wait_for("the outlets to be up", || {
            self.daemon().status()["outlets"].as_array().unwrap().iter().all(|outlet| outlet["up"] == true)
        });
        wait_for_count("everything to be acknowledged", 0, || match self.redis.ask(&["XPENDING", "L3_IN", "dsmil"]) {
            Reply::List(summary) => summary[0].number() as u64,
            _ => 0, // wiped, and nothing came since
        });
    }
}

fn payload(row: &sqlx::sqlite::SqliteRow) -> String {
    String::from_utf8(sqlx::Row::get::<Vec<u8>, _>(row, "payload")).unwrap()
}
