//! What keeps the archive from working, told so that an operator knows what to do. Pure.

use std::time::Duration;

use crate::config::redact;

/// What was tried, why it failed, what to do. Never holds a secret or a value of a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tried}: {reason}; {remedy}")]
pub struct Trouble {
    pub tried: &'static str,
    pub reason: String,
    pub remedy: &'static str,
}

/// Characters of a reason; what a server says may be long.
const REASON_CHARS: usize = 300;

impl Trouble {
    pub fn new(tried: &'static str, reason: impl Into<String>, remedy: &'static str) -> Self {
        let reason: String = redact(&reason.into());
        let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS).collect();
        Self { tried, reason, remedy }
    }

    pub fn of(tried: &'static str, error: &sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return Self::new(tried, error.to_string(), remedy_of_connection(error));
        };
        // The message alone: a detail may quote a row.
        let code = database.code().unwrap_or_default();
        Self::new(tried, format!("{} (SQLSTATE {code})", database.message()), remedy(&code))
    }

    pub fn silent(tried: &'static str, waited: Duration) -> Self {
        let reason = format!("no answer within {} s", waited.as_secs());
        Self::new(tried, reason, "look whether Postgres is stalled or its disk is slow")
    }
}

fn remedy_of_connection(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::Configuration(_) => "correct archive.url",
        sqlx::Error::Tls(_) => "correct sslmode and sslrootcert in archive.url",
        _ => "start Postgres there, or correct archive.url",
    }
}

/// By SQLSTATE; <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn remedy(code: &str) -> &'static str {
    match code {
        "28P01" | "28000" => "check the user in archive.url, archive.password_file, and pg_hba.conf of the server",
        "3D000" => "create the database, or correct archive.url",
        "42501" | "3F000" => {
            "let this user work there: GRANT CREATE, USAGE ON SCHEMA public, and ownership of the archive's tables"
        }
        "42P07" => "tables of these names belong to another program: give the archive a database of its own",
        "42P01" | "42703" => {
            "the archive's tables were changed by hand: restore them, or give the archive a new database"
        }
        "53100" => "free space on the disk of Postgres",
        "53200" => "give Postgres more memory, or raise max_locks_per_transaction",
        "53300" => "raise max_connections of Postgres, or close other connections",
        "25006" => "that server is a read-only standby: name the primary in archive.url",
        "57014" | "55P03" => "look what blocks Postgres, or whether its disk is slow",
        _ if code.starts_with("57P") => "wait until Postgres is up again",
        _ => "look at the log of Postgres",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_says_what_was_tried_why_it_failed_and_what_to_do() {
        let trouble = Trouble::of("connecting", &sqlx::Error::PoolClosed);
        assert!(trouble.to_string().starts_with("connecting: "), "{trouble}");
        assert!(trouble.to_string().contains("archive.url"), "{trouble}");
    }

    #[test]
    fn a_secret_or_a_line_break_in_a_reason_is_not_repeated() {
        let trouble = Trouble::new("connecting", "bad url postgres://u:hunter2@db/x\nnext", "correct it");
        assert!(!trouble.to_string().contains("hunter2"), "{trouble}");
        assert!(!trouble.to_string().contains('\n'));
        assert!(Trouble::new("x", "y".repeat(10_000), "z").to_string().len() < 1000);
    }
}
