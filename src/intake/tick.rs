//! The clock of the log: a `TICK` each second by the clock of arrivals, whatever else comes and however far a source is
//! behind, so that windows close and silence is noticed.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::clock::arrival;
use super::{Batch, Resources, SourceSpec};
use crate::event::{Body, Draft, Stream, Times};
use crate::limits::TICKS_WITHOUT_ROOM_MAX;
use crate::supervise::TaskContext;

const NAME: &str = "tick";
const EVERY: Duration = Duration::from_secs(1);

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &[],
    ignored: &[],
    expected: |_| Vec::new(),
    tasks: |resources| resources.task(NAME, true, run),
};

async fn run(task: TaskContext, Resources { log, .. }: Resources) -> Result<(), String> {
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut without_room = 0;
    while task.run_until_stopped(due.tick()).await.is_some() {
        without_room = if log.bus.has_room() { 0 } else { without_room + 1 };
        if without_room > TICKS_WITHOUT_ROOM_MAX {
            continue;
        }
        log.append(&task, NAME, Batch { drafts: vec![tick()], positions: Vec::new() });
    }
    Ok(())
}

fn tick() -> Draft {
    Draft { stream: Stream::Tick, times: Times::at(arrival::now()), root: None, body: Body::Tick }
}
