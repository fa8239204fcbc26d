//! The driver with an outlet that fails in every way: what it does then, in no time.

mod fake;

use std::rc::Rc;
use std::time::Duration;

use fake::{Fake, FakeLog, Outside, STEPS, STREAMS, Step};
use tokio::time::{Instant, sleep};

use super::meter::Meter;
use super::{Outlet, Pace, run};
use crate::event::EventId;
use crate::observe::metrics;
use crate::retry::{OutsideError, Retry};
use crate::supervise::{TaskContext, TestSupervisor};

/// One outlet with a log and an outside; each [`run`](Self::run) is a new driver.
struct World {
    log: Rc<FakeLog>,
    outside: Rc<Outside>,
    lanes: usize,
}

impl World {
    fn new(lanes: usize) -> Self {
        Self { log: FakeLog::new(), outside: Rc::default(), lanes }
    }

    /// Runs the driver while the story goes on, and then until it has stopped.
    async fn run<const CURSOR: bool>(&self, story: impl AsyncFnOnce(&TestSupervisor)) {
        let (context, supervisor) = TaskContext::under_test();
        let outlet = Fake::<CURSOR> { log: Rc::clone(&self.log), outside: Rc::clone(&self.outside), lanes: self.lanes };
        let driver = run(context, outlet, Rc::clone(&self.log), || true);
        let story = async {
            story(&supervisor).await;
            supervisor.stop();
        };
        tokio::join!(driver, story);
    }

    async fn until_complete(&self) {
        until("everything to be outside", || {
            let shown = self.log.shown();
            shown.up && shown.lag_events == 0 && self.is_complete()
        })
        .await;
    }

    fn is_complete(&self) -> bool {
        (0..self.lanes).all(|lane| *self.outside.lanes[lane].borrow() == self.log.ids(STREAMS[lane]))
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(600), "waited for {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_at_any_step_everything_is_outside_once_and_in_order() {
    for step in STEPS {
        for retry in [Retry::Here, Retry::Soon, Retry::Slowly, Retry::After(Duration::from_secs(30))] {
            let world = World::new(2);
            world.outside.fail(step, 3, retry);
            world.log.commit(25);
            world
                .run::<false>(async |_| {
                    until("the error to be shown", || world.log.shown().last_error.is_some()).await;
                    assert!(!world.log.shown().up, "{step:?}");
                    world.log.commit(25);
                    world.until_complete().await;
                    assert_eq!(world.log.shown().last_error, None);
                })
                .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_an_outside_that_cannot_be_asked_get_the_batch_twice_and_no_other() {
    let world = World::new(1);
    world.outside.fail(Step::Answer, 1, Retry::Soon);
    world.log.commit(25);
    world
        .run::<true>(async |_| {
            until("all of it", || world.log.acknowledged.get() == world.log.ids(STREAMS[1]).last().copied()).await;
        })
        .await;
    let (came, log) = (world.outside.lanes[0].borrow().clone(), world.log.ids(STREAMS[0]));
    assert_eq!(came, [&log[..10], &log[..]].concat());
}

#[tokio::test(start_paused = true)]
async fn attempts_grow_rare_in_a_long_outage_and_all_that_waits_is_shown() {
    let world = World::new(1);
    world.outside.fail(Step::Connect, u32::MAX, Retry::Soon);
    world
        .run::<true>(async |_| {
            world.log.commit(25);
            sleep(Duration::from_secs(600)).await;
            let shown = world.log.shown();
            assert_eq!((shown.up, shown.lag_events), (false, 25));
            let attempts = world.outside.connections.get();
            assert!((100..300).contains(&attempts), "{attempts}");
            world.outside.fail(Step::Connect, 0, Retry::Soon);
            world.until_complete().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn while_the_outside_is_slow_the_backlog_is_shown_and_the_next_batch_waits_for_the_one_before() {
    let world = World::new(1);
    world.outside.write_takes.set(Duration::from_secs(20));
    world.log.commit(25);
    world
        .run::<false>(async |_| {
            sleep(Duration::from_secs(30)).await;
            assert_eq!(world.log.shown().lag_events, 15, "one batch has come");
            assert_eq!(world.outside.writes.get(), 2, "and one is under way");
            world.until_complete().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_new_event_waits_for_others_until_there_are_enough_of_them_or_it_has_waited_long_enough() {
    const SECOND: Duration = Duration::from_secs(1);
    let world = World::new(1);
    world.outside.pace.set(Some(Pace { idle: 600 * SECOND, gather: 10 * SECOND, enough: Some(5) }));
    world
        .run::<false>(async |_| {
            until("a connection", || world.log.shown().up).await;
            world.log.commit(1);
            sleep(9 * SECOND).await;
            assert_eq!(world.outside.writes.get(), 0);
            sleep(2 * SECOND).await;
            assert_eq!(world.outside.writes.get(), 1, "long enough");
            world.log.commit(3);
            sleep(SECOND).await;
            assert_eq!(world.outside.writes.get(), 1);
            world.log.commit(2);
            sleep(SECOND).await;
            assert_eq!((world.outside.writes.get(), world.is_complete()), (2, true), "there are enough");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn events_that_gather_go_at_once_when_the_outlet_hurries_them() {
    const SECOND: Duration = Duration::from_secs(1);
    let world = World::new(1);
    world.outside.pace.set(Some(Pace { idle: 600 * SECOND, gather: 10 * SECOND, enough: None }));
    world
        .run::<false>(async |_| {
            until("a connection", || world.log.shown().up).await;
            world.log.commit(1);
            sleep(SECOND).await;
            world.log.commit(1);
            sleep(SECOND).await;
            assert_eq!(world.outside.writes.get(), 0);
            world.outside.hurry.notify_waiters();
            sleep(SECOND).await;
            assert_eq!(world.outside.writes.get(), 1);
            world.outside.hurry.notify_waiters();
            world.log.commit(1);
            sleep(SECOND).await;
            assert_eq!(world.outside.writes.get(), 2, "also those that come together with the reason");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_outside_that_was_emptied_is_filled_again() {
    let world = World::new(2);
    world.log.commit(25);
    world
        .run::<false>(async |_| {
            world.until_complete().await;
            world.outside.wipe();
            world.until_complete().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_event_that_the_outside_refuses_is_counted_and_keeps_no_other_back() {
    let world = World::new(1);
    world.log.commit(25);
    let ids = world.log.ids(STREAMS[0]);
    let refused = [ids[3], ids[17]];
    world.outside.refused.borrow_mut().extend(refused);
    metrics::exporter();
    world
        .run::<true>(async |_| {
            until("all of it", || world.log.shown().up && world.log.shown().lag_events == 0).await;
        })
        .await;
    let expected: Vec<EventId> = ids.into_iter().filter(|id| !refused.contains(id)).collect();
    assert_eq!(*world.outside.lanes[0].borrow(), expected);
    let metrics = metrics::exporter().render();
    assert!(metrics.contains("dsmil_dropped_total{where=\"fake\",reason=\"refused\"} 2\n"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn what_a_lane_is_refused_holds_no_other_lane_up() {
    let world = World::new(2);
    world.outside.faulty_lane.set(Some(0));
    world.outside.fail(Step::Write, u32::MAX, Retry::Here);
    world.log.commit(25);
    world
        .run::<false>(async |_| {
            until("the other lane", || *world.outside.lanes[1].borrow() == world.log.ids(STREAMS[1])).await;
            until("the error", || world.log.shown().last_error.is_some()).await;
            assert_eq!((world.log.shown().up, world.log.shown().lag_events), (false, 25));
            assert_eq!(world.outside.connections.get(), 1, "the connection is good");
            world.outside.fail(Step::Write, 0, Retry::Here);
            world.until_complete().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_the_backlog_outside_first() {
    let world = World::new(2);
    world
        .run::<false>(async |_| {
            until("a connection", || world.log.shown().up).await;
            world.outside.write_takes.set(Duration::from_millis(100));
            world.log.commit(55);
        })
        .await;
    assert!(world.is_complete());
    assert!(world.log.status.borrow().is_none(), "nothing is shown of what has ended");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_no_longer_than_it_may_and_the_next_run_goes_on_at_the_cursor() {
    let world = World::new(1);
    world.outside.write_takes.set(Duration::from_millis(700));
    world.log.commit(95);
    let begun = Instant::now();
    world.run::<true>(async |_| until("a connection", || world.log.shown().up).await).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let came = world.outside.lanes[0].borrow().len();
    assert!((10..95).contains(&came), "{came}");
    assert_eq!(world.log.saved.get(), world.outside.lanes[0].borrow().last().copied());
    // As after a start of the process, which knows what is in the hot store alone.
    world.log.acknowledged.set(None);
    world.outside.write_takes.set(Duration::ZERO);
    world.run::<true>(async |_| world.until_complete().await).await;
}

#[tokio::test(start_paused = true)]
async fn the_cursor_is_saved_also_when_the_work_sees_the_stop_first() {
    let world = World::new(1);
    world.log.commit(5);
    world
        .run::<true>(async |supervisor| {
            let supervisor = supervisor.clone();
            world.outside.on_write.replace(Some(Box::new(move || supervisor.stop())));
            sleep(Duration::from_secs(60)).await;
        })
        .await;
    assert_eq!(world.log.saved.get(), world.log.ids(STREAMS[1]).last().copied());
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_an_outage_ends_at_once() {
    let world = World::new(1);
    world.outside.fail(Step::Connect, u32::MAX, Retry::Slowly);
    world.log.commit(5);
    let mut begun = Instant::now();
    world
        .run::<true>(async |_| {
            sleep(Duration::from_secs(100)).await;
            begun = Instant::now();
        })
        .await;
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_replaced_writes_nothing_and_moves_no_cursor() {
    let world = World::new(1);
    world.outside.write_takes.set(Duration::from_secs(1));
    world.log.commit(95);
    let mut at_the_end = 0;
    world
        .run::<true>(async |supervisor| {
            until("a batch", || world.log.acknowledged.get() > Some(EventId::ZERO)).await;
            let acknowledged = world.log.acknowledged.get();
            supervisor.replace();
            at_the_end = world.outside.writes.get();
            sleep(Duration::from_secs(60)).await;
            assert_eq!(world.log.acknowledged.get(), acknowledged);
        })
        .await;
    assert_eq!(world.outside.writes.get(), at_the_end);
    assert_eq!(world.log.saved.get(), None);
}

#[tokio::test(start_paused = true)]
async fn what_the_retention_removed_during_an_outage_is_counted_and_not_waited_for() {
    let world = World::new(1);
    metrics::exporter();
    world.outside.fail(Step::Connect, u32::MAX, Retry::Soon);
    let lost = || {
        let metrics = metrics::exporter().render();
        let name = "dsmil_dropped_total{where=\"fake\",reason=\"retention\"} ";
        metrics.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok()).unwrap_or(0)
    };
    world
        .run::<true>(async |_| {
            world.log.commit(25);
            until("them to be counted", || world.log.shown().lag_events == 25).await;
            world.log.remove_all();
            until("the loss to be counted", || lost() == 25).await;
            world.log.commit(5);
            until("the others", || world.log.shown().lag_events == 5).await;
            world.outside.fail(Step::Connect, 0, Retry::Soon);
            until("the others to be outside", || world.outside.lanes[0].borrow().len() == 5).await;
        })
        .await;
    assert_eq!(lost(), 25);
}

#[tokio::test(start_paused = true)]
async fn the_cursor_is_saved_every_few_seconds() {
    let world = World::new(1);
    world
        .run::<true>(async |_| {
            for _ in 0..3 {
                world.log.commit(25);
                world.until_complete().await;
                sleep(Duration::from_secs(4)).await;
                assert_eq!(world.log.saved.get(), world.log.acknowledged.get());
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn that_the_outside_takes_something_is_said_once_for_each_time_that_it_did_not() {
    let outlet = Fake::<false> { log: FakeLog::new(), outside: Rc::default(), lanes: 1 };
    let meter = Meter::new(Fake::<false>::ABOUT, outlet.wants(), EventId::ZERO);
    for _ in 0..2 {
        meter.fails(OutsideError::unexpected("test", "down".to_owned()));
        sleep(Duration::from_secs(600)).await;
        assert_eq!([(); 3].map(|()| meter.works(&meter.lanes[0])), [true, false, false]);
    }
}
