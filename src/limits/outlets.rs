//! What leaves: the flat log, Postgres, Loki, Redis, standard output.

/// Lines of the flat log are written when there are so many bytes of them, or no more come at once.
pub const FLAT_LOG_BATCH_BYTES: usize = 256 * 1024;
/// No write of the flat log is longer: tabs become eight spaces, and every line of a message gets the indent of its
/// head.
pub const FLAT_LOG_WRITE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Rows of one statement of the archive, and bytes of a batch beyond its last row: more gains nothing and holds a transaction open.
pub const ARCHIVE_ROWS_MAX: usize = 50_000;
pub const ARCHIVE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Partitions that one batch of the archive touches: each takes locks in Postgres, of which there are few thousand.
pub const ARCHIVE_BATCH_DAYS_MAX: usize = 64;
/// Dead letters of one statement of the archive.
pub const ARCHIVE_LETTERS_MAX: usize = 100;
/// Events left out of the archive that are remembered, because their entries were archived by another daemon.
pub const ARCHIVE_DUPLICATES_MAX: usize = 1_000_000;
/// How far, in microseconds, a row moves whose id and time another daemon's row has already.
pub const ARCHIVE_SHIFT_MAX: i32 = 1000;
/// Bytes of one message of Postgres, which the client holds as a whole: a saved state is the largest that there is.
pub const POSTGRES_MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one answer of Postgres that is held as a whole.
pub const POSTGRES_ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of all settings that Postgres tells over one connection.
pub const POSTGRES_SETTINGS_BYTES_MAX: usize = 256 * 1024;
/// Losses of power that are remembered, for what outlets have of events that were lost with them.
pub const RESTORES_REMEMBERED_MAX: usize = 64;
/// Labels of a Loki stream, our own included, and bytes of the value of one: what Loki itself accepts by default.
pub const LOKI_LABELS_MAX: usize = 15;
pub const LOKI_LABEL_VALUE_BYTES_MAX: usize = 2048;
/// Events of one push to Loki, and bytes of its lines beyond the first.
pub const LOKI_BATCH_EVENTS_MAX: usize = 1000;
pub const LOKI_BATCH_BYTES_MAX: usize = 384 * 1024;
/// Times that one refused batch is cut in two to find what the outside does not want; the rest is then dropped as a whole.
pub const OUTLET_CUTS_MAX: usize = 64;
/// Bytes read of an answer of Loki.
pub const LOKI_ANSWER_BYTES_MAX: usize = 16 * 1024;
/// The longest wait that Loki may ask for with Retry-After.
pub const LOKI_RETRY_AFTER_MAX: std::time::Duration = std::time::Duration::from_secs(300);
/// Events of one batch for Redis, and its bytes beyond the first: more gains nothing and keeps other clients of Redis waiting.
pub const MIRROR_BATCH_EVENTS_MAX: usize = 1000;
pub const MIRROR_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events of one write to standard output.
pub const STDOUT_EVENTS_MAX: usize = 1000;
/// Cases that a notifier remembers, messages of it that wait, and the lines of a summary.
pub const NOTIFY_CASES_MAX: usize = 1000;
pub const NOTIFY_WAITING_MAX: usize = 500;
pub const NOTIFY_SUMMARY_LINES_MAX: usize = 20;
/// Characters of a sentence and of a name in a message; names of one kind, and proposals.
pub const NOTIFY_TEXT_CHARS_MAX: usize = 300;
pub const NOTIFY_WORD_CHARS_MAX: usize = 200;
pub const NOTIFY_NAMES_MAX: usize = 16;
pub const NOTIFY_PROPOSALS_MAX: usize = 4;
/// Notifiers of a configuration, headers and parameters and recipients of one.
pub const NOTIFIERS_MAX: usize = 16;
pub const NOTIFY_LIST_MAX: usize = 32;
/// Bytes of a template, of what it makes, and steps that it takes for that.
pub const NOTIFY_TEMPLATE_BYTES_MAX: u64 = 64 * 1024;
pub const NOTIFY_BODY_BYTES_MAX: usize = 256 * 1024;
pub const NOTIFY_TEMPLATE_STEPS_MAX: u64 = 100_000;
/// Bytes read of an answer to a message, and of what a command prints.
pub const NOTIFY_ANSWER_BYTES_MAX: usize = 16 * 1024;
/// The longest wait that the other side may ask for with Retry-After.
pub const NOTIFY_RETRY_AFTER_MAX: std::time::Duration = std::time::Duration::from_secs(3600);
/// Times that a command may fail with one message before that is a dead letter.
pub const NOTIFY_COMMAND_TRIES_MAX: u32 = 5;
/// Events that a notifier looks at at once.
pub const NOTIFY_EVENTS_MAX: usize = 1000;
/// How far back a notifier that nothing is known of begins.
pub const NOTIFY_LOOKS_BACK: std::time::Duration = std::time::Duration::from_secs(3600);

const _: () = assert!(NOTIFY_WAITING_MAX <= NOTIFY_CASES_MAX);
