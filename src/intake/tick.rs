//! The clock of the log: a `TICK` in each second in which nothing else came, so that windows close. Its time goes on from
//! the newest event's time: the clock of what is read, which for live input is the wall clock.

use std::time::{Duration, Instant};

use super::{Batch, Resources, SourceSpec};
use crate::event::{Body, Draft, Stream, Timestamp};
use crate::supervise::TaskContext;

const NAME: &str = "tick";
const EVERY: Duration = Duration::from_secs(1);

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &[],
    ignored: &[],
    tasks: |resources| resources.task(NAME, true, run),
};

async fn run(task: TaskContext, Resources { log, .. }: Resources) -> Result<(), String> {
    let mut seen = log.bus.newest();
    let mut since = Instant::now();
    while task.run_until_stopped(tokio::time::sleep(EVERY)).await.is_some() {
        let newest = log.bus.newest();
        if newest != seen {
            (seen, since) = (newest, Instant::now());
            continue;
        }
        if newest.ts == Timestamp::ZERO || !log.bus.has_room() {
            continue;
        }
        let draft = Draft { stream: Stream::Tick, ts: newest.ts.plus(since.elapsed()), root: None, body: Body::Tick };
        log.append(&task, NAME, Batch { drafts: vec![draft], positions: Vec::new() });
    }
    Ok(())
}
