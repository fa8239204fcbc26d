//! The tasks that read the journal, one for each `[[intake.journal]]`.

use super::JournalReader;
use crate::config::IntakeJournal;
use crate::intake::{Resources, SourceSpec};
use crate::limits;
use crate::supervise::{NamedTask, TaskContext};

const NAME: &str = "intake-journal";

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &["intake.journal"],
    ignored: &[],
    tasks: |resources| {
        let config = resources.config();
        let configured = config.intake.journal.iter().cloned().enumerate();
        let tasks = configured.map(|(index, config)| {
            let (resources, position) = (resources.clone(), format!("journal-{index}"));
            NamedTask::new(format!("{NAME}-{index}"), move |context| {
                run(context, resources.clone(), position.clone(), config.clone())
            })
        });
        tasks.collect()
    },
};

/// `name` is that of its position.
async fn run(
    task: TaskContext,
    Resources { log, .. }: Resources,
    name: String,
    config: IntakeJournal,
) -> Result<(), String> {
    let mut journal = JournalReader::new(name.clone(), &config, log.positions().get(&name));
    while task.run_until_stopped(log.bus.admission()).await.is_some() {
        let Some(polled) = task.run_until_stopped(journal.next_batch(limits::TRANSACTION_EVENTS_MAX)).await else {
            break;
        };
        polled.problems.iter().for_each(|problem| log.report(problem));
        log.append_told(&task, NAME, polled.batch);
    }
    Ok(())
}
