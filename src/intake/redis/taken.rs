//! What came of entries of a stream, for the transaction that is appended to the log.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Content, Entry, EntryId, Member};
use crate::bus::{DeadLetter, EntryKey};
use crate::event::{Body, Draft, EventId, Stream, Timestamp};
use crate::intake::entry::from_fields;
use crate::limits::LINE_BYTES_MAX;

/// Entries that wait for the commit of what came of them.
#[derive(Debug)]
pub struct Unacknowledged {
    pub member: Member,
    pub ids: Vec<EntryId>,
    /// They may be acknowledged when everything up to here is safe.
    pub after: EventId,
}

/// What came of a list of entries.
#[derive(Debug, Default)]
pub struct Taken {
    pub drafts: Vec<Draft>,
    /// Of the entry of each draft.
    pub keys: Vec<EntryKey>,
    pub dead_letters: Vec<DeadLetter>,
    /// Entries that were gone before they could be read.
    pub trimmed: u64,
    /// Of the dead letters, those that were too large to be read.
    pub too_large: u64,
    /// All of them, also those taken before.
    pub ids: Vec<EntryId>,
    /// Some were new.
    pub news: bool,
}

impl Taken {
    /// `is_new` says whether an entry was not taken before.
    pub fn from(
        entries: Vec<Entry>,
        mut is_new: impl FnMut(EntryId) -> bool,
        (stream, source): (Stream, &Arc<str>),
        arrival: Timestamp,
    ) -> Self {
        let mut taken = Self { ids: entries.iter().map(|entry| entry.id).collect(), ..Self::default() };
        for entry in entries {
            if !is_new(entry.id) {
                continue;
            }
            taken.news = true;
            let fields = match entry.content {
                Content::Fields(fields) => fields,
                Content::TooLarge(size) => {
                    taken.too_large += 1;
                    taken.dead_letters.push(dead_letter(stream, size.to_string(), entry.id, &[]));
                    continue;
                }
                Content::Gone | Content::LeftOut => {
                    taken.trimmed += 1;
                    continue;
                }
            };
            match from_fields(&fields, stream, source, arrival) {
                Ok(mut draft) => {
                    if let Body::Raw(raw) = &mut draft.body {
                        raw.provenance = Some(Box::new(entry.id.provenance()));
                    }
                    taken.drafts.push(draft);
                    taken.keys.push(entry.id.key(&fields));
                }
                Err(error) => {
                    taken.dead_letters.push(dead_letter(stream, error.to_string(), entry.id, &fields));
                }
            }
        }
        taken
    }
}

/// The bus assigns its id.
fn dead_letter(stream: Stream, reason: String, id: EntryId, fields: &[(Bytes, Bytes)]) -> DeadLetter {
    let mut form = Map::from_iter([("redis_id".to_owned(), Value::String(id.to_string()))]);
    let mut room = LINE_BYTES_MAX;
    for (name, value) in fields {
        let size = name.len() + value.len();
        if size > room {
            form.insert("cut".to_owned(), json!(true));
            break;
        }
        room -= size;
        form.insert(
            String::from_utf8_lossy(name).into_owned(),
            Value::String(String::from_utf8_lossy(value).into_owned()),
        );
    }
    let payload = Bytes::from(Value::Object(form).to_string());
    DeadLetter { id: EventId::ZERO, stream: stream.name().to_owned(), reason, payload }
}

#[cfg(test)]
mod tests {
    use super::super::Size;
    use super::*;

    fn entry(n: u64, fields: &[(&str, &str)]) -> Entry {
        let fields = fields.iter().map(|(name, value)| (name.to_string().into(), value.to_string().into())).collect();
        Entry { id: EntryId::new(n, 0), content: Content::Fields(fields) }
    }

    #[test]
    fn each_entry_becomes_an_event_or_a_dead_letter_or_is_counted_and_all_are_acknowledged() {
        let entries = vec![
            entry(1, &[("payload", "old")]),
            entry(2, &[("payload", "new")]),
            entry(3, &[("no_payload", "x")]),
            Entry { id: EntryId::new(4, 0), content: Content::Gone },
            Entry { id: EntryId::new(5, 0), content: Content::TooLarge(Size::Bytes(1 << 26)) },
        ];
        let source = Arc::from("redis:L3_IN");
        let taken = Taken::from(entries, |id| id > EntryId::new(1, 0), (Stream::L3In, &source), Timestamp::ZERO);
        assert_eq!((taken.drafts.len(), taken.dead_letters.len(), taken.trimmed, taken.ids.len()), (1, 2, 1, 5));
        let letter = &taken.dead_letters[0];
        assert!(
            letter.reason.contains("payload") && letter.payload.starts_with(br#"{"redis_id":"3-0","no_payload":"x"}"#)
        );
        let letter = &taken.dead_letters[1];
        assert!(letter.reason.contains("67108864 bytes") && letter.payload.starts_with(br#"{"redis_id":"5-0"}"#));
        assert_eq!(taken.too_large, 1);
    }

    #[test]
    fn each_draft_has_the_key_of_its_entry_and_there_is_news_only_of_what_was_not_taken_before() {
        let entries = || vec![entry(1, &[("payload", "a")]), entry(2, &[("x", "y")]), entry(3, &[("payload", "b")])];
        let take = |is_new: fn(EntryId) -> bool| {
            Taken::from(entries(), is_new, (Stream::L3In, &Arc::from("redis:L3_IN")), Timestamp::ZERO)
        };
        let taken = take(|_| true);
        assert!(taken.news);
        assert_eq!(taken.keys.iter().map(|key| key.ms).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(taken.keys.len(), taken.drafts.len());
        let old = take(|_| false);
        assert!(!old.news && old.keys.is_empty() && old.ids.len() == 3);
    }

    #[test]
    fn a_dead_letter_is_bounded_however_large_the_entry_was() {
        let large = "x".repeat(2 * LINE_BYTES_MAX);
        let taken = Taken::from(
            vec![entry(1, &[("a", "b"), ("payload", &large)])],
            |_| true,
            (Stream::L3In, &Arc::from("r")),
            Timestamp::ZERO,
        );
        assert!(taken.dead_letters[0].payload.len() < LINE_BYTES_MAX);
        let half = "x".repeat(LINE_BYTES_MAX / 2);
        let source = Arc::from("r");
        let halves = [("a", half.as_str()), ("b", "y"), ("c", &half), ("d", "z")];
        let taken = Taken::from(vec![entry(1, &halves)], |_| true, (Stream::L3In, &source), Timestamp::ZERO);
        let form: Value = serde_json::from_slice(&taken.dead_letters[0].payload).unwrap();
        assert_eq!(
            (&form["b"], &form["c"], &form["d"], &form["cut"]),
            (&json!("y"), &json!(null), &json!(null), &json!(true))
        );
    }
}
