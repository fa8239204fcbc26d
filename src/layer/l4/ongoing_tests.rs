//! How an alarm ends.

use super::*;
use crate::event::{Alarm, EventId, Times};
use crate::layer::testing::{decisions, l3_in, login};

fn event(at: u64, stream: Stream, body: Body) -> Event {
    let ms = 1_700_000_000_000 + at * 1000;
    let id = EventId::new(ms, 0);
    Event { id, stream, times: Times::at(Timestamp::from_millis(ms)), root: id, body }
}

fn guess(at: u64, address: &str) -> Event {
    l3_in(at, login("root", address, false))
}

fn tick(at: u64) -> Event {
    event(at, Stream::Tick, Body::Tick)
}

/// What is said of alarms, in order.
fn said(events: &[Event]) -> Vec<Alarm> {
    let mut stage = prepare(&config::L4::default(), &[]).unwrap().stage();
    decisions(&mut *stage, events).into_iter().filter_map(|decision| decision.alarm.map(|alarm| *alarm)).collect()
}

#[test]
fn an_alarm_that_has_grown_ends_once_with_its_count_and_its_times() {
    let guesses = (0..15).map(|at| guess(at * 10, "203.0.113.7"));
    let events: Vec<Event> = guesses.chain((1..100).map(|minute| tick(140 + minute * 60))).collect();
    let said = said(&events);
    assert_eq!(
        said.iter().map(|alarm| (alarm.count, alarm.is_over)).collect::<Vec<_>>(),
        [(5, false), (8, false), (15, true)]
    );
    assert!(said.iter().all(|alarm| alarm.id == said[0].id && alarm.first_ts == said[0].first_ts));
    assert_eq!(said[2].last_ts - said[2].first_ts, 140.0);
}

#[test]
fn an_alarm_that_was_reported_once_needs_no_end() {
    for guesses in 5..8 {
        let guesses = (0..guesses).map(|at| guess(at * 10, "203.0.113.7"));
        let events: Vec<Event> = guesses.chain((0..50).map(|at| tick(100 + at * 60))).collect();
        assert_eq!(said(&events).len(), 1);
    }
}

#[test]
fn an_alarm_does_not_end_while_its_lines_come_however_old_they_are() {
    let hours = 36_000;
    let late = |at: u64| {
        let mut event = guess(at, "203.0.113.7");
        event.times.arrival = Timestamp::from_millis(1_700_000_000_000 + (hours + at / 10) * 1000);
        event
    };
    let lines = (0..60).flat_map(|n| [late(n * 100), tick(hours + n * 10)]);
    let events: Vec<Event> = lines.chain((0..30).map(|n| tick(hours + 600 + n * 60))).collect();
    let over = said(&events).iter().filter(|alarm| alarm.is_over).map(|alarm| alarm.count).collect::<Vec<_>>();
    assert_eq!(over, [60]);
}

#[test]
fn a_campaign_ends_as_one() {
    let guesses =
        (0..40).flat_map(|source| (0..4).map(move |at| guess(source * 20 + at, &format!("203.0.{source}.7"))));
    let events: Vec<Event> = guesses.chain((0..120).map(|minute| tick(900 + minute * 60))).collect();
    let over: Vec<Alarm> = said(&events).into_iter().filter(|alarm| alarm.is_over).collect();
    assert!(over.iter().any(|alarm| alarm.count == 40), "{over:?}");
}

#[test]
fn what_is_remembered_of_alarms_is_bounded() {
    let mut ongoing = ongoing::Ongoing::default();
    for number in 0..limits::ALARMS_GOING_ON_MAX + 100 {
        let alarm = Some(Box::new(Alarm { id: number.to_string(), count: 2, ..Alarm::default() }));
        let decision = Decision { alarm, ..Decision::benign("rates".into(), 24, "ops".into(), EventId::ZERO) };
        let counted = ongoing::Counted::AsCampaign { reason: "x".into(), grade: 1 };
        ongoing.reported(&decision, "", (counted, Duration::from_secs(600)), Timestamp::from_millis(number as u64));
    }
    let over = ongoing.over(Timestamp::from_millis(10_000_000), |_, _| {
        Some(ongoing::Grown {
            count: 3,
            last: Timestamp::from_millis(1),
            members: Vec::new(),
            evidence: crate::event::Evidence::default(),
        })
    });
    assert_eq!(over.len(), 0, "each has grown just now");
    let over = ongoing.over(Timestamp::from_millis(20_000_000), |_, _| None);
    assert_eq!(over.len(), limits::ALARMS_GOING_ON_MAX);
}
