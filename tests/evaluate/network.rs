//! Device 57 against public data that nobody here wrote: names of DGA families, labelled Zeek logs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use dsmild::detect::{dga, dns_names, zeek};
use dsmild::device::DEVICES;
use dsmild::event::{Body, Event, EventId, Format, Raw, Record, Soc, Stream, Times, Timestamp};
use dsmild::layer::stage::{Outbox, Stage};
use dsmild::parse::built_in;

use crate::data;
use crate::table::{Bound, figure};

/// Chance that a positive scores above a negative; ties count half.
pub fn auroc(positives: &[f64], negatives: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        positives.iter().map(|score| (*score, true)).chain(negatives.iter().map(|score| (*score, false))).collect();
    all.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < all.len() {
        let end = start + all[start..].iter().take_while(|(score, _)| *score == all[start].0).count();
        let rank = (start + end + 1) as f64 / 2.0;
        rank_sum += rank * all[start..end].iter().filter(|(_, positive)| *positive).count() as f64;
        start = end;
    }
    let (positives, negatives) = (positives.len() as f64, negatives.len() as f64);
    (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn names_of_dga_families_score_above_registered_names() {
    let folder = data("dga-chrmor");
    let (mut made, mut registered, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    for line in std::fs::read_to_string(folder.join("dga_domains_sample.csv")).unwrap().lines() {
        let mut columns = line.split(',');
        let (label, family, name) = (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
        let score = dga::score(name);
        if label == "dga" {
            made.push(score)
        } else {
            registered.push(score)
        }
        if ["gozi", "matsnu", "nymaim", "suppobox"].contains(&family) {
            joined.push(score);
        }
    }
    registered.sort_by(f64::total_cmp);
    let bound = registered[registered.len() * 99 / 100];
    let above = |scores: &[f64], bound: f64| share(scores.iter().filter(|score| **score > bound).count(), scores.len());
    let of_words = auroc(&joined, &registered);
    let (auroc, tpr) = (auroc(&made, &registered), above(&made, bound));
    eprintln!(
        "dga: {} made, {} registered; one in a hundred of these scores above {bound:.4}",
        made.len(),
        registered.len()
    );
    let used = dns_names::ALGORITHMIC_FROM;
    eprintln!("dga: at the bound in use, {used}: TPR {:.4}, FPR {:.4}", above(&made, used), above(&registered, used));
    figure("chrmor", "names of DGA families: AUROC", auroc, Bound::AtLeast(0.965));
    figure("chrmor", "… found at 1 % false alarms", tpr, Bound::AtLeast(0.75));
    figure("chrmor", "… that join words: AUROC", of_words, Bound::AtLeast(0.80));
    assert!(above(&registered, used) < 0.02);
}

struct Flow {
    line: String,
    ts: Timestamp,
    record: Record,
}

/// Lines of a Zeek log in either of its formats, in the order of the file.
fn flows(path: &Path) -> Vec<Flow> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut columns = Vec::new();
    let mut flows = Vec::new();
    for line in text.lines() {
        if let Some(names) = zeek::columns(line) {
            columns = names;
        }
        let read = if line.starts_with('{') {
            let record = dsmild::parse::record(line.as_bytes(), Format::Json, &[]);
            let ts = record.field("ts").and_then(|ts| Timestamp::from_seconds(ts.parse().ok()?));
            ts.map(|ts| (ts, record))
        } else {
            zeek::record(line, &columns)
        };
        let ts = read.as_ref().map_or(Timestamp::ZERO, |(ts, _)| *ts);
        flows.push(Flow { line: line.to_owned(), ts, record: read.map(|(_, record)| record).unwrap_or_default() });
    }
    flows
}

fn device() -> Box<dyn Stage> {
    let spec = DEVICES.iter().find(|device| device.number == 57).unwrap();
    let Ok(prepared) = (spec.prepare)(&toml::Table::new()) else { panic!("the defaults are refused") };
    prepared.stage()
}

/// What the device says of the lines as they stand in the file.
fn said(flows: &[Flow]) -> Vec<Soc> {
    let mut stage = device();
    let mut out = Outbox::default();
    let mut said = Vec::new();
    for (flow, number) in flows.iter().zip(1..) {
        let id = EventId::new(1_700_000_000_000 + number, 0);
        let payload = Bytes::copy_from_slice(flow.line.as_bytes());
        let raw = Raw::new("zeek".into(), "net".into(), Format::Auto, payload, Vec::new(), built_in());
        let event = Event { id, stream: Stream::L3In, times: Times::at(flow.ts), root: id, body: Body::Raw(raw) };
        out.begin(&event);
        stage.step(&event, &mut out);
        for draft in out.take() {
            if let Body::Soc(soc) = draft.body {
                said.push(*soc);
            }
        }
    }
    said
}

fn flagged<'a>(said: &'a [Soc], flags: &[&str]) -> BTreeSet<&'a str> {
    said.iter()
        .filter(|soc| soc.flags.iter().any(|flag| flags.contains(&flag.as_str())))
        .filter_map(|soc| soc.entity.src_ip.as_deref())
        .collect()
}

const SCANS: &[&str] = &["PORT_SCAN", "HOST_SWEEP", "UNANSWERED_CONTACTS"];

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn an_nmap_run_is_a_scan_by_its_source() {
    let folder = data("zeek-labeled");
    let said = said(&flows(&folder.join("002-zeek-scenario-port-scanning/conn.log")));
    said.iter().for_each(|soc| eprintln!("002: {:?} {}", soc.flags, soc.summary));
    assert_eq!(flagged(&said, SCANS), BTreeSet::from(["172.16.1.11"]));
    assert!(said.len() < 12, "said once and as it grows, not for every line");
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn the_controller_is_the_only_beacon_beside_neighbour_discovery() {
    let folder = data("zeek-labeled");
    let said = said(&flows(&folder.join("001-zeek-scenario-malicious/labeled-conn.log")));
    said.iter().for_each(|soc| eprintln!("001: {:?} {:.2} {}", soc.flags, soc.score, soc.summary));
    let beacons: BTreeSet<_> = said
        .iter()
        .filter(|soc| soc.flags == ["BEACON"])
        .map(|soc| (soc.entity.src_ip.as_deref(), soc.entity.dst_port))
        .collect();
    assert_eq!(beacons, BTreeSet::from([(Some("192.168.1.115"), Some(1177))]));
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn sources_that_attack_are_named_and_the_attacked_machine_is_not() {
    let folder = data("zeek-labeled");
    for name in ["008-zeek-mixed", "010-zeek-mixed"] {
        let flows = flows(&folder.join(name).join("data/conn.log.labeled"));
        let said = said(&flows);
        let scanners = flagged(&said, SCANS);
        let beacons = flagged(&said, &["BEACON"]);
        let mut flows_of: BTreeMap<(&str, bool), usize> = BTreeMap::new();
        let (mut unanswered, mut all) = ([0, 0], [0, 0]);
        for flow in &flows {
            let Some(source) = flow.record.field("id.orig_h") else { continue };
            let is_attack = flow.record.field("label") == Some("Malicious");
            *flows_of.entry((source, is_attack)).or_default() += 1;
            let failed = dsmild::detect::flow::Flow::of(&flow.record).is_some_and(|flow| flow.answered == Some(false));
            all[usize::from(is_attack)] += 1;
            unanswered[usize::from(is_attack)] += usize::from(failed);
        }
        let count = |attack: bool, named: &dyn Fn(&str) -> bool| -> usize {
            flows_of.iter().filter(|((source, is), _)| *is == attack && named(source)).map(|(_, count)| count).sum()
        };
        let is_named = |source: &str| scanners.contains(source);
        eprintln!(
            "{name}: of attacking flows {:.3} come from a source named as scanner ({} sources); of other flows {:.3}",
            share(count(true, &is_named), all[1]),
            scanners.len(),
            share(count(false, &is_named), all[0]),
        );
        eprintln!(
            "{name}: a single flow counts as failed contact: of attacking flows {:.3}, of others {:.3}",
            share(unanswered[1], all[1]),
            share(unanswered[0], all[0]),
        );
        let kinds =
            said.iter().flat_map(|soc| &soc.flags).fold(BTreeMap::new(), |mut kinds: BTreeMap<_, usize>, flag| {
                *kinds.entry(flag).or_default() += 1;
                kinds
            });
        eprintln!("{name}: said {kinds:?}; beacons by {beacons:?}");
        for soc in said.iter().filter(|soc| soc.flags == ["BEACON"]) {
            eprintln!("{name}: {:.2} {}", soc.score, soc.summary);
        }
        let benign: BTreeSet<&str> = flows_of.keys().filter(|(_, attack)| !attack).map(|(source, _)| *source).collect();
        let attacks: BTreeSet<&str> =
            flows_of.keys().filter(|(_, attack)| *attack).map(|(source, _)| *source).collect();
        let innocent: Vec<&&str> =
            benign.difference(&attacks).filter(|source| is_named(source) || beacons.contains(*source)).collect();
        assert!(innocent.is_empty(), "{name}: accused {innocent:?}");
    }
}
