//! `/api/v1/events/counts`: how many events pass a filter, over time; and `/api/v1/events/fields`: what a filter can ask for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::events::order_of;
use super::gateway::GatewayError;
use super::problem::Problem;
use super::request::{MayRead, filter_of, id_of, parameters};
use super::search::Search;
use super::shared::Shared;
use crate::event::{Body, Event, Severity, Stream};
use crate::limits::COUNTS_BUCKETS_MAX;
use crate::query::FIELDS;

/// What was not counted by then is not counted.
const PATIENCE: Duration = Duration::from_secs(3);
/// Of a bucket in seconds: what people count time by.
const STEPS: [u64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];

pub async fn counts(_: MayRead, State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Value>, Problem> {
    let [filter, since, until, order, after] = parameters(&uri, ["where", "since", "until", "order", "after"])?;
    let filter = filter_of(filter.as_deref(), since.as_deref(), until.as_deref())?;
    let order = order_of(order.as_deref())?;
    let after = after.map(|text| id_of("after", &text)).transpose()?;
    let mut search = Search::new(shared, Stream::SocEvents, filter, order, after).into_archive();
    let found = found(&mut search).await?;
    let mut answer = buckets(&found);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("complete".to_owned(), json!(search.next().is_none()));
        answer.extend(search.archive().map(|archive| ("archive".to_owned(), archive)));
    }
    Ok(Json(answer))
}

/// Seconds and severity of all that passes, as far as one search goes.
async fn found(search: &mut Search) -> Result<Vec<(u64, Severity)>, GatewayError> {
    let (mut found, begun) = (Vec::new(), Instant::now());
    while !search.is_over() && begun.elapsed() < PATIENCE {
        let portion = search.portion(|event| {
            found.extend(severity_of(event).map(|severity| (event.time().millis() / 1000, severity)));
            true
        });
        portion.await?;
    }
    Ok(found)
}

fn severity_of(event: &Event) -> Option<Severity> {
    match &event.body {
        Body::Soc(soc) => Some(soc.severity),
        _ => None,
    }
}

/// Those that are empty in between as well, so that a gap looks like one.
fn buckets(found: &[(u64, Severity)]) -> Value {
    let first = found.iter().map(|(second, _)| *second).min().unwrap_or_default();
    let last = found.iter().map(|(second, _)| *second).max().unwrap_or_default();
    let step = step(first, last);
    let mut counts: BTreeMap<u64, BTreeMap<Severity, u64>> = BTreeMap::new();
    if !found.is_empty() {
        counts.extend((first / step..=last / step).map(|bucket| (bucket, BTreeMap::new())));
    }
    for (second, severity) in found {
        *counts.entry(second / step).or_default().entry(*severity).or_default() += 1;
    }
    let bucket = |(bucket, counts): (u64, BTreeMap<Severity, u64>)| {
        let counts: BTreeMap<&str, u64> =
            counts.into_iter().map(|(severity, count)| (severity.name(), count)).collect();
        json!({ "ts": bucket * step, "counts": counts })
    };
    json!({ "step_s": step, "counted": found.len(), "buckets": counts.into_iter().map(bucket).collect::<Vec<_>>() })
}

/// The shortest by which the span has no more buckets than there may be.
fn step(first: u64, last: u64) -> u64 {
    let fits = |step: &u64| last / step - first / step < COUNTS_BUCKETS_MAX as u64;
    let day = STEPS.last().copied().unwrap_or(1);
    STEPS.into_iter().find(fits).unwrap_or_else(|| ((last - first) / day / COUNTS_BUCKETS_MAX as u64 + 2) * day)
}

pub async fn fields(_: MayRead) -> Json<Value> {
    let field = |field: &crate::query::Field| json!({ "name": field.text(), "names": field.texts, "operators": field.kind.operators(), "values": field.kind.values() });
    Json(json!({ "fields": FIELDS.iter().map(field).collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_no_more_than_there_may_be_and_lose_no_event() {
        for (first, last) in
            [(0, 0), (59, 60), (1_795_000_000, 1_795_000_059), (1_795_000_001, 1_795_090_000), (0, 7_258_118_400)]
        {
            let found = [(first, Severity::Info), (last, Severity::High), (last, Severity::Info)];
            let answer = buckets(&found);
            let (list, step) = (answer["buckets"].as_array().unwrap(), answer["step_s"].as_u64().unwrap());
            assert!(!list.is_empty() && list.len() <= COUNTS_BUCKETS_MAX, "{first} {last}: {}", list.len());
            let all = list.iter().flat_map(|bucket| bucket["counts"].as_object().unwrap().values());
            assert_eq!(all.map(|count| count.as_u64().unwrap()).sum::<u64>(), 3);
            assert!(
                list.windows(2).all(|pair| pair[1]["ts"].as_u64().unwrap() - pair[0]["ts"].as_u64().unwrap() == step)
            );
        }
        assert_eq!(buckets(&[])["buckets"], json!([]));
    }
}
