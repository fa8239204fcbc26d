//! Committed events as the rows that they are: whoever passes them on and looks into none need not have them made events again.

use std::sync::Arc;
use std::time::Instant;

use futures_util::TryStreamExt;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{FIRST_STRETCH, next_stretch};
use crate::event::{EventId, Stream, Times, Timestamp};
use crate::limits;
use crate::store::HotStore;
use crate::store::error::StoreError;
use crate::store::rows::{ControlRow, OutputRow, RawRow, Row, kept};

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

/// What was read so far. Rows that follow one another are mostly of one source, so its names are kept from row to row.
#[derive(Default)]
struct Page {
    rows: Vec<StoredRow>,
    bytes: usize,
    name: Arc<str>,
    compartment: Arc<str>,
    format: Arc<str>,
}

impl HotStore {
    /// Rows of committed events after `id`, at most `count` and, beyond the first, at most [`limits::READ_BYTES_MAX`]; and the id up
    /// to which there are no more. A row that cannot be read is logged and left out.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub async fn rows_after(&self, id: EventId, count: usize) -> Result<(Vec<StoredRow>, EventId), StoreError> {
        let end = self.committed().packed();
        let (mut low, mut stretch) = (id.packed(), FIRST_STRETCH);
        let mut page = Page::default();
        while low < end && page.rows.len() < count && page.bytes <= limits::READ_BYTES_MAX {
            let high = low.saturating_add(stretch).min(end);
            let begun = Instant::now();
            let cut = self.read_rows((low, high), count - page.rows.len(), &mut page).await?;
            low = cut.unwrap_or(high);
            stretch = next_stretch(stretch, begun.elapsed());
        }
        Ok((page.rows, EventId::from_packed(low)))
    }

    /// When there may be more in the range, returns the id of the last one.
    async fn read_rows(
        &self,
        (low, high): (i64, i64),
        limit: usize,
        page: &mut Page,
    ) -> Result<Option<i64>, StoreError> {
        let query = sqlx::query(SELECT_ROWS).bind(low).bind(high).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let read = async {
            let mut rows = query.fetch(&self.inner.readers);
            let (mut count, mut last) = (0, low);
            while let Some(row) = rows.try_next().await? {
                (count, last) = (count + 1, row.try_get(0)?);
                if let Err(error) = page.take(&row) {
                    let path = self.inner.path.display();
                    log::error!("hot store {path}: event {} was left out: {error}", EventId::from_packed(last));
                }
                if page.bytes > limits::READ_BYTES_MAX {
                    return Ok(Some(last));
                }
            }
            Ok((count >= limit).then_some(last))
        };
        self.in_time("reading events", read).await
    }
}

impl Page {
    fn take(&mut self, row: &SqliteRow) -> Result<(), sqlx::Error> {
        let (id, ts, form): (i64, f64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(5)?);
        let root: Option<i64> = row.try_get(2)?;
        let (arrival, believed) = match (row.try_get(3)?, row.try_get(4)?) {
            (Some(arrival), Some(believed)) => (arrival, believed),
            _ => stored_without(ts, id),
        };
        let (layer, number) = (form & 0xff, form >> 16);
        let taken = match (form >> 8) & 0xff {
            0 => {
                let payload: Vec<u8> = row.try_get(6)?;
                self.bytes += payload.len();
                Row::Raw(RawRow {
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
                })
            }
            1 => {
                let output_json: String = row.try_get(6)?;
                self.bytes += output_json.len();
                Row::Output(OutputRow {
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
                })
            }
            _ => {
                let body_json: String = row.try_get(6)?;
                self.bytes += body_json.len();
                let stream = if layer == 1 { Stream::Tick } else { Stream::Shrink }.name();
                Row::Control(ControlRow { id, ts, arrival, believed, stream, root, body_json })
            }
        };
        let (id, root) = (EventId::from_packed(id), EventId::from_packed(root.unwrap_or(id)));
        self.rows.push(StoredRow { id, root, row: taken });
        Ok(())
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
