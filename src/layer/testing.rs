//! How the tests of every stage drive it.

use super::stage::{Outbox, Stage};
use crate::event::{
    Action, Body, Decision, Entity, Event, EventId, Format, Raw, Record, Soc, Stream, Times, Timestamp,
};
use crate::parse::built_in;

/// A line on `L3_IN` at this second, which says this.
pub fn l3_in(at: u64, record: Record) -> Event {
    let raw =
        Raw::new("test".into(), "ops".into(), Format::Auto, "".into(), Vec::new(), built_in()).with_record(record);
    let ms = 1_700_000_000_000 + at * 1000;
    let id = EventId::new(ms, 0);
    Event { id, stream: Stream::L3In, times: Times::at(Timestamp::from_millis(ms)), root: id, body: Body::Raw(raw) }
}

/// What the line of a login says.
pub fn login(user: &str, address: &str, succeeded: bool) -> Record {
    let entity = Entity { user: Some(user.into()), src_ip: Some(address.into()), ..Entity::default() };
    Record { action: Action::Login, outcome: Some(succeeded), entity, ..Record::default() }
}

/// Steps the stage through the events, with a save and a load of its state half-way, and returns what it wrote.
fn written(stage: &mut dyn Stage, events: &[Event]) -> Vec<Body> {
    let mut out = Outbox::default();
    for (index, event) in events.iter().enumerate() {
        if index == events.len() / 2 {
            let saved = stage.save().unwrap();
            stage.load(&saved).unwrap();
            assert_eq!(stage.save().unwrap(), saved, "the state is not what it was");
        }
        out.begin(event);
        stage.step(event, &mut out);
    }
    assert_eq!(out.take_refused(), 0);
    out.take().into_iter().map(|draft| draft.body).collect()
}

/// The SOC events that fusion or a device writes on these events.
pub fn soc_events(stage: &mut dyn Stage, events: &[Event]) -> Vec<Soc> {
    let soc = |body| match body {
        Body::Soc(soc) => *soc,
        other => panic!("this is no SOC event: {other:?}"),
    };
    written(stage, events).into_iter().map(soc).collect()
}

/// The decisions that Layer 3 or Layer 4 writes on these events.
pub fn decisions(stage: &mut dyn Stage, events: &[Event]) -> Vec<Decision> {
    let decision = |body| match body {
        Body::Decision(decision) => *decision,
        other => panic!("this is no decision: {other:?}"),
    };
    written(stage, events).into_iter().map(decision).collect()
}
