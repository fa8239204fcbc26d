//! `/api/v1/entities/{kind}/{value}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use serde_json::{Value, json};

use super::kind::Kind;
use super::summary::Summary;
use crate::event::{Body, Event, EventId};
use crate::limits::{ENTITY_COUNTED_MAX, ENTITY_EVENTS_MAX, ENTITY_VALUE_BYTES_MAX};
use crate::server::event_json::event_json;
use crate::server::problem::Problem;
use crate::server::request::{MayRead, count_of, id_of, parameters};
use crate::server::seen::FOLD_PATIENCE;
use crate::server::shared::Shared;
use crate::store::{IdSpan, Order};

const PAGE_EVENTS: usize = 50;

#[derive(Serialize)]
pub struct About {
    kind: &'static str,
    value: String,
    /// Epoch seconds of the first and the last SOC event about it that the hot store has.
    first_seen: Option<f64>,
    last_seen: Option<f64>,
    /// SOC events about it.
    count: u64,
    /// There are more than `count`.
    is_more: bool,
    /// Of the newest of them: how many were looked at for what follows.
    looked_at: usize,
    #[serde(flatten)]
    summary: Summary,
    incidents: Vec<Value>,
    proposals: Vec<Value>,
    silences: Vec<Value>,
    /// Which of these are not known yet, for the log is still being read after a start.
    unread: Vec<&'static str>,
    /// A page of them, the newest first.
    events: Vec<Value>,
    /// The `after` of the next page; null: there are no more.
    next: Option<EventId>,
}

pub async fn one(
    _: MayRead,
    Path((kind, value)): Path<(String, String)>,
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Json<About>, Problem> {
    let kind = Kind::named(&kind).ok_or_else(|| {
        let kind: String = kind.chars().take(32).collect();
        Problem::bad_request(format!("`{kind}` is not address, user, host, process, domain, file or hash"))
    })?;
    if value.is_empty() || value.len() > ENTITY_VALUE_BYTES_MAX {
        return Err(Problem::bad_request(format!("the value has 1 to {ENTITY_VALUE_BYTES_MAX} bytes")));
    }
    let [after, count] = parameters(&uri, ["after", "count"])?;
    let after = after.map(|text| id_of("after", &text)).transpose()?;
    let count = count.map_or(Ok(PAGE_EVENTS), |text| count_of("count", &text))?;
    // One more than is looked at or shown tells whether there are more.
    let found = shared.about(kind, &value, EventId::MAX, ENTITY_EVENTS_MAX.max(count) + 1).await?;
    let newest = found.get(..ENTITY_EVENTS_MAX).unwrap_or(&found);
    let older = match after {
        None => None,
        Some(after) => Some(shared.about(kind, &value, after.before(), count + 1).await?),
    };
    let page = older.as_ref().unwrap_or(&found);
    let next = page.get(count).and_then(|_| page.get(count - 1)).map(|event| event.id);
    let (counted, oldest) = shared.extent(kind, &value, found.len()).await?;
    let first_seen = match oldest {
        Some(id) => shared.gateway.event(id).await?.map(|event| event.ts().seconds()),
        None => None,
    };
    let summary = Summary::of(kind, &value, newest);
    let is_wanted = |event: &Event| is_about(kind, &value, event);
    let (incidents, proposals, silences) = tokio::join!(
        in_time(shared.incidents_about(kind, &value, &summary)),
        in_time(shared.proposals_about(&is_wanted)),
        in_time(shared.silences_about(kind, &value, &summary)),
    );
    let mut unread = Vec::new();
    let mut known = |name, found: Option<Vec<Value>>| {
        found.unwrap_or_else(|| {
            unread.push(name);
            Vec::new()
        })
    };
    let incidents = known("incidents", incidents?);
    let proposals = known("proposals", proposals?);
    let silences = known("silences", silences?);
    Ok(Json(About {
        kind: kind.name(),
        first_seen,
        last_seen: newest.first().map(|event| event.ts().seconds()),
        count: counted.min(ENTITY_COUNTED_MAX as u64),
        is_more: counted > ENTITY_COUNTED_MAX as u64,
        looked_at: newest.len(),
        incidents,
        proposals,
        silences,
        unread,
        summary,
        events: page.iter().take(count).map(event_json).collect(),
        next,
        value,
    }))
}

/// `None`, for it is not known yet, where that takes too long. Whoever is stopped has read so far, and the next goes on.
async fn in_time<T>(wanted: impl Future<Output = Result<T, Problem>>) -> Result<Option<T>, Problem> {
    tokio::time::timeout(FOLD_PATIENCE, wanted).await.ok().transpose()
}

fn is_about(kind: Kind, value: &str, event: &Event) -> bool {
    match &event.body {
        Body::Soc(soc) => kind.is_in(value, &soc.entity),
        _ => false,
    }
}

impl Shared {
    /// Events up to an id, the newest first, each once.
    async fn about(&self, kind: Kind, value: &str, through: EventId, count: usize) -> Result<Vec<Event>, Problem> {
        let span = IdSpan { after: EventId::ZERO, through };
        Ok(self.gateway.search_about(kind.look_ups(value), span, Order::Newest, count).await?.events)
    }

    /// How many there are, and the oldest. If `found` are no more than are looked at, they are all; of more, those that have it in two
    /// parts count twice.
    async fn extent(&self, kind: Kind, value: &str, found: usize) -> Result<(u64, Option<EventId>), Problem> {
        let (mut count, mut oldest) = (0, None::<EventId>);
        let is_few = found <= ENTITY_EVENTS_MAX;
        for look_up in kind.look_ups(value) {
            let extent = self.gateway.extent(look_up, ENTITY_COUNTED_MAX + 1).await?;
            count += extent.events;
            oldest = [oldest, extent.oldest].into_iter().flatten().min();
        }
        Ok((if is_few { found as u64 } else { count }, oldest))
    }

    async fn incidents_about(&self, kind: Kind, value: &str, summary: &Summary) -> Result<Vec<Value>, Problem> {
        let all = self.incidents.whole(&*self.gateway).await?;
        let all = all.newest_first().into_iter();
        let about = all.filter(|incident| {
            let is_behind = kind == Kind::Address && incident.attacker.as_deref() == Some(value);
            is_behind || kind.is_in(value, &incident.entity) || summary.incidents.contains(&incident.id)
        });
        let shown = about.map(|incident| {
            json!({ "id": incident.id, "state": incident.state, "severity": incident.severity, "summary": incident.summary,
                "first_ts": incident.first_ts, "last_ts": incident.last_ts })
        });
        Ok(shown.collect())
    }

    async fn silences_about(&self, kind: Kind, value: &str, summary: &Summary) -> Result<Vec<Value>, Problem> {
        let all = self.silences().await?;
        let about = all.into_iter().filter(|view| {
            let silence = &view.silence;
            let is_named = silence.entity.as_ref().is_some_and(|named| {
                let is_kind = Kind::named(named.kind.name()) == Some(kind);
                let is_same = kind.address(value).is_some_and(|own| kind.address(&named.value) == Some(own));
                is_kind && (named.value == value || is_same)
            });
            let is_within = silence.network.zip(kind.address(value)).is_some_and(|(net, own)| net.contains(&own));
            is_named || is_within || summary.silences.contains(&silence.id)
        });
        Ok(about.map(|view| json!(view)).collect())
    }
}
