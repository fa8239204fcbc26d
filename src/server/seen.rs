//! What the SOC events of the log come to, as far as it has been read.

use std::time::Duration;

use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::time::{Instant, timeout_at};

use super::gateway::{Gateway, GatewayError};
use crate::event::{Event, EventId};

/// Read at once: short beside [`FOLD_PATIENCE`], so that whoever waits no longer than that has read something.
const PIECE_EVENTS: usize = 256;
/// What is folded from the log is waited for so long by who shows it beside other things: after a start that may take a while.
pub const FOLD_PATIENCE: Duration = Duration::from_millis(50);

/// What is made of the events that tell of incidents, proposals and silences, one after the other.
pub trait Fold {
    fn step(&mut self, event: &Event);
}

/// Read from the log when someone asks, and only what is new since the last time. Whoever asks meanwhile has a turn between two
/// pieces.
#[derive(Default)]
pub struct Seen<Folded>(Mutex<Read<Folded>>);

#[derive(Default)]
struct Read<Folded> {
    cursor: EventId,
    folded: Folded,
    /// It was once at the end of the log: what is not read is new since.
    was_at_end: bool,
}

impl<Folded: Fold> Read<Folded> {
    /// Reads one piece; returns whether there is more.
    async fn advance(&mut self, gateway: &dyn Gateway) -> Result<bool, GatewayError> {
        let told = gateway.told(self.cursor, PIECE_EVENTS).await?;
        self.cursor = told.through;
        told.events.iter().for_each(|event| self.folded.step(event));
        self.was_at_end |= !told.is_more;
        Ok(told.is_more)
    }
}

impl<Folded: Fold> Seen<Folded> {
    /// All that is committed.
    ///
    /// # Errors
    /// The log cannot be read; what was read is kept.
    pub async fn whole(&self, gateway: &dyn Gateway) -> Result<MappedMutexGuard<'_, Folded>, GatewayError> {
        loop {
            let mut read = self.0.lock().await;
            if !read.advance(gateway).await? {
                return Ok(MutexGuard::map(read, |read| &mut read.folded));
            }
        }
    }

    /// All that is committed, and true; while the log is still read after a start, what there is after this time at most, and false.
    ///
    /// # Errors
    /// As [`whole`](Self::whole).
    pub async fn within(
        &self,
        gateway: &dyn Gateway,
        patience: Duration,
    ) -> Result<(MappedMutexGuard<'_, Folded>, bool), GatewayError> {
        let until = Instant::now() + patience;
        if let Ok(whole) = timeout_at(until, self.whole(gateway)).await {
            return Ok((whole?, true));
        }
        let read = self.0.lock().await;
        if !read.was_at_end {
            return Ok((MutexGuard::map(read, |read| &mut read.folded), false));
        }
        // What is not read is new since, and little: on a busy machine it takes longer than a moment all the same.
        drop(read);
        Ok((self.whole(gateway).await?, true))
    }
}
