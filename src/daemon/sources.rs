//! The bodies of the source actors: each waits for admission, reads, and appends events and positions as one
//! transaction.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::{Core, locked};
use crate::config::IntakeJournal;
use crate::event::{Body, Draft, Format, Stream, Timestamp};
use crate::intake::boot::observe_boot;
use crate::intake::{Batch, Origin, Problem, file::FileSet, journal::JournalReader, shrink::Poller};
use crate::limits;
use crate::observe::metrics;
use crate::server::gateway::SourceStatus;
use crate::supervise::TaskContext;

const FILES_POLL_EVERY: Duration = Duration::from_millis(100);
const TICK_EVERY: Duration = Duration::from_secs(1);

/// All configured files.
pub async fn files(task: TaskContext, core: Arc<Core>) -> Result<(), String> {
    let config = core.config();
    let mut files = FileSet::open(&config.intake.file, &core.positions());
    while task.run_until_stopped(core.bus.admission()).await.is_some() {
        let polled = files.poll(limits::TRANSACTION_EVENTS_MAX);
        polled.problems.iter().for_each(|problem| report(&core, problem));
        append(&task, &core, "intake-file", polled.batch);
        if !polled.more && task.run_until_stopped(tokio::time::sleep(FILES_POLL_EVERY)).await.is_none() {
            break;
        }
    }
    Ok(())
}

/// One `[[intake.journal]]`; the name is that of its position.
pub async fn journal(task: TaskContext, core: Arc<Core>, name: String, config: IntakeJournal) -> Result<(), String> {
    let mut journal = JournalReader::new(name.clone(), &config, core.positions().get(&name));
    while task.run_until_stopped(core.bus.admission()).await.is_some() {
        let Some(polled) = task.run_until_stopped(journal.next_batch(limits::TRANSACTION_EVENTS_MAX)).await else {
            break;
        };
        polled.problems.iter().for_each(|problem| report(&core, problem));
        append(&task, &core, "intake-journal", polled.batch);
    }
    Ok(())
}

/// Polls SHRINK and puts every answer on the log, also that there was none: fusion judges by these alone.
pub async fn shrink(task: TaskContext, core: Arc<Core>) -> Result<(), String> {
    let Some(config) = core.config().shrink.clone() else { return Err("no [shrink] section".to_owned()) };
    let mut poller = Poller::new(&config).map_err(|error| error.to_string())?;
    let mut due = tokio::time::interval(config.every.get());
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last_good: Option<Instant> = None;
    while task.run_until_stopped(due.tick()).await.is_some() {
        let Some(sample) = task.run_until_stopped(poller.poll()).await else { break };
        metrics::shrink_up().set(if sample.failure.is_none() { 1.0 } else { 0.0 });
        if sample.failure.is_none() {
            last_good = Some(Instant::now());
            for (name, value) in &sample.values {
                metrics::shrink_value(name.clone()).set(*value);
            }
        }
        if let Some(last_good) = last_good {
            metrics::shrink_age_seconds().set(last_good.elapsed().as_secs_f64());
        }
        core.note_shrink(&sample);
        if task.run_until_stopped(core.bus.admission()).await.is_none() {
            break;
        }
        let draft = Draft { stream: Stream::Shrink, ts: Timestamp::now(), root: None, body: Body::Shrink(sample) };
        append(&task, &core, "shrink", Batch { drafts: vec![draft], positions: Vec::new() });
    }
    Ok(())
}

/// What the firmware and the kernel measured, once a boot: the boot's id is the position. Reading a large list takes
/// its time, so this is an actor that then has nothing more to do.
pub async fn boot(task: TaskContext, core: Arc<Core>) -> Result<(), String> {
    const SOURCE: &str = "boot";
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let position = serde_json::Value::String(boot_id.trim().to_owned());
    if core.positions().get(SOURCE) != Some(&position) && task.run_until_stopped(core.bus.admission()).await.is_some() {
        let origin =
            Origin { stream: Stream::L3In, source: SOURCE.into(), compartment: "".into(), format: Format::Json };
        let now = Timestamp::now();
        let facts = observe_boot(Path::new("/"));
        let drafts = facts.into_iter().map(|fact| origin.message(fact.into(), Vec::new(), now)).collect();
        append(&task, &core, SOURCE, Batch { drafts, positions: vec![(SOURCE.to_owned(), position)] });
    }
    task.run_until_stopped(std::future::pending::<()>()).await;
    Ok(())
}

/// Puts a `TICK` on the log each second in which nothing else came, so that windows close. Its time goes on from the
/// newest event's time: the clock of what is read, which for live input is the wall clock.
pub async fn tick(task: TaskContext, core: Arc<Core>) -> Result<(), String> {
    let mut seen = core.bus.newest();
    let mut since = Instant::now();
    while task.run_until_stopped(tokio::time::sleep(TICK_EVERY)).await.is_some() {
        let newest = core.bus.newest();
        if newest != seen {
            (seen, since) = (newest, Instant::now());
            continue;
        }
        if newest.ts == Timestamp::ZERO || !core.bus.has_room() {
            continue;
        }
        let draft = Draft { stream: Stream::Tick, ts: newest.ts.plus(since.elapsed()), root: None, body: Body::Tick };
        append(&task, &core, "tick", Batch { drafts: vec![draft], positions: Vec::new() });
    }
    Ok(())
}

fn append(task: &TaskContext, core: &Core, source: &'static str, batch: Batch) {
    if batch.drafts.is_empty() && batch.positions.is_empty() {
        return;
    }
    note_sources(core, &batch.drafts);
    core.advance(
        || task.is_superseded(),
        || {
            core.bus.append(source, batch.drafts, batch.positions.clone(), Vec::new());
            batch.positions
        },
    );
}

/// For status and the lag metric: the newest event of each source.
fn note_sources(core: &Core, drafts: &[Draft]) {
    let mut sources = locked(&core.board.sources);
    let now = Timestamp::now();
    for draft in drafts {
        let Body::Raw(raw) = &draft.body else { continue };
        if sources.len() >= limits::SOURCES_SHOWN_MAX && !sources.contains_key(&*raw.source) {
            continue;
        }
        let status = sources
            .entry(raw.source.to_string())
            .or_insert_with(|| SourceStatus { name: raw.source.to_string(), ..SourceStatus::default() });
        status.up = true;
        status.events += 1;
        status.lag_s = Some(now.since(draft.ts).as_secs_f64());
    }
}

fn report(core: &Core, problem: &Problem) {
    log::warn!(target: "dsmild", "{}: {}", problem.source, problem.text);
    if problem.lost > 0 {
        metrics::dropped("intake", problem.reason).increment(problem.lost);
    }
    let mut sources = locked(&core.board.sources);
    if let Some(status) = sources.get_mut(&problem.source) {
        status.last_error = Some(problem.text.clone());
    }
}
