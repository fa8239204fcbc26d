//! What keeps the archive from working, said so that an operator knows what to do. Pure.

use std::time::Duration;

use crate::retry::{OutsideError, Retry};

/// Postgres has what it should not have, or not what it should. Never holds a value of a row.
pub fn failed(kind: &'static str, tried: &str, reason: &str, remedy: &str) -> OutsideError {
    OutsideError::new(kind, Retry::Soon, tried, reason, remedy)
}

/// What the client or the server says. The connection is not used any more.
pub fn of(tried: &str, error: &sqlx::Error) -> OutsideError {
    let Some(database) = error.as_database_error() else {
        let (kind, remedy) = of_connection(error);
        return failed(kind, tried, &error.to_string(), remedy);
    };
    // The message alone: a detail may quote a row.
    let code = database.code().unwrap_or_default();
    let (kind, remedy) = of_code(&code);
    failed(kind, tried, &format!("{} (SQLSTATE {code})", database.message()), remedy)
}

/// Postgres did not answer what was tried within this time.
pub fn silent(tried: &str, waited: Duration) -> OutsideError {
    let reason = format!("no answer within {} s", waited.as_secs());
    failed("silent", tried, &reason, "look whether Postgres is stalled or its disk is slow")
}

fn of_connection(error: &sqlx::Error) -> (&'static str, &'static str) {
    match error {
        sqlx::Error::Configuration(_) => ("url", "correct archive.url"),
        sqlx::Error::Tls(_) => ("tls", "correct sslmode and sslrootcert in archive.url"),
        _ => ("unreachable", "start Postgres there, or correct archive.url"),
    }
}

/// By SQLSTATE; <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_code(code: &str) -> (&'static str, &'static str) {
    match code {
        "28P01" | "28000" => {
            ("password", "check the user in archive.url, archive.password_file, and pg_hba.conf of the server")
        }
        "3D000" => ("database", "create the database, or correct archive.url"),
        "42501" | "3F000" => (
            "permission",
            "let this user work there: GRANT CREATE, USAGE ON SCHEMA public, and ownership of the archive's tables",
        ),
        "42P07" => {
            ("foreign", "tables of these names belong to another program: give the archive a database of its own")
        }
        "42P01" | "42703" => {
            ("schema", "the archive's tables were changed by hand: restore them, or give the archive a new database")
        }
        "53100" => ("full", "free space on the disk of Postgres"),
        "53200" => ("memory", "give Postgres more memory, or raise max_locks_per_transaction"),
        "53300" => ("connections", "raise max_connections of Postgres, or close other connections"),
        "08P01" => ("protocol", "look who answers at archive.url: that is no Postgres, or somebody stands between"),
        "25006" => ("readonly", "that server is a read-only standby: name the primary in archive.url"),
        "57014" | "55P03" => ("blocked", "look what blocks Postgres, or whether its disk is slow"),
        _ if code.starts_with("57P") => ("starting", "wait until Postgres is up again"),
        _ => ("error", "look at the log of Postgres"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_tried_why_it_failed_and_what_to_do() {
        let error = of("connecting", &sqlx::Error::PoolClosed);
        assert!(error.text.starts_with("connecting: ") && error.text.contains("archive.url"), "{error}");
    }
}
