//! Hits of rules are part of the state of fusion: the same after a restart, and with a silence round it.

use super::*;
use crate::config::Config;
use crate::event::EventId;
use crate::layer::stage::{Outbox, Stage};
use crate::layer::table::layers;

const RULE: &str = "Log Reported As Cleared";

fn stage() -> Box<dyn Stage> {
    let fusion = layers().into_iter().find(|layer| layer.name == "fusion").unwrap().stage;
    (fusion.prepare)(&Config::default()).unwrap().unwrap().stage()
}

fn matched(number: u64) -> Event {
    let id = EventId::new(number, 0);
    let reasons = vec![RULE.to_owned(), format!("named by a line {number}")];
    let decision = Decision { reasons, ..Decision::benign("sigma".into(), 15, "ops".into(), EventId::ZERO) };
    let times = crate::event::Times::at(Timestamp::from_millis(number));
    Event { id, stream: Stream::L3Out, times, root: id, body: Body::Decision(Box::new(decision)) }
}

#[test]
fn hits_are_read_from_the_saved_state_and_go_on_after_it_was_loaded() {
    let mut one = stage();
    for number in 1..=3 {
        let mut out = Outbox::default();
        out.begin(&matched(number));
        one.step(&matched(number), &mut out);
    }
    let mut other = stage();
    other.load(&one.save().unwrap()).unwrap();
    other.step(&matched(9), &mut Outbox::default());
    let known = KnownRules::default();
    let listed = known.catalog().listed.iter().find(|listed| listed.title == RULE).unwrap();
    let counted = |stage: &dyn Stage| {
        let hits = hits(&stage.save().unwrap()).unwrap().of(listed);
        (hits.count, hits.last.ms())
    };
    assert_eq!((counted(&*one), counted(&*other)), ((3, 3), (4, 9)));
    assert!(hits(b"\xff").is_err());
}
