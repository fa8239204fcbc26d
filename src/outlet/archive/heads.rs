//! The head of the audit log in Postgres: what was decided here is known elsewhere, and can be compared when everything on
//! this machine was changed together.

use sqlx::PgConnection;

use super::Config;
use super::link::{Link, connect, end, within};
use super::sql;
use super::write::Transaction;
use crate::observe::audit::Head;
use crate::retry::OutsideError;

const READING: &str = "reading the heads of the audit log";

impl Link {
    /// The newest head that this instance left.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn newest_head(&mut self) -> Result<Option<Head>, OutsideError> {
        newest(&mut self.connection, &self.instance).await
    }
}

impl Transaction<'_> {
    /// Adds a head. None that is there is ever changed.
    ///
    /// # Errors
    /// Nothing of the transaction is written.
    pub async fn head(&mut self, head: &Head) -> Result<(), OutsideError> {
        let lines = i64::try_from(head.lines).unwrap_or(i64::MAX);
        let query = sqlx::query(sql::INSERT_HEAD).bind(self.instance).bind(lines).bind(&head.hash);
        within("writing the head of the audit log", query.execute(&mut *self.transaction)).await.map(|_| ())
    }
}

/// The same, asked beside a running daemon: without its lock, and without making tables.
///
/// # Errors
/// Postgres cannot be asked, or has no such table yet.
pub async fn kept_head(config: &Config, instance: &str) -> Result<Option<Head>, OutsideError> {
    let mut connection = connect(config).await?;
    let head = newest(&mut connection, instance).await;
    end(connection).await;
    head
}

async fn newest(connection: &mut PgConnection, instance: &str) -> Result<Option<Head>, OutsideError> {
    let query = sqlx::query_as::<_, (i64, String)>(sql::NEWEST_HEAD).bind(instance).fetch_optional(connection);
    let found = within(READING, query).await?;
    Ok(found.map(|(lines, hash)| Head { lines: u64::try_from(lines).unwrap_or_default(), hash }))
}
