//! What sources read: lines, files, the journal, syslog, SHRINK, streams of Redis.

/// Longest line taken in whole; what is longer is cut here, counted, and the rest of the line skipped.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Fields kept of one line.
pub const FIELDS_PER_RECORD_MAX: usize = 256;
/// Bytes of a name that a sender gives to its source or its compartment: as long as a path may be.
pub const SENDER_NAME_BYTES_MAX: usize = 4096;
/// Longest name of a field, JSON paths included; fields with a longer one are left out.
pub const KEY_BYTES_MAX: usize = 256;

/// Layers taken off one line: a container runtime, a shipper, a header, an object.
pub const ENVELOPES_MAX: usize = 5;
/// A line that says that it stands for others counts no more often than this.
pub const REPEATED_MAX: u32 = 1000;

/// Bytes of earlier lines that a file's later lines are read with, for each record.
pub const CONTEXT_BYTES_MAX: usize = 16 * 1024;
/// Hosts of one file whose last line is remembered.
pub const CONTEXT_HOSTS_MAX: usize = 8;
/// Records of one file that may have further pieces.
pub const CONTEXT_RECORDS_MAX: usize = 32;

/// Lines behind the first one of a record; a longer record goes on in lines of their own. Its bytes are those of one line.
pub const MULTILINE_LINES_MAX: usize = 1000;
/// A record that may go on waits so long for its next line.
pub const MULTILINE_WAIT_MAX: std::time::Duration = std::time::Duration::from_millis(500);
/// Bytes at the beginning of a file that tell it from another one.
pub const FINGERPRINT_BYTES_MAX: usize = 1024;
/// Bytes read from a file in one go.
pub const FILE_CHUNK_BYTES: usize = 256 * 1024;
/// Bytes read from all files in one poll; what is left waits for the next.
pub const FILE_POLL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Of them, bytes read of one path to find its next line; then the others go on without it.
pub const FILE_SEARCH_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of payload in one batch of a source.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Files followed at once, over all patterns.
pub const FILES_MAX: usize = 1024;
/// Rotated files still read beside the current one, for each path.
pub const ROTATED_FILES_MAX: usize = 64;
/// Window that unpacking a rotated file may take, and files of one source that are unpacked at once with such a window.
pub const UNPACK_WINDOW_BYTES_MAX: u64 = 128 * 1024 * 1024;
pub const UNPACKERS_MAX: usize = 2;
/// A packed file that gives more than this, and so many times more than its own size, is a bomb and no log.
pub const UNPACKED_FREE_BYTES: u64 = 16 * 1024 * 1024;
pub const UNPACKED_RATIO_MAX: u64 = 500;
/// Bytes of holes in one packed file.
pub const UNPACKED_HOLE_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Rotated files of one path that are compared with what is remembered of it.
pub const GENERATIONS_MAX: usize = 1024;
/// Names looked at in one directory.
pub const DIRECTORY_ENTRIES_MAX: usize = 100_000;
/// Bytes kept of one journal field; what is longer is cut here.
pub const JOURNAL_FIELD_BYTES_MAX: usize = LINE_BYTES_MAX;
/// Bytes kept of one journal entry; fields past it are left out and counted.
pub const JOURNAL_ENTRY_BYTES_MAX: usize = 4 * LINE_BYTES_MAX;

/// Connections to one listener for syslog.
pub const SYSLOG_CONNECTIONS_MAX: usize = 256;
/// Peers of one listener of which it is known how much they have sent.
pub const SYSLOG_PEERS_MAX: usize = 1024;
/// Bytes read from one connection in one go.
pub const SYSLOG_READ_BYTES: usize = 64 * 1024;
/// Bytes of one response of SHRINK.
pub const SHRINK_RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// Values kept of one SHRINK sample.
pub const SHRINK_VALUES_MAX: usize = 256;
/// Names of SHRINK values that have a metric, as long as the process runs; values of others are counted and stay on the log.
pub const SHRINK_NAMES_MAX: usize = 256;
/// Bytes of the name of a SHRINK value.
pub const SHRINK_NAME_BYTES_MAX: usize = 64;
/// Transactions of one ingested stream that wait for the commit; then its reader waits too.
pub const REDIS_TRANSACTIONS_MAX: usize = 16;
/// Bytes of one entry of an ingested stream; a larger one is a dead letter.
pub const REDIS_ENTRY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one text of an answer of Redis; of a longer one only its length is held.
pub const REDIS_TEXT_BYTES_MAX: usize = REDIS_ENTRY_BYTES_MAX;
/// Bytes of texts held of one answer; what is left out is asked for again. It is held twice while it is decoded.
pub const REDIS_REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Elements of one list of an answer, of which only its length is held if it is longer; and of all its lists.
pub const REDIS_LIST_MAX: usize = 16 * 1024;
pub const REDIS_ELEMENTS_MAX: usize = 128 * 1024;
/// Lists within each other; Redis itself nests at most six. They are decoded on the stack.
pub const REDIS_DEPTH_MAX: usize = 16;
/// Nodes of a cluster that one question is passed on to.
pub const REDIS_MOVES_MAX: usize = 5;
/// Entries taken over from other consumers of which it is remembered that they were.
pub const REDIS_CLAIMED_MAX: usize = 20_000;
/// Bytes that an event keeps of where it was read.
pub const PROVENANCE_BYTES_MAX: usize = 8 * 1024;
