//! Loki as an outlet: what it wants of the log, and one push.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Batch, Labels, Pusher};
use crate::config;
use crate::event::{EventId, Interest, Stream};
use crate::limits;
use crate::observe::metrics;
use crate::outlet::driver::{self, About, Keep, Lane, Outlet, Pace, Portion, Position, Want, Written};
use crate::outlet::{CommittedLog, Configured, Resources};
use crate::retry::OutsideError;

const READS: Interest = Interest::NONE.stream(Stream::SocEvents);

/// The outlet as the driver sees it.
pub struct Loki {
    log: Arc<CommittedLog>,
    config: super::Config,
    labels: Arc<Labels>,
}

impl Configured for Loki {
    const NAME: &'static str = "loki";
    const SECTIONS: &'static [&'static str] = &["loki"];

    fn is_wanted(config: &config::Config) -> bool {
        config.loki.is_some()
    }

    fn from_config(config: &config::Config, resources: &Resources) -> Option<Self> {
        let section = config.loki.clone()?;
        let labels = Arc::new(Labels::new(&section, &config.daemon.instance));
        Some(Self { log: Arc::clone(&resources.log), config: section, labels })
    }
}

impl Outlet for Loki {
    const ABOUT: About = About {
        name: Cow::Borrowed("loki"),
        identifier: "dsmil-loki",
        outside: Cow::Borrowed("Loki"),
        takes: "SOC events",
        meanwhile: "SOC events wait in the hot store, nothing else does",
        level: log::Level::Warn,
        keep: Keep::WhileRoom,
        drain: Duration::from_secs(1),
        up: Some(metrics::loki_up),
        lag: Some(|_| metrics::loki_lag_events()),
    };
    type Batch = Batch;
    type Lane = LokiLane;

    fn wants(&self) -> Vec<Want> {
        vec![Want { label: None, reads: READS }]
    }

    /// Pushes nothing, which tells whether Loki is there and lets us in.
    async fn connect(&self) -> Result<Vec<LokiLane>, OutsideError> {
        let mut pusher = Pusher::new(self.config.clone());
        match pusher.ask().await {
            Answer::NotNow(error) => Err(error),
            Answer::Taken | Answer::Refused { .. } => Ok(vec![LokiLane { pusher, labels: Arc::clone(&self.labels) }]),
        }
    }

    async fn prepare(&self, _: usize, after: EventId) -> Result<Portion<Batch>, OutsideError> {
        let count = limits::LOKI_BATCH_EVENTS_MAX;
        let (events, scanned) = self.log.after(after, READS, count).await?;
        let batch = Batch::of(events.iter().map(|event| &**event));
        let is_whole = batch.as_ref().is_none_or(|batch| batch.count() == events.len());
        let through = if is_whole { scanned } else { batch.as_ref().map(driver::Batch::through).unwrap_or(after) };
        Ok(Portion { batch, through, more: !is_whole || events.len() == count })
    }

    fn pace(&self, _: usize) -> Pace {
        Pace { idle: Duration::from_secs(3), gather: Duration::from_millis(500), enough: None }
    }
}

/// Its one lane: SOC events.
pub struct LokiLane {
    pusher: Pusher,
    labels: Arc<Labels>,
}

impl Lane for LokiLane {
    type Batch = Batch;

    /// Loki cannot be asked.
    async fn position(&mut self) -> Result<Position, OutsideError> {
        Ok(Position::AtCursor)
    }

    async fn write(&mut self, batch: &Batch) -> Result<Written, OutsideError> {
        match self.pusher.push(batch.body(&self.labels)).await {
            Answer::Taken => Ok(Written::All),
            Answer::Refused { reason, said } => {
                Ok(Written::Refused { kind: reason, said: format!("{said}; see its limits_config") })
            }
            Answer::NotNow(error) => Err(error),
        }
    }
}
