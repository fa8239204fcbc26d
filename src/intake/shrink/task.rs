//! The task that polls SHRINK and puts every answer on the log, also that there was none: fusion judges by these alone.

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
    log.shrink.begin(arrival::now());
    while task.run_until_stopped(due.tick()).await.is_some() {
        let Some(sample) = task.run_until_stopped(poller.poll()).await else { break };
        let now = arrival::now();
        measure(&sample, &mut locked(&log.shrink.names));
        log.shrink.note(now, &sample);
        // Also one that hangs: it goes on asking, but what it is there for does not work.
        task.shows_error(sample.failure.clone());
        log.say(NAME, sample.failure.clone().map_or(Said::Up, Said::Down));
        if task.run_until_stopped(log.bus.admission()).await.is_none() {
            break;
        }
        let draft = Draft { stream: Stream::Shrink, times: Times::at(now), root: None, body: Body::Shrink(sample) };
        let drafts = vec![draft];
        log.note(NAME, &drafts);
        log.append(&task, NAME, Batch { drafts, positions: Vec::new() });
    }
    Ok(())
}

fn measure(sample: &ShrinkSample, names: &mut Names) {
    metrics::shrink_up().set(if sample.failure.is_none() { 1.0 } else { 0.0 });
    if sample.failure.is_none() {
        for (name, value) in &sample.values {
            if names.admit(name) {
                metrics::shrink_value(name.clone()).set(*value);
            } else {
                metrics::dropped("shrink", "new_name").increment(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::bus::{Bus, Ledger};
    use crate::config::{Config, Shrink, Span};
    use crate::event::EventId;
    use crate::intake::IntakeLog;
    use crate::server::gateway::SourceState;

    #[tokio::test]
    async fn a_poll_that_hangs_is_the_error_of_the_actor_and_the_source_is_down() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let shrink = Shrink { url, every: Span::from_millis(10), timeout: Span::from_millis(50), ..Shrink::default() };
        let config = Arc::new(Config { shrink: Some(shrink), ..Config::default() });
        let bus = Arc::new(Bus::new(Ledger::new([]), EventId::ZERO));
        let log = Arc::new(IntakeLog::new(Arc::clone(&bus), BTreeMap::new(), bus.committed()));
        log.configure((SOURCE.expected)(&config));
        let io = tokio::runtime::Handle::current();
        let resources = Resources { log: Arc::clone(&log), config: Arc::new(move || Arc::clone(&config)), io };
        let (task, supervisor) = TaskContext::under_test();
        let child = supervisor.child();
        let is_told = async {
            while child.last_error().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await; // between two looks
            }
        };
        tokio::select! {
            ended = run(task, resources) => panic!("it ended: {ended:?}"),
            () = is_told => {}
        }
        assert!(child.last_error().is_some_and(|error| error.contains("no whole answer")), "{:?}", child.last_error());
        let shown = log.shown(&[]).remove(0);
        assert_eq!((shown.name.as_str(), shown.state), (NAME, SourceState::Down));
        assert!(log.shrink.age(arrival::now()).is_some(), "its age is counted from the first question");
    }

    #[test]
    fn new_names_in_every_answer_make_a_bounded_number_of_metrics() {
        let mut names = Names::default();
        let exporter = metrics::exporter();
        for answer in 0..20 {
            let values = (0..200).map(|n| (format!("v{answer}_{n}"), 1.0)).collect();
            measure(&ShrinkSample { values, ..ShrinkSample::default() }, &mut names);
        }
        let shown = exporter.render();
        let series = shown.lines().filter(|line| line.starts_with("dsmil_shrink_value{")).count();
        assert!((1..=crate::limits::SHRINK_NAMES_MAX).contains(&series), "{series}");
        let dropped = "dsmil_dropped_total{where=\"shrink\",reason=\"new_name\"}";
        assert!(shown.lines().any(|line| line.starts_with(dropped)), "{shown}");
    }
}
