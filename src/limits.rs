//! Every bound of the daemon, with the relations that must hold between them.

mod detection;
mod feeds;
mod formats;
mod history;
mod http;
mod intake;
mod outlets;
mod respond;
mod silences;
mod stix;

pub use detection::*;
pub use feeds::*;
pub use formats::*;
pub use history::*;
pub use http::*;
pub use intake::*;
pub use outlets::*;
pub use respond::*;
pub use silences::*;
pub use stix::*;

/// Events that the bus keeps in memory behind the last commit, for readers that are not far behind.
pub const BUS_EVENTS_MAX: usize = 131_072;
/// Bytes of memory that they hold on to, what was read from their lines included. Sources wait when it is twice as much,
/// because what is not committed stays.
pub const BUS_BYTES_MAX: usize = 96 * 1024 * 1024;
/// Sources wait while a consumer that they must not outrun has more than this before it.
pub const IN_FLIGHT_EVENTS_MAX: usize = 32_768;
/// Bytes that wait for the hot store before sources wait too.
pub const IN_FLIGHT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// … and more than this part of `store.max_size`: what some stage has not handled cannot be removed, and the
/// transactions that record that it has wait behind the others; all of them must find room in the store.
pub const IN_FLIGHT_PART_OF_STORE: u64 = 8;
/// Smallest `daemon.memory_max`: what is in flight several times over, and the states of all stages.
pub const MEMORY_BYTES_MIN: u64 = 512 * 1024 * 1024;
/// One transaction of a source or a stage.
pub const TRANSACTION_EVENTS_MAX: usize = 1024;
/// A device that was given fewer events than this at once waits for so long before it looks for more.
pub const SMALL_BATCH_EVENTS: usize = 512;
pub const DEVICE_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);
/// Outputs of one stage for one event.
pub const OUTPUTS_PER_EVENT_MAX: usize = 16;
/// Events of one transaction of the hot store.
pub const COMMIT_EVENTS_MAX: usize = 16_384;
/// Events of one page read back from the hot store.
pub const STORE_PAGE_EVENTS_MAX: usize = 4096;
/// A stage's state is saved after this many events or this much time, whichever comes first …
pub const SNAPSHOT_EVENTS: usize = 50_000;
pub const SNAPSHOT_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
/// … after fewer than so many, such as the ticks of a daemon at rest, after that much time …
pub const SNAPSHOT_FEW_EVENTS: usize = 32;
pub const SNAPSHOT_AT_REST_EVERY: std::time::Duration = std::time::Duration::from_secs(15);
/// … but takes no larger part of the time than this, unless so many events have come: they are handled again at a start.
pub const SNAPSHOT_PART_OF_TIME: u32 = 400;
pub const SNAPSHOT_EVENTS_MAX: usize = 300_000;
/// Events that crashed a stage and are remembered for it.
pub const REMEMBERED_CRASHES_MAX: usize = 256;
/// Payload bytes after which one read of the hot store ends.
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Rows of one table that one step of the retention deletes.
pub const PRUNE_ROWS_MAX: usize = 2000;
/// Steps of one run of the retention; commits go between them.
pub const PRUNE_STEPS_MAX: usize = 64;
/// Retention runs each second, and when this part of `store.max_size` was committed since: a fast source must not fill
/// what is kept free before it looks.
pub const PRUNE_PART_OF_STORE: u64 = 32;
/// Dead letters kept; the oldest go first.
pub const DEAD_LETTERS_MAX: usize = 10_000;

/// Pieces of work that wait for a thread of a pool; then whoever hands in more waits too.
pub const POOL_JOBS_MAX: usize = 256;
/// Lines of one such piece in `replay`, and bytes after which a piece ends.
pub const REPLAY_BATCH_LINES: usize = 128;
pub const REPLAY_BATCH_BYTES: usize = LINE_BYTES_MAX;
/// Pieces that `replay` has read of all its inputs together before it needs them; each input has two at least, and the more
/// inputs there are, the smaller they are.
pub const REPLAY_AHEAD_MAX: usize = 64;
const _: () = assert!(REPLAY_AHEAD_MAX < POOL_JOBS_MAX);

/// Bytes of a file with tokens or a password, and of one with certificates or a key.
pub const SECRET_FILE_BYTES_MAX: u64 = 256 * 1024;
pub const CERTIFICATE_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of what the flat log remembers of itself, and of the file that says how far a reload is.
pub const FLAT_LOG_STATE_BYTES_MAX: u64 = 64 * 1024;
pub const RELOAD_MARK_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of the configuration file.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// Mistakes in the configuration shown at once.
pub const CONFIG_FINDINGS_MAX: usize = 100;
/// Smallest `store.max_size`: below it the hot store would throw away what its consumers have not read yet.
pub const STORE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Bytes of a name that goes into labels and keys: instance, compartment, prefix, tenant.
pub const NAME_BYTES_MAX: usize = 64;

/// The newest proposals that are listed and can be decided.
pub const PROPOSALS_MAX: usize = 1000;
/// Of a proposal that was made several times, what the earlier ones follow from is shown of so many.
pub const PROPOSAL_CAUSES_SHOWN_MAX: usize = 16;
/// Proposals that wait for room in the hour; the least severe go first.
pub const PROPOSALS_WAITING_MAX: usize = 256;
/// Addresses of this machine, its gateways and resolvers that are kept out of proposals.
pub const MACHINE_ADDRESSES_MAX: usize = 1024;
/// The newest entries of the audit log that the hot store keeps as well.
pub const AUDIT_ENTRIES_KEPT: usize = 256;
/// Characters of the note that comes with a decision.
pub const AUDIT_NOTE_CHARS_MAX: usize = 1000;
/// Bytes of one log message; what is longer is cut.
pub const LOG_MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Sources that ever had series in the metrics: others write the files that patterns find.
pub const SOURCE_SERIES_MAX: usize = 4 * FILES_MAX;
/// Things of which it is remembered what was said of them last, so that it is not said at every attempt.
pub const NOTICES_MAX: usize = 256;
/// Sources of batches that have a clock of their own; for the same reason.
pub const SOURCE_CLOCKS_MAX: usize = 256;
/// Of such a name, as far as it tells one clock from another.
pub const SOURCE_NAME_BYTES_MAX: usize = 192;
/// Ticks that are appended while the log has no room for anything else.
pub const TICKS_WITHOUT_ROOM_MAX: u32 = 600;
/// Log records waiting for journald.
pub const LOG_QUEUE_MAX: usize = 8192;

const _: () = assert!(IN_FLIGHT_EVENTS_MAX < BUS_EVENTS_MAX, "what is in flight is read from memory");
const _: () = assert!(TRANSACTION_EVENTS_MAX <= IN_FLIGHT_EVENTS_MAX);
const _: () = assert!(SNAPSHOT_FEW_EVENTS < SNAPSHOT_EVENTS && SNAPSHOT_EVENTS < SNAPSHOT_EVENTS_MAX);
const _: () =
    assert!(BUS_BYTES_MAX as u64 * 4 < MEMORY_BYTES_MIN, "the window is not what makes sources wait for memory");
const _: () =
    assert!(IN_FLIGHT_BYTES_MAX as u64 * 3 < MEMORY_BYTES_MIN, "what waits is less than what makes sources wait");
const _: () = assert!(
    TRANSACTION_EVENTS_MAX * OUTPUTS_PER_EVENT_MAX <= COMMIT_EVENTS_MAX,
    "one transaction of the log fits one of SQLite"
);
const _: () = assert!(
    REDIS_TRANSACTIONS_MAX * TRANSACTION_EVENTS_MAX < REDIS_CLAIMED_MAX,
    "what waits for the commit is remembered"
);
const _: () = assert!(REDIS_ENTRY_BYTES_MAX * 8 <= REDIS_REPLY_BYTES_MAX, "an answer holds several entries");
const _: () = assert!(ARCHIVE_BYTES_MAX < POSTGRES_MESSAGE_BYTES_MAX, "what was written can be read back");
const _: () = assert!(POSTGRES_MESSAGE_BYTES_MAX < POSTGRES_ANSWER_BYTES_MAX);
const _: () = assert!(ARCHIVE_DUPLICATES_MAX * 128 < POSTGRES_ANSWER_BYTES_MAX, "all that are remembered fit");
const _: () = assert!(2 * LINE_BYTES_MAX < REDIS_ENTRY_BYTES_MAX, "an entry holds the longest line");
const _: () = assert!(TRANSACTION_EVENTS_MAX <= REDIS_LIST_MAX && 4 * FIELDS_PER_RECORD_MAX <= REDIS_LIST_MAX);
const _: () = assert!(6 * LINE_BYTES_MAX < HTTP_LINE_BYTES_MAX && HTTP_LINE_BYTES_MAX < HTTP_BODY_BYTES_MAX);
const _: () = assert!(HTTP_BODY_BYTES_MAX * 8 <= HTTP_BODIES_BYTES_MAX, "several large requests at once");
const _: () = assert!(HTTP_CONNECTIONS_PER_PEER_MAX < HTTP_CONNECTIONS_MAX, "one peer leaves room for others");
const _: () = assert!(HTTP_LIVE_STREAMS_MAX < HTTP_CONNECTIONS_PER_PEER_MAX);
const _: () = assert!(HTTP_LIVE_STREAMS_PER_PEER_MAX < HTTP_LIVE_STREAMS_MAX, "one peer leaves room for others");
const _: () = assert!(HTTP_LOCAL_LIVE_STREAMS_PER_USER_MAX < HTTP_LOCAL_LIVE_STREAMS_MAX);
const _: () =
    assert!(HTTP_LOCAL_LIVE_STREAMS_MAX < HTTP_LOCAL_CONNECTIONS_MAX / 2, "streams leave room for other requests");
const _: () = assert!(HTTP_LIVE_STREAMS_MAX * 2 < HTTP_CONNECTIONS_MAX, "streams leave room for other requests");
const _: () = assert!(HTTP_INGEST_LINES_MAX <= IN_FLIGHT_EVENTS_MAX, "one request can be in flight as a whole");
const _: () = assert!(LOG_QUEUE_MAX * LOG_MESSAGE_BYTES_MAX <= 64 * 1024 * 1024);
const _: () =
    assert!(SYSLOG_CONNECTIONS_MAX < SYSLOG_PEERS_MAX, "there is always a peer without a connection to forget");
const _: () = assert!(SIGNATURES_MAX * 20 < LINE_BYTES_MAX, "a list of Secure Boot is one line, 17 bytes an entry");
const _: () = assert!(LINE_BYTES_MAX < FILE_CHUNK_BYTES, "a chunk holds the longest line");
const _: () = assert!(LINE_BYTES_MAX < BATCH_BYTES_MAX);
const _: () = assert!(FILE_CHUNK_BYTES as u64 <= FILE_SEARCH_BYTES_MAX && FILE_SEARCH_BYTES_MAX < FILE_POLL_BYTES_MAX);
const _: () = assert!(
    FLAT_LOG_BATCH_BYTES + JOURNAL_FIELD_BYTES_MAX * 1024 <= FLAT_LOG_WRITE_BYTES_MAX,
    "a message of newlines alone, each with the indent of a head of three names of 300 bytes"
);
const _: () = assert!(
    2 * LOKI_BATCH_BYTES_MAX + 128 * LOKI_BATCH_EVENTS_MAX <= 1024 * 1024,
    "a push of ordinary lines, quotes escaped, fits what a proxy in front of Loki takes by default (1 MiB)"
);
