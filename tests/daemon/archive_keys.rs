//! Several daemons, one Postgres: rows with the same id and time.

use std::sync::Arc;
use std::time::Duration;

use dsmild::bus::EventRef;
use dsmild::config::Archive;
use dsmild::event::{Body, Event, EventId, Format, Raw, RecordParser, Stream, Times, Timestamp};
use dsmild::outlet::archive::{Link, Progress, Rows, Window};
use sqlx::Row;

use crate::postgres::{Postgres, block_on};
use dsmild::parse::built_in;

pub fn events(source: &str) -> Vec<Event> {
    let event = |n| {
        let id = EventId::new(1_763_856_000_000, n);
        let raw = Raw::new(source.into(), "".into(), Format::Auto, format!("line {n}").into(), Vec::new(), built_in());
        Event {
            id,
            stream: Stream::L3In,
            times: Times::at(Timestamp::from_millis(id.ms())),
            root: id,
            body: Body::Raw(raw),
        }
    };
    (0..10).map(event).collect()
}

pub fn config(postgres: &Postgres) -> Archive {
    toml::from_str(&format!("url = \"{}\"", postgres.url())).unwrap()
}

pub fn rows(events: &[Event], instance: &str, window: Window) -> Rows {
    Rows::of(EventRef::all(&events.into()), instance, window)
}

pub async fn write(link: &mut Link, events: &[Event]) {
    let window = Window::at(Timestamp::from_millis(1_763_856_000_000), Duration::from_secs(86_400));
    let rows = rows(events, &link.instance, window);
    link.prepare_for(&rows).await.unwrap();
    let mut batch = link.transaction().await.unwrap();
    batch.rows(&rows).await.unwrap();
    batch.commit(Progress { rows: rows.through().unwrap(), letters: 0 }, None).await.unwrap();
}

#[test]
fn daemons_that_gave_the_same_ids_at_the_same_time_keep_all_their_rows() {
    let Some(postgres) = Postgres::started() else { return };
    let config = config(&postgres);
    block_on(async {
        let parser: Arc<dyn RecordParser> = built_in();
        for name in ["one", "two", "three"] {
            let mut link = Link::open(&config, name).await.unwrap();
            write(&mut link, &events(name)).await;
            // Repeated after a lost answer: nothing twice.
            write(&mut link, &events(name)).await;
            let last = EventId::new(1_763_856_000_000, 9);
            let (back, _) = link.events(EventId::ZERO, last, 100, &parser).await.unwrap().unwrap();
            let key = |event: &Event| (event.id, event.times);
            let (back, given) = (back.iter().map(key), events(name));
            assert!(back.eq(given.iter().map(key)), "a restore gives the times as they were");
            link.close().await;
        }
    });
    for (shift, name) in ["one", "two", "three"].into_iter().enumerate() {
        let rows = postgres.count(&format!("raw_events_fast WHERE source = '{name}' AND ts_shift = {shift}"));
        assert_eq!(rows, 10, "{name}");
    }
    let ids = postgres.rows("SELECT count(DISTINCT id) AS n, count(*) AS all FROM raw_events_fast", |row| {
        (row.get::<i64, _>("n"), row.get::<i64, _>("all"))
    });
    assert_eq!(ids, [(10, 30)], "ids are as they were given");
}

#[test]
fn two_daemons_of_one_name_are_kept_apart() {
    let Some(postgres) = Postgres::started() else { return };
    let config = config(&postgres);
    block_on(async {
        let first = Link::open(&config, "one").await.unwrap();
        let refused = Link::open(&config, "one").await.err().unwrap().to_string();
        assert!(refused.contains("daemon.instance"), "{refused}");
        first.close().await;
        // Postgres frees the lock when the session's process has ended, a moment after the good-bye.
        while let Err(error) = Link::open(&config, "one").await {
            assert!(error.to_string().contains("daemon.instance"), "{error}");
        }
    });
}

#[test]
fn rows_of_a_day_that_was_too_far_ahead_move_to_its_partition_when_it_comes() {
    let Some(postgres) = Postgres::started() else { return };
    let config = config(&postgres);
    let today = Timestamp::from_millis(1_763_856_000_000);
    let window = |now: Timestamp| Window::at(now, Duration::from_secs(86_400));
    block_on(async {
        let mut link = Link::open(&config, "one").await.unwrap();
        let early = window(today.minus(Duration::from_secs(10 * 86_400)));
        let mut batch = link.transaction().await.unwrap();
        batch.rows(&rows(&events("one"), "one", early)).await.unwrap();
        batch.commit(Progress::default(), None).await.unwrap();
        assert_eq!(postgres_count(&postgres, "raw_events_fast_default").await, 10);
        link.tend(today, window(today)).await.unwrap();
        assert_eq!(postgres_count(&postgres, "raw_events_fast_default").await, 0);
        assert_eq!(postgres_count(&postgres, "raw_events_fast_20251123").await, 10);
    });
}

/// Counts on a thread of its own, for there is a runtime on this one.
async fn postgres_count(postgres: &Postgres, from: &str) -> u64 {
    std::thread::scope(|scope| scope.spawn(|| postgres.count(from)).join().unwrap())
}
