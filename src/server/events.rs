//! `/api/v1/events`: SOC events that pass a filter, page by page, and one event by its id.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::chunked::{self, Chunked, PageState};
use super::event_json::event_json;
use super::gateway::GatewayError;
use super::ocsf;
use super::problem::Problem;
use super::request::{MayRead, PathPart, count_of, filter_of, id_of, is_ocsf, parameters};
use super::search::Search;
use super::shared::Shared;
use crate::event::{Event, EventId, Stream};
use crate::limits;
use crate::store::Order;

const PAGE_EVENTS: usize = 50;
/// A page ends when it is this long.
const PAGE_BYTES_MAX: usize = limits::HTTP_BODY_BYTES_MAX;
/// A page ends when nothing was found for this long, and says where the next one goes on.
const QUIET: Duration = Duration::from_secs(1);

pub async fn page(_: MayRead, State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    let names = ["where", "since", "until", "order", "after", "count", "format"];
    let [filter, since, until, order, after, count, format] = parameters(&uri, names)?;
    let show: fn(&Event) -> Value = if is_ocsf(format.as_deref())? { finding } else { event_json };
    let filter = filter_of(filter.as_deref(), since.as_deref(), until.as_deref())?;
    let order = order_of(order.as_deref())?;
    let after = after.map(|text| id_of("after", &text)).transpose()?;
    let left = count.map_or(Ok(PAGE_EVENTS), |text| count_of("count", &text))?;
    let search = Search::new(shared, Stream::SocEvents, filter, order, after).into_archive();
    chunked::json(Page { search, left, bytes: 0, state: PageState::Begins, show }).await
}

/// The parameter `order`.
pub fn order_of(text: Option<&str>) -> Result<Order, Problem> {
    match text {
        None | Some("newest") => Ok(Order::Newest),
        Some("oldest") => Ok(Order::Oldest),
        Some(other) => {
            let other: String = other.chars().take(32).collect();
            Err(Problem::bad_request(format!("order: `{other}` is not newest or oldest")))
        }
    }
}

/// An event of another stream is no finding.
fn finding(event: &Event) -> Value {
    ocsf::of_event(event).unwrap_or_else(|| event_json(event))
}

/// What the client has not taken yet is not looked for yet.
struct Page {
    search: Search,
    /// Events that it may still have.
    left: usize,
    /// That it has.
    bytes: usize,
    state: PageState,
    /// An event as it is shown.
    show: fn(&Event) -> Value,
}

impl Chunked for Page {
    async fn chunk(&mut self) -> Result<Option<String>, GatewayError> {
        if self.state == PageState::Ended {
            return Ok(None);
        }
        let mut is_first = self.state == PageState::Begins;
        let mut text = String::from(if is_first { r#"{"events":["# } else { "" });
        self.state = PageState::GoesOn;
        let (begun, empty_bytes) = (Instant::now(), text.len());
        let is_over = loop {
            let (left, show) = (&mut self.left, self.show);
            let found = self.search.portion(|event| {
                let comma = if std::mem::take(&mut is_first) { "" } else { "," };
                let _ = write!(text, "{comma}{}", show(event));
                *left -= 1;
                *left > 0 && text.len() < limits::HTTP_CHUNK_BYTES
            });
            found.await?;
            if self.left == 0 || self.search.is_over() || self.bytes + text.len() >= PAGE_BYTES_MAX {
                break true;
            }
            if text.len() > empty_bytes {
                break false;
            }
            if begun.elapsed() > QUIET {
                break true;
            }
        };
        self.bytes += text.len();
        if is_over {
            self.state = PageState::Ended;
            let next = json!(self.search.next());
            let _ = write!(text, r#"],"searched":{},"next":{next}"#, self.search.searched());
            if let Some(archive) = self.search.archive() {
                let _ = write!(text, r#","archive":{archive}"#);
            }
            text.push('}');
        }
        Ok(Some(text))
    }
}

pub async fn one(
    _: MayRead,
    PathPart(id): PathPart<EventId>,
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let [format] = parameters(&uri, ["format"])?;
    let show: fn(&Event) -> Value = if is_ocsf(format.as_deref())? { finding } else { event_json };
    let event = shared.event(id).await?.ok_or_else(|| Problem::no_event(id))?;
    Ok(Json(show(&event)))
}
