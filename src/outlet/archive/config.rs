//! `[archive]`: its keys, and what must hold between them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Judge, Span};
use crate::limits;

/// `[archive]`: where Postgres is, how often and in what batches it is written to, and how long it keeps days.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgres://user@host/database`; no password in it: see `password_file`.
    pub url: String,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    #[serde(default = "Config::every")]
    pub every: Span,
    /// Rows of one statement.
    #[serde(default = "Config::batch")]
    pub batch: usize,
    /// Days kept; older partitions are dropped.
    #[serde(default = "Config::retention")]
    pub retention: Span,
}

impl Config {
    fn every() -> Span {
        Span::from_millis(1000)
    }

    fn batch() -> usize {
        5000
    }

    fn retention() -> Span {
        Span::from_millis(365 * 24 * 3600 * 1000)
    }
}

/// Every relation that does not hold.
pub fn check(archive: &Config, judge: &mut Judge<'_>) {
    let goes = "write the password to a file and name it in archive.password_file";
    judge.expect_url("archive.url", &archive.url, &["postgres", "postgresql"], goes);
    judge.expect(
        (1..=limits::ARCHIVE_ROWS_MAX).contains(&archive.batch),
        &["archive.batch"],
        format!("{} is out of range", archive.batch),
        format!("1 to {}", limits::ARCHIVE_ROWS_MAX),
    );
}
