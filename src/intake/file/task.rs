//! The task that reads all configured files.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::FileSet;
use super::listing::source_of;
use crate::event::{Body, Draft};
use crate::intake::{Expected, IntakeLog, Resources, Said, SourceSpec};
use crate::limits;
use crate::supervise::TaskContext;

const NAME: &str = "intake-file";
const POLL_EVERY: Duration = Duration::from_millis(100);
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
        let polled = files.poll(limits::TRANSACTION_EVENTS_MAX, &|| task.heartbeat());
        polled.problems.iter().for_each(|problem| log.report(problem));
        show(&files, &log);
        note(&polled.batch.drafts, &log);
        log.append(&task, NAME, polled.batch);
        if !polled.more && task.run_until_stopped(tokio::time::sleep(POLL_EVERY)).await.is_none() {
            break;
        }
    }
    Ok(())
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
