//! Standard output as an outlet. Who reads it may be slow: events wait in the hot store meanwhile.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::line::line;
use crate::config::Config;
use crate::event::{EventId, Interest};
use crate::limits;
use crate::outlet::driver::{About, Batch, Keep, Lane, Outlet, Portion, Position, Want, Written};
use crate::outlet::{CommittedLog, Configured, Resources};
use crate::retry::{OutsideError, Retry};

pub struct Stdout {
    log: Arc<CommittedLog>,
    config: super::Config,
    /// For writing, which waits for whoever reads.
    io: Handle,
}

impl Configured for Stdout {
    const NAME: &'static str = "stdout";
    const SECTIONS: &'static [&'static str] = &["stdout", "daemon.print_events"];

    fn is_wanted(config: &Config) -> bool {
        config.stdout().is_some()
    }

    fn from_config(config: &Config, resources: &Resources) -> Option<Self> {
        Some(Self { log: Arc::clone(&resources.log), config: config.stdout()?, io: resources.io.clone() })
    }
}

impl Stdout {
    fn reads(&self) -> Interest {
        self.config.streams.iter().fold(Interest::NONE, |reads, stream| reads.stream(*stream))
    }
}

impl Outlet for Stdout {
    const ABOUT: About = About {
        name: Cow::Borrowed("stdout"),
        identifier: "dsmild",
        outside: Cow::Borrowed("standard output"),
        takes: "events",
        meanwhile: "events wait in the hot store, nothing else does",
        level: log::Level::Warn,
        keep: Keep::WhileRoom,
        drain: Duration::from_secs(1),
        up: None,
        lag: None,
    };
    type Batch = Lines;
    type Lane = StdoutLane;

    fn wants(&self) -> Vec<Want> {
        vec![Want { label: None, reads: self.reads() }]
    }

    async fn connect(&self) -> Result<Vec<StdoutLane>, OutsideError> {
        Ok(vec![StdoutLane { io: self.io.clone() }])
    }

    async fn prepare(&self, _: usize, after: EventId) -> Result<Portion<Lines>, OutsideError> {
        let count = limits::STDOUT_EVENTS_MAX;
        let (events, scanned) = self.log.after(after, self.reads(), count).await?;
        let more = events.len() == count;
        let lines: String = events
            .iter()
            .filter_map(|event| line(event, &self.config))
            .flat_map(|line| [line, "\n".to_owned()])
            .collect();
        let batch =
            events.last().map(|last| Lines { text: lines.into(), events: events.len() as u64, through: last.id });
        Ok(Portion { batch, through: scanned, more })
    }
}

pub struct Lines {
    text: Arc<str>,
    /// Those that are left out among them.
    events: u64,
    through: EventId,
}

impl Batch for Lines {
    fn events(&self) -> u64 {
        self.events
    }

    fn through(&self) -> EventId {
        self.through
    }
}

pub struct StdoutLane {
    io: Handle,
}

impl Lane for StdoutLane {
    type Batch = Lines;

    async fn position(&mut self) -> Result<Position, OutsideError> {
        Ok(Position::AtCursor)
    }

    async fn write(&mut self, batch: &Lines) -> Result<Written, OutsideError> {
        let text = Arc::clone(&batch.text);
        let written = self.io.spawn_blocking(move || {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        });
        match written.await {
            Ok(Ok(())) => Ok(Written::All),
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(error) => Err(failed(&error.to_string())),
        }
    }
}

fn failed(cause: &str) -> OutsideError {
    let remedy = "whoever read it has gone: start the daemon again with a reader, or remove [stdout]";
    OutsideError::new("closed", Retry::Slowly, "writing to standard output", cause, remedy)
}
