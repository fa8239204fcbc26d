//! Streams in Redis as a source: which of them the configuration wants, and the actor that reads them all.

use futures_util::future::join_all;

use super::ingest::{Ingest, NAME, source_of};
use crate::config::{self, StreamRole};
use crate::event::Stream;
use crate::intake::{Expected, Resources, SourceSpec};
use crate::supervise::TaskContext;

pub const SOURCE: SourceSpec = SourceSpec {
    name: NAME,
    identifier: "dsmild",
    sections: &["redis"],
    ignored: &["redis.maxlen"],
    expected: |config| {
        let streams = config
            .redis
            .iter()
            .flat_map(|redis| ingested(redis).into_iter().map(|stream| Expected::new(source_of(redis, stream), NAME)));
        streams.collect()
    },
    tasks: |resources| {
        let is_wanted = resources.config().redis.as_ref().is_some_and(|redis| !ingested(redis).is_empty());
        resources.task(NAME, is_wanted, run)
    },
};

/// Every ingested stream by itself.
async fn run(task: TaskContext, resources: Resources) -> Result<(), String> {
    let Some(config) = resources.config().redis.clone() else { return Err("no [redis] section".to_owned()) };
    let streams: Vec<Ingest> =
        ingested(&config).into_iter().map(|stream| Ingest::new(&task, &resources, &config, stream)).collect();
    task.run_until_stopped(join_all(streams.iter().map(Ingest::stay_connected))).await;
    Ok(())
}

/// The streams that `[redis.streams]` ingests.
fn ingested(config: &config::Redis) -> Vec<Stream> {
    Stream::ALL.into_iter().filter(|stream| config.role(*stream) == StreamRole::Ingest).collect()
}
