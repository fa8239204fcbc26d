//! Looking through a stream for events that pass a filter, a portion at a time.

use std::sync::Arc;

use super::gateway::GatewayError;
use super::shared::Shared;
use crate::event::{Event, EventId, Stream, Timestamp};
use crate::limits;
use crate::query::Filter;
use crate::store::{IdSpan, Order};

/// Read at once: of the longest lines, four megabytes.
const PORTION_EVENTS: usize = 64;

pub struct Search {
    shared: Arc<Shared>,
    stream: Stream,
    filter: Filter,
    order: Order,
    now: Timestamp,
    /// What was not looked through; `None`: everything was.
    rest: Option<IdSpan>,
    searched: usize,
}

impl Search {
    /// Of the events beyond an id in this order; without one, of all.
    pub fn new(shared: Arc<Shared>, stream: Stream, filter: Filter, order: Order, beyond: Option<EventId>) -> Self {
        let now = Timestamp::now();
        let earliest = EventId::new(filter.earliest(now).millis(), 0);
        let may_pass = IdSpan { after: earliest.before(), through: EventId::MAX };
        let rest = beyond.map_or(Some(may_pass), |id| may_pass.beyond(id, order));
        Self { shared, stream, filter, order, now, rest, searched: 0 }
    }

    /// Gives the next events that pass to `take`, until it wants no more. What it was given is behind.
    pub async fn portion(&mut self, mut take: impl FnMut(&Event) -> bool) -> Result<(), GatewayError> {
        let Some(span) = self.rest else { return Ok(()) };
        let _permit = self.shared.chunks.acquire().await;
        let found = self.shared.gateway.search(self.stream, span, self.order, PORTION_EVENTS).await?;
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
}
