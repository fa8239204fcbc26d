//! The head of the audit log that was mirrored last, read back.

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::config;
use crate::event::Stream;
use crate::limits::MIRROR_BATCH_EVENTS_MAX;
use crate::observe::audit::{HEAD_FIELD, Head};
use crate::redis::{Link, Reply};
use crate::retry::OutsideError;

/// The newest head among the newest SOC events: each batch has one.
///
/// # Errors
/// Redis cannot be asked.
pub async fn kept_head(config: &config::Redis) -> Result<Option<Head>, OutsideError> {
    let key = config.key(Stream::SocEvents);
    let link = Link::connect(config, &Handle::current()).await?;
    let count = MIRROR_BATCH_EVENTS_MAX.to_string();
    let arguments = vec![key.clone().into(), Bytes::from_static(b"+"), Bytes::from_static(b"-")];
    let arguments = arguments.into_iter().chain([Bytes::from_static(b"COUNT"), count.into()]).collect();
    let entries = link.call("XREVRANGE", &key, arguments).await?;
    Ok(entries.list().iter().find_map(head_of))
}

/// Of an entry: its id, and names and values in turn.
fn head_of(entry: &Reply) -> Option<Head> {
    let [_, fields] = entry.list() else { return None };
    serde_json::from_str(fields.named(HEAD_FIELD)?.text()?).ok()
}
