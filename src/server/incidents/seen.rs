//! The incidents of the log as far as it has been read.

use super::fold::Incidents;
use crate::event::{EventId, Stream};
use crate::limits;
use crate::server::gateway::{Gateway, GatewayError};

/// Read from the log when someone asks, and only what is new since the last time.
#[derive(Default)]
pub struct Seen {
    cursor: EventId,
    incidents: Incidents,
}

impl Seen {
    pub async fn catch_up(&mut self, gateway: &dyn Gateway) -> Result<&Incidents, GatewayError> {
        loop {
            let events = gateway.after(Stream::SocEvents, self.cursor, limits::HTTP_PAGE_EVENTS_MAX).await?;
            let Some(last) = events.last() else { return Ok(&self.incidents) };
            self.cursor = last.id;
            events.iter().for_each(|event| self.incidents.step(event));
        }
    }
}
