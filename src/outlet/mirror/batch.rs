//! A batch of entries as one MessagePack value, which the script in Redis unpacks: a list of lists, each an entry id and
//! then names and values in turn.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::event::{Event, EventId, Fields};
use crate::limits::{MIRROR_BATCH_BYTES_MAX, MIRROR_BATCH_EVENTS_MAX};
use crate::outlet::driver;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub packed: Bytes,
    pub events: usize,
    pub last: EventId,
}

impl Batch {
    /// As many of the events as fit; `None` when there are none.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let mut entries = Vec::with_capacity(MIRROR_BATCH_BYTES_MAX / 8);
        let (mut count, mut last) = (0, EventId::ZERO);
        for event in events.into_iter().take(MIRROR_BATCH_EVENTS_MAX) {
            // Writing to memory does not fail, and every field is text.
            if rmp_serde::encode::write(&mut entries, &Entry(event)).is_err() {
                break;
            }
            count += 1;
            last = event.id;
            if entries.len() >= MIRROR_BATCH_BYTES_MAX {
                break;
            }
        }
        let length = u16::try_from(count).ok().filter(|length| *length > 0)?;
        let mut packed = Vec::with_capacity(entries.len() + 3);
        packed.push(ARRAY_16);
        packed.extend_from_slice(&length.to_be_bytes());
        packed.append(&mut entries);
        Some(Self { packed: packed.into(), events: count, last })
    }
}

impl driver::Batch for Batch {
    fn events(&self) -> u64 {
        self.events as u64
    }

    fn through(&self) -> EventId {
        self.last
    }
}

/// Marks a list in MessagePack whose length follows in two bytes.
const ARRAY_16: u8 = 0xdc;

struct Entry<'a>(&'a Event);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = Fields::of(self.0);
        let fields = fields.list();
        let mut entry = serializer.serialize_seq(Some(1 + 2 * fields.len()))?;
        entry.serialize_element(&self.0.id)?;
        for (name, value) in &fields {
            entry.serialize_element(name)?;
            entry.serialize_element(value)?;
        }
        entry.end()
    }
}

const _: () = assert!(MIRROR_BATCH_EVENTS_MAX <= u16::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Decision, Format, Raw, Stream, Times, Timestamp};
    use crate::parse::built_in;

    fn event(n: u32, body: Body) -> Event {
        let id = EventId::new(7, n);
        Event { id, stream: Stream::L3Out, times: Times::at(Timestamp::from_millis(1500)), root: id, body }
    }

    fn decision(n: u32) -> Event {
        event(n, Body::Decision(Box::new(Decision::benign("m".into(), 15, "ops".into(), EventId::new(1, 0)))))
    }

    #[test]
    fn a_batch_holds_each_entry_with_its_id_and_its_fields() {
        let events = [decision(1), decision(2)];
        let batch = Batch::of(&events).unwrap();
        assert_eq!((batch.events, batch.last), (2, EventId::new(7, 2)));
        let entries: Vec<Vec<String>> = rmp_serde::from_slice(&batch.packed).unwrap();
        for (entry, event) in entries.iter().zip(&events) {
            let mut expected = vec![event.id.to_string()];
            let fields = Fields::of(event);
            expected
                .extend(fields.list().into_iter().flat_map(|(name, value)| [name.into_owned(), value.into_owned()]));
            assert_eq!(entry, &expected);
        }
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn a_batch_is_bounded_in_events_and_in_bytes() {
        let many: Vec<_> = (0..2 * MIRROR_BATCH_EVENTS_MAX as u32).map(decision).collect();
        let batch = Batch::of(&many).unwrap();
        assert_eq!((batch.events, batch.last), (MIRROR_BATCH_EVENTS_MAX, many[MIRROR_BATCH_EVENTS_MAX - 1].id));
        let payload = bytes::Bytes::from(vec![b'x'; MIRROR_BATCH_BYTES_MAX / 2 + 1]);
        let large = |n| {
            event(n, Body::Raw(Raw::new("s".into(), "c".into(), Format::Auto, payload.clone(), Vec::new(), built_in())))
        };
        assert_eq!(Batch::of(&[large(1), large(2), large(3)]).unwrap().events, 2);
        assert_eq!(Batch::of(&[]), None);
    }
}
