//! Every bound of the daemon, with the relations that must hold between them.

/// Longest line taken in whole; what is longer is cut here, counted, and the rest of the line skipped.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Fields kept of one line.
pub const FIELDS_PER_RECORD_MAX: usize = 256;
/// Longest name of a field, JSON paths included; fields with a longer one are left out.
pub const KEY_BYTES_MAX: usize = 256;

/// Events that the bus keeps in memory behind the last commit, for readers that are not far behind.
pub const BUS_EVENTS_MAX: usize = 131_072;
/// Sources wait while a consumer that they must not outrun has more than this before it.
pub const IN_FLIGHT_EVENTS_MAX: usize = 32_768;
/// One turn of a source or a stage.
pub const TURN_EVENTS_MAX: usize = 1024;
/// Outputs of one stage for one event.
pub const OUTPUTS_PER_EVENT_MAX: usize = 16;
/// Events of one transaction of the hot store.
pub const COMMIT_EVENTS_MAX: usize = 16_384;
/// Rows of one INSERT statement.
pub const INSERT_ROWS_MAX: usize = 500;

/// Entities, windows and groups that one detector remembers; the least recently seen go first.
pub const ENTITIES_PER_DETECTOR_MAX: usize = 10_000;
/// Accounts whose habits are learnt; each keeps some kilobytes.
pub const OPERATORS_MAX: usize = 1000;

/// Bytes read of one measurement log of the boot.
pub const BOOT_LOG_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Entries taken of one measurement log of the boot.
pub const BOOT_LOG_ENTRIES_MAX: usize = 200_000;

/// Indicators of all lists together.
pub const INDICATORS_MAX: usize = 2_000_000;
/// Bytes of one playbook that a site brings.
pub const PLAYBOOK_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of one list of indicators.
pub const INDICATOR_LIST_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Bytes of one response of SHRINK.
pub const SHRINK_RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// Values kept of one SHRINK sample.
pub const SHRINK_VALUES_MAX: usize = 256;
/// Bytes of one HTTP request.
pub const HTTP_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Events of one answer of `/api/v1/streams/…`.
pub const HTTP_PAGE_EVENTS_MAX: usize = 1000;
/// Log records waiting for journald.
pub const LOG_QUEUE_MAX: usize = 8192;

const _: () = assert!(IN_FLIGHT_EVENTS_MAX < BUS_EVENTS_MAX, "what is in flight is read from memory");
const _: () = assert!(TURN_EVENTS_MAX <= IN_FLIGHT_EVENTS_MAX);
const _: () = assert!(TURN_EVENTS_MAX * OUTPUTS_PER_EVENT_MAX <= COMMIT_EVENTS_MAX, "one turn fits one transaction");
const _: () = assert!(INSERT_ROWS_MAX * 16 < 32_766, "SQLite binds at most 32766 values in a statement");
const _: () = assert!(LINE_BYTES_MAX < HTTP_BODY_BYTES_MAX);
