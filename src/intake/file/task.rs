//! The task that reads all configured files.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::FileSet;
use super::listing::source_of;
use super::watch::Watches;
use crate::event::{Body, Draft};
use crate::intake::{Expected, IntakeLog, Resources, Said, SourceSpec};
use crate::limits;
use crate::supervise::TaskContext;

const NAME: &str = "intake-file";
/// How often files are looked at while there was something to read lately: a record may wait for its end, and not every file
/// system tells of changes.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// How long that is, and how often they are looked at otherwise.
const LATELY: Duration = Duration::from_secs(1);
/// Files that change all the time are looked at no more often. Timers of the runtime are rounded up to whole milliseconds, so that so
/// short a pause is made by the thread, which the task has to itself.
const PAUSE: Duration = Duration::from_millis(1);
/// Nor for more than one part of so many of the time. What the thread has worked counts: where others have the machine, a look lasts
/// longer, and what is written meanwhile would wait for several times as long.
const PART: u32 = 4;
/// How often status hears of them while sources wait for room.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &["intake.file"],
    ignored: &[],
    expected: |config| config.intake.file.iter().map(|file| Expected::new(source_of(file), NAME)).collect(),
    tasks: |resources| resources.task(NAME, !resources.config().intake.file.is_empty(), run),
};

async fn run(task: TaskContext, Resources { log, config, .. }: Resources) -> Result<(), String> {
    let mut files = FileSet::open(&config().intake.file, &log.positions());
    let mut watches = Watches::new();
    let mut woken = Instant::now();
    loop {
        let room = tokio::time::timeout(LOOK_EVERY, log.bus.admission());
        let Some(room) = task.run_until_stopped(room).await else { break };
        if room.is_err() {
            // Nothing is read, but what can be read is seen all the same.
            files.look_around();
            files.problems().iter().for_each(|problem| log.report(problem));
            show(&files, &log);
            continue;
        }
        let looked = worked();
        let polled = files.poll(limits::TRANSACTION_EVENTS_MAX, &|| task.heartbeat());
        polled.problems.iter().for_each(|problem| log.report(problem));
        show(&files, &log);
        note(&polled.batch.drafts, &log);
        let is_empty = polled.batch.drafts.is_empty();
        log.append(&task, NAME, polled.batch);
        let is_new = watches.watch(&files.identities().into_iter().collect(), files.standing());
        if polled.more || is_new {
            continue;
        }
        let now = Instant::now();
        if !is_empty {
            woken = now;
        }
        let idle = if now.duration_since(woken) < LATELY { POLL_EVERY } else { LATELY };
        let pause = (worked().saturating_sub(looked) * (PART - 1)).clamp(PAUSE, POLL_EVERY);
        let waited = task.run_until_stopped(async {
            let is_woken = tokio::time::timeout(idle, watches.changed()).await.is_ok();
            let rest = pause.saturating_sub(now.elapsed());
            if rest > PAUSE {
                tokio::time::sleep(rest).await;
            } else {
                std::thread::sleep(rest);
            }
            is_woken
        });
        match waited.await {
            Some(true) => woken = Instant::now(),
            Some(false) => {}
            None => break,
        }
    }
    Ok(())
}

/// How long this thread has worked.
fn worked() -> Duration {
    // It is never negative.
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// What could be read at the last look.
fn show(files: &FileSet, log: &IntakeLog) {
    let found: BTreeMap<&str, &str> = files.states().filter_map(|file| Some((file.source, file.found_by?))).collect();
    let now = Instant::now();
    log.change_board(|board| {
        board.set_found(NAME, &found, now);
        for file in files.states() {
            board.say(file.source, file.failure.map_or(Said::Up, |why| Said::Down(why.to_owned())));
            board.set_at_end(file.source, file.is_at_end, now);
        }
    });
}

/// The events of each file by its name.
fn note(drafts: &[Draft], log: &IntakeLog) {
    for drafts in drafts.chunk_by(|one, other| source(one) == source(other)) {
        if let Some(name) = drafts.first().and_then(source) {
            log.note(name, drafts);
        }
    }
}

fn source(draft: &Draft) -> Option<&str> {
    match &draft.body {
        Body::Raw(raw) => Some(&raw.source),
        _ => None,
    }
}
