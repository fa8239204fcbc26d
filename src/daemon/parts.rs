//! The sources and outlets that a configuration asks for, each started and ended as one part.

use std::sync::Arc;
use std::time::Duration;

use super::start::{Daemon, StartError};
use super::{ingest, sources};
use crate::config::Part;
use crate::outlet::{OUTLETS, OutletSpec, Resources};

/// What an ending child gets.
const PATIENCE: Duration = Duration::from_secs(2);

/// Started before the writer and ended after it.
pub const OUTLET_PARTS: [Part; 5] = [Part::Archive, Part::Mirror, Part::FlatLog, Part::Loki, Part::Stdout];
pub const SOURCES: [Part; 4] = [Part::ShrinkPoller, Part::FileIntake, Part::JournalIntake, Part::RedisIntake];

impl Daemon {
    /// Starts whatever the configuration asks of this part; nothing when it asks for nothing.
    pub(super) async fn start_part(&mut self, part: Part) -> Result<(), StartError> {
        let config = self.core.config();
        if let Some(spec) = outlet(part) {
            return if (spec.is_wanted)(&config) { self.start_outlet(spec) } else { Ok(()) };
        }
        match part {
            Part::Http | Part::HttpIntake => self.start_http().await,
            Part::RedisIntake if config.redis.as_ref().is_some_and(|redis| !ingest::ingested(redis).is_empty()) => {
                let io = self.io.handle()?;
                self.start_task("intake-redis", false, move |task, core| ingest::run(task, core, io.clone()))
            }
            Part::ShrinkPoller if config.shrink.is_some() => self.start_task("shrink", false, sources::shrink),
            Part::FileIntake if !config.intake.file.is_empty() => self.start_task("intake-file", false, sources::files),
            Part::JournalIntake => {
                for (index, journal) in config.intake.journal.iter().enumerate() {
                    let (position, journal) = (format!("journal-{index}"), journal.clone());
                    self.start_task(&format!("intake-journal-{index}"), false, move |task, core| {
                        sources::journal(task, core, position.clone(), journal.clone())
                    })?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn start_outlet(&mut self, spec: &'static OutletSpec) -> Result<(), StartError> {
        let io = self.io.handle()?;
        self.start_task(spec.about.name, false, move |context, core| {
            let log = Arc::clone(&core.outlets);
            (spec.run)(context, Resources { log, config: Arc::new(move || core.config()), io: io.clone() })
        })
    }

    /// Ends the part's actors in order and starts those that the configuration asks for now.
    pub(super) async fn restart_part(&mut self, part: Part) -> Result<(), StartError> {
        let prefix = actors(part);
        let names = self.tree.children().into_iter().map(|child| child.name.clone());
        for name in names.filter(|name| name.starts_with(prefix)).collect::<Vec<_>>() {
            self.tree.stop(&name, PATIENCE).await;
        }
        self.start_part(part).await
    }
}

fn outlet(part: Part) -> Option<&'static OutletSpec> {
    let name = match part {
        Part::Archive | Part::Mirror | Part::FlatLog | Part::Loki | Part::Stdout => actors(part),
        _ => return None,
    };
    OUTLETS.iter().find(|spec| spec.about.name == name)
}

/// What the names of a part's actors begin with.
fn actors(part: Part) -> &'static str {
    match part {
        Part::Http | Part::HttpIntake => "http",
        Part::ShrinkPoller => "shrink",
        Part::FileIntake => "intake-file",
        Part::JournalIntake => "intake-journal",
        Part::RedisIntake => "intake-redis",
        Part::Mirror => "mirror",
        Part::Archive => "archive",
        Part::Stdout => "stdout",
        Part::FlatLog => "flat-log",
        Part::Loki => "loki",
        // These have no actors that are started here; no name begins so.
        _ => "-",
    }
}

/// The part that an actor belongs to.
pub fn of_actor(name: &str) -> Option<Part> {
    let parts = [Part::Http].into_iter().chain(OUTLET_PARTS).chain(SOURCES);
    parts.into_iter().find(|part| name.starts_with(actors(*part)))
}
