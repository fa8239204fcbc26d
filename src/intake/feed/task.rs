//! The task that keeps the lists of all feeds: asks when it is time, judges what came, and puts it into the place of the list
//! before it. Device 54 takes the list over as it does at a reload.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::config::Feed;
use super::content;
use super::fetch::{Fetched, fetch};
use super::kept::{Kept, Remembered};
use crate::event::Timestamp;
use crate::intake::clock::arrival;
use crate::intake::{Expected, IntakeLog, Problem, Resources, Said, SourceSpec};
use crate::limits::{FEED_FETCH_MAX, FEED_RETRY_MIN, FEEDS_AT_ONCE_MAX};
use crate::observe::metrics;
use crate::retry::{Backoff, OutsideError, Retry};
use crate::server::gateway::FeedStatus;
use crate::supervise::TaskContext;

const NAME: &str = "intel-feeds";
const IDENTIFIER: &str = "dsmil-soc-intel";

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: IDENTIFIER,
    sections: &["intel"],
    ignored: &[],
    expected: |config| config.intel.feed.iter().map(|feed| Expected::new(shown_name(feed), NAME)).collect(),
    tasks: |resources| resources.task(NAME, !resources.config().intel.feed.is_empty(), run),
};

fn shown_name(feed: &Feed) -> String {
    format!("feed:{}", feed.name)
}

async fn run(task: TaskContext, Resources { log, config, io }: Resources) -> Result<(), String> {
    let config = config();
    let slots = Semaphore::new(FEEDS_AT_ONCE_MAX);
    let keepers = config.intel.feed.iter().map(|feed| {
        let kept = Kept::of(&config.daemon.state_dir, feed);
        Keeper { feed, remembered: kept.remembered(), kept, error: None, io: &io, log: &log }.keep(&slots)
    });
    task.run_until_stopped(join_all(keepers)).await;
    Ok(())
}

/// Of one feed.
struct Keeper<'a> {
    feed: &'a Feed,
    kept: Kept,
    remembered: Remembered,
    error: Option<OutsideError>,
    io: &'a Handle,
    log: &'a Arc<IntakeLog>,
}

impl Keeper<'_> {
    /// Never ends by itself.
    async fn keep(mut self, slots: &Semaphore) {
        let interval = self.feed.interval.get();
        let (mut failures, mut spread) = (Backoff::of(&self.feed.name), Backoff::of(&self.feed.name));
        // A daemon that starts again and again does not ask again and again.
        let mut rest = self.age().map_or(Duration::ZERO, |age| interval.saturating_sub(age));
        loop {
            self.show();
            self.wait(rest).await;
            let Ok(slot) = slots.acquire().await else { return };
            let result = self.attempt().await;
            drop(slot);
            rest = match &result {
                Ok(_) => {
                    failures.reset();
                    spread.reset();
                    // Those that started together do not come together for ever.
                    spread.delay(interval, interval)
                }
                Err(error) => {
                    let own = failures.delay(FEED_RETRY_MIN.min(interval), interval);
                    match error.retry {
                        Retry::After(asked) => own.max(asked),
                        Retry::Here | Retry::Soon | Retry::Slowly => own,
                    }
                }
            };
            self.take(result);
        }
    }

    /// Says meanwhile that the list has become too old.
    async fn wait(&self, rest: Duration) {
        let until_old = self.age().and_then(|age| self.feed.max_age.get().checked_sub(age));
        if let Some(until_old) = until_old.filter(|until_old| *until_old < rest) {
            tokio::time::sleep(until_old + Duration::from_millis(1)).await;
            self.show();
            tokio::time::sleep(rest.saturating_sub(until_old)).await;
        } else {
            tokio::time::sleep(rest).await;
        }
    }

    /// What is remembered from now on, and whether the list is another one.
    async fn attempt(&self) -> Result<(Remembered, bool, Option<String>), OutsideError> {
        let fetched = tokio::time::timeout(FEED_FETCH_MAX, fetch(self.feed, &self.kept, &self.remembered));
        let fetched = fetched.await.unwrap_or_else(|_| {
            let (tried, within) =
                (format!("fetching {}", shown_name(self.feed)), humantime::format_duration(FEED_FETCH_MAX));
            let cause = format!("it is not whole within {within}");
            Err(OutsideError::new("silent", Retry::Soon, &tried, &cause, "the server is too slow for so much"))
        })?;
        let (feed, kept, mut remembered) = (self.feed.name.clone(), self.kept.clone(), self.remembered.clone());
        let now = arrival::now();
        remembered.note_confirmed(now);
        let keep = move || match fetched {
            Fetched::Unchanged => {
                kept.remember(&remembered).map_err(|error| error.to_string())?;
                Ok((remembered, false, None))
            }
            Fetched::New { list, validators, added_after, remark } => {
                let entries = content::entries(&feed, &list)?;
                let failed = |error: std::io::Error| format!("it cannot be kept in daemon.state_dir ({error})");
                let is_another = kept.replace(&list).map_err(failed)?;
                if is_another {
                    remembered.note_fetched(now);
                }
                remembered.note_list(validators, added_after, entries);
                kept.remember(&remembered).map_err(failed)?;
                Ok((remembered, is_another, remark))
            }
        };
        // A large list takes its time.
        let kept = self.io.spawn_blocking(keep).await;
        let kept = kept.unwrap_or_else(|_| Err("reading it failed, which should not happen: report this".to_owned()));
        kept.map_err(|cause: String| {
            let tried = format!("taking what {} sent", crate::config::redact(&self.feed.url));
            OutsideError::new("unusable", Retry::Soon, &tried, &cause, "the list before it stays in use")
        })
    }

    fn take(&mut self, result: Result<(Remembered, bool, Option<String>), OutsideError>) {
        let name = shown_name(self.feed);
        let outcome = match result {
            Ok((remembered, is_another, remark)) => {
                self.remembered = remembered;
                self.error = remark.map(|text| OutsideError { kind: "missing", retry: Retry::Soon, text });
                if is_another {
                    log::info!(target: IDENTIFIER, "{name}: a new list, {} indicators", self.remembered.entries);
                    self.log.renewed.notify_one();
                }
                if is_another { "changed" } else { "unchanged" }
            }
            Err(error) => {
                self.error = Some(error);
                "failure"
            }
        };
        metrics::feed_fetches(self.feed.name.clone(), outcome).increment(1);
        if let Some(error) = &self.error {
            self.log.report(&Problem::new(name, error.kind, 0, error.text.clone()));
        }
    }

    /// Since the server last said that this is the list; `None` without one.
    fn age(&self) -> Option<Duration> {
        self.remembered.confirmed().map(|confirmed| arrival::now().since(confirmed))
    }

    fn show(&self) {
        let (age, max_age) = (self.age(), self.feed.max_age.get());
        let error = self.error.as_ref().map(|error| error.text.clone());
        let said = match (age, &error) {
            (None, None) => Said::Waiting,
            (None, Some(error)) => Said::Down(error.clone()),
            (Some(age), _) if age > max_age => {
                let max_age = humantime::format_duration(max_age);
                let why = error.clone().unwrap_or_else(|| "the server was not asked since".to_owned());
                Said::Down(format!("the list is older than max_age = {max_age}, and still used: {why}"))
            }
            _ => Said::Up,
        };
        let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let status = FeedStatus {
            entries: self.remembered.entries,
            fetched: shown(self.remembered.fetched()),
            confirmed: shown(self.remembered.confirmed()),
        };
        metrics::feed_entries(self.feed.name.clone()).set(self.remembered.entries as f64);
        if let Some(confirmed) = self.remembered.confirmed() {
            metrics::feed_last_success(self.feed.name.clone()).set(confirmed.seconds());
        }
        self.log.change_board(|board| board.say_of_feed(&shown_name(self.feed), said, status, error));
    }
}
