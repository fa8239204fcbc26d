//! What a stage does wrong stays with it, and is counted: an event that kills it, too much to say, a state without a
//! form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dsmild::bus::Consumer;
use dsmild::daemon::Hooks;
use dsmild::event::{Body, Event, Soc};
use dsmild::layer::stage::{Outbox, Stage, StageSpec, StateError};
use dsmild::limits::OUTPUTS_PER_EVENT_MAX;

use super::{Run, check_nothing_lost};

type Step = dyn Fn(&mut dyn Stage, &Event, &mut Outbox) + Send + Sync;
type Save = dyn Fn(&dyn Stage) -> Result<Vec<u8>, StateError> + Send + Sync;

/// A stage that does something else in between.
struct Around {
    inner: Box<dyn Stage>,
    step: Arc<Step>,
    save: Arc<Save>,
}

impl Stage for Around {
    fn step(&mut self, event: &Event, out: &mut Outbox) {
        (self.step)(&mut *self.inner, event, out);
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        (self.save)(&*self.inner)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.inner.load(bytes)
    }
}

/// The stage of this name steps, and saves its state, like this.
fn around(
    name: &'static str,
    step: impl Fn(&mut dyn Stage, &Event, &mut Outbox) + Send + Sync + 'static,
    save: impl Fn(&dyn Stage) -> Result<Vec<u8>, StateError> + Send + Sync + 'static,
) -> Hooks {
    let (step, save): (Arc<Step>, Arc<Save>) = (Arc::new(step), Arc::new(save));
    let stage = move |spec: StageSpec| {
        if spec.name != name {
            return spec;
        }
        let (make, step, save) = (Arc::clone(&spec.make), Arc::clone(&step), Arc::clone(&save));
        let make = move || {
            Box::new(Around { inner: make(), step: Arc::clone(&step), save: Arc::clone(&save) }) as Box<dyn Stage>
        };
        StageSpec { make: Arc::new(make), ..spec }
    };
    Hooks { stage: Arc::new(stage), ..Hooks::default() }
}

fn consumer(run: &Run, name: &str) -> Consumer {
    run.daemon.core.bus.consumers().into_iter().find(|consumer| consumer.name == name).unwrap()
}

#[test]
fn an_event_that_kills_its_stage_twice_is_quarantined_and_the_stage_goes_on() {
    actix::System::new().block_on(async {
        // It panics at one line of the input each time that it comes to it.
        let step = |stage: &mut dyn Stage, event: &Event, out: &mut Outbox| {
            if let Body::Raw(raw) = &event.body {
                let line = String::from_utf8_lossy(&raw.payload);
                assert!(!(line.contains("user1 ") && line.contains(":07.")), "poison");
            }
            stage.step(event, out);
        };
        let mut run = Run::start_with(around("l3", step, |stage| stage.save())).await;
        run.write_chapters(3);
        run.until_quiet().await;
        let l3 = consumer(&run, "l3");
        assert_eq!((l3.handled, l3.quarantined), (59, 1));
        assert_eq!(run.restarts()["l3"], 2);
        let letters = run.daemon.core.store.dead_letters(0, 10).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert!(letters[0].letter.reason.contains("poison"), "{}", letters[0].letter.reason);
        run.daemon.stop().await;
    });
}

#[test]
fn outputs_beyond_what_one_event_may_lead_to_are_refused_and_counted() {
    actix::System::new().block_on(async {
        let said = Arc::new(AtomicBool::new(false));
        let step = move |stage: &mut dyn Stage, event: &Event, out: &mut Outbox| {
            if said.swap(true, Ordering::SeqCst) {
                stage.step(event, out);
                return;
            }
            for _ in 0..OUTPUTS_PER_EVENT_MAX + 3 {
                out.emit_soc(Soc { src_device: 53, flags: vec!["TALK".to_owned()], ..Soc::default() });
            }
        };
        let mut run = Run::start_with(around("device-53", step, |stage| stage.save())).await;
        run.write_chapter();
        run.until_quiet().await;
        assert_eq!(consumer(&run, "device-53").refused, 3);
        let is_talk = |event: &&Event| matches!(&event.body, Body::Soc(soc) if soc.flags == ["TALK"]);
        let stored = run.stored(dsmild::event::Stream::SocEvents).await;
        assert_eq!(stored.iter().filter(is_talk).count(), OUTPUTS_PER_EVENT_MAX);
        run.daemon.stop().await;
    });
}

#[test]
fn a_state_that_cannot_be_saved_leaves_the_one_saved_before() {
    /// So many until Layer 4 has something to say.
    const CHAPTERS: u32 = 8;
    actix::System::new().block_on(async {
        let mut run = Run::start_with(Hooks::default()).await;
        run.write_chapters(CHAPTERS);
        run.until_quiet().await;

        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let save = move |_: &dyn Stage| {
            counter.fetch_add(1, Ordering::SeqCst);
            Err(rmp_serde::encode::Error::Syntax("without a form".to_owned()).into())
        };
        let mut run = run.restart_with(around("l4", |stage, event, out| stage.step(event, out), save)).await;
        let before = run.daemon.core.store.snapshot("l4").await.unwrap().expect("the first daemon saved it at its end");
        run.write_chapters(CHAPTERS);
        run.until_handled("l4", 20 * u64::from(CHAPTERS)).await;

        let mut run = run.restart_with(Hooks::default()).await;
        assert!(asked.load(Ordering::SeqCst) > 0, "the stop wanted to save");
        assert_eq!(run.daemon.core.store.snapshot("l4").await.unwrap(), Some(before));
        run.write_chapters(CHAPTERS);
        run.until_handled("l4", 20 * u64::from(CHAPTERS)).await;
        check_nothing_lost(&run).await;
        run.daemon.stop().await;
    });
}
