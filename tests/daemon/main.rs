//! The whole daemon as a process, started on free ports in temporary folders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test fails by panicking

mod archive;
mod archive_errors;
mod archive_group;
mod archive_keys;
mod archive_power;
mod archive_reload;
mod archive_slow;
mod archive_upgrade;
mod check;
mod flat_log;
mod full_store;
mod harness;
mod http;
mod http_budgets;
mod incidents;
mod journald;
mod kill;
mod loki;
mod loki_server;
mod named_files;
mod oracle;
mod oracle_writer;
mod places;
mod postgres;
mod random;
mod records;
mod redis_cluster;
mod redis_cut;
mod redis_errors;
mod redis_hostile;
mod redis_ingest;
mod redis_large;
mod redis_mirror;
mod redis_power;
mod redis_server;
mod redis_variants;
mod reload;
mod replay;
mod sources;
mod stdout;
mod store_lost;
mod syslog;
mod time;
