//! Where the head of the audit log is remembered outside of it. Each is one of several: whoever changes the file and some of them has not
//! changed the others.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::config::{Config, StreamRole};
use crate::detect::deceptive::escaped;
use crate::event::Stream;
use crate::journal;
use crate::observe::audit::{Head, Kept, MESSAGE_ID};
use crate::observe::log::INSTANCE_FIELD;
use crate::outlet::{archive, mirror};
use crate::store::position_in;
use crate::store::positions::Positions;

/// A head, and who remembers it.
pub struct Anchor {
    pub of: &'static str,
    pub head: Head,
}

/// All that there are. One that cannot be asked says nothing against the file; that it was not asked is said.
pub async fn all(config: &Config) -> Vec<Anchor> {
    let of = |of| move |head| Anchor { of, head };
    let found = [
        saved(config).map(of("positions.json")),
        hot_store(config).await.map(of("the hot store")),
        asked("Postgres", archived(config).await).map(of("Postgres")),
        asked("Redis", mirrored(config).await).map(of("Redis")),
        asked("the journal", logged(config).await).map(of("the journal")),
    ];
    found.into_iter().flatten().collect()
}

fn asked(of: &str, head: Result<Option<Head>, String>) -> Option<Head> {
    head.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "dsmild: not compared with {of}: {}", escaped(&error));
        None
    })
}

/// At most a second old while the daemon runs: the file may be ahead of it, as of all others.
fn saved(config: &Config) -> Option<Head> {
    Positions::read(&config.daemon.state_dir)?.positions.get(Kept::NAME).and_then(Kept::read).map(|kept| kept.head)
}

async fn hot_store(config: &Config) -> Option<Head> {
    let kept = position_in(&config.store.path, Kept::NAME).await?;
    Kept::read(&kept).map(|kept| kept.head)
}

async fn archived(config: &Config) -> Result<Option<Head>, String> {
    let Some(archive) = &config.archive else { return Ok(None) };
    archive::kept_head(archive, &config.daemon.instance).await.map_err(|error| error.to_string())
}

async fn mirrored(config: &Config) -> Result<Option<Head>, String> {
    let redis = config.redis.as_ref().filter(|redis| redis.role(Stream::SocEvents) == StreamRole::Mirror);
    let Some(redis) = redis else { return Ok(None) };
    mirror::kept_head(redis).await.map_err(|error| error.to_string())
}

/// What the owner of the state folder has logged: anybody may write to the journal.
async fn logged(config: &Config) -> Result<Option<Head>, String> {
    let Ok(state) = std::fs::metadata(&config.daemon.state_dir) else { return Ok(None) };
    let of_daemon = format!("{INSTANCE_FIELD}={}", config.daemon.instance);
    let matches = [format!("MESSAGE_ID={MESSAGE_ID}"), of_daemon, format!("_UID={}", state.uid())];
    let Some(entry) = journal::newest(&matches).await? else { return Ok(None) };
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let lines = text("SEQ").and_then(|lines| lines.parse().ok());
    Ok(lines.zip(text("HASH")).map(|(lines, hash)| Head { lines, hash: hash.to_owned() }))
}
