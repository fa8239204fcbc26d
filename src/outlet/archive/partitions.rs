//! Partitions: made when rows of their day come, dropped when the day is past its retention.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::days::{Day, Window};
use super::link::{Link, within};
use super::rows::Rows;
use super::sql::{self, Table};
use crate::event::{EventId, Timestamp};
use crate::retry::OutsideError;

impl Link {
    /// Makes the partitions that the rows need and that are not there.
    ///
    /// # Errors
    /// One could not be made; those before it are there.
    pub async fn prepare_for(&mut self, rows: &Rows) -> Result<(), OutsideError> {
        for &(table, day) in &rows.days {
            self.make(table, day).await?;
        }
        Ok(())
    }

    /// Makes the partitions of today and tomorrow, drops those before the window, and deletes from the default
    /// partitions what arrived before it, and what is remembered of entries that cannot come again. Returns the names of the dropped.
    ///
    /// # Errors
    /// As far as it came is done.
    pub async fn tend(&mut self, now: Timestamp, window: Window) -> Result<Vec<String>, OutsideError> {
        self.forget_entries(now).await?;
        self.find_partitions().await?;
        for table in Table::ALL {
            for day in window.newest() {
                self.make(table, day).await?;
            }
        }
        let mut old: Vec<_> = self.partitions.iter().copied().filter(|(_, day)| *day < window.first).collect();
        old.sort_unstable();
        let mut dropped = Vec::new();
        for (table, day) in old {
            let name = day.partition(table.name());
            let drop = drop_partition(&mut self.connection, &name);
            within("dropping an old partition", drop).await?;
            self.partitions.remove(&(table, day));
            dropped.push(name);
        }
        let arrived_before = EventId::new(window.first.bounds().0.unsigned_abs() * 1000, 0);
        for table in Table::ALL {
            let text = format!("DELETE FROM {}_default WHERE id < $1", table.name());
            let query = sqlx::query(AssertSqlSafe(text)).bind(arrived_before.packed()).persistent(false);
            within("deleting old rows of odd times", query.execute(&mut self.connection)).await?;
        }
        Ok(dropped)
    }

    async fn make(&mut self, table: Table, day: Day) -> Result<(), OutsideError> {
        if !self.partitions.contains(&(table, day)) {
            within("making a partition", make_partition(&mut self.connection, table, day)).await?;
            self.partitions.insert((table, day));
        }
        Ok(())
    }
}

/// Rows of that day may be in the default partition, from when the day was too far ahead: they move.
async fn make_partition(connection: &mut PgConnection, table: Table, day: Day) -> Result<(), sqlx::Error> {
    let (parent, name, (from, to)) = (table.name(), day.partition(table.name()), day.bounds());
    let mut transaction = connection.begin().await?;
    sqlx::query(sql::LOCK_TABLES).execute(&mut *transaction).await?;
    let exists = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&name).fetch_one(&mut *transaction);
    if !exists.await? {
        let text = format!(
            "CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
             WITH moved AS (DELETE FROM {parent}_default WHERE ts >= {from} AND ts < {to} RETURNING *)
             INSERT INTO {name} SELECT * FROM moved;
             ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
        );
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

async fn drop_partition(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(sql::LOCK_TABLES).execute(&mut *transaction).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE IF EXISTS {name}"))).execute(&mut *transaction).await?;
    transaction.commit().await
}
