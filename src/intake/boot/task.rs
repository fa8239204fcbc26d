//! The task that takes in what the firmware and the kernel measured, once a boot: the boot's id is the position. Reading a
//! large list takes its time, so this is an actor, which then has nothing more to do.

use std::path::Path;

use super::allowed::files_allowed;
use super::observe_boot;
use crate::event::{Format, Stream, Times};
use crate::intake::{Batch, Expected, Origin, Resources, Said, SourceSpec, clock::arrival};
use crate::supervise::TaskContext;

const NAME: &str = "intake-boot";
/// Of its lines, of its position and in status.
const LINES: &str = "boot";

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &["intake.boot"],
    ignored: &[],
    expected: |config| config.intake.boot.enabled.then(|| Expected::new(LINES, NAME)).into_iter().collect(),
    tasks: |resources| resources.task(NAME, resources.config().intake.boot.enabled, run),
};

async fn run(task: TaskContext, resources: Resources) -> Result<(), String> {
    let allowed = resources.config().intake.boot.files_allowed.as_deref().map(files_allowed).transpose()?;
    let log = resources.log;
    let position = serde_json::Value::String(arrival::boot_id());
    if log.positions().get(LINES) != Some(&position) && task.run_until_stopped(log.bus.admission()).await.is_some() {
        let origin =
            Origin { stream: Stream::L3In, source: LINES.into(), compartment: "".into(), format: Format::Json };
        let now = Times::at(arrival::now());
        let facts = observe_boot(Path::new("/"), allowed.as_ref());
        let drafts: Vec<_> = facts.into_iter().map(|fact| origin.message(fact.into(), Vec::new(), now)).collect();
        log.note(LINES, &drafts);
        log.append(&task, LINES, Batch { drafts, positions: vec![(LINES.to_owned(), position)] });
    }
    log.say(LINES, Said::Up);
    task.run_until_stopped(std::future::pending::<()>()).await;
    Ok(())
}
