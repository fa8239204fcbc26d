//! The archive has what the hot store has, whatever dies; and says what keeps it from that.

use std::io::Write;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::harness::{Daemon, Site, wait_for};
use crate::postgres::{Postgres, block_on};
use crate::random::Random;

pub fn site(url: &str, extra: &str) -> Site {
    Site::new(&configuration(url, extra))
}

pub fn configuration(url: &str, extra: &str) -> String {
    format!(
        "{extra}\n[archive]\nurl = \"{url}\"\nevery = \"100ms\"\nbatch = 200\n[[intake.file]]\npath = \"{{dir}}/in.log\"\n"
    )
}

/// Appends numbered lines to what the daemon reads.
pub fn write_lines(site: &Site, numbers: std::ops::Range<u64>) {
    let mut file = std::fs::File::options().append(true).create(true).open(site.path("in.log")).unwrap();
    for number in numbers {
        let text = format!("2026-11-20T10:00:00.{number:06}+00:00 atlas numbered[1]: number={number}\n");
        file.write_all(text.as_bytes()).unwrap();
    }
}

fn hot<T>(site: &Site, sql: &str, row: impl Fn(SqliteRow) -> T) -> Vec<T> {
    let options =
        SqliteConnectOptions::new().filename(site.path("hot/hotpath.db")).busy_timeout(Duration::from_secs(10));
    block_on(async {
        let mut connection = options.connect().await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
        rows.into_iter().map(row).collect()
    })
}

pub fn archive_status(daemon: &Daemon) -> serde_json::Value {
    let status = daemon.status();
    let found = status["outlets"].as_array().unwrap().iter().find(|outlet| outlet["name"] == "archive");
    found.cloned().unwrap_or_default()
}

pub fn wait_until_archived(daemon: &Daemon) {
    wait_for("every stage to have handled everything", || daemon.has_no_backlog());
    wait_for("everything to be archived", || {
        let archive = archive_status(daemon);
        archive["up"] == true && archive["lag_events"] == 0
    });
}

/// Every row as text, column by column, in the order of ids.
pub fn assert_equal(site: &Site, postgres: &Postgres) {
    let tables = [
        ("raw_events_fast", "id, ts, source, compartment, payload, layer, root, format, attributes"),
        ("model_outputs_fast", "id, ts, layer, model, input_ref, output_json, score, root, producer"),
        ("control_events_fast", "id, ts, stream, root, body_json"),
    ];
    for (table, columns) in tables {
        let text = |form: &str| {
            let columns: Vec<_> = columns.split(", ").map(|column| text_of(column, form)).collect();
            format!("SELECT {} AS row FROM {table} ORDER BY id", columns.join(" || '|' || "))
        };
        let here = hot(site, &text("sqlite"), |row| row.get::<String, _>("row"));
        let there = postgres.rows(&text("postgres"), |row| row.get::<String, _>("row"));
        assert!(!here.is_empty() || table == "control_events_fast", "{table} is empty");
        assert_eq!(here.len(), there.len(), "rows of {table}");
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(here, there, "{table}");
        }
    }
}

fn text_of(column: &str, form: &str) -> String {
    match (column, form) {
        // Microseconds: the two print doubles differently.
        ("ts", "sqlite") => "CAST(round(ts * 1e6) AS INTEGER)".to_owned(),
        ("ts", _) => "round(ts * 1e6)::bigint".to_owned(),
        ("score", "sqlite") => "CAST(round(score * 1e9) AS INTEGER)".to_owned(),
        ("score", _) => "round(score * 1e9)::bigint".to_owned(),
        ("payload", "sqlite") => "lower(hex(payload))".to_owned(),
        ("payload", _) => "encode(payload, 'hex')".to_owned(),
        ("root" | "input_ref", "sqlite") => format!("ifnull({column}, '-')"),
        ("root" | "input_ref", _) => format!("coalesce({column}::text, '-')"),
        (column, _) => column.to_owned(),
    }
}

#[test]
fn the_archive_equals_the_hot_store_after_kills_of_both() {
    let Some(mut postgres) = Postgres::started() else { return };
    let site = site(&postgres.url(), "");
    let mut random = Random::new();
    let mut written = 0;
    for life in 0..6 {
        let daemon = if life == 0 { site.start_ready() } else { site.start() };
        for _ in 0..4 {
            let count = random.below(100);
            write_lines(&site, written..written + count);
            written += count;
            random.pause(300);
            if random.below(4) == 0 {
                postgres.stop();
                random.pause(300);
                postgres.start();
            }
        }
        daemon.kill();
    }
    // Not of long ago: the retention would remove them, sooner or later.
    let now = dsmild::event::Timestamp::now().seconds();
    let values = format!("7, 'x', 'same key', x'ff', {now}");
    let letter = format!("INSERT INTO dead_letters (id, stream, reason, payload, kept_at) VALUES ({values})");
    block_on(async {
        let mut store = SqliteConnectOptions::new().filename(site.path("hot/hotpath.db")).connect().await.unwrap();
        for _ in 0..2 {
            sqlx::query(AssertSqlSafe(letter.clone())).execute(&mut store).await.unwrap();
        }
    });
    let daemon = site.start_ready();
    wait_for("the last line to be judged", || {
        hot(&site, "SELECT count(*) AS n FROM model_outputs_fast WHERE layer = 3", |row| row.get::<i64, _>("n"))[0]
            as u64
            == written
    });
    wait_for("both letters to be archived", || postgres.count("dead_letters WHERE reason = 'same key'") == 2);
    wait_until_archived(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(postgres.count("raw_events_fast"), written);
    assert_equal(&site, &postgres);
}

#[test]
fn what_happened_while_postgres_was_absent_is_archived_when_it_comes() {
    let Some(mut postgres) = Postgres::new() else { return };
    let site = site(&postgres.url(), "");
    write_lines(&site, 0..500);
    let daemon = site.start_ready();
    wait_for("the lines to be judged without Postgres", || daemon.stream("L3_OUT").len() == 500);
    wait_for("what waits to be counted", || {
        archive_status(&daemon)["lag_events"].as_u64().is_some_and(|events| events >= 1000)
    });
    let status = archive_status(&daemon);
    assert_eq!(status["up"], false);
    assert!(status["last_error"].as_str().unwrap().contains("start Postgres there"), "{status}");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("dsmil_archive_up 0"), "{metrics}");
    site.until_said("connecting to Postgres");
    assert_eq!(site.log().matches("connecting to Postgres").count(), 1, "said once: {}", site.log());
    postgres.start();
    wait_until_archived(&daemon);
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("dsmil_archive_up 1") && metrics.contains("dsmil_archive_lag_events 0"), "{metrics}");
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(postgres.count("raw_events_fast"), 500);
    assert_equal(&site, &postgres);
}

#[test]
fn the_last_events_of_an_orderly_stop_are_archived() {
    let Some(postgres) = Postgres::started() else { return };
    let url = postgres.url();
    let extra = format!("[archive]\nurl = \"{url}\"\nevery = \"1h\"\n[[intake.file]]\npath = \"{{dir}}/in.log\"\n");
    let site = Site::new(&extra);
    let daemon = site.start_ready();
    wait_for("Postgres to be reached", || archive_status(&daemon)["up"] == true);
    write_lines(&site, 0..50);
    wait_for("the lines to be judged", || daemon.stream("L3_OUT").len() == 50);
    assert_eq!(daemon.terminate(), Some(0));
    assert_equal(&site, &postgres);
}

#[test]
fn partitions_are_made_for_the_days_of_the_lines_and_dropped_after_the_retention() {
    let Some(postgres) = Postgres::started() else { return };
    let site = site(&postgres.url(), "");
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let day = |ago: i64| now.saturating_sub(jiff::Span::new().days(ago));
    let times = [day(0), day(3), day(20), day(400)].map(|day| day.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string());
    let lines: String = times.iter().map(|time| format!("{time} atlas dated[1]: a line\n")).collect();
    std::fs::write(site.path("in.log"), lines).unwrap();
    let daemon = site.start_ready();
    wait_for("the lines to be judged", || daemon.stream("L3_OUT").len() == 4);
    wait_until_archived(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    let partition = |ago: i64| format!("raw_events_fast_{}", day(ago).strftime("%Y%m%d"));
    let exists = |name: &str| postgres.count(&format!("pg_class WHERE relname = '{name}'")) == 1;
    for ago in [0, 3, 20, -1] {
        assert!(exists(&partition(ago)), "{} is missing", partition(ago));
    }
    assert_eq!(postgres.count(&partition(20)), 1);
    assert_eq!(postgres.count("raw_events_fast_default"), 1, "a time that gets no partition is kept all the same");

    site.configure(&configuration(&postgres.url(), "").replace("every =", "retention = \"10d\"\nevery ="));
    let daemon = site.start_ready();
    wait_for("the old partition to be dropped", || !exists(&partition(20)));
    wait_until_archived(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    assert!(exists(&partition(3)) && exists(&partition(-1)));
    assert_eq!(postgres.count("raw_events_fast"), 3);
    assert!(site.log().contains(&partition(20)), "the drop is logged");
}
