//! A batch of entries as one MessagePack value, which the script in Redis unpacks: a list of lists, each an entry id and
//! then names and values in turn. The first entry of a batch of SOC events also says where the audit log ends.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::event::{Event, EventId, Fields};
use crate::limits::{MIRROR_BATCH_BYTES_MAX, MIRROR_BATCH_EVENTS_MAX};
use crate::observe::audit::{HEAD_FIELD, Head};
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
        Self::with_head(events, None)
    }

    /// The same, with where the audit log ends.
    pub fn with_head<'a>(events: impl IntoIterator<Item = &'a Event>, head: Option<&Head>) -> Option<Self> {
        let mut head = head.and_then(|head| serde_json::to_string(head).ok());
        let mut entries = Vec::with_capacity(MIRROR_BATCH_BYTES_MAX / 8);
        let (mut count, mut last) = (0, EventId::ZERO);
        for event in events.into_iter().take(MIRROR_BATCH_EVENTS_MAX) {
            // Writing to memory does not fail, and every field is text.
            if rmp_serde::encode::write(&mut entries, &Entry { event, head: head.take() }).is_err() {
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

struct Entry<'a> {
    event: &'a Event,
    head: Option<String>,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = Fields::of(self.event);
        let fields = fields.list();
        let count = fields.len() + usize::from(self.head.is_some());
        let mut entry = serializer.serialize_seq(Some(1 + 2 * count))?;
        entry.serialize_element(&self.event.id)?;
        for (name, value) in &fields {
            entry.serialize_element(name)?;
            entry.serialize_element(value)?;
        }
        if let Some(head) = &self.head {
            entry.serialize_element(HEAD_FIELD)?;
            entry.serialize_element(head)?;
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
    fn the_first_entry_of_a_batch_says_where_the_audit_log_ends() {
        let head = Head { lines: 7, hash: "ab".to_owned() };
        let batch = Batch::with_head(&[decision(1), decision(2)], Some(&head)).unwrap();
        let entries: Vec<Vec<String>> = rmp_serde::from_slice(&batch.packed).unwrap();
        let place = entries[0].iter().position(|name| name == HEAD_FIELD).unwrap();
        assert_eq!(serde_json::from_str::<Head>(&entries[0][place + 1]).unwrap(), head);
        assert!(!entries[1].contains(&HEAD_FIELD.to_owned()));
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
