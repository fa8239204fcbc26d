//! Looking through a stream for events that pass a filter, a portion at a time: in the hot store, and where it is wanted on into the
//! archive, as if both were one log.
//!
//! Where one ends and the other begins moves while somebody reads, for retention takes the oldest events out of the hot store. It takes
//! none that is not archived. So what lies before the hot store's oldest event is asked of the archive, and what was read of the hot
//! store counts only from the event on that is its oldest after it was read.

use std::sync::Arc;

use serde_json::{Value, json};

use super::gateway::GatewayError;
use super::look_ups;
use super::shared::Shared;
use crate::event::{Event, EventId, Stream, Timestamp};
use crate::limits;
use crate::query::Filter;
use crate::store::entities::LookUp;
use crate::store::{IdSpan, Order, Searched};

/// Read at once: of the longest lines, four megabytes.
const PORTION_EVENTS: usize = 64;
/// Of the archive, which is asked over a network; its answer is bounded in bytes as well.
const ARCHIVE_PORTION_EVENTS: usize = 256;
/// Times that one portion is read anew because retention has moved what it began with.
const MOVES_MAX: usize = 3;

pub struct Search {
    shared: Arc<Shared>,
    stream: Stream,
    filter: Filter,
    order: Order,
    now: Timestamp,
    /// What was not looked through; `None`: everything was.
    rest: Option<IdSpan>,
    searched: usize,
    archive: Archive,
    /// What the hot store looks up; `None` within: it looks through all. `None`: that is not known yet.
    look_ups: Option<Option<Vec<LookUp>>>,
}

/// What is done about what the hot store has no more.
enum Archive {
    /// It is left out.
    No,
    Yes,
    /// It was looked through, as far as the search is.
    Searched,
    /// It could not be; `beyond` is where it would have gone on.
    Failed {
        why: String,
        beyond: EventId,
    },
}

impl Search {
    /// Of the events beyond an id in this order; without one, of all.
    pub fn new(shared: Arc<Shared>, stream: Stream, filter: Filter, order: Order, beyond: Option<EventId>) -> Self {
        let now = Timestamp::now();
        let earliest = EventId::new(filter.earliest(now).millis(), 0);
        let may_pass = IdSpan { after: earliest.before(), through: EventId::MAX };
        let rest = beyond.map_or(Some(may_pass), |id| may_pass.beyond(id, order));
        Self { shared, stream, filter, order, now, rest, searched: 0, archive: Archive::No, look_ups: None }
    }

    /// Of SOC events also what only the archive has, where there is one.
    #[must_use]
    pub fn into_archive(mut self) -> Self {
        if self.stream == Stream::SocEvents && self.shared.gateway.has_archive() {
            self.archive = Archive::Yes;
        }
        self
    }

    /// Gives the next events that pass to `take`, until it wants no more. What it was given is behind.
    pub async fn portion(&mut self, mut take: impl FnMut(&Event) -> bool) -> Result<(), GatewayError> {
        let Some(span) = self.rest else { return Ok(()) };
        let found = match self.archive {
            Archive::No | Archive::Failed { .. } => self.of_hot_store(span).await?,
            Archive::Yes | Archive::Searched => self.of_both(span).await?,
        };
        for event in &found.events {
            self.searched += 1;
            if self.filter.passes(event, self.now) && !take(event) {
                self.rest = span.beyond(event.id, self.order);
                return Ok(());
            }
        }
        self.rest = found.rest;
        Ok(())
    }

    async fn of_hot_store(&mut self, span: IdSpan) -> Result<Searched, GatewayError> {
        let _permit = self.shared.chunks.acquire().await;
        let gateway = &*self.shared.gateway;
        let look_ups = match self.look_ups.take() {
            Some(known) => known,
            None if self.stream == Stream::SocEvents => look_ups::fewest(&self.filter, gateway).await?,
            None => None,
        };
        let found = match &look_ups {
            Some(some) => gateway.search_about(some.clone(), span, self.order, PORTION_EVENTS).await,
            None => gateway.search(self.stream, span, self.order, PORTION_EVENTS).await,
        };
        self.look_ups = Some(look_ups);
        found
    }

    async fn of_both(&mut self, span: IdSpan) -> Result<Searched, GatewayError> {
        let mut oldest = self.oldest().await?;
        for _ in 0..MOVES_MAX {
            let part = match (self.order, span.cut(oldest.before())) {
                (Order::Newest, [_, Some(kept)]) | (Order::Oldest, [None, Some(kept)]) => kept,
                (_, [Some(gone), kept]) => return Ok(self.of_archive(gone, kept).await),
                (_, [None, None]) => return Ok(Searched::default()),
            };
            let mut found = self.of_hot_store(part).await?;
            let before = std::mem::replace(&mut oldest, self.oldest().await?);
            match self.order {
                Order::Newest => {
                    found.events.retain(|event| event.id >= oldest);
                    let read = found.rest.map_or(part.after, |rest| rest.through);
                    let [rest, _] = span.cut(read.max(oldest.before()));
                    return Ok(Searched { rest, ..found });
                }
                Order::Oldest if oldest == before => return Ok(found),
                Order::Oldest => {}
            }
        }
        Ok(Searched { events: Vec::new(), rest: Some(span) })
    }

    /// The hot store's; where it has none, all that there is is older.
    async fn oldest(&self) -> Result<EventId, GatewayError> {
        Ok(self.shared.gateway.oldest().await?.unwrap_or(EventId::MAX))
    }

    /// What the hot store has no more; `kept` is what it has. An archive that cannot be asked is no reason to show nothing.
    async fn of_archive(&mut self, gone: IdSpan, kept: Option<IdSpan>) -> Searched {
        match self.shared.gateway.search_archive(gone, self.order, ARCHIVE_PORTION_EVENTS).await {
            Ok(found) => {
                self.archive = Archive::Searched;
                let through = kept.map_or(gone.through, |kept| kept.through);
                let rest = match (self.order, found.rest) {
                    (Order::Newest, rest) => rest,
                    (Order::Oldest, Some(rest)) => Some(IdSpan { through, ..rest }),
                    (Order::Oldest, None) => kept,
                };
                Searched { rest, ..found }
            }
            Err(error) => {
                self.archive = Archive::Failed { why: error.to_string(), beyond: gone.come_to(self.order) };
                let rest = kept.filter(|_| self.order == Order::Oldest);
                Searched { events: Vec::new(), rest }
            }
        }
    }

    pub fn searched(&self) -> usize {
        self.searched
    }

    /// Everything was looked through, or as much as there may be at once.
    pub fn is_over(&self) -> bool {
        self.rest.is_none() || self.searched >= limits::EVENTS_SEARCHED_MAX
    }

    /// Beyond which id another search goes on; `None`: there is nothing left.
    pub fn next(&self) -> Option<EventId> {
        self.rest.map(|rest| rest.come_to(self.order))
    }

    /// Whether the archive was looked through, and if not why and beyond which id it would have been; `None`: there was no need.
    pub fn archive(&self) -> Option<Value> {
        match &self.archive {
            Archive::No | Archive::Yes => None,
            Archive::Searched => Some(json!({ "searched": true })),
            Archive::Failed { why, beyond } => Some(json!({ "searched": false, "why": why, "after": beyond })),
        }
    }
}
