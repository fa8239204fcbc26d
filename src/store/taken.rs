//! Which entries of streams outside the events are that came from there: one row for each transaction, kept for the
//! archive, which must tell an entry that two daemons have taken from two entries. Pure.

use crate::bus::{EntryKey, Transaction};
use crate::event::EventId;

/// Bytes of one entry in `keys`: the event's id and the three numbers of its [`EntryKey`], big-endian.
const PACKED_BYTES: usize = 32;

/// One entry that became an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenEntry {
    pub id: EventId,
    /// The key of the stream that it is an entry of.
    pub stream: String,
    pub key: EntryKey,
}

/// A row of `taken_entries`.
pub(super) struct TakenRow<'a> {
    pub first: i64,
    pub last: i64,
    pub stream: &'a str,
    pub keys: Vec<u8>,
}

impl<'a> TakenRow<'a> {
    /// The row of a transaction; `None` where its events are no entries of a stream, or there are none.
    pub fn of(transaction: &'a Transaction) -> Option<Self> {
        let entries = transaction.entries.as_ref()?;
        let (first, last) = (transaction.events.first()?.id.packed(), transaction.events.last()?.id.packed());
        let mut keys = Vec::with_capacity(transaction.events.len() * PACKED_BYTES);
        for (event, key) in transaction.events.iter().zip(&entries.keys) {
            for number in [event.id.packed() as u64, key.ms, key.n, key.content] {
                keys.extend_from_slice(&number.to_be_bytes());
            }
        }
        Some(Self { first, last, stream: &entries.stream, keys })
    }
}

/// The entries in `keys`; a rest that is no whole entry is left out.
pub(super) fn unpack(stream: &str, keys: &[u8]) -> impl Iterator<Item = TakenEntry> {
    let number = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
    keys.as_chunks::<PACKED_BYTES>().0.iter().filter_map(move |packed| {
        let [id, ms, n, content] = packed.as_chunks::<8>().0 else { return None };
        let key = EntryKey { ms: number(ms), n: number(n), content: number(content) };
        Some(TakenEntry { id: EventId::from_packed(number(id) as i64), stream: stream.to_owned(), key })
    })
}
