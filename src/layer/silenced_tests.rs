//! Silences over fusion and devices: what is covered is marked and leads to nothing, also after a restart.

use crate::config::Config;
use crate::device::DEVICES;
use crate::event::{
    Body, Category, Decision, Draft, Entity, Event, EventId, Severity, Soc, Stream, Times, Timestamp, wire,
};
use crate::layer::pipeline::Pipeline;
use crate::layer::stage::StageSpec;
use crate::layer::table::layers;
use crate::silence::change::Change;
use crate::silence::spec::Silence;

const NOW: u64 = 1_700_000_000_000;
const MINUTE: u64 = 60_000;

/// Fusion, incidents and proposals.
fn pipeline(config: &Config) -> Pipeline {
    let fusion = layers().into_iter().find(|layer| layer.name == "fusion").unwrap().stage;
    let devices = DEVICES.iter().filter(|device| matches!(device.number, 52 | 58));
    let rows = [("fusion", fusion)].into_iter().chain(devices.map(|device| (device.stage, device.row())));
    let specs = rows.map(|(name, row)| {
        let make = (row.prepare)(config).unwrap().unwrap().make;
        StageSpec { name, identifier: "dsmild", reads: row.reads, critical: false, make }
    });
    Pipeline::new(specs.collect())
}

fn draft(ms: u64, stream: Stream, body: Body) -> Draft {
    Draft { stream, times: Times::at(Timestamp::from_millis(ms)), root: None, body }
}

fn decided(ms: u64, rule: &str, technique: &str) -> Draft {
    let decision = Decision {
        verdict: crate::layer::verdict(0.95),
        score: 0.95,
        entity: Entity { src_ip: Some("203.0.113.7".into()), user: Some("bob".into()), ..Entity::default() },
        category: Category::Auth,
        reasons: vec![rule.into()],
        attack: vec![technique.into()],
        ..Decision::benign(rule.into(), 24, "ops".into(), EventId::ZERO)
    };
    draft(ms, Stream::L4Out, Body::Decision(Box::new(decision)))
}

fn silence(until: u64) -> Silence {
    serde_json::from_value(serde_json::json!({ "id": "9-0", "entity": { "kind": "user", "value": "bob" },
        "until": Timestamp::from_millis(until).to_string(), "who": "alice" }))
    .unwrap()
}

fn changed(ms: u64, change: &Change) -> Draft {
    draft(ms, Stream::SocEvents, Body::Soc(Box::new(change.event())))
}

fn alarm(event: &Event) -> Option<&Soc> {
    match &event.body {
        Body::Soc(soc) if soc.silence.is_none() => Some(soc),
        _ => None,
    }
}

fn said(events: &[Event]) -> Vec<&Soc> {
    events.iter().filter_map(alarm).collect()
}

#[test]
fn what_is_silenced_is_stored_and_marked_and_neither_an_incident_nor_a_proposal_follows_until_it_is_over() {
    let mut pipeline = pipeline(&Config::default());
    pipeline.push(changed(NOW, &Change::Add(silence(NOW + 10 * MINUTE))));
    for (minute, rule, technique) in [(1, "a", "T1110"), (2, "b", "T1078"), (3, "c", "T1059")] {
        let events = pipeline.push(decided(NOW + minute * MINUTE, rule, technique));
        let said = said(&events);
        assert_eq!(said.len(), 1, "{said:#?}");
        assert_eq!((said[0].severity, said[0].silence_id.as_deref()), (Severity::Critical, Some("9-0")));
        assert_eq!(said[0].flags, ["SILENCED"]);
        pipeline.restart();
    }
    let events = pipeline.push(decided(NOW + 10 * MINUTE, "d", "T1136"));
    let said = said(&events);
    assert!(said.len() > 1 && said.iter().all(|soc| soc.silence_id.is_none()), "its time is over: {said:#?}");
}

#[test]
fn a_silence_that_was_ended_covers_nothing_that_comes_after_it() {
    let mut pipeline = pipeline(&Config::default());
    let silenced =
        |events: Vec<Event>| said(&events).first().map(|soc| soc.is_silenced()).expect("fusion says something");
    assert!(!silenced(pipeline.push(decided(NOW, "a", "T1110"))), "nobody has said so yet");
    pipeline.push(changed(NOW + 1, &Change::Add(silence(NOW + 10 * MINUTE))));
    assert!(silenced(pipeline.push(decided(NOW + 2, "b", "T1110"))));
    let end = Change::End { id: "9-0".into(), who: "alice".into(), note: String::new() };
    pipeline.push(changed(NOW + 3, &end));
    assert!(!silenced(pipeline.push(decided(NOW + 4, "c", "T1110"))));
}

#[test]
fn the_same_log_is_silenced_in_the_same_way_wherever_it_was_interrupted() {
    let log = || {
        let mut log = vec![decided(NOW, "a", "T1110"), changed(NOW + 1, &Change::Add(silence(NOW + 3 * MINUTE)))];
        log.extend((0..6).map(|n| decided(NOW + n * MINUTE, ["b", "c", "d"][n as usize % 3], "T1078")));
        log
    };
    let run = |restart_at: Option<usize>| -> Vec<String> {
        let mut pipeline = pipeline(&Config::default());
        let mut said = Vec::new();
        for (index, draft) in log().into_iter().enumerate() {
            if restart_at == Some(index) {
                pipeline.restart();
            }
            said.extend(pipeline.push(draft).iter().map(wire::to_text));
        }
        said
    };
    let whole = run(None);
    assert!(whole.iter().any(|text| text.contains("SILENCED")));
    for index in 0..log().len() {
        assert_eq!(run(Some(index)), whole, "restarted before {index}");
    }
}

#[test]
fn a_silence_of_the_configuration_holds_from_the_first_line_on() {
    let config: Config = toml::from_str("[[silence]]\nid = \"ours\"\nnetwork = \"203.0.113.0/29\"\n").unwrap();
    let mut pipeline = pipeline(&config);
    let events = pipeline.push(decided(NOW, "a", "T1110"));
    assert_eq!(said(&events)[0].silence_id.as_deref(), Some("ours"));
}

#[test]
fn every_stage_that_writes_soc_events_hears_of_silences_and_takes_a_state_that_was_saved_before_there_were_any() {
    let config = Config::default();
    let fusion = layers().into_iter().find(|layer| layer.name == "fusion").unwrap().stage;
    for row in DEVICES.iter().map(|device| device.row()).chain([fusion]) {
        let Some(mut stage) = (row.prepare)(&config).unwrap().map(|prepared| prepared.stage()) else { continue };
        let saved = stage.save().unwrap();
        let made = Change::Add(silence(NOW + MINUTE)).event();
        let id = EventId::new(NOW, 0);
        let body = Body::Soc(Box::new(made));
        let event = Event { id, stream: Stream::SocEvents, times: Times::default(), root: id, body };
        assert!(row.reads.overlaps(event.kind()));
        stage.step(&event, &mut crate::layer::stage::Outbox::default());
        assert!(stage.save().unwrap().len() > saved.len());
        // Behind the mark and the silences, of which there are none, is what was saved without them.
        stage.load(&saved[b"\xc1silences".len() + 4 + 2..]).unwrap();
        assert_eq!(stage.save().unwrap(), saved);
    }
}
