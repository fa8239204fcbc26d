//! Whether the tables are as the daemon made them. Who may write to the file may also give its tables triggers, indexes and
//! constraints, and those would decide what is kept of a commit and how long it takes.

use rusqlite::Connection;
use sqlx::SqliteConnection;

use super::entities::{about, index};
use super::schema;

/// Another number after each change of what there is.
pub(super) const VERSION: &str = "PRAGMA schema_version";
/// As much of a statement of others as a line of the log has room for.
const SAID_CHARS: usize = 200;

/// What versions before this one did not have at the end of a table.
const BEFORE: [&str; 6] = [
    "",
    ", believed INTEGER",
    ", arrival INTEGER, believed INTEGER",
    ", provenance TEXT",
    ", believed INTEGER, provenance TEXT",
    ", arrival INTEGER, believed INTEGER, provenance TEXT",
];

/// A table, an index, a trigger or a view.
#[derive(Debug)]
pub(super) struct Object {
    kind: String,
    name: String,
    of_table: String,
    /// `None` for an index that a table brings with it.
    sql: Option<String>,
}

impl Object {
    /// Also by an earlier version, before the columns that were added since.
    fn is_made_by(&self, create: &str) -> bool {
        let create = words(&create.replacen("IF NOT EXISTS ", "", 1));
        let there = words(self.sql.as_deref().unwrap_or_default());
        let (create, there) = (create.strip_suffix(')'), there.strip_suffix(')'));
        let mut added = BEFORE.into_iter();
        there.is_some() && added.any(|added| create.and_then(|create| create.strip_suffix(added)) == there)
    }

    fn is_as_made(&self) -> bool {
        tables_made().chain(index::CREATE).any(|create| self.is_made_by(create))
    }

    /// A trigger, or an index of one of the daemon's tables, that the daemon did not make.
    fn is_added(&self) -> bool {
        match self.kind.as_str() {
            "trigger" => true,
            "index" => self.sql.is_some() && is_table(&self.of_table) && !self.is_as_made(),
            _ => false,
        }
    }

    fn said(&self) -> String {
        self.sql.as_deref().unwrap_or_default().chars().take(SAID_CHARS).collect()
    }
}

const OBJECTS: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema";

/// What there is in the file.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<Object>, sqlx::Error> {
    let rows: Vec<(String, String, String, Option<String>)> = sqlx::query_as(OBJECTS).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(kind, name, of_table, sql)| Object { kind, name, of_table, sql }).collect())
}

/// The same for the connection that writes.
pub(super) fn read_by_writer(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    let object = |row: &rusqlite::Row<'_>| {
        Ok(Object { kind: row.get(0)?, name: row.get(1)?, of_table: row.get(2)?, sql: row.get(3)? })
    };
    connection.prepare(OBJECTS)?.query_map([], object)?.collect()
}

/// Which of the daemon's tables is not as it was made, or not there once it was (`is_made`).
pub(super) fn fault(objects: &[Object], is_made: bool) -> Option<String> {
    tables().find_map(|name| {
        let mut there = objects.iter().filter(|object| object.name.eq_ignore_ascii_case(name)).peekable();
        if is_made && there.peek().is_none() {
            return Some(format!("its table {name} is gone"));
        }
        let other = there.find(|object| object.kind != "table" || !object.is_as_made())?;
        Some(format!("its table {name} is not as dsmild made it: {:?}", other.said()))
    })
}

/// Whether all of the daemon's tables are there.
pub(super) fn is_complete(objects: &[Object]) -> bool {
    tables().all(|name| objects.iter().any(|object| object.name == name))
}

/// The statements that remove what others have added to the tables, each with what it removes. What an earlier version had made goes
/// with the table that takes its place.
pub(super) fn removals(objects: &[Object]) -> Vec<(String, String)> {
    let remove = |object: &Object| format!("DROP {} \"{}\"", object.kind, object.name.replace('"', "\"\""));
    let is_earlier = !objects.iter().any(|object| object.name == index::TABLE_NAME);
    let added = objects.iter().filter(|object| object.is_added() && !(is_earlier && about::was_index(&object.name)));
    added.map(|object| (remove(object), object.said())).collect()
}

fn is_table(name: &str) -> bool {
    tables().any(|table| table.eq_ignore_ascii_case(name))
}

/// The statements that make the tables, and some of their indexes.
fn tables_made() -> impl Iterator<Item = &'static str> {
    schema::CREATE.into_iter().chain([index::TABLE])
}

fn tables() -> impl Iterator<Item = &'static str> {
    tables_made().filter_map(|create| create.strip_prefix("CREATE TABLE IF NOT EXISTS ")?.split(' ').next())
}

fn words(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

    use crate::event::{EventId, Interest};
    use crate::store::tests::{config, ids, raw, transaction};
    use crate::store::{HotStore, StoreError};

    /// As any program of the group does it.
    async fn others_do(folder: &tempfile::TempDir, statements: &[&str]) {
        let options = SqliteConnectOptions::new().filename(config(folder).path);
        let mut outsider = options.connect().await.unwrap();
        for sql in statements {
            sqlx::query(AssertSqlSafe((*sql).to_owned())).execute(&mut outsider).await.unwrap();
        }
        outsider.close().await.unwrap();
    }

    fn line(ms: u64) -> [std::sync::Arc<crate::bus::Transaction>; 1] {
        [transaction("intake", None, vec![raw(ms, 0)])]
    }

    const ADDED: [&str; 4] = [
        "CREATE TRIGGER \"a\"\"b\" AFTER INSERT ON RAW_events_fast BEGIN DELETE FROM raw_events_fast; END",
        "CREATE TRIGGER b BEFORE INSERT ON raw_events_fast BEGIN SELECT RAISE(IGNORE); END",
        "CREATE UNIQUE INDEX c ON raw_events_fast(source)",
        "CREATE INDEX d ON raw_events_fast(hex(zeroblob(1000000000)))",
    ];

    #[tokio::test]
    async fn what_others_add_to_the_tables_has_no_say_in_what_is_kept() {
        for added in ADDED {
            let folder = tempfile::tempdir().unwrap();
            let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
            // An index is made of the rows that are there.
            others_do(&folder, &[added]).await;
            store.commit(&line(7)).await.unwrap();
            store.commit(&line(8)).await.unwrap();
            others_do(&folder, &["CREATE TABLE mine (a)", "CREATE INDEX of_mine ON mine(a)"]).await;
            store.commit(&line(9)).await.unwrap();
            let all = store.after(EventId::ZERO, Interest::ALL, 9).await.unwrap();
            assert_eq!(ids(&all), [(7, 0), (8, 0), (9, 0)], "{added}");
            others_do(&folder, &["DROP INDEX of_mine"]).await;
        }
    }

    #[tokio::test]
    async fn what_others_add_while_the_daemon_does_not_run_is_gone_with_the_next_start() {
        for added in ADDED {
            let folder = tempfile::tempdir().unwrap();
            HotStore::open(&config(&folder)).await.unwrap().0.close().await;
            others_do(&folder, &[added]).await;
            let (store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
            store.commit(&line(7)).await.unwrap();
            store.commit(&line(8)).await.unwrap();
            let all = store.after(EventId::ZERO, Interest::ALL, 9).await.unwrap();
            assert_eq!((ids(&all), recovery.moved_aside), (vec![(7, 0), (8, 0)], None), "{added}");
        }
    }

    #[tokio::test]
    async fn a_table_that_others_put_in_the_place_of_one_takes_nothing_and_is_moved_aside() {
        let columns = "id INTEGER PRIMARY KEY, ts, arrival, believed, source, compartment, payload, layer, root, format, attributes";
        let unique = format!("CREATE TABLE raw_events_fast({columns}, UNIQUE(source))");
        for instead in [&["CREATE VIEW raw_events_fast AS SELECT 1 AS id"][..], &[unique.as_str()], &[]] {
            let folder = tempfile::tempdir().unwrap();
            let (store, _) = HotStore::open(&config(&folder)).await.unwrap();
            store.commit(&line(7)).await.unwrap();
            others_do(&folder, &[&["DROP TABLE raw_events_fast"], instead].concat()).await;
            let error = store.commit(&line(8)).await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{instead:?}: {error}");
            assert!(error.to_string().contains("table raw_events_fast"), "{error}");
            assert!(instead.iter().all(|sql| error.to_string().contains(&sql[..16])), "says what it is: {error}");
            assert!(store.damage().is_some());
            store.close().await;
            let (store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
            assert_eq!(recovery.moved_aside.is_some(), !instead.is_empty(), "{instead:?}");
            store.commit(&line(8)).await.unwrap();
            assert_eq!(ids(&store.after(EventId::ZERO, Interest::ALL, 9).await.unwrap()), [(8, 0)]);
        }
    }
}
