//! The tables. The first columns of the two public ones and their indexes are what other programs rely on; what
//! follows has defaults, so that their INSERTs by column name work.

/// `dsml`: marks the file as ours (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i64 = 0x6473_6d6c;
/// `PRAGMA user_version`; goes up whenever the tables or the meaning of a column change.
pub(super) const SCHEMA_VERSION: i64 = 1;

/// Goes up when the bytes of snapshots change their meaning without the crate's version changing.
const SNAPSHOT_FORMAT: u32 = 3;

/// `layer` of raw events: 3 is `L3_IN`, 4 is `L4_IN`. `root` is NULL for an event that is its own. A NULL `format` or a
/// NULL `root` of an output marks a row that another program inserted: it never was on the log and is never read as an
/// event. `attributes`: how `payload` is to be read, and 8 where the sender has named the source, see `rows::attribute_form`. `arrival` and `believed`: microseconds
/// since the epoch, NULL in rows of versions that did not keep them. `provenance`: where it was read, see `event::Provenance`.
const RAW_EVENTS: &str = "CREATE TABLE IF NOT EXISTS raw_events_fast (
    ts REAL NOT NULL, source TEXT NOT NULL, compartment TEXT NOT NULL, payload BLOB NOT NULL,
    id INTEGER PRIMARY KEY, layer INTEGER NOT NULL DEFAULT 3, root INTEGER, format TEXT,
    attributes INTEGER NOT NULL DEFAULT 0, arrival INTEGER, believed INTEGER, provenance TEXT)";
/// `producer` of SOC events: 50 is fusion, 51 and up the devices.
const MODEL_OUTPUTS: &str = "CREATE TABLE IF NOT EXISTS model_outputs_fast (
    ts REAL NOT NULL, layer INTEGER NOT NULL, model TEXT NOT NULL, input_ref TEXT, output_json TEXT NOT NULL, score REAL,
    id INTEGER PRIMARY KEY, root INTEGER, producer INTEGER NOT NULL DEFAULT 50, arrival INTEGER, believed INTEGER)";
/// SHRINK samples and ticks.
const CONTROL_EVENTS: &str = "CREATE TABLE IF NOT EXISTS control_events_fast (
    id INTEGER PRIMARY KEY, ts REAL NOT NULL, stream TEXT NOT NULL, root INTEGER, body_json TEXT NOT NULL,
    arrival INTEGER, believed INTEGER)";
/// Several letters may carry one id, so the order of arrival is the key; `digest` makes a repeated commit harmless.
const DEAD_LETTERS: &str = "CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER NOT NULL, stream TEXT NOT NULL, reason TEXT NOT NULL, payload BLOB NOT NULL,
    number INTEGER PRIMARY KEY AUTOINCREMENT, kept_at REAL NOT NULL DEFAULT (unixepoch('subsec')),
    digest BLOB UNIQUE)";

/// Which entries of streams outside the events of one transaction were, for the archive: `keys` is a list of 32 bytes
/// each, see `taken::pack`. `first` and `last` are the ids of the transaction's events.
const TAKEN_ENTRIES: &str = "CREATE TABLE IF NOT EXISTS taken_entries (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, stream TEXT NOT NULL, keys BLOB NOT NULL)";

macro_rules! added {
    ($table:literal, $column:literal, $kind:literal) => {
        (
            concat!("SELECT count(*) FROM pragma_table_info('", $table, "') WHERE name = '", $column, "'"),
            concat!("ALTER TABLE ", $table, " ADD COLUMN ", $column, " ", $kind),
        )
    };
}

/// Makes what is missing; changes nothing that is there.
pub(super) const CREATE: [&str; 10] = [
    RAW_EVENTS,
    MODEL_OUTPUTS,
    CONTROL_EVENTS,
    DEAD_LETTERS,
    TAKEN_ENTRIES,
    "CREATE INDEX IF NOT EXISTS idx_raw_events_fast_ts ON raw_events_fast(ts)",
    "CREATE INDEX IF NOT EXISTS idx_model_outputs_fast_layer_ts ON model_outputs_fast(layer, ts)",
    "CREATE TABLE IF NOT EXISTS cursors (consumer TEXT PRIMARY KEY, id INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS positions (source TEXT PRIMARY KEY, position TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS snapshots (
        consumer TEXT PRIMARY KEY, version TEXT NOT NULL, cursor INTEGER NOT NULL, state BLOB NOT NULL)",
];

/// For each column that an earlier version did not have: whether it is there, and the statement that adds it. One by one, for
/// the process may end in between.
pub(super) const ADDED: [(&str, &str); 7] = [
    added!("raw_events_fast", "arrival", "INTEGER"),
    added!("raw_events_fast", "believed", "INTEGER"),
    added!("model_outputs_fast", "arrival", "INTEGER"),
    added!("model_outputs_fast", "believed", "INTEGER"),
    added!("control_events_fast", "arrival", "INTEGER"),
    added!("control_events_fast", "believed", "INTEGER"),
    added!("raw_events_fast", "provenance", "TEXT"),
];

/// For each table of events: how many ids are beyond `?1`, their copy to the dead letters with the reason `?2`, their
/// removal. Rows of other programs, which never are events, are left alone.
pub(super) const BEYOND: [(&str, &str, &str); 3] = [
    (
        "SELECT count(*) FROM raw_events_fast WHERE id > ?1 AND format IS NOT NULL",
        "INSERT INTO dead_letters(id, stream, reason, payload)
            SELECT id, 'raw_events_fast', ?2, payload FROM raw_events_fast WHERE id > ?1 AND format IS NOT NULL",
        "DELETE FROM raw_events_fast WHERE id > ?1 AND format IS NOT NULL",
    ),
    (
        "SELECT count(*) FROM model_outputs_fast WHERE id > ?1 AND root IS NOT NULL",
        "INSERT INTO dead_letters(id, stream, reason, payload)
            SELECT id, 'model_outputs_fast', ?2, CAST(output_json AS BLOB)
            FROM model_outputs_fast WHERE id > ?1 AND root IS NOT NULL",
        "DELETE FROM model_outputs_fast WHERE id > ?1 AND root IS NOT NULL",
    ),
    (
        "SELECT count(*) FROM control_events_fast WHERE id > ?1",
        "INSERT INTO dead_letters(id, stream, reason, payload)
            SELECT id, 'control_events_fast', ?2, CAST(body_json AS BLOB) FROM control_events_fast WHERE id > ?1",
        "DELETE FROM control_events_fast WHERE id > ?1",
    ),
];

/// The newest id on the log. Rows of other programs are left out: one with the largest possible id would end the log.
macro_rules! newest_event {
    () => {
        "max(ifnull((SELECT id FROM raw_events_fast WHERE format IS NOT NULL ORDER BY id DESC LIMIT 1), 0),
             ifnull((SELECT id FROM model_outputs_fast WHERE root IS NOT NULL ORDER BY id DESC LIMIT 1), 0),
             ifnull((SELECT max(id) FROM control_events_fast), 0))"
    };
}

/// The oldest id on the log.
pub(super) const OLDEST: &str = "SELECT min(id) FROM (
    SELECT * FROM (SELECT id FROM raw_events_fast WHERE format IS NOT NULL ORDER BY id LIMIT 1) UNION ALL
    SELECT * FROM (SELECT id FROM model_outputs_fast WHERE root IS NOT NULL ORDER BY id LIMIT 1) UNION ALL
    SELECT min(id) FROM control_events_fast)";

/// The newest id on the log or of a cursor.
pub(super) const NEWEST: &str = concat!("SELECT max(", newest_event!(), ", ifnull((SELECT max(id) FROM cursors), 0))");
/// Cursors beyond `?1` stand at the end of the log.
pub(super) const CURSORS_TO_NEWEST: &str = concat!("UPDATE cursors SET id = ", newest_event!(), " WHERE id > ?1");

/// For a file too large to be checked as a whole at every start.
pub(super) const CHECK_SMALL_TABLES: [&str; 4] = [
    "PRAGMA quick_check('cursors')",
    "PRAGMA quick_check('positions')",
    "PRAGMA quick_check('snapshots')",
    "PRAGMA quick_check('dead_letters')",
];

/// Deletes the events up to an id.
pub(super) const DELETE_THROUGH: [&str; 4] = [
    "DELETE FROM raw_events_fast WHERE id <= ?",
    "DELETE FROM model_outputs_fast WHERE id <= ?",
    "DELETE FROM control_events_fast WHERE id <= ?",
    "DELETE FROM taken_entries WHERE last <= ?",
];

/// The columns of one event, whichever table it comes from: see `rows::Stored`. `?3` to `?6` are the masks of
/// `masks::Masks`. A table whose mask is empty is not read.
macro_rules! select_events {
    ($range:literal, $rest:literal) => {
        concat!(
            "SELECT id, ts, root, attributes << 16 | layer AS form, payload AS body, source, compartment, format, \
             arrival, believed, provenance \
             FROM raw_events_fast WHERE ",
            $range,
            " AND ?3 <> 0 AND format IS NOT NULL AND (?3 >> layer) & 1 \
             UNION ALL \
             SELECT id, ts, root, 1 << 8 | layer, output_json, NULL, NULL, NULL, arrival, believed, NULL \
             FROM model_outputs_fast WHERE ",
            $range,
            " AND ?4 <> 0 AND root IS NOT NULL AND (?4 >> layer) & 1 AND (layer <> 8 OR (?5 >> (producer - 50)) & 1) \
             UNION ALL \
             SELECT id, ts, root, 2 << 8 | (stream = 'TICK'), body_json, NULL, NULL, NULL, arrival, believed, NULL \
             FROM control_events_fast WHERE ",
            $range,
            " AND ?6 <> 0 AND (?6 >> (stream = 'TICK')) & 1 ",
            $rest
        )
    };
}

/// Events with `?1 < id <= ?2` in log order, at most `?7`.
pub(super) const SELECT_RANGE: &str = select_events!("id > ?1 AND id <= ?2", "ORDER BY id LIMIT ?7");
/// The same from the newest to the oldest.
pub(super) const SELECT_BACK: &str = select_events!("id > ?1 AND id <= ?2", "ORDER BY id DESC LIMIT ?7");
/// The event with the id `?1` (`?2` is the same).
pub(super) const SELECT_ONE: &str = select_events!("id = ?1 AND id = ?2", "LIMIT 1");

/// How many events have `?1 < id <= ?2`; the masks are those of `select_events`. A table whose mask is empty is not
/// read.
pub(super) const COUNT_RANGE: &str = "SELECT
    (SELECT count(*) FROM raw_events_fast
     WHERE ?3 <> 0 AND id > ?1 AND id <= ?2 AND format IS NOT NULL AND (?3 >> layer) & 1)
    + (SELECT count(*) FROM model_outputs_fast
       WHERE ?4 <> 0 AND id > ?1 AND id <= ?2 AND root IS NOT NULL AND (?4 >> layer) & 1
         AND (layer <> 8 OR (?5 >> (producer - 50)) & 1))
    + (SELECT count(*) FROM control_events_fast
       WHERE ?6 <> 0 AND id > ?1 AND id <= ?2 AND (?6 >> (stream = 'TICK')) & 1)";

/// Snapshots of another version are not read: a stage's state may have another shape there.
pub(super) fn snapshot_version() -> String {
    format!("{}/{SNAPSHOT_FORMAT}", env!("CARGO_PKG_VERSION"))
}
