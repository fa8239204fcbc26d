//! Committed events as the rows that they are: whoever passes them on and looks into none need not have them made events again.

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Page, Reading};
use crate::event::{EventId, Stream, Times, Timestamp};
use crate::store::HotStore;
use crate::store::error::StoreError;
use crate::store::rows::{ControlRow, OutputRow, RawRow, Row, RowError, kept};

/// A row and what it belongs to.
#[derive(Debug, Clone)]
pub struct StoredRow {
    pub id: EventId,
    pub root: EventId,
    pub(crate) row: Row<'static>,
}

/// All that tables have of events with `?1 < id <= ?2` in log order, at most `?3`. Columns that only one of the tables has share a place.
const SELECT_ROWS: &str = "SELECT id, ts, root, arrival, believed, attributes << 16 | layer AS form, payload AS body, source AS name,
        compartment AS words, format, provenance, NULL AS score
    FROM raw_events_fast WHERE id > ?1 AND id <= ?2 AND format IS NOT NULL
    UNION ALL
    SELECT id, ts, root, arrival, believed, (producer << 16) | (1 << 8) | layer, output_json, model, input_ref, NULL, NULL, score
    FROM model_outputs_fast WHERE id > ?1 AND id <= ?2 AND root IS NOT NULL
    UNION ALL
    SELECT id, ts, root, arrival, believed, 2 << 8 | (stream = 'TICK'), body_json, NULL, NULL, NULL, NULL, NULL
    FROM control_events_fast WHERE id > ?1 AND id <= ?2
    ORDER BY id LIMIT ?3";

/// Rows that follow one another are mostly of one source, so its names are kept from row to row.
#[derive(Default)]
struct Unread {
    name: Arc<str>,
    compartment: Arc<str>,
    format: Arc<str>,
}

impl HotStore {
    /// Rows of committed events after `id`, at most `count` and, beyond the first, at most
    /// [`READ_BYTES_MAX`](crate::limits::READ_BYTES_MAX); and the id up to which there are no more. A row that cannot be read is logged
    /// and left out.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn rows_after(&self, id: EventId, count: usize) -> Result<(Vec<StoredRow>, EventId), StoreError> {
        let mut page = Page::of(Unread::default());
        let rows = |(low, high): (i64, i64), limit: usize| {
            sqlx::query(SELECT_ROWS).bind(low).bind(high).bind(i64::try_from(limit).unwrap_or(i64::MAX))
        };
        let scanned = self.fill(id, count, &mut page, rows).await?;
        Ok((page.events, scanned))
    }
}

impl Reading for Unread {
    type Event = StoredRow;

    fn read(&mut self, row: &SqliteRow) -> Result<(Result<StoredRow, RowError>, usize), sqlx::Error> {
        let (id, ts, form): (i64, f64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(5)?);
        let root: Option<i64> = row.try_get(2)?;
        let (arrival, believed) = match (row.try_get(3)?, row.try_get(4)?) {
            (Some(arrival), Some(believed)) => (arrival, believed),
            _ => stored_without(ts, id),
        };
        let (layer, number) = (form & 0xff, form >> 16);
        let (row, bytes) = match (form >> 8) & 0xff {
            0 => {
                let payload: Vec<u8> = row.try_get(6)?;
                let bytes = payload.len();
                let row = Row::Raw(RawRow {
                    id,
                    ts,
                    arrival,
                    believed,
                    source: kept(&mut self.name, row.try_get(7)?),
                    compartment: kept(&mut self.compartment, row.try_get(8)?),
                    payload: payload.into(),
                    layer,
                    root,
                    format: kept(&mut self.format, row.try_get(9)?),
                    attributes: number,
                    provenance: row.try_get(10)?,
                });
                (row, bytes)
            }
            1 => {
                let output_json: String = row.try_get(6)?;
                let bytes = output_json.len();
                let row = Row::Output(OutputRow {
                    id,
                    ts,
                    arrival,
                    believed,
                    layer,
                    model: kept(&mut self.name, row.try_get(7)?),
                    input_ref: row.try_get(8)?,
                    output_json,
                    score: row.try_get::<Option<f64>, _>(11)?.unwrap_or_default(),
                    root: root.unwrap_or(id),
                    producer: number,
                });
                (row, bytes)
            }
            _ => {
                let body_json: String = row.try_get(6)?;
                let bytes = body_json.len();
                let stream = if layer == 1 { Stream::Tick } else { Stream::Shrink }.name();
                (Row::Control(ControlRow { id, ts, arrival, believed, stream, root, body_json }), bytes)
            }
        };
        let (id, root) = (EventId::from_packed(id), EventId::from_packed(root.unwrap_or(id)));
        Ok((Ok(StoredRow { id, root, row }), bytes))
    }
}

/// Arrival and belief of a row that was stored before they were.
fn stored_without(ts: f64, id: i64) -> (i64, i64) {
    let id = EventId::from_packed(id);
    let times = Times::stored_without(Timestamp::from_seconds(ts).unwrap_or(Timestamp::from_millis(id.ms())), id);
    (times.arrival.micros(), times.believed.micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Decision, Event, Format, Interest, Raw, Soc};
    use crate::parse::built_in;
    use crate::store::rows::{FormatNames, row};
    use crate::store::tests::{new_store, transaction};

    fn events() -> Vec<Event> {
        let times = Times::at(Timestamp::from_micros(1_763_856_000_123_456));
        let event = |n, stream, body| {
            let (id, root) = (EventId::new(n, 1), EventId::new(n - n % 2, 1));
            Event { id, stream, times, root, body }
        };
        let raw = |attributes| {
            Body::Raw(Raw::new("s".into(), "c".into(), Format::Json, "a line".into(), attributes, built_in()))
        };
        let decision = Decision::benign("m".into(), 15, "c".into(), EventId::new(2, 1));
        vec![
            event(2, Stream::L3In, raw(Vec::new())),
            event(3, Stream::L4In, raw(vec![("unit".to_owned(), "a\0b".to_owned())])),
            event(4, Stream::L3Out, Body::Decision(Box::new(decision.clone()))),
            event(5, Stream::L4Out, Body::Decision(Box::new(Decision { input_ref: String::new(), ..decision }))),
            event(6, Stream::SocEvents, Body::Soc(Box::new(Soc { src_device: 54, ..Soc::default() }))),
            event(7, Stream::Tick, Body::Tick),
        ]
    }

    #[tokio::test]
    async fn rows_that_are_passed_on_are_those_of_the_events_however_many_are_read_at_once() {
        let (_folder, store) = new_store().await;
        store.commit(&[transaction("any", None, events())]).await.unwrap();
        let given = store.after(EventId::ZERO, Interest::ALL, 100).await.unwrap();
        assert_eq!(given.len(), events().len());
        for count in [1, 2, 5, 100] {
            let (mut after, mut found) = (EventId::ZERO, Vec::new());
            while after < store.committed() {
                let (rows, scanned) = store.rows_after(after, count).await.unwrap();
                assert!(rows.len() <= count && scanned > after);
                (after, found) = (scanned, [found, rows].concat());
            }
            for (stored, event) in found.iter().zip(&given) {
                let mut formats = FormatNames::default();
                assert_eq!((stored.id, stored.root), (event.id, event.root));
                assert_eq!(format!("{:?}", stored.row), format!("{:?}", row(event, &mut formats).unwrap()));
            }
            assert_eq!(found.len(), given.len(), "{count}");
        }
    }
}
