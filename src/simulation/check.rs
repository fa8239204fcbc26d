//! What must hold at the end, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::outside::STREAM;
use super::world::{World, plan};
use crate::detect::watch_time::WatchTime;
use crate::event::{Body, Draft, Event, EventId, Soc, Stream};
use crate::layer::pipeline::Pipeline;
use crate::server::event_json;

/// In how many worlds so far.
pub static SILENCES_FOUND: AtomicU64 = AtomicU64::new(0);

/// Returns the digest of the whole log.
pub fn everything(world: &World) -> blake3::Hash {
    let disk = world.disk.borrow();
    let history = &disk.history;
    ids_rise(history);
    every_line_once_and_in_order(world, history);
    every_line_judged_once(history);
    assert_eq!(disk.letters, 0, "nothing was a dead letter");
    assert_eq!(*world.outside.ids.borrow(), ids(history, STREAM), "outside is what was committed, once and in order");
    as_in_a_replay(history);
    attack_found(world, history);
    silence_found(history);
    digest(history)
}

fn ids(history: &[Event], stream: Stream) -> Vec<EventId> {
    history.iter().filter(|event| event.stream == stream).map(|event| event.id).collect()
}

fn ids_rise(history: &[Event]) {
    assert!(history.is_sorted_by(|before, after| before.id < after.id));
}

fn every_line_once_and_in_order(world: &World, history: &[Event]) {
    for input in &world.inputs {
        let taken: Vec<String> = history
            .iter()
            .filter_map(|event| match &event.body {
                Body::Raw(raw) if &*raw.source == input.name => {
                    Some(String::from_utf8_lossy(&raw.payload).into_owned())
                }
                _ => None,
            })
            .collect();
        let written: Vec<String> = input.lines.iter().map(super::story::Line::text).collect();
        assert_eq!(taken, written, "lines of {}", input.name);
    }
}

fn every_line_judged_once(history: &[Event]) {
    let judged: Vec<EventId> =
        history.iter().filter(|event| event.stream == Stream::L3Out).map(|event| event.root).collect();
    let distinct: BTreeSet<EventId> = judged.iter().copied().collect();
    assert_eq!(distinct.len(), judged.len(), "one decision a line");
    assert_eq!(distinct, ids(history, Stream::L3In).into_iter().collect());
}

/// By writer and root: what was written, in the names of `labels`.
type Written = BTreeMap<(usize, u16, &'static str), Vec<String>>;

/// Roots by number instead of id, and everything else by root, stream, writer and number: a replay has other ids.
fn written(history: &[Event]) -> Written {
    let mut roots = BTreeMap::new();
    let mut labels = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for event in history {
        let root = if event.root == event.id {
            let number = roots.len();
            *roots.entry(event.id).or_insert(number)
        } else {
            roots[&event.root]
        };
        let key = (root, writer(event), event.stream.name());
        let count: &mut usize = counts.entry(key).or_default();
        labels.insert(event.id.to_string(), format!("<{key:?} {count}>"));
        *count += 1;
    }
    let mut written = Written::new();
    for event in history.iter().filter(|event| event.root != event.id) {
        let text = event_json(event).to_string();
        let key = (roots[&event.root], writer(event), event.stream.name());
        written.entry(key).or_default().push(named(&text, &labels));
    }
    written
}

fn writer(event: &Event) -> u16 {
    match &event.body {
        Body::Soc(soc) => soc.producer(),
        _ => 0,
    }
}

/// The text with every id in it replaced by its label.
fn named(text: &str, labels: &BTreeMap<String, String>) -> String {
    let is_part = |sign: char| sign.is_ascii_digit() || sign == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(|sign: char| sign.is_ascii_digit()) {
        let (before, from) = rest.split_at(begin);
        let (word, after) = from.split_at(from.find(|sign| !is_part(sign)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(labels.get(word).map_or(word, String::as_str));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The same input through the same stages on one thread leads to the same events, whoever died meanwhile.
fn as_in_a_replay(history: &[Event]) {
    let mut pipeline = Pipeline::new(plan().stages.clone());
    let roots = history.iter().filter(|event| event.root == event.id);
    let replayed: Vec<Event> = roots
        .flat_map(|event| {
            let Event { stream, times, body, .. } = event.clone();
            pipeline.push(Draft { stream, times, root: None, body })
        })
        .collect();
    let (lived, replayed) = (written(history), written(&replayed));
    for (key, lived) in &lived {
        assert_eq!(Some(lived), replayed.get(key), "{key:?}");
    }
    assert_eq!(lived.len(), replayed.len());
}

fn socs(history: &[Event]) -> impl Iterator<Item = &Soc> {
    history.iter().filter_map(|event| match &event.body {
        Body::Soc(soc) => Some(&**soc),
        _ => None,
    })
}

fn attack_found(world: &World, history: &[Event]) {
    let attacker = &*world.attacker;
    let found = socs(history).any(|soc| soc.entity.src_ip.as_deref() == Some(attacker));
    assert!(found, "{attacker} was not found");
}

/// Where the daemon stood still for long, it waits as long for the next line; and it knows no rhythm of lines that came all at
/// once while the machine's clock was so wrong that their times were not believed. How long it stood still is told by the time that
/// it watched as well: between two arrivals the machine's clock may have been set.
fn silence_found(history: &[Event]) {
    let is_beat = |event: &Event| matches!(&event.body, Body::Raw(raw) if &*raw.source == "beats");
    let mut watch = WatchTime::default();
    let from_outside = history.iter().filter(|event| event.root == event.id);
    let watched = from_outside.map(|event| (watch.at(event.times.taken_in()), event));
    let beats: Vec<(Duration, &Event)> = watched.filter(|(_, event)| is_beat(event)).collect();
    let (mut steady, mut longest) = (0, Duration::ZERO);
    for pair in beats.windows(2) {
        let [(before, earlier), (after, later)] = pair else { continue };
        let waited = later.times.arrival.since(earlier.times.arrival).max(after.saturating_sub(*before));
        longest = longest.max(waited);
        steady += usize::from(waited.max(later.time().since(earlier.time())) >= Duration::from_secs(2));
    }
    if 3 * steady < 2 * beats.len() || longest > Duration::from_secs(120) {
        return;
    }
    let found = socs(history).any(|soc| soc.summary.contains("beats") && soc.summary.contains("silent"));
    assert!(found, "that the steady source fell silent was not found");
    SILENCES_FOUND.fetch_add(1, Ordering::Relaxed);
}

fn digest(history: &[Event]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for event in history {
        hasher.update(event_json(event).to_string().as_bytes());
    }
    hasher.finalize()
}
