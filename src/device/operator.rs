//! A device's SOC events with what SHRINK measured of the operator at their time, as fusion's have it: without this they
//! would say that SHRINK is down while it answers.

use std::sync::Arc;
use std::time::Duration;

use crate::detect::shrink_readings::ShrinkReadings;
use crate::event::{Body, Event, Interest, ShrinkView, Stream};
use crate::layer::row::PreparedStage;
use crate::layer::stage::{Outbox, Stage, StateError};
use crate::layer::{ACUTE_STRESS, message_pack};

const SHRINK: Interest = Interest::NONE.stream(Stream::Shrink);

/// What a device reads in this way.
pub const fn reads(device: Interest) -> Interest {
    device.stream(Stream::Shrink)
}

/// The device's stage in this way. `device` is what it reads itself.
pub fn with_operator(prepared: PreparedStage, device: Interest, stale_after: Duration) -> PreparedStage {
    let PreparedStage { make, warnings } = prepared;
    let make = move || -> Box<dyn Stage> {
        let readings = ShrinkReadings::default();
        Box::new(WithOperator { device: make(), reads_shrink: device.overlaps(SHRINK), readings, stale_after })
    };
    PreparedStage { make: Arc::new(make), warnings }
}

struct WithOperator {
    device: Box<dyn Stage>,
    reads_shrink: bool,
    readings: ShrinkReadings,
    stale_after: Duration,
}

impl Stage for WithOperator {
    fn step(&mut self, event: &Event, out: &mut Outbox) {
        if let Body::Shrink(sample) = &event.body {
            self.readings.take(event.time(), sample, Some(event.id));
            if !self.reads_shrink {
                return;
            }
        }
        let before = out.written();
        self.device.step(event, out);
        for draft in out.since(before) {
            let time = draft.times.believed;
            if let Body::Soc(soc) = &mut draft.body
                && soc.shrink == ShrinkView::default()
            {
                soc.shrink = self.readings.view(time, self.stale_after);
                soc.shrink_risk = soc.shrink.values.get(ACUTE_STRESS).copied();
            }
        }
    }

    /// The number of bytes of the readings, these, and those of the device.
    fn save(&self) -> Result<Vec<u8>, StateError> {
        let readings = message_pack::write(&self.readings)?;
        let length = u32::try_from(readings.len()).unwrap_or_default().to_be_bytes();
        Ok([length.as_slice(), &readings, &self.device.save()?].concat())
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let split = bytes.split_first_chunk().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let Some((readings, device)) = split else {
            return Err(<message_pack::Error as serde::de::Error>::custom("it is shorter than it says").into());
        };
        let readings = message_pack::read(readings)?;
        self.device.load(device)?;
        self.readings = readings;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Config;
    use crate::device::DEVICES;
    use crate::event::{EventId, ShrinkSample, ShrinkState, Soc, Times, Timestamp};
    use crate::layer::stage::Stateful;
    use crate::layer::testing::soc_events;

    /// Says one thing about every tick.
    struct Speaker(u8);

    impl Stateful for Speaker {
        type State = u8;

        fn step(&mut self, event: &Event, out: &mut Outbox) {
            assert!(matches!(event.body, Body::Tick), "it gets nothing that it does not read");
            out.emit_soc(Soc::default());
        }

        fn state(&self) -> &u8 {
            &self.0
        }

        fn state_mut(&mut self) -> &mut u8 {
            &mut self.0
        }
    }

    fn event(second: u64, stream: Stream, body: Body) -> Event {
        let time = Timestamp::from_millis(1_700_000_000_000 + second * 1000);
        let id = EventId::new(time.millis(), 0);
        Event { id, stream, times: Times::at(time), root: id, body }
    }

    fn sample(second: u64, stress: f64) -> Event {
        let values = BTreeMap::from([(ACUTE_STRESS.to_owned(), stress)]);
        event(second, Stream::Shrink, Body::Shrink(ShrinkSample { values, failure: None }))
    }

    #[test]
    fn what_a_device_says_has_the_state_of_shrink_at_that_time_also_after_a_restart() {
        let reads = Interest::NONE.stream(Stream::Tick);
        let speaker = PreparedStage::quiet(Arc::new(|| Box::new(Speaker(7))));
        let mut stage = with_operator(speaker, reads, Duration::from_secs(10)).stage();
        let tick = |second| event(second, Stream::Tick, Body::Tick);
        let said = soc_events(&mut *stage, &[tick(0), sample(1, 0.4), tick(2), tick(60)]);
        let said: Vec<_> = said.into_iter().map(|soc| (soc.shrink.state, soc.shrink_risk)).collect();
        let expected = [(ShrinkState::Down, None), (ShrinkState::Fresh, Some(0.4)), (ShrinkState::Stale, None)];
        assert_eq!(said, expected);
        assert!(stage.load(b"\0\0\0\x09x").is_err() && stage.load(b"").is_err());
    }

    #[test]
    fn every_device_hears_of_shrink_and_is_prepared_like_this() {
        for spec in DEVICES {
            let row = spec.row();
            assert!(row.reads.overlaps(SHRINK), "{}", spec.number);
            let stage = (row.prepare)(&Config::default()).unwrap().map(|prepared| prepared.stage());
            let Some(mut stage) = stage else { continue };
            let before = stage.save().unwrap();
            stage.step(&sample(1, 0.4), &mut Outbox::default());
            assert!(stage.save().unwrap().len() > before.len(), "{} remembers the sample", spec.number);
        }
    }
}
