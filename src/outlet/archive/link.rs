//! One connection to Postgres: opened, checked, its tables brought up to date, the instance's lock held.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::Config;
use super::answer::whole;
use super::days::Day;
use super::errors;
use super::guard::{self, Certificates};
use super::sql::{self, Table};
use crate::event::EventId;
use crate::named_files;
use crate::retry::OutsideError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the server's own limit on a statement, so that normally the server answers with a reason.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
const SESSION: [(&str, &str); 8] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
    // The lock of a daemon that vanished with its network is free again after half a minute.
    ("tcp_keepalives_idle", "15"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    // A batch is unpacked in memory, by a plan that is made once: together a tenth more rows a second.
    ("work_mem", "64MB"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// One connection to Postgres, and what is known of the tables there.
pub struct Link {
    pub(super) connection: PgConnection,
    pub instance: String,
    pub(super) partitions: HashSet<(Table, Day)>,
    /// Events that were archived already, by the daemon that had their entries first.
    pub(super) duplicates: BTreeSet<i64>,
    /// Of the last rows some were there already, so that the next ones may be as well.
    pub(super) meets_rows: bool,
}

/// How far Postgres is with this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Every event of the log up to here is there.
    pub rows: EventId,
    /// The number of the newest dead letter that is there.
    pub letters: i64,
}

impl Link {
    /// Connects, brings the tables up to date and takes the instance's lock.
    ///
    /// # Errors
    /// Whatever keeps it from working; try again later.
    pub async fn open(config: &Config, instance: &str) -> Result<Self, OutsideError> {
        let connection = connect(config).await?;
        let (partitions, duplicates) = (HashSet::new(), BTreeSet::new());
        let mut link = Self { connection, instance: instance.to_owned(), partitions, duplicates, meets_rows: false };
        link.check().await?;
        link.migrate().await?;
        link.find_partitions().await?;
        link.find_duplicates().await?;
        Ok(link)
    }

    /// How far Postgres is; none when it has never heard of this instance.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn progress(&mut self) -> Result<Option<Progress>, OutsideError> {
        let query = sqlx::query_as::<_, (i64, i64)>(
            "SELECT rows_through, letters_through FROM dsmil_archive_state WHERE instance = $1",
        );
        let query = query.bind(&self.instance).fetch_optional(&mut self.connection);
        let found = within("reading how far the archive is", query).await?;
        Ok(found.map(|(rows, letters)| Progress { rows: EventId::from_packed(rows), letters }))
    }

    async fn check(&mut self) -> Result<(), OutsideError> {
        let connection = &mut self.connection;
        let query = sqlx::query_scalar::<_, String>("SHOW server_encoding").fetch_one(&mut *connection);
        let encoding = within("asking for the encoding of the database", query).await?;
        if encoding != "UTF8" {
            let remedy = "create a database with ENCODING 'UTF8' TEMPLATE template0 and name it in archive.url";
            return Err(errors::failed(
                "encoding",
                "looking at the database",
                &format!("its encoding is {encoding}"),
                remedy,
            ));
        }
        let tried = "taking the lock of this instance";
        let query = sqlx::query_scalar::<_, bool>(sql::LOCK_INSTANCE).bind(&self.instance).fetch_one(connection);
        if within(tried, query).await? {
            return Ok(());
        }
        let reason = format!("a daemon named `{}` is connected already", self.instance);
        let remedy = "give each daemon its own daemon.instance, or wait until the other is gone";
        Err(errors::failed("instance", tried, &reason, remedy))
    }

    async fn migrate(&mut self) -> Result<(), OutsideError> {
        let tried = "making the archive's tables";
        let newest = sql::MIGRATIONS.len() as i32;
        let query = sqlx::query_scalar::<_, bool>(sql::HAS_VERSION).fetch_one(&mut self.connection);
        if within(tried, query).await? {
            let query = sqlx::query_scalar(sql::READ_VERSION).fetch_one(&mut self.connection);
            let found: Option<i32> = within(tried, query).await?;
            match found {
                Some(found) if found == newest => return Ok(()),
                Some(found) if found > newest => {
                    let reason = format!("they have version {found}, this dsmild knows {newest}");
                    let remedy = "run a dsmild at least as new as the one that made them";
                    return Err(errors::failed("version", tried, &reason, remedy));
                }
                _ => {}
            }
        }
        within(tried, migrate(&mut self.connection)).await
    }

    /// Asks which days have partitions.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub(super) async fn find_partitions(&mut self) -> Result<(), OutsideError> {
        self.partitions.clear();
        for table in Table::ALL {
            let query = sqlx::query_scalar::<_, String>(sql::PARTITIONS).bind(table.name());
            let names = within("listing partitions", whole(query.fetch(&mut self.connection), String::len)).await?;
            let days = names.iter().filter_map(|name| Day::of_partition(table.name(), name));
            self.partitions.extend(days.map(|day| (table, day)));
        }
        Ok(())
    }

    /// Lets go of the instance's lock in order.
    pub async fn close(self) {
        end(self.connection).await;
    }
}

/// A connection that does not close in order is dropped, which closes it too.
pub(super) async fn end(connection: PgConnection) {
    let _ = tokio::time::timeout(Duration::from_millis(500), connection.close()).await;
}

/// Each step once: another daemon may be at it at the same time.
async fn migrate(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(sql::LOCK_TABLES).execute(&mut *transaction).await?;
    sqlx::query(sql::CREATE_VERSION).execute(&mut *transaction).await?;
    let found: Option<i32> = sqlx::query_scalar(sql::READ_VERSION).fetch_one(&mut *transaction).await?;
    for (number, step) in (1_i32..).zip(sql::MIGRATIONS).skip_while(|(number, _)| *number <= found.unwrap_or(0)) {
        sqlx::raw_sql(step).execute(&mut *transaction).await?;
        sqlx::query(sql::WRITE_VERSION).bind(number).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

pub(super) async fn connect(config: &Config) -> Result<PgConnection, OutsideError> {
    connect_as(options(config)?, config, CONNECT_TIMEOUT).await
}

pub(super) async fn connect_as(
    options: PgConnectOptions,
    config: &Config,
    patience: Duration,
) -> Result<PgConnection, OutsideError> {
    let tried = "connecting to Postgres";
    let certificates = Certificates::of(&config.url);
    match tokio::time::timeout(patience, guard::connect(options, &certificates)).await {
        Ok(connected) => connected.map_err(|error| errors::of(tried, &error)),
        Err(_) => Err(errors::silent(tried, patience)),
    }
}

/// As the outlet connects.
pub(super) fn options(config: &Config) -> Result<PgConnectOptions, OutsideError> {
    let options = PgConnectOptions::from_str(&config.url).map_err(|error| errors::of("reading archive.url", &error))?;
    let options = options.application_name("dsmild").options(SESSION).disable_statement_logging();
    let Some(path) = &config.password_file else { return Ok(options) };
    let password = named_files::secret(path).map_err(|error| {
        let reason = format!("{}: {error}", path.display());
        errors::failed("file", "reading archive.password_file", &reason, "make the file readable for this user")
    })?;
    Ok(options.password(password.trim_end_matches(['\r', '\n'])))
}

/// The answer, or why there is none. After an error the connection is not to be used any more.
pub(super) async fn within<Answer>(
    tried: &'static str,
    query: impl Future<Output = Result<Answer, sqlx::Error>>,
) -> Result<Answer, OutsideError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, query).await {
        Ok(answer) => answer.map_err(|error| errors::of(tried, &error)),
        Err(_) => Err(errors::silent(tried, ANSWER_TIMEOUT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_a_password_file_that_cannot_be_read_are_named_without_what_is_in_them() {
        let config = |url: &str, file: Option<&str>| Config {
            password_file: file.map(Into::into),
            ..toml::from_str(&format!("url = \"{url}\"")).unwrap()
        };
        let error = options(&config("postgres://u:hunter2@h:99999/db", None)).unwrap_err().to_string();
        assert!(error.contains("archive.url") && !error.contains("hunter2"), "{error}");
        let error = options(&config("postgres://u@h/db", Some("/nonexistent/pw"))).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/pw") && error.contains("archive.password_file"), "{error}");
    }
}
