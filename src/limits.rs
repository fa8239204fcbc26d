//! Every bound of the daemon, with the relations that must hold between them.

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

/// Files of formats, and bytes of one.
pub const FORMAT_FILES_MAX: usize = 4096;
pub const FORMAT_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of one template.
pub const FORMAT_TEMPLATE_BYTES_MAX: usize = 4096;
/// Optional parts and alternatives within each other.
pub const FORMAT_NESTING_MAX: usize = 3;
/// Plain sequences that the optional parts and alternatives of one template make.
pub const FORMAT_EXPANSIONS_MAX: usize = 256;
/// Fields of one template.
pub const FORMAT_FIELDS_MAX: usize = 64;
/// Steps of the search for all readings of one message; a message that needs more is ambiguous. A step takes some 10 ns: a
/// node, a way on or a place of a text that was searched for is one.
pub const FORMAT_STEPS_MAX: u32 = 1000;
/// Steps that it takes to search for a text, and to read a field that has one end.
pub const FORMAT_STEPS_PER_SEARCH: usize = 3;
/// Steps that it takes to compare a reading with the others.
pub const FORMAT_STEPS_PER_READING: usize = 10;
/// Bytes that free text is searched for one step.
pub const FORMAT_BYTES_PER_STEP: usize = 256;
/// From so many fields on, a place in the templates knows which of them can begin with a byte.
pub const FORMAT_DISPATCH_FROM: usize = 4;
/// Different shapes of lines without a template that `formats coverage` tells apart.
pub const FORMAT_SHAPES_MAX: usize = 20_000;

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

/// Lines of the flat log are written when there are so many bytes of them, or no more come at once.
pub const FLAT_LOG_BATCH_BYTES: usize = 256 * 1024;
/// No write of the flat log is longer: tabs become eight spaces, and every line of a message gets the indent of its
/// head.
pub const FLAT_LOG_WRITE_BYTES_MAX: usize = 128 * 1024 * 1024;

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
/// Outputs of one stage for one event.
pub const OUTPUTS_PER_EVENT_MAX: usize = 16;
/// Events of one transaction of the hot store.
pub const COMMIT_EVENTS_MAX: usize = 16_384;
/// Events of one page read back from the hot store.
pub const STORE_PAGE_EVENTS_MAX: usize = 4096;
/// A stage's state is saved after this many events or this much time, whichever comes first.
pub const SNAPSHOT_EVENTS_MAX: usize = 50_000;
pub const SNAPSHOT_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
/// Events that crashed a stage and are remembered for it.
pub const REMEMBERED_CRASHES_MAX: usize = 256;
/// Rows of one INSERT statement.
pub const INSERT_ROWS_MAX: usize = 500;
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

/// Entities, windows and groups that one detector remembers; the least recently seen go first.
pub const ENTITIES_PER_DETECTOR_MAX: usize = 10_000;
/// Addresses of one header that proxies pass on, read from the right.
pub const PROXY_HOPS_MAX: usize = 32;
/// Lines that may be about one attempt to log in, and bytes kept of how each begins.
pub const LINES_PER_ATTEMPT_MAX: usize = 8;
pub const LINE_BEGINNING_BYTES_MAX: usize = 64;
/// Attempts to log in that one session may take back.
pub const ATTEMPTS_PER_SESSION_MAX: usize = 32;
/// Events of one window of the rate detectors.
pub const BURST_EVENTS_MAX: usize = 64;
/// Different values remembered of one entity.
pub const HABITS_PER_ENTITY_MAX: usize = 128;
/// Reasons, and techniques, remembered and named with one decision.
pub const REASONS_MAX: usize = 16;
/// Characters of a summary.
pub const SUMMARY_CHARS_MAX: usize = 240;

/// Scenarios of one configuration.
pub const SCENARIOS_MAX: usize = 512;
/// Groups of one scenario that are counted exactly; the rest is in a sketch.
pub const SCENARIO_GROUPS_MAX: usize = 4096;
/// And of all scenarios: with more than 64 of them, each has fewer.
pub const SCENARIO_GROUPS_ALL_MAX: usize = 64 * SCENARIO_GROUPS_MAX;
const _: () =
    assert!(SCENARIO_GROUPS_ALL_MAX / SCENARIOS_MAX >= 256, "a group is not forgotten before its second line");
/// Scenarios that have a sketch of the groups that had to go, 1 MiB each, and half of one for sources that were too many; of those
/// after them in the order of ids such a group is forgotten.
pub const SCENARIO_SKETCHES_MAX: usize = 64;
/// Lines remembered of one group, and the largest count that can be asked for.
pub const SCENARIO_OBSERVATIONS_MAX: usize = 256;
/// Of a group of many sources, those that are named because they have most of its count.
pub const SCENARIO_SOURCES_NAMED_MAX: usize = 16;
/// Alarms of Layer 4 that were reported and whose end will be.
pub const ALARMS_GOING_ON_MAX: usize = 1024;
/// So many who do the same within an hour are reported each for itself; the others as one campaign. The few: of those of whom that says
/// little that is not said elsewhere, or whose names anybody can write.
pub const CAMPAIGN_SINGLE_MAX: usize = 32;
pub const CAMPAIGN_SINGLE_FEW_MAX: usize = 8;
/// Members of one campaign that are named.
pub const CAMPAIGN_MEMBERS_MAX: usize = 256;
/// The longest time that a scenario looks back.
pub const SCENARIO_TIMESPAN_MAX: std::time::Duration = std::time::Duration::from_secs(31 * 24 * 3600);

/// Bytes of each part of a request that are looked at for attacks.
pub const WEB_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of one rule file, files of one configuration, and bytes that the regular expressions of a set of rules take.
pub const RULE_FILE_BYTES_MAX: u64 = 1024 * 1024;
pub const RULE_FILES_MAX: usize = 20_000;
pub const RULE_PATTERNS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Good samples of SHRINK that fusion can look back on.
pub const SHRINK_SAMPLES_MAX: usize = 64;

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
/// Bytes of a name that goes into labels and keys: instance, compartment, prefix, tenant.
pub const NAME_BYTES_MAX: usize = 64;
/// Accounts whose habits are learnt; each keeps some kilobytes.
pub const OPERATORS_MAX: usize = 1000;

/// Indicators of all lists together.
pub const INDICATORS_MAX: usize = 2_000_000;
/// Bytes of one playbook that a site brings.
pub const PLAYBOOK_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of one list of indicators.
pub const INDICATOR_LIST_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Lines behind the first of one record of a DNS zone in parentheses: more are an end that is missing.
pub const ZONE_RECORD_LINES_MAX: u32 = 64;
/// Bytes read, and entries taken, of one measurement log of the boot.
pub const BOOT_LOG_BYTES_MAX: usize = 16 * 1024 * 1024;
pub const BOOT_LOG_ENTRIES_MAX: usize = 200_000;

/// Bytes of one response of SHRINK.
pub const SHRINK_RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// Values kept of one SHRINK sample.
pub const SHRINK_VALUES_MAX: usize = 256;
/// Names of SHRINK values that have a metric, as long as the process runs; values of others are counted and stay on the log.
pub const SHRINK_NAMES_MAX: usize = 256;
/// Bytes of the name of a SHRINK value.
pub const SHRINK_NAME_BYTES_MAX: usize = 64;
/// Events of one batch for Redis, and its bytes beyond the first: more gains nothing and keeps other clients of Redis waiting.
pub const MIRROR_BATCH_EVENTS_MAX: usize = 1000;
pub const MIRROR_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
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
/// Bytes of one HTTP request, and events of one answer.
pub const HTTP_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
pub const HTTP_PAGE_EVENTS_MAX: usize = 1000;
/// Open HTTP connections, and those of one address, or of one /64 of IPv6; for a further one the longest idle is closed.
pub const HTTP_CONNECTIONS_MAX: usize = 256;
pub const HTTP_CONNECTIONS_PER_PEER_MAX: usize = 128;
/// Connections beside them when all are busy: for health, readiness and metrics.
pub const HTTP_CONNECTIONS_RESERVE: usize = 32;
/// Bytes of the head of a request, and about as many of an answer that wait for the client to take them.
pub const HTTP_BUFFER_BYTES: usize = 64 * 1024;
/// Open event streams, and those from one address; the rest of the connections stays free for scrapes and questions.
pub const HTTP_LIVE_STREAMS_MAX: usize = 64;
pub const HTTP_LIVE_STREAMS_PER_PEER_MAX: usize = 32;
/// Event streams open at once on the Unix socket, beside those of the network; and those of one user.
pub const HTTP_LOCAL_LIVE_STREAMS_MAX: usize = 16;
pub const HTTP_LOCAL_LIVE_STREAMS_PER_USER_MAX: usize = 8;
/// Bytes of bodies with events in memory at once; half of it from one address, and half as many on the Unix socket.
pub const HTTP_BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one line of a request with events: the longest payload, escaped, and its attributes.
pub const HTTP_LINE_BYTES_MAX: usize = 512 * 1024;
/// Bytes of lines, and lines, of a request that are turned into events at once.
pub const HTTP_PORTION_BYTES_MAX: usize = 64 * 1024;
pub const HTTP_PORTION_LINES_MAX: usize = 64;
/// About as many bytes of an answer are made at once; the rest is read when the client has taken them.
pub const HTTP_CHUNK_BYTES: usize = 128 * 1024;
/// Chunks of answers that are made at the same time.
pub const HTTP_CHUNKS_MAX: usize = 8;
/// Lines of one request with events.
pub const HTTP_INGEST_LINES_MAX: usize = 32_768;
/// Connections to the Unix socket.
pub const HTTP_LOCAL_CONNECTIONS_MAX: usize = 64;
/// Peers whose wrong tokens are remembered.
pub const HTTP_PEERS_MAX: usize = 1024;
/// Bytes of a token that cannot be guessed.
pub const HTTP_TOKEN_BYTES_MIN: usize = 16;
/// Lines of the tokens file.
pub const HTTP_TOKENS_MAX: usize = 256;
/// Bytes of a filter of events, its terms and values, and how deep its parentheses are.
pub const FILTER_BYTES_MAX: usize = 4096;
pub const FILTER_TERMS_MAX: usize = 128;
pub const FILTER_DEPTH_MAX: usize = 32;
/// Events that one answer of `/api/v1/events` looks through; the next one goes on from there.
pub const EVENTS_SEARCHED_MAX: usize = 20_000;
/// Steps followed from an event back to its line.
pub const EXPLAIN_STEPS_MAX: usize = 32;
/// The newest proposals that are listed and can be decided.
pub const PROPOSALS_MAX: usize = 1000;
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
/// Events of one write to standard output.
pub const STDOUT_EVENTS_MAX: usize = 1000;
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
const _: () = assert!(INSERT_ROWS_MAX * 16 < 32_766, "SQLite binds at most 32766 values in a statement");
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
