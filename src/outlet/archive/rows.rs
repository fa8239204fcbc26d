//! One batch of events as what Postgres is given. Pure.

use std::collections::BTreeSet;

use super::columns::ControlColumns;
use super::copied::Copied;
use super::days::{Day, Window};
use super::item::Item;
use super::sql::Table;
use crate::event::EventId;
use crate::limits;
use crate::store::rows::{FormatNames, Row};

/// One batch.
#[derive(Debug, Default)]
pub struct Rows {
    pub(super) items: Vec<Item>,
    pub(super) raw: Copied,
    pub(super) outputs: Copied,
    /// Few, and several daemons have them at the same times.
    pub(super) control: ControlColumns,
    /// Days within the window that the rows fall on.
    pub(super) days: BTreeSet<(Table, Day)>,
    bytes: usize,
}

impl Rows {
    /// Takes events from the front while the batch stays within its bounds: always at least one.
    pub fn of(items: impl IntoIterator<Item = impl Into<Item>>, instance: &str, window: Window) -> Self {
        let (mut rows, mut formats) = (Self::default(), FormatNames::default());
        for item in items {
            if rows.bytes > limits::ARCHIVE_BYTES_MAX || rows.days.len() >= limits::ARCHIVE_BATCH_DAYS_MAX {
                break;
            }
            let item = item.into();
            item.with_row(&mut formats, |row| rows.take(row, instance, window));
            rows.items.push(item);
        }
        rows
    }

    /// The id of the last event taken.
    pub fn through(&self) -> Option<EventId> {
        self.items.last().map(Item::id)
    }

    fn take(&mut self, row: &Row<'_>, instance: &str, window: Window) {
        let (table, ts) = match row {
            Row::Raw(row) => {
                self.bytes += row.payload.len();
                self.raw.push_raw(row, instance);
                (Table::RawEvents, row.ts)
            }
            Row::Output(row) => {
                self.bytes += row.output_json.len();
                self.outputs.push_output(row, instance);
                (Table::ModelOutputs, row.ts)
            }
            Row::Control(row) => {
                self.bytes += row.body_json.len();
                self.control.push(row);
                (Table::ControlEvents, row.ts)
            }
        };
        let day = Day::of(ts);
        if window.contains(day) {
            self.days.insert((table, day));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::bus::EventRef;
    use crate::event::{Body, Event, Format, Raw, Stream, Times, Timestamp};
    use crate::parse::built_in;

    fn event(n: u32, day: u64, bytes: usize) -> Event {
        let id = EventId::new(5, n);
        let raw = Raw::new("a\0b".into(), "".into(), Format::Auto, vec![b'x'; bytes].into(), Vec::new(), built_in());
        let ts = Timestamp::from_millis(day * 86_400_000);
        Event { id, stream: Stream::L3In, times: Times::at(ts), root: id, body: Body::Raw(raw) }
    }

    fn rows(events: impl IntoIterator<Item = Event>, window: Window) -> Rows {
        let chunk: Arc<[Event]> = events.into_iter().collect();
        Rows::of(EventRef::all(&chunk), "one", window)
    }

    fn window() -> Window {
        Window::at(Timestamp::from_millis(20_000 * 86_400_000), Duration::from_secs(10_000 * 86_400))
    }

    #[test]
    fn a_batch_ends_before_it_holds_too_many_bytes() {
        let rows = rows((0..400).map(|n| event(n, 20_000, limits::LINE_BYTES_MAX)), window());
        assert!(rows.bytes <= limits::ARCHIVE_BYTES_MAX + limits::LINE_BYTES_MAX);
        assert_eq!(rows.through(), Some(EventId::new(5, rows.raw.rows as u32 - 1)));
    }

    #[test]
    fn a_batch_ends_before_it_touches_too_many_partitions() {
        let rows = rows((0..400).map(|n| event(n, 19_000 + u64::from(n), 1)), window());
        assert_eq!((rows.days.len(), rows.raw.rows), (limits::ARCHIVE_BATCH_DAYS_MAX, limits::ARCHIVE_BATCH_DAYS_MAX));
    }

    #[test]
    fn a_time_outside_the_window_asks_for_no_partition() {
        let rows = rows([event(0, 9_999, 1), event(1, 20_002, 1)], window());
        assert_eq!((rows.days.len(), rows.raw.rows), (0, 2));
    }
}
