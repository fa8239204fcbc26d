//! The bus as its users see it: one source, one stage.

use futures_util::FutureExt;

use super::*;
use crate::event::{Body, Interest, Stream, Times};

pub fn tick() -> Draft {
    Draft { stream: Stream::Tick, times: Times::default(), root: None, body: Body::Tick }
}

pub fn bus() -> (Bus, ConsumerId) {
    let reads = Interest::NONE.stream(Stream::Tick);
    let bus = Bus::new(Ledger::new([("stage".to_owned(), reads, Interest::NONE, EventId::ZERO)]), EventId::ZERO);
    let id = bus.consumer("stage").unwrap();
    (bus, id)
}

#[test]
fn an_abandoned_actor_is_not_listened_to() {
    let (bus, id) = bus();
    let (old, ..) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
    let (new, ..) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
    assert_eq!(bus.step(id, old, Step { outputs: vec![tick()], ..Step::default() }), Err(Stale));
    assert_eq!(bus.last(), EventId::ZERO);
    assert_eq!(bus.step(id, new, Step::default()), Ok(()));
}

#[test]
fn what_came_in_is_handled_quarantined_or_in_flight() {
    let (bus, id) = bus();
    let (generation, _, mut reader) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
    bus.append("source", vec![tick(); 5], Vec::new(), Vec::new());
    assert_eq!(bus.consumers()[0].in_flight(), 5);
    let Ready::Batch { events, upto } = bus.next(&mut reader, 10) else { panic!("nothing to read") };
    let letter =
        DeadLetter { id: events[4].id, stream: "stage".into(), reason: "test".into(), payload: bytes::Bytes::new() };
    bus.step(id, generation, Step { cursor: upto, handled: 4, dead_letters: vec![letter], ..Step::default() }).unwrap();
    let consumer = &bus.consumers()[0];
    assert_eq!((consumer.handled, consumer.quarantined, consumer.in_flight()), (4, 1, 0));
}

#[test]
fn what_a_consumer_cannot_be_given_after_it_was_given_up_is_written_off() {
    let (bus, id) = bus();
    let event = |n| Event {
        id: EventId::new(1, n),
        stream: Stream::Tick,
        times: Times::default(),
        root: EventId::new(1, n),
        body: Body::Tick,
    };
    bus.recover(id, &[event(0), event(1), event(2)]);
    bus.detach(id);
    bus.append("source", vec![tick(); 2], Vec::new(), Vec::new());
    assert_eq!(bus.consumers()[0].in_flight(), 5, "three of them are in the log no more");
    let (generation, _, mut reader) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
    let Ready::Batch { upto, .. } = bus.next(&mut reader, 10) else { panic!("nothing to read") };
    bus.step(id, generation, Step { cursor: upto, handled: 2, ..Step::default() }).unwrap();
    assert!(matches!(bus.next(&mut reader, 10), Ready::Lost(3)));
    let consumer = &bus.consumers()[0];
    assert_eq!((consumer.handled, consumer.lost, consumer.in_flight()), (2, 3, 0));
    assert!(matches!(bus.next(&mut reader, 10), Ready::Nothing), "once");
}

#[test]
fn of_what_was_there_at_the_start_what_it_reads_and_has_not_handled_is_in_flight_for_a_consumer() {
    let (bus, id) = bus();
    let event = |n, stream| Event {
        id: EventId::new(1, n),
        stream,
        times: Times::default(),
        root: if n == 0 { EventId::ZERO } else { EventId::new(1, n) },
        body: Body::Tick,
    };
    bus.recover(id, &[event(0, Stream::Tick), event(1, Stream::L3In), event(2, Stream::Tick)]);
    assert_eq!(bus.consumers()[0].in_flight(), 1, "not what its cursor is past, nor what others read");
}

#[test]
fn whoever_may_have_something_to_read_is_woken() {
    let (bus, id) = bus();
    let woken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake = Arc::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    let since = || woken.swap(0, std::sync::atomic::Ordering::Relaxed);
    let (generation, ..) = bus.begin(id, EventId::ZERO, wake).unwrap();
    bus.append("source", vec![tick()], Vec::new(), Vec::new());
    assert_eq!(since(), 1, "by what comes from outside");
    bus.step(id, generation, Step::default()).unwrap();
    assert_eq!(since(), 1, "by a stage that moves on");
    bus.detach(id);
    assert_eq!(since(), 1, "by a stage that nothing waits for any more");
}

#[tokio::test]
async fn the_log_is_settled_when_all_that_judge_and_were_not_given_up_have_handled_it() {
    let reads = Interest::NONE.stream(Stream::Tick);
    let consumers = [("l3", Interest::NONE.stream(Stream::L3Out)), ("device-53", Interest::NONE.soc(53))];
    let consumers = consumers.map(|(name, writes)| (name.to_owned(), reads, writes, EventId::ZERO));
    let bus = Bus::new(Ledger::new(consumers), EventId::ZERO);
    let (id, device) = (bus.consumer("l3").unwrap(), bus.consumer("device-53").unwrap());
    bus.begin(device, EventId::ZERO, Arc::new(|| ())).unwrap();
    let is_settled = |events| bus.wait_settled(events).now_or_never().is_some();
    let (generation, ..) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
    assert!(is_settled(9));
    let last = bus.append("source", vec![tick(); 5], Vec::new(), Vec::new());
    assert!(!is_settled(9) && is_settled(5), "with enough to commit, nothing is waited for");
    let waits =
        tokio::join!(bus.wait_settled(9), async { bus.step(id, generation, Step { cursor: last, ..Step::default() }) });
    assert_eq!(waits, ((), Ok(())));
    bus.append("source", vec![tick()], Vec::new(), Vec::new());
    bus.detach(id);
    assert!(is_settled(9), "nobody waits for what was given up");
}

#[test]
fn what_is_committed_at_once_is_about_as_many_events_as_are_asked_for_but_never_nothing() {
    let (bus, _) = bus();
    for count in [3, 3, 5, 1] {
        bus.append("source", vec![tick(); count], Vec::new(), Vec::new());
    }
    let sizes = |count| bus.pending(count).iter().map(|transaction| transaction.events.len()).collect::<Vec<_>>();
    assert_eq!(sizes(1), [3]);
    assert_eq!(sizes(5), [3]);
    assert_eq!(sizes(6), [3, 3]);
    assert_eq!(sizes(11), [3, 3, 5]);
    assert_eq!(sizes(12), [3, 3, 5, 1]);
}

#[test]
fn what_is_skipped_is_neither_read_nor_waited_for() {
    let (bus, id) = bus();
    bus.append("source", vec![tick(); 5], Vec::new(), Vec::new());
    bus.detach(id);
    bus.skip_to_end(id);
    let consumer = bus.consumers().remove(0);
    assert_eq!((consumer.cursor, consumer.in_flight(), consumer.attached), (bus.last(), 0, true));
}

#[test]
fn only_the_oldest_transactions_are_confirmed_and_each_once() {
    let (bus, _) = bus();
    let ends = [2, 3, 4].map(|count| bus.append("source", vec![tick(); count], Vec::new(), Vec::new()));
    let [first, second, third] = &bus.pending(100)[..] else { panic!("three are pending") };
    bus.confirm(&[Arc::clone(second), Arc::clone(third)]);
    assert_eq!(*bus.committed().borrow(), EventId::ZERO, "the first is not");
    bus.confirm(&[Arc::clone(first), Arc::clone(first)]);
    assert_eq!((*bus.committed().borrow(), bus.uncommitted_transactions()), (ends[0], 2));
    let count = |after, upto| bus.count_committed(after, upto, Interest::ALL);
    assert_eq!(count(EventId::ZERO, ends[2]), Some(2), "of those that are not committed none counts");
    bus.confirm(&bus.pending(100));
    assert_eq!(count(EventId::ZERO, ends[2]), Some(9));
    assert_eq!(count(ends[0], ends[1]), Some(3));
    assert_eq!(count(ends[1], ends[1]), Some(0));
}

#[test]
fn the_outside_sees_only_what_is_committed() {
    let (bus, _) = bus();
    bus.append("source", vec![tick(); 5], Vec::new(), Vec::new());
    let reads = Interest::ALL;
    assert_eq!(bus.committed_after(EventId::ZERO, reads, 10).unwrap().0.len(), 0);
    let transactions = bus.pending(100);
    bus.confirm(&transactions);
    let (first, scanned) = bus.committed_after(EventId::ZERO, reads, 3).unwrap();
    let (rest, _) = bus.committed_after(scanned, reads, 10).unwrap();
    assert_eq!((first.len(), rest.len()), (3, 2));
}

#[tokio::test]
async fn who_waits_for_a_commit_waits_until_it_has_happened() {
    use futures_util::FutureExt;
    let (bus, _) = bus();
    assert!(bus.wait_pending().now_or_never().is_none());
    bus.append("source", vec![tick()], Vec::new(), Vec::new());
    bus.wait_pending().await;
    let positions = bus.enqueue_positions("source", Vec::new());
    let waiting = bus.wait_committed(&positions);
    tokio::pin!(waiting);
    assert!((&mut waiting).now_or_never().is_none());
    bus.confirm(&bus.pending(1));
    assert!((&mut waiting).now_or_never().is_none(), "that was the one before it");
    bus.confirm(&bus.pending(1));
    waiting.await;
}

#[tokio::test]
async fn the_writer_is_woken_by_everything_that_is_to_be_committed() {
    use futures_util::FutureExt;
    let (bus, id) = bus();
    let (generation, ..) = bus.begin(id, EventId::ZERO, Arc::new(|| ())).unwrap();
    let steps: [&dyn Fn(); 3] = [
        &|| {
            bus.append("source", vec![tick()], Vec::new(), Vec::new());
        },
        &|| bus.step(id, generation, Step::default()).unwrap(),
        &|| drop(bus.enqueue_positions("source", Vec::new())),
    ];
    for step in steps {
        let waiting = bus.wait_pending();
        tokio::pin!(waiting);
        assert!((&mut waiting).now_or_never().is_none());
        step();
        waiting.await;
        bus.confirm(&bus.pending(usize::MAX));
    }
}
