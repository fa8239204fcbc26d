//! The task that reads all configured files.

use std::time::Duration;

use super::FileSet;
use crate::intake::{Resources, SourceSpec};
use crate::limits;
use crate::supervise::TaskContext;

const NAME: &str = "intake-file";
const POLL_EVERY: Duration = Duration::from_millis(100);

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &["intake.file"],
    ignored: &[],
    tasks: |resources| resources.task(NAME, !resources.config().intake.file.is_empty(), run),
};

async fn run(task: TaskContext, Resources { log, config, .. }: Resources) -> Result<(), String> {
    let mut files = FileSet::open(&config().intake.file, &log.positions());
    while task.run_until_stopped(log.bus.admission()).await.is_some() {
        let polled = files.poll(limits::TRANSACTION_EVENTS_MAX);
        polled.problems.iter().for_each(|problem| log.report(problem));
        log.append(&task, NAME, polled.batch);
        if !polled.more && task.run_until_stopped(tokio::time::sleep(POLL_EVERY)).await.is_none() {
            break;
        }
    }
    Ok(())
}
