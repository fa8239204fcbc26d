//! The tasks that read the journal, one for each `[[intake.journal]]`.

use std::time::{Duration, Instant};

use super::JournalReader;
use crate::config::IntakeJournal;
use crate::intake::{Expected, Problem, Resources, SourceSpec};
use crate::limits;
use crate::supervise::{NamedTask, TaskContext};

const NAME: &str = "intake-journal";
/// How often status hears of it while nothing comes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &["intake.journal"],
    ignored: &[],
    expected: |config| {
        let journals = 0..config.intake.journal.len();
        journals.map(|index| Expected::new(row(index), format!("{NAME}-{index}"))).collect()
    },
    tasks: |resources| {
        let config = resources.config();
        let configured = config.intake.journal.iter().cloned().enumerate();
        let tasks = configured.map(|(index, config)| {
            let resources = resources.clone();
            NamedTask::new(format!("{NAME}-{index}"), move |context| {
                run(context, resources.clone(), index, config.clone())
            })
        });
        tasks.collect()
    },
};

/// Its name in status.
fn row(index: usize) -> String {
    if index == 0 { "journal".to_owned() } else { format!("journal-{index}") }
}

async fn run(
    task: TaskContext,
    Resources { log, .. }: Resources,
    index: usize,
    config: IntakeJournal,
) -> Result<(), String> {
    let (name, row) = (format!("journal-{index}"), row(index));
    let mut journal = JournalReader::new(name.clone(), &config, log.positions().get(&name));
    while task.run_until_stopped(log.bus.admission()).await.is_some() {
        let batch = tokio::time::timeout(LOOK_EVERY, journal.next_batch(limits::TRANSACTION_EVENTS_MAX));
        let Some(batch) = task.run_until_stopped(batch).await else { break };
        let is_at_end = batch.is_err();
        if let Ok(polled) = batch {
            let problems = polled.problems.into_iter();
            problems.for_each(|problem| log.report(&Problem { source: row.clone(), ..problem }));
            log.append_claimed(&task, NAME, &row, polled.batch);
        }
        log.change_board(|board| board.set_at_end(&row, is_at_end, Instant::now()));
        log.say(&row, journal.state());
    }
    Ok(())
}
