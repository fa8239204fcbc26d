//! Nothing twice and nothing missing, whenever the process dies.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::harness::{Site, wait_for};
use crate::random::Random;

const KILLS: u32 = 50;
const LINES_PER_LIFE: u64 = 400;

fn line(number: u64) -> String {
    format!("2026-11-20T10:00:00.{:06}+00:00 atlas numbered[1]: number={number}\n", number % 1_000_000)
}

#[test]
fn every_line_is_processed_exactly_once_over_fifty_kills() {
    let mut random = Random::new();
    let site = Site::new("[[intake.file]]\npath = \"{dir}/in.log\"\n");
    let mut file = std::fs::File::create(site.path("in.log")).unwrap();
    let mut written = 0;
    for _ in 0..KILLS {
        let daemon = site.start();
        // Some lives are killed while starting, some while busy, some while idle.
        let bursts = random.below(8) + 1;
        for _ in 0..bursts {
            for _ in 0..LINES_PER_LIFE / bursts {
                written += 1;
                file.write_all(line(written).as_bytes()).unwrap();
            }
            random.pause(60);
        }
        daemon.kill();
    }
    let daemon = site.start_ready();
    wait_for("the last line to be judged", || count(&site, "model_outputs_fast WHERE layer = 3") == written);
    wait_for("every stage to have handled everything", || daemon.has_no_backlog());
    assert_eq!(daemon.terminate(), Some(0));
    check(&site, written);
}

fn check(site: &Site, written: u64) {
    let raw: BTreeMap<i64, u64> = read(site, "SELECT id, payload FROM raw_events_fast ORDER BY id", |row| {
        let payload = String::from_utf8(row.get::<Vec<u8>, _>("payload")).unwrap();
        let number = payload.rsplit_once("number=").unwrap().1.parse::<u64>().unwrap();
        (row.get::<i64, _>("id"), number)
    })
    .into_iter()
    .collect();
    assert_eq!(raw.len() as u64, written, "lines in the store");
    assert!(raw.values().copied().eq(1..=written), "every line once and in order");

    let mut judged = read(site, "SELECT input_ref FROM model_outputs_fast WHERE layer = 3", |row| {
        row.get::<String, _>("input_ref").parse::<dsmild::event::EventId>().unwrap().packed()
    });
    judged.sort_unstable();
    assert!(judged.iter().eq(raw.keys()), "every line has exactly one decision of layer 3");
}

pub fn count(site: &Site, from: &str) -> u64 {
    read(site, &format!("SELECT count(*) AS n FROM {from}"), |row| row.get::<i64, _>("n"))[0] as u64
}

pub fn read<T>(site: &Site, sql: &str, row: impl Fn(sqlx::sqlite::SqliteRow) -> T) -> Vec<T> {
    let options =
        SqliteConnectOptions::new().filename(site.path("hot/hotpath.db")).busy_timeout(Duration::from_secs(10));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&pool).await.unwrap();
        rows.into_iter().map(row).collect()
    })
}
