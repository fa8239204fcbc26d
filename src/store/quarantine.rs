//! Rows and cursors with ids that the log cannot have given: far beyond now and beyond all that was saved. One of them
//! would end the log, for no id could follow it. They are kept as dead letters.

use std::path::Path;

use rusqlite::{Connection, params};

use super::entities::index;
use super::schema;
use crate::event::EventId;

const REASON: &str = "its id is beyond now, and the daemon never gave it";

/// Does nothing, and writes nothing, where no id is beyond `bound`. In a transaction.
pub(super) fn beyond(connection: &Connection, path: &Path, bound: EventId) -> rusqlite::Result<()> {
    let bound = bound.packed();
    let mut found = 0;
    for count in
        schema::BEYOND.map(|(count, ..)| count).into_iter().chain(["SELECT count(*) FROM cursors WHERE id > ?1"])
    {
        found += connection.query_row(count, [bound], |row| row.get::<_, i64>(0))?;
    }
    if found == 0 {
        return Ok(());
    }
    for (_, copy, delete) in schema::BEYOND {
        connection.execute(copy, params![bound, REASON])?;
        connection.execute(delete, [bound])?;
    }
    connection.execute(index::DELETE_BEYOND, [bound])?;
    connection.execute(schema::CURSORS_TO_NEWEST, [bound])?;
    log::error!(
        "hot store {}: {found} rows and cursors had ids beyond now, which the daemon never gave: they are dead letters now; \
         look at who writes to the file",
        path.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};

    use crate::event::{EventId, Interest, Timestamp};
    use crate::store::HotStore;
    use crate::store::tests::{config, ids, raw, transaction};

    async fn planted(folder: &tempfile::TempDir, sql: &'static str, id: i64) {
        let (store, _) = HotStore::open(&config(folder)).await.unwrap();
        store.commit(&[transaction("l3", Some(EventId::new(7, 0)), vec![raw(7, 0)])]).await.unwrap();
        store.close().await;
        let options = SqliteConnectOptions::new().filename(config(folder).path);
        let mut outsider = options.connect().await.unwrap();
        sqlx::query(sql).bind(id).execute(&mut outsider).await.unwrap();
        outsider.close().await.unwrap();
    }

    const PLANTS: [&str; 4] = [
        "INSERT INTO raw_events_fast(id, ts, source, compartment, payload, format) VALUES (?, 1, 'me', '', x'00', 'text')",
        "INSERT INTO model_outputs_fast(id, ts, layer, model, output_json, root) VALUES (?, 1, 3, 'me', '{}', 1)",
        "INSERT INTO control_events_fast(id, ts, stream, body_json) VALUES (?, 1, 'TICK', '{}')",
        "UPDATE cursors SET id = ?",
    ];

    #[tokio::test]
    async fn an_id_that_nothing_could_follow_does_not_end_the_log() {
        let next_year = Timestamp::now().millis() + 365 * 86_400_000;
        for (number, plant) in PLANTS.into_iter().enumerate() {
            for id in [i64::MAX, EventId::new(next_year, 0).packed()] {
                let folder = tempfile::tempdir().unwrap();
                planted(&folder, plant, id).await;
                let (store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
                assert_eq!(recovery.last_id, EventId::new(7, 0), "{plant}");
                assert_eq!(recovery.cursors["l3"], EventId::new(7, 0), "{plant}");
                let events = store.after(EventId::ZERO, Interest::ALL, 10).await.unwrap();
                assert_eq!(ids(&events), [(7, 0)], "{plant}");
                let letters = store.letter_rows(0, i64::MAX, 10).await.unwrap();
                assert_eq!(letters.iter().filter(|letter| letter.id == id).count(), usize::from(number < 3), "{plant}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_beyond_now_in_several_places_is_found_in_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        planted(&folder, PLANTS[0], i64::MAX).await;
        let mut outsider = SqliteConnectOptions::new().filename(config(&folder).path).connect().await.unwrap();
        sqlx::query(PLANTS[3]).bind(i64::MAX).execute(&mut outsider).await.unwrap();
        outsider.close().await.unwrap();
        let (_store, recovery) = HotStore::open(&config(&folder)).await.unwrap();
        assert_eq!((recovery.last_id, recovery.cursors["l3"]), (EventId::new(7, 0), EventId::new(7, 0)));
    }

    #[tokio::test]
    async fn ids_that_were_given_while_the_clock_was_ahead_stay() {
        let tomorrow = EventId::new(Timestamp::now().millis() + 86_400_000, 0);
        let folder = tempfile::tempdir().unwrap();
        planted(&folder, PLANTS[2], tomorrow.packed()).await;
        let saved = EventId::new(tomorrow.ms() - 1000, 0);
        let (_store, recovery) = HotStore::open_after(&config(&folder), saved).await.unwrap();
        assert_eq!(recovery.last_id, tomorrow);
    }
}
