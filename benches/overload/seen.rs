//! What of the lines is in the hot store, read while it comes: it keeps the newest alone.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::numbers::{self, From, Numbers, Set};

const PAGE: i64 = 10_000;

/// The lines from one place.
#[derive(Default)]
pub struct Lines {
    pub stored: Set,
    pub twice: u64,
    /// That came behind a later one.
    pub out_of_order: u64,
    pub last: usize,
}

pub struct Seen {
    store: SqlitePool,
    pub lines: BTreeMap<From, Lines>,
    /// Rows of each layer.
    pub outputs: BTreeMap<u8, u64>,
    /// The newest rows that were read.
    read: (i64, i64),
    all: Vec<Numbers>,
}

impl Seen {
    pub fn new(path: &Path, all: Vec<Numbers>) -> Self {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let store = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
        let lines = numbers::ALL.map(|from| (from, Lines::default())).into();
        Self { store, lines, outputs: BTreeMap::new(), read: (0, 0), all }
    }

    /// What came to the hot store since the last call.
    pub async fn read_store(&mut self) {
        loop {
            let page = sqlx::query("SELECT id, payload FROM raw_events_fast WHERE id > ? ORDER BY id LIMIT ?");
            let rows = page.bind(self.read.0).bind(PAGE).fetch_all(&self.store).await.unwrap();
            for row in &rows {
                self.read.0 = row.get(0);
                self.note(row.get(1));
            }
            if rows.len() < PAGE as usize {
                break;
            }
        }
        let counts = "SELECT layer, count(*), max(id) FROM model_outputs_fast WHERE id > ? GROUP BY layer";
        let rows = sqlx::query(counts).bind(self.read.1).fetch_all(&self.store).await.unwrap();
        for row in rows {
            *self.outputs.entry(row.get::<i64, _>(0) as u8).or_default() += row.get::<i64, _>(1) as u64;
            self.read.1 = self.read.1.max(row.get(2));
        }
    }

    /// The line with this time, if it is one of those that were written.
    fn line(&mut self, micros: u64) -> Option<(usize, &mut Lines)> {
        let from = numbers::from(micros);
        let number = self.all.iter().find(|numbers| numbers.from == from)?.number(micros)?;
        Some((number, self.lines.get_mut(&from)?))
    }

    fn note(&mut self, payload: &[u8]) {
        let Some((number, lines)) = numbers::micros(payload).and_then(|micros| self.line(micros)) else {
            panic!("a line that nobody wrote: {}", String::from_utf8_lossy(payload))
        };
        lines.twice += u64::from(!lines.stored.insert(number));
        lines.out_of_order += u64::from(number < lines.last);
        lines.last = number.max(lines.last);
    }

    pub fn stored(&self) -> u64 {
        self.lines.values().map(|lines| lines.stored.count).sum()
    }
}
