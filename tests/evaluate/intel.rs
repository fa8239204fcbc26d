//! Device 54 against the MISP warninglists: names and addresses that everybody uses are never accused, even by a feed
//! that names them all.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use dsmild::device::DEVICES;
use dsmild::event::{Body, Event, EventId, Format, Raw, Stream, Times};
use dsmild::layer::stage::{Outbox, Stage};
use dsmild::parse::built_in;

use crate::data;

fn lists() -> Vec<(PathBuf, Vec<String>)> {
    let mut lists = Vec::new();
    for folder in std::fs::read_dir(data("misp-warninglists/lists")).unwrap() {
        let path = folder.unwrap().path().join("list.json");
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let values = json["list"].as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned());
        lists.push((path, values.collect()));
    }
    lists.sort();
    lists
}

fn device(indicators: &Path, allow: &[PathBuf]) -> Box<dyn Stage> {
    let text = |path: &Path| toml::Value::from(path.display().to_string());
    let table = toml::Table::from_iter([
        ("indicators".to_owned(), toml::Value::Array(vec![text(indicators)])),
        ("allow".to_owned(), toml::Value::Array(allow.iter().map(|path| text(path)).collect())),
    ]);
    let spec = DEVICES.iter().find(|device| device.number == 54).unwrap();
    let Ok(prepared) = (spec.prepare)(&table) else { panic!("the lists are refused") };
    prepared.stage()
}

/// How many of these values the device speaks about, each in a line of its own.
fn hits(stage: &mut dyn Stage, values: &[String]) -> usize {
    let mut out = Outbox::default();
    for (value, number) in values.iter().zip(1..) {
        let id = EventId::new(1_700_000_000_000 + number, 0);
        let payload = Bytes::from(format!("client 192.0.2.7 contacts {value} now"));
        let raw = Raw::new("test".into(), "net".into(), Format::Text, payload, Vec::new(), built_in());
        let event = Event { id, stream: Stream::L3In, times: Times::default(), root: id, body: Body::Raw(raw) };
        out.begin(&event);
        stage.step(&event, &mut out);
    }
    out.take().len()
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn a_feed_that_names_everything_on_the_allow_lists_accuses_nothing_on_them() {
    let lists = lists();
    let folder = tempfile::tempdir().unwrap();
    let feed = folder.path().join("feed.txt");
    let everything: Vec<String> = lists.iter().flat_map(|(_, values)| values.iter().cloned()).collect();
    std::fs::write(&feed, everything.join("\n") + "\n198.18.0.1.evil-feed-test.example\n").unwrap();
    let paths: Vec<PathBuf> = lists.iter().map(|(path, _)| path.clone()).collect();
    let started = std::time::Instant::now();
    let mut with = device(&feed, &paths);
    eprintln!("{} values of {} lists read in {:?}", everything.len(), lists.len(), started.elapsed());
    let started = std::time::Instant::now();
    let accused = hits(with.as_mut(), &everything);
    eprintln!("{} lines in {:?}: {accused} hits with the allow lists", everything.len(), started.elapsed());
    let mut without = device(&feed, &[]);
    let found = hits(without.as_mut(), &everything);
    eprintln!("{found} hits without them");
    assert_eq!(accused, 0);
    assert!(found > everything.len() / 2, "the feed itself is in use");
    assert_eq!(hits(with.as_mut(), &["198.18.0.1.evil-feed-test.example".to_owned()]), 1);
}
