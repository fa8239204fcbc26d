//! The task that polls SHRINK and puts every answer on the log, also that there was none: fusion judges by these alone.

use std::time::Instant;

use tokio::time::MissedTickBehavior;

use super::Poller;
use super::names::Names;
use crate::event::{Body, Draft, ShrinkSample, Stream, Times};
use crate::intake::{Batch, Expected, Resources, Said, SourceSpec, clock::arrival};
use crate::locked::locked;
use crate::observe::metrics;
use crate::supervise::TaskContext;

const NAME: &str = "shrink";

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmil-shrink",
    sections: &["shrink"],
    ignored: &[],
    expected: |config| config.shrink.iter().map(|_| Expected::new(NAME, NAME)).collect(),
    tasks: |resources| resources.task(NAME, resources.config().shrink.is_some(), run),
};

async fn run(task: TaskContext, Resources { log, config, .. }: Resources) -> Result<(), String> {
    let Some(config) = config().shrink.clone() else { return Err("no [shrink] section".to_owned()) };
    let mut poller = Poller::new(&config).map_err(|error| error.to_string())?;
    let mut due = tokio::time::interval(config.every.get());
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_good: Option<Instant> = None;
    while task.run_until_stopped(due.tick()).await.is_some() {
        let Some(sample) = task.run_until_stopped(poller.poll()).await else { break };
        measure(&sample, &mut last_good, &mut locked(&log.shrink.names));
        log.shrink.note(&sample);
        log.say(NAME, sample.failure.clone().map_or(Said::Up, Said::Down));
        if task.run_until_stopped(log.bus.admission()).await.is_none() {
            break;
        }
        let draft =
            Draft { stream: Stream::Shrink, times: Times::at(arrival::now()), root: None, body: Body::Shrink(sample) };
        let drafts = vec![draft];
        log.note(NAME, &drafts);
        log.append(&task, NAME, Batch { drafts, positions: Vec::new() });
    }
    Ok(())
}

fn measure(sample: &ShrinkSample, last_good: &mut Option<Instant>, names: &mut Names) {
    metrics::shrink_up().set(if sample.failure.is_none() { 1.0 } else { 0.0 });
    if sample.failure.is_none() {
        *last_good = Some(Instant::now());
        for (name, value) in &sample.values {
            if names.admit(name) {
                metrics::shrink_value(name.clone()).set(*value);
            } else {
                metrics::dropped("shrink", "new_name").increment(1);
            }
        }
    }
    if let Some(last_good) = last_good {
        metrics::shrink_age_seconds().set(last_good.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_names_in_every_answer_make_a_bounded_number_of_metrics() {
        let (mut names, mut last_good) = (Names::default(), None);
        let exporter = metrics::exporter();
        for answer in 0..20 {
            let values = (0..200).map(|n| (format!("v{answer}_{n}"), 1.0)).collect();
            measure(&ShrinkSample { values, ..ShrinkSample::default() }, &mut last_good, &mut names);
        }
        let shown = exporter.render();
        let series = shown.lines().filter(|line| line.starts_with("dsmil_shrink_value{")).count();
        assert!((1..=crate::limits::SHRINK_NAMES_MAX).contains(&series), "{series}");
        let dropped = "dsmil_dropped_total{where=\"shrink\",reason=\"new_name\"}";
        assert!(shown.lines().any(|line| line.starts_with(dropped)), "{shown}");
    }
}
