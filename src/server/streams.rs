//! Reading a stream: page by page, or live as server-sent events.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::chunked::{self, Chunked, PageState};
use super::door::Credential;
use super::event_json::event_json;
use super::gateway::GatewayError;
use super::peer::Peer;
use super::problem::Problem;
use super::request::{MayFollow, MayRead, PathPart, count_of, filter_of, id_of, parameters, text_of};
use super::search::Search;
use super::shared::{Shared, stopped};
use super::shares::{Share, Spent};
use super::tokens::Role;
use crate::event::{Event, EventId, Stream, Timestamp};
use crate::limits;
use crate::query::Filter;
use crate::store::Order;

const PAGE_EVENTS: usize = 100;
/// Read at once: with the longest lines a few megabytes, for as long as it takes to write them out.
const CHUNK_EVENTS: usize = 64;
/// A page ends early when it is this long.
const PAGE_BYTES_MAX: usize = limits::HTTP_BODY_BYTES_MAX;
/// Without events, a comment tells both ends that the connection lives.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Retention takes nothing that is newer.
const FAR_BEHIND: Duration = Duration::from_secs(10);
/// Whether it may still be read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The last events that pass are looked for no longer; a test waits for all of them, however busy the machine is.
const LAST_PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 600 } else { 5 });

pub async fn page(
    _: MayRead,
    PathPart(stream): PathPart<Stream>,
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let [after, count] = parameters(&uri, ["after", "count"])?;
    let next = match after {
        Some(text) => id_of("after", &text)?,
        None => EventId::ZERO,
    };
    let count = match count {
        Some(text) => count_of("count", &text)?,
        None => PAGE_EVENTS,
    };
    let asks = Asks::default();
    chunked::json(Page { shared, stream, next, left: count, bytes: 0, asks, state: PageState::Begins }).await
}

/// One page on its way. As with [`Follower`], what the client has not taken yet is not read yet.
struct Page {
    shared: Arc<Shared>,
    stream: Stream,
    next: EventId,
    /// Events that it may still have.
    left: usize,
    /// That it has.
    bytes: usize,
    asks: Asks,
    state: PageState,
}

impl Chunked for Page {
    async fn chunk(&mut self) -> Result<Option<String>, GatewayError> {
        if self.state == PageState::Ended {
            return Ok(None);
        }
        let mut text = String::new();
        if self.state == PageState::Begins {
            let _ = write!(text, r#"{{"stream":"{}","events":["#, self.stream);
        }
        let mut is_first = std::mem::replace(&mut self.state, PageState::GoesOn) == PageState::Begins;
        let read = Read { stream: self.stream, after: self.next, count: self.left.min(self.asks.0) };
        let found = read.write(&self.shared, &mut text, |text, event| {
            let comma = if std::mem::take(&mut is_first) { "" } else { "," };
            let _ = write!(text, "{comma}{}", event_json(event));
        });
        let found = found.await?;
        self.asks.learn(&found, text.len());
        self.next = found.last.unwrap_or(self.next);
        self.left -= found.events.min(self.left);
        self.bytes += text.len();
        if found.is_end || self.left == 0 || self.bytes >= PAGE_BYTES_MAX {
            self.state = PageState::Ended;
            let _ = write!(text, r#"],"next":"{}"}}"#, self.next);
        }
        Ok(Some(text))
    }
}

/// What is read at once.
struct Read {
    stream: Stream,
    after: EventId,
    count: usize,
}

struct Found {
    events: usize,
    first: Option<EventId>,
    last: Option<EventId>,
    /// Events were read in vain: there was no more room.
    is_cut: bool,
    /// There are no more at the moment.
    is_end: bool,
}

/// How many events to read at once: of long lines no more than there is room for.
struct Asks(usize);

impl Default for Asks {
    fn default() -> Self {
        Self(CHUNK_EVENTS / 8)
    }
}

impl Asks {
    fn learn(&mut self, found: &Found, bytes: usize) {
        self.0 = match found.is_cut {
            true => found.events.max(1),
            false if bytes < limits::HTTP_CHUNK_BYTES / 2 => (2 * self.0).min(CHUNK_EVENTS),
            false => self.0,
        };
    }
}

impl Read {
    /// Writes out events until there is about a chunk of text.
    async fn write(
        self,
        shared: &Shared,
        text: &mut String,
        mut write: impl FnMut(&mut String, &Event),
    ) -> Result<Found, GatewayError> {
        let _permit = shared.chunks.acquire().await;
        let events = shared.gateway.after(self.stream, self.after, self.count).await?;
        let mut found = Found { events: 0, first: None, last: None, is_cut: false, is_end: events.len() < self.count };
        for event in &events {
            if text.len() >= limits::HTTP_CHUNK_BYTES {
                (found.is_cut, found.is_end) = (true, false);
                break;
            }
            write(text, event);
            found.first = found.first.or(Some(event.id));
            (found.events, found.last) = (found.events + 1, Some(event.id));
        }
        Ok(found)
    }
}

/// Without `after`, `last` and `Last-Event-ID` the stream begins with the next event.
pub async fn live(
    MayFollow(by): MayFollow,
    PathPart(stream): PathPart<Stream>,
    Extension(peer): Extension<Peer>,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let [filter, after, last] = parameters(&uri, ["where", "after", "last"])?;
    let filter = filter_of(filter.as_deref(), None, None)?;
    let committed = shared.gateway.committed();
    let newest = *committed.borrow();
    // A browser that reconnects repeats the query of its first request, so the header is the newer of the two.
    let cursor = match (text_of(&headers, "last-event-id").filter(|id| !id.is_empty()), after, last) {
        (Some(text), _, _) => id_of("Last-Event-ID", text)?,
        (None, Some(_), Some(_)) => return Err(Problem::bad_request("`after` and `last` exclude each other")),
        (None, Some(text), None) => id_of("after", &text)?,
        (None, None, Some(text)) => {
            let search = Search::new(Arc::clone(&shared), stream, filter.clone(), Order::Newest, None);
            before_the_last(count_of("last", &text)?, search, newest).await?
        }
        (None, None, None) => newest,
    };
    let mut place = shared.live.of(peer.origin);
    place.take(1).map_err(|spent| match spent {
        Spent::Share(most) => Problem::busy(format!("{most} event streams are open from there, which is the most"), 10),
        Spent::All(most) => Problem::busy(format!("{most} event streams are open, which is the most"), 10),
    })?;
    let oldest = shared.gateway.status().store.oldest;
    let follower = Follower {
        asks: Asks::default(),
        stream,
        filter,
        cursor,
        committed,
        stopping: shared.stopping.clone(),
        shared,
        last_frame: Instant::now(),
        is_behind: cursor < newest,
        by,
        last_look: Instant::now(),
        _place: place,
    };
    let opening = match oldest {
        Some(oldest) if EventId::ZERO < cursor && cursor < oldest => gap_frame(cursor, oldest),
        _ => format!(": {stream} after {cursor}\n\n"),
    };
    let frames = stream::unfold((Some(opening), follower), |(opening, mut follower)| async move {
        let frame = match opening {
            Some(opening) => opening,
            None => follower.next_frame().await?,
        };
        Some((Ok::<_, Infallible>(Bytes::from(frame)), (None, follower)))
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(frames)).into_response())
}

/// Events between these are not there any more.
fn gap_frame(after: EventId, oldest: EventId) -> String {
    format!("event: gap\ndata: {{\"after\":\"{after}\",\"oldest\":\"{oldest}\"}}\n\n")
}

/// After which id the last `count` events that pass begin; fewer, where a search comes to its end before.
async fn before_the_last(mut count: usize, mut search: Search, committed: EventId) -> Result<EventId, GatewayError> {
    let (begun, mut cursor) = (Instant::now(), committed);
    while count > 0 && !search.is_over() && begun.elapsed() < LAST_PATIENCE {
        let found = search.portion(|event| {
            (cursor, count) = (event.id.before(), count - 1);
            count > 0
        });
        found.await?;
    }
    Ok(cursor)
}

/// One open event stream. It is asked for the next frame only when the client has taken the last: a slow client costs
/// one frame of memory, and what it has not read stays in the store.
struct Follower {
    shared: Arc<Shared>,
    asks: Asks,
    stream: Stream,
    filter: Filter,
    cursor: EventId,
    committed: watch::Receiver<EventId>,
    stopping: watch::Receiver<bool>,
    last_frame: Instant,
    /// The last read did not come to the end.
    is_behind: bool,
    /// What it was opened with, and when that was last looked at.
    by: Credential,
    last_look: Instant,
    _place: Share,
}

impl Follower {
    /// `None` ends the stream.
    async fn next_frame(&mut self) -> Option<String> {
        loop {
            if !self.may_go_on() {
                return None;
            }
            match self.read().await {
                Ok((frame, _)) if !frame.is_empty() => return self.send(frame),
                // There are more that may pass.
                Ok((_, false)) if !*self.stopping.borrow() && self.last_frame.elapsed() < KEEP_ALIVE_EVERY => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    self.shared.warn("live", &format!("a live stream ended: {error}"));
                    return None;
                }
            }
            tokio::select! {
                () = stopped(&mut self.stopping) => return None,
                changed = self.committed.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.last_frame + KEEP_ALIVE_EVERY) => break,
            }
        }
        self.send(": keep-alive\n\n".to_owned())
    }

    /// A token may be taken away and a session be ended while a stream is open.
    fn may_go_on(&mut self) -> bool {
        if self.last_look.elapsed() < LOOK_EVERY {
            return true;
        }
        self.last_look = Instant::now();
        self.shared.door.still_lets_in(&self.shared.access(), Role::Read, self.by)
    }

    fn send(&mut self, frame: String) -> Option<String> {
        self.last_frame = Instant::now();
        Some(frame)
    }

    /// What retention may have taken from a client that is far behind, before it was read for it.
    async fn gap(&self, found: &Found) -> Result<Option<String>, GatewayError> {
        let behind = Timestamp::now().since(Timestamp::from_millis(self.cursor.ms()));
        if !self.is_behind || behind < FAR_BEHIND || self.cursor == EventId::ZERO {
            return Ok(None);
        }
        let oldest = self.shared.gateway.oldest().await?.unwrap_or(EventId::MAX);
        Ok((self.cursor < oldest)
            .then(|| gap_frame(self.cursor, found.first.map_or(oldest, |first| first.min(oldest)))))
    }

    /// Also whether that was all there is at the moment.
    async fn read(&mut self) -> Result<(String, bool), GatewayError> {
        let committed = *self.committed.borrow_and_update();
        let read = Read { stream: self.stream, after: self.cursor, count: self.asks.0 };
        let (mut frame, now) = (String::new(), Timestamp::now());
        let found = read.write(&self.shared, &mut frame, |frame, event| {
            if self.filter.passes(event, now) {
                let _ = write!(frame, "id: {}\ndata: {}\n\n", event.id, event_json(event));
            }
        });
        let found = found.await?;
        self.asks.learn(&found, frame.len());
        if let Some(gap) = self.gap(&found).await? {
            frame.insert_str(0, &gap);
        }
        self.cursor = found.last.unwrap_or(self.cursor);
        self.is_behind = !found.is_end;
        if found.is_end {
            // Nothing of this stream is left up to there, so the next read need not look there again.
            self.cursor = self.cursor.max(committed);
        }
        Ok((frame, found.is_end))
    }
}
