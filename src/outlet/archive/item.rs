//! What the archive is to take: an event, or the row of one. Pure.

use crate::bus::EventRef;
use crate::event::EventId;
use crate::store::StoredRow;
use crate::store::rows::{FormatNames, Row, row};

/// An event, or the row that it is in the hot store already.
#[derive(Debug, Clone)]
pub enum Item {
    Event(EventRef),
    Stored(StoredRow),
}

impl From<EventRef> for Item {
    fn from(event: EventRef) -> Self {
        Self::Event(event)
    }
}

impl Item {
    pub fn id(&self) -> EventId {
        match self {
            Self::Event(event) => event.id,
            Self::Stored(stored) => stored.id,
        }
    }

    pub fn root(&self) -> EventId {
        match self {
            Self::Event(event) => event.root,
            Self::Stored(stored) => stored.root,
        }
    }

    /// Nothing is done with one that has a body of another stream: it is among the dead letters already.
    pub fn with_row(&self, formats: &mut FormatNames, take: impl FnOnce(&Row<'_>)) {
        match self {
            Self::Event(event) => {
                if let Ok(row) = row(event, formats) {
                    take(&row);
                }
            }
            Self::Stored(stored) => take(&stored.row),
        }
    }
}
