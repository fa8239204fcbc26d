//! Events as the columns of one batch: what UNNEST takes. Pure.

use std::collections::BTreeSet;

use super::days::{Day, Window};
use super::sql::Table;
use crate::event::{Event, EventId};
use crate::limits;
use crate::store::rows::{FormatNames, Row, row};

/// Rows of `raw_events_fast`, column by column, as `UNNEST` takes them.
#[derive(Debug, Default)]
pub struct RawColumns {
    pub ts: Vec<f64>,
    pub arrival: Vec<i64>,
    pub believed: Vec<i64>,
    pub source: Vec<String>,
    pub compartment: Vec<String>,
    pub payload: Vec<Vec<u8>>,
    pub id: Vec<i64>,
    pub layer: Vec<i16>,
    pub root: Vec<Option<i64>>,
    pub format: Vec<String>,
    pub attributes: Vec<i16>,
    pub provenance: Vec<Option<String>>,
}

/// Rows of `model_outputs_fast`, column by column.
#[derive(Debug, Default)]
pub struct OutputColumns {
    pub ts: Vec<f64>,
    pub arrival: Vec<i64>,
    pub believed: Vec<i64>,
    pub layer: Vec<i16>,
    pub model: Vec<String>,
    pub input_ref: Vec<Option<String>>,
    pub output_json: Vec<String>,
    pub score: Vec<f64>,
    pub id: Vec<i64>,
    pub root: Vec<i64>,
    pub producer: Vec<i16>,
}

/// Rows of `control_events_fast`, column by column.
#[derive(Debug, Default)]
pub struct ControlColumns {
    pub id: Vec<i64>,
    pub ts: Vec<f64>,
    pub arrival: Vec<i64>,
    pub believed: Vec<i64>,
    pub stream: Vec<String>,
    pub root: Vec<Option<i64>>,
    pub body_json: Vec<String>,
}

/// One batch.
#[derive(Debug, Default)]
pub struct Rows {
    pub raw: RawColumns,
    pub outputs: OutputColumns,
    pub control: ControlColumns,
    /// Days within the window that the rows fall on.
    pub(super) days: BTreeSet<(Table, Day)>,
    pub events: u64,
    bytes: usize,
    /// The id of the last event taken.
    pub through: Option<EventId>,
}

impl Rows {
    /// Takes events from the front while the batch stays within its bounds: always at least one.
    pub fn of<'event>(events: impl IntoIterator<Item = &'event Event>, window: Window) -> Self {
        let (mut rows, mut formats) = (Self::default(), FormatNames::default());
        for event in events {
            if rows.bytes > limits::ARCHIVE_BYTES_MAX || rows.days.len() >= limits::ARCHIVE_BATCH_DAYS_MAX {
                break;
            }
            rows.take(event, window, &mut formats);
        }
        rows
    }

    fn take(&mut self, event: &Event, window: Window, formats: &mut FormatNames) {
        self.through = Some(event.id);
        self.events += 1;
        // One with a body of another stream is among the dead letters already.
        let Ok(row) = row(event, formats) else { return };
        let table = match row {
            Row::Raw(row) => {
                self.bytes += row.payload.len();
                let raw = &mut self.raw;
                raw.ts.push(row.ts);
                raw.arrival.push(row.arrival);
                raw.believed.push(row.believed);
                raw.source.push(clean(&row.source));
                raw.compartment.push(clean(&row.compartment));
                raw.payload.push(row.payload.into_owned());
                raw.id.push(row.id);
                raw.layer.push(small(row.layer));
                raw.root.push(row.root);
                raw.format.push(clean(&row.format));
                raw.attributes.push(small(row.attributes));
                raw.provenance.push(row.provenance.as_deref().map(clean));
                Table::RawEvents
            }
            Row::Output(row) => {
                self.bytes += row.output_json.len();
                let outputs = &mut self.outputs;
                outputs.ts.push(row.ts);
                outputs.arrival.push(row.arrival);
                outputs.believed.push(row.believed);
                outputs.layer.push(small(row.layer));
                outputs.model.push(clean(&row.model));
                outputs.input_ref.push(row.input_ref.as_deref().map(clean));
                outputs.output_json.push(row.output_json);
                outputs.score.push(row.score);
                outputs.id.push(row.id);
                outputs.root.push(row.root);
                outputs.producer.push(small(row.producer));
                Table::ModelOutputs
            }
            Row::Control(row) => {
                self.bytes += row.body_json.len();
                let control = &mut self.control;
                control.id.push(row.id);
                control.ts.push(row.ts);
                control.arrival.push(row.arrival);
                control.believed.push(row.believed);
                control.stream.push(row.stream.to_owned());
                control.root.push(row.root);
                control.body_json.push(row.body_json);
                Table::ControlEvents
            }
        };
        let day = Day::of(event.ts().seconds());
        if window.contains(day) {
            self.days.insert((table, day));
        }
    }
}

/// Text without the one character that Postgres refuses; senders choose the names, and one must not stop the archive.
/// JSON has it escaped.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Layers, producers and attribute forms are small numbers.
fn small(number: i64) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{Body, Format, Raw, Stream, Times, Timestamp};
    use crate::parse::built_in;

    fn event(n: u32, day: u64, bytes: usize) -> Event {
        let id = EventId::new(5, n);
        let raw = Raw::new("a\0b".into(), "".into(), Format::Auto, vec![b'x'; bytes].into(), Vec::new(), built_in());
        let ts = Timestamp::from_millis(day * 86_400_000);
        Event { id, stream: Stream::L3In, times: Times::at(ts), root: id, body: Body::Raw(raw) }
    }

    fn window() -> Window {
        Window::at(Timestamp::from_millis(20_000 * 86_400_000), Duration::from_secs(10_000 * 86_400))
    }

    #[test]
    fn a_batch_ends_before_it_holds_too_many_bytes() {
        let events: Vec<_> = (0..400).map(|n| event(n, 20_000, limits::LINE_BYTES_MAX)).collect();
        let rows = Rows::of(&events, window());
        assert!(rows.bytes <= limits::ARCHIVE_BYTES_MAX + limits::LINE_BYTES_MAX);
        assert_eq!(rows.through, Some(events[rows.raw.id.len() - 1].id));
    }

    #[test]
    fn a_batch_ends_before_it_touches_too_many_partitions() {
        let events: Vec<_> = (0..400).map(|n| event(n, 19_000 + u64::from(n), 1)).collect();
        let rows = Rows::of(&events, window());
        assert_eq!(
            (rows.days.len(), rows.raw.id.len()),
            (limits::ARCHIVE_BATCH_DAYS_MAX, limits::ARCHIVE_BATCH_DAYS_MAX)
        );
    }

    #[test]
    fn a_time_outside_the_window_asks_for_no_partition() {
        let rows = Rows::of(&[event(0, 9_999, 1), event(1, 20_002, 1)], window());
        assert_eq!((rows.days.len(), rows.raw.id.len()), (0, 2));
    }

    #[test]
    fn a_name_that_postgres_refuses_is_made_one_that_it_takes() {
        assert_eq!(Rows::of(&[event(0, 1, 1)], window()).raw.source, ["a\u{fffd}b"]);
    }
}
