//! What the SOC events of the log come to, as far as it has been read.

use super::gateway::{Gateway, GatewayError};
use crate::event::{Event, EventId, Stream};
use crate::limits;

/// What is made of the SOC events, one after the other.
pub trait Fold {
    fn step(&mut self, event: &Event);
}

/// Read from the log when someone asks, and only what is new since the last time.
#[derive(Default)]
pub struct Seen<Folded> {
    cursor: EventId,
    folded: Folded,
}

impl<Folded: Fold> Seen<Folded> {
    /// # Errors
    /// The log cannot be read; what was read is kept.
    pub async fn catch_up(&mut self, gateway: &dyn Gateway) -> Result<&Folded, GatewayError> {
        loop {
            let events = gateway.after(Stream::SocEvents, self.cursor, limits::HTTP_PAGE_EVENTS_MAX).await?;
            let Some(last) = events.last() else { return Ok(&self.folded) };
            self.cursor = last.id;
            events.iter().for_each(|event| self.folded.step(event));
        }
    }
}
