//! What is in the hot store, in Redis and in Postgres, in a form in which the three can be compared.

use std::collections::{BTreeMap, BTreeSet};

use dsmild::event::EventId;
use sqlx::Row;

use crate::harness::Site;
use crate::kill::read;
use crate::postgres::Postgres;
use crate::redis_server::{Connection, Server};

const PAGE: &str = "5000";

/// An event of an output stream.
#[derive(Debug, Clone, PartialEq)]
struct Output {
    id: i64,
    /// The id of what caused it.
    cause: String,
    score: f64,
    /// Empty but in `SOC_EVENTS`.
    src_layer: String,
}

/// The streams that the mirror writes unless it is configured otherwise, and their layers in the hot store.
const STREAMS: [(&str, u8); 3] = [("L3_OUT", 3), ("L4_OUT", 4), ("SOC_EVENTS", 8)];

/// The number in the line of an entry: in the name of its user.
pub fn number(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("user n")?;
    rest.split(' ').next()?.parse().ok()
}

/// Each number once and in order, with the same ids and scores in all three places. Gives the counts in words.
pub fn assert_every_number_everywhere(numbers: u64, site: &Site, redis: &Server, postgres: &Postgres) -> String {
    let raw = stored_raw(site);
    assert_increasing("L3_IN", raw.iter().map(|(id, _)| *id));
    let found: Vec<u64> = raw.iter().map(|(_, number)| *number).collect();
    assert_same("numbers in the hot store", &found, &(1..=numbers).collect::<Vec<_>>());
    assert_same("raw events of Postgres", &archived_raw(postgres), &raw);

    let mut causes = Causes::of(&raw);
    let mut counts = Vec::new();
    for (stream, layer) in STREAMS {
        let stored = stored(site, layer);
        assert_increasing(stream, stored.iter().map(|output| output.id));
        assert_same(&format!("{stream} in Redis"), &mirrored(&mut redis.connect(), stream), &stored);
        assert_same(&format!("{stream} in Postgres"), &archived(postgres, layer), &stored);
        // Layer 4 and the devices speak where there is cause to, the others of everything.
        if stream != "L4_OUT" {
            causes = causes.assert_each_once(stream, &stored);
        }
        counts.push(format!("{stream} {}", stored.len()));
    }
    counts.join(", ")
}

/// Each number once and in order among the raw events and the decisions of layer 3 in Postgres.
pub fn assert_every_number_archived(numbers: u64, postgres: &Postgres) {
    let raw = archived_raw(postgres);
    let found: Vec<u64> = raw.iter().map(|(_, number)| *number).collect();
    assert_same("numbers in Postgres", &found, &(1..=numbers).collect::<Vec<_>>());
    Causes::of(&raw).assert_each_once("L3_OUT", &archived(postgres, 3));
}

/// What Postgres has is in Redis, and among it what a loss of power took from the daemon, for it was there already.
pub fn assert_every_archived_is_mirrored(postgres: &Postgres, redis: &Server) {
    for (stream, layer) in STREAMS {
        let (archived, mirrored) = (archived(postgres, layer), mirrored(&mut redis.connect(), stream));
        assert_increasing(stream, mirrored.iter().map(|output| output.id));
        let ids: BTreeSet<i64> = mirrored.iter().map(|output| output.id).collect();
        let missing: Vec<&Output> = archived.iter().filter(|output| !ids.contains(&output.id)).collect();
        assert!(missing.is_empty(), "{stream} in Redis lacks {missing:?}");
    }
}

/// The ids of events, as they are referred to, and what numbers they came of.
struct Causes(BTreeMap<String, u64>);

impl Causes {
    fn of(raw: &[(i64, u64)]) -> Self {
        Self(raw.iter().map(|(id, number)| (EventId::from_packed(*id).to_string(), *number)).collect())
    }

    /// Of the events that speak of what layer 3 has judged, each cause has one, in order. Gives those.
    fn assert_each_once(&self, stream: &str, outputs: &[Output]) -> Self {
        let of_layer_3 = outputs.iter().filter(|output| matches!(&*output.src_layer, "" | "3"));
        let effects: Vec<(i64, u64)> =
            of_layer_3.map(|output| (output.id, self.0.get(&output.cause).copied().unwrap_or(0))).collect();
        let numbers: Vec<u64> = effects.iter().map(|(_, number)| *number).collect();
        assert_same(&format!("numbers in {stream}"), &numbers, &(1..=self.0.len() as u64).collect::<Vec<_>>());
        Self::of(&effects)
    }
}

/// Each stream in Redis has the events of the hot store: the same ids in the same order, and the same scores. Gives how
/// many. `connect` is asked for a connection to where a key is.
pub fn assert_mirrored(site: &Site, prefix: &str, connect: impl Fn(&str) -> Connection) -> usize {
    let compared = STREAMS.map(|(stream, layer)| {
        let (key, stored) = (format!("{prefix}{stream}"), stored(site, layer));
        assert_same(&format!("{key} in Redis"), &mirrored(&mut connect(&key), &key), &stored);
        stored.len()
    });
    compared.iter().sum()
}

/// Whether the newest of each stream is in Redis.
pub fn is_mirrored(site: &Site, prefix: &str, connect: impl Fn(&str) -> Connection) -> bool {
    STREAMS.iter().all(|(stream, layer)| {
        let key = format!("{prefix}{stream}");
        let sql = format!("SELECT id FROM model_outputs_fast WHERE layer = {layer} ORDER BY id DESC LIMIT 1");
        let stored = read(site, &sql, |row| EventId::from_packed(row.get(0)).to_string()).pop();
        let newest = connect(&key).ask(&["XREVRANGE", &key, "+", "-", "COUNT", "1"]);
        stored.as_deref() == newest.list().first().map(|entry| entry.list()[0].text())
    })
}

fn assert_increasing(what: &str, ids: impl Iterator<Item = i64>) {
    assert!(ids.is_sorted_by(|before, after| before < after), "the ids of {what} increase");
}

/// Names the first difference, for the whole would fill the screen.
fn assert_same<T: PartialEq + std::fmt::Debug>(what: &str, found: &[T], expected: &[T]) {
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    let at = differs.unwrap_or(found.len().min(expected.len()));
    assert!(
        found == expected,
        "{what}: {} instead of {}; from {at} on {:?} instead of {:?}",
        found.len(),
        expected.len(),
        found.get(at),
        expected.get(at)
    );
}

fn stored_raw(site: &Site) -> Vec<(i64, u64)> {
    read(site, "SELECT id, payload FROM raw_events_fast ORDER BY id", |row| raw(row.get(0), &row.get::<Vec<u8>, _>(1)))
}

/// Ids and numbers.
pub fn archived_raw(postgres: &Postgres) -> Vec<(i64, u64)> {
    postgres
        .rows("SELECT id, payload FROM raw_events_fast ORDER BY id", |row| raw(row.get(0), &row.get::<Vec<u8>, _>(1)))
}

fn raw(id: i64, payload: &[u8]) -> (i64, u64) {
    (id, number(std::str::from_utf8(payload).unwrap()).unwrap())
}

fn stored(site: &Site, layer: u8) -> Vec<Output> {
    read(site, &outputs("json_extract(output_json, '$.src_layer')", layer), |row| {
        output(row.get(0), row.get(1), row.get(2), row.get(3))
    })
}

fn archived(postgres: &Postgres, layer: u8) -> Vec<Output> {
    postgres.rows(&outputs("output_json::json ->> 'src_layer'", layer), |row| {
        output(row.get(0), row.get(1), row.get(2), row.get(3))
    })
}

fn outputs(src_layer: &str, layer: u8) -> String {
    format!(
        "SELECT id, input_ref, score, coalesce({src_layer}, '') FROM model_outputs_fast WHERE layer = {layer} ORDER BY id"
    )
}

fn output(id: i64, cause: &str, score: f64, src_layer: &str) -> Output {
    Output { id, cause: cause.to_owned(), score, src_layer: src_layer.to_owned() }
}

fn mirrored(redis: &mut Connection, key: &str) -> Vec<Output> {
    let (mut outputs, mut after) = (Vec::new(), "-".to_owned());
    loop {
        let page = redis.ask(&["XRANGE", key, &after, "+", "COUNT", PAGE]);
        let Some(last) = page.list().last() else { return outputs };
        after = format!("({}", last.list()[0].text());
        outputs.extend(page.list().iter().map(|entry| mirrored_output(entry.list())));
    }
}

fn mirrored_output(entry: &[crate::redis_server::Reply]) -> Output {
    let id: EventId = entry[0].text().parse().unwrap();
    let fields: BTreeMap<&str, &str> = entry[1].list().chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect();
    // Plain in decisions, JSON in SOC events.
    let text = |name: &str| fields.get(name).map_or("", |value| value.trim_matches('"'));
    output(id.packed(), text("input_ref"), fields["score"].parse().unwrap(), text("src_layer"))
}
