//! The tables in Postgres, and every statement on them that has a fixed text.

/// A table that is partitioned by day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    RawEvents,
    ModelOutputs,
    ControlEvents,
    DeadLetters,
}

impl Table {
    pub const ALL: [Self; 4] = [Self::RawEvents, Self::ModelOutputs, Self::ControlEvents, Self::DeadLetters];

    pub const fn name(self) -> &'static str {
        match self {
            Self::RawEvents => "raw_events_fast",
            Self::ModelOutputs => "model_outputs_fast",
            Self::ControlEvents => "control_events_fast",
            Self::DeadLetters => "dead_letters",
        }
    }
}

macro_rules! select_soc {
    () => {
        "SELECT id, ts - ts_shift * 1e-6, root, 1::bigint << 8 | layer::bigint, convert_to(output_json, 'UTF8'),
            NULL::text, NULL::text, NULL::text, arrival, believed, NULL::text
         FROM model_outputs_fast WHERE instance = $1 AND layer = 8 AND id > $2 AND id <= $3 "
    };
}

/// Each step once, in order, whatever daemon comes first. A step that has been released never changes.
///
/// The columns are those of the hot store and `instance`, `ts_shift` (microseconds that were added to `ts` because the
/// key was taken). JSON is TEXT: JSONB changes numbers and refuses `\u0000`, which senders can write.
pub const MIGRATIONS: [&str; 6] = [
    "
CREATE TABLE raw_events_fast (
    ts DOUBLE PRECISION NOT NULL, source TEXT NOT NULL, compartment TEXT NOT NULL, payload BYTEA NOT NULL,
    id BIGINT NOT NULL, layer SMALLINT NOT NULL, root BIGINT, format TEXT NOT NULL, attributes SMALLINT NOT NULL,
    instance TEXT NOT NULL, ts_shift INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE raw_events_fast_default PARTITION OF raw_events_fast DEFAULT;
CREATE INDEX idx_raw_events_fast_ts ON raw_events_fast (ts);
CREATE TABLE model_outputs_fast (
    ts DOUBLE PRECISION NOT NULL, layer SMALLINT NOT NULL, model TEXT NOT NULL, input_ref TEXT,
    output_json TEXT NOT NULL, score DOUBLE PRECISION, id BIGINT NOT NULL, root BIGINT NOT NULL,
    producer SMALLINT NOT NULL, instance TEXT NOT NULL, ts_shift INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE model_outputs_fast_default PARTITION OF model_outputs_fast DEFAULT;
CREATE INDEX idx_model_outputs_fast_layer_ts ON model_outputs_fast (layer, ts);
CREATE TABLE control_events_fast (
    id BIGINT NOT NULL, ts DOUBLE PRECISION NOT NULL, stream TEXT NOT NULL, root BIGINT, body_json TEXT NOT NULL,
    instance TEXT NOT NULL, ts_shift INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE control_events_fast_default PARTITION OF control_events_fast DEFAULT;
CREATE TABLE dead_letters (
    id BIGINT NOT NULL, stream TEXT NOT NULL, reason TEXT NOT NULL, payload BYTEA NOT NULL,
    ts DOUBLE PRECISION NOT NULL, digest BYTEA NOT NULL, instance TEXT NOT NULL,
    ts_shift INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE dead_letters_default PARTITION OF dead_letters DEFAULT;
CREATE TABLE dsmil_archive_state (
    instance TEXT PRIMARY KEY, rows_through BIGINT NOT NULL, letters_through BIGINT NOT NULL,
    checkpoint BIGINT, cursors TEXT, positions TEXT, changed_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE dsmil_archive_snapshots (
    instance TEXT NOT NULL, consumer TEXT NOT NULL, version TEXT NOT NULL, cursor BIGINT NOT NULL, state BYTEA NOT NULL,
    PRIMARY KEY (instance, consumer));
",
    "
CREATE TABLE dsmil_archive_entries (
    stream TEXT NOT NULL, ms BIGINT NOT NULL, n BIGINT NOT NULL, content BIGINT NOT NULL,
    instance TEXT NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (ms, n, content, stream));
CREATE INDEX idx_dsmil_archive_entries_id ON dsmil_archive_entries USING brin (id);
CREATE TABLE dsmil_archive_duplicates (
    instance TEXT NOT NULL, id BIGINT NOT NULL, of_instance TEXT NOT NULL, of_id BIGINT NOT NULL,
    PRIMARY KEY (instance, id));
",
    "
ALTER TABLE raw_events_fast ADD COLUMN arrival BIGINT, ADD COLUMN believed BIGINT;
ALTER TABLE model_outputs_fast ADD COLUMN arrival BIGINT, ADD COLUMN believed BIGINT;
ALTER TABLE control_events_fast ADD COLUMN arrival BIGINT, ADD COLUMN believed BIGINT;
",
    "
CREATE TABLE dsmil_audit_heads (
    instance TEXT NOT NULL, lines BIGINT NOT NULL, hash TEXT NOT NULL, archived_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (instance, lines));
",
    "
ALTER TABLE raw_events_fast ADD COLUMN provenance TEXT;
",
    // Days that are there already are left as they are: reading them all takes longer than a daemon can wait.
    "
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM model_outputs_fast) THEN
        CREATE INDEX idx_model_outputs_fast_soc ON ONLY model_outputs_fast (instance, id) WHERE layer = 8;
    ELSE
        CREATE INDEX idx_model_outputs_fast_soc ON model_outputs_fast (instance, id) WHERE layer = 8;
    END IF;
END $$;
",
];

/// Held by the one who changes tables.
pub const LOCK_TABLES: &str = "SELECT pg_advisory_xact_lock(hashtext('dsmil_archive tables'))";
/// Held as long as an instance is connected: two daemons of one name would undo each other's state.
pub const LOCK_INSTANCE: &str = "SELECT pg_try_advisory_lock(hashtext('dsmil_archive instance'), hashtext($1))";
pub const CREATE_VERSION: &str = "CREATE TABLE IF NOT EXISTS dsmil_archive_schema (version INTEGER NOT NULL)";
pub const READ_VERSION: &str = "SELECT max(version) FROM dsmil_archive_schema";
pub const HAS_VERSION: &str = "SELECT to_regclass('dsmil_archive_schema') IS NOT NULL";
pub const WRITE_VERSION: &str = "INSERT INTO dsmil_archive_schema VALUES ($1)";
pub const PARTITIONS: &str = "SELECT child.relname::text FROM pg_inherits
    JOIN pg_class child ON child.oid = pg_inherits.inhrelid WHERE pg_inherits.inhparent = $1::regclass";

pub const READ_STATE: &str = "SELECT rows_through, letters_through, checkpoint, cursors, positions
    FROM dsmil_archive_state WHERE instance = $1";
pub const WRITE_ROWS_THROUGH: &str = "INSERT INTO dsmil_archive_state (instance, rows_through, letters_through)
    VALUES ($1, $2, $3) ON CONFLICT (instance) DO UPDATE SET rows_through = $2, letters_through = $3, changed_at = now()";
pub const WRITE_CHECKPOINT: &str = "UPDATE dsmil_archive_state SET checkpoint = $2, cursors = $3, positions = $4
    WHERE instance = $1";
pub const FORGET_CHECKPOINT: &str = "UPDATE dsmil_archive_state SET checkpoint = NULL, cursors = NULL, positions = NULL
    WHERE instance = $1 AND checkpoint IS NOT NULL";
pub const WRITE_SNAPSHOT: &str = "INSERT INTO dsmil_archive_snapshots (instance, consumer, version, cursor, state)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (instance, consumer) DO UPDATE SET version = $3, cursor = $4, state = $5";
pub const READ_SNAPSHOTS: &str =
    "SELECT consumer, version, cursor, state FROM dsmil_archive_snapshots WHERE instance = $1";

pub const INSERT_HEAD: &str =
    "INSERT INTO dsmil_audit_heads (instance, lines, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
pub const NEWEST_HEAD: &str =
    "SELECT lines, hash FROM dsmil_audit_heads WHERE instance = $1 ORDER BY lines DESC LIMIT 1";

/// What a restore takes back: rows of transactions that the checkpoint does not know. Entries that another daemon has
/// taken since and left out because of these rows do not come here again: what was made of them stays.
pub const DELETE_AFTER: [&str; 5] = [
    "DELETE FROM raw_events_fast t WHERE id > $2 AND instance = $1 AND NOT EXISTS
        (SELECT 1 FROM dsmil_archive_duplicates d WHERE d.of_instance = $1 AND d.of_id = t.id)",
    "DELETE FROM model_outputs_fast t WHERE id > $2 AND instance = $1 AND NOT EXISTS
        (SELECT 1 FROM dsmil_archive_duplicates d WHERE d.of_instance = $1 AND d.of_id = t.root)",
    "DELETE FROM control_events_fast WHERE id > $2 AND instance = $1",
    "DELETE FROM dsmil_archive_entries t WHERE id > $2 AND instance = $1 AND NOT EXISTS
        (SELECT 1 FROM dsmil_archive_duplicates d WHERE d.of_instance = $1 AND d.of_id = t.id)",
    "DELETE FROM dsmil_archive_duplicates WHERE id > $2 AND instance = $1",
];

/// Each entry belongs to the event that is archived first, whichever daemon made it. In order of the key, so that two
/// daemons with the same entries never wait for each other.
pub const CLAIM_ENTRIES: &str = "INSERT INTO dsmil_archive_entries (stream, ms, n, content, id, instance)
    SELECT u.stream, u.ms, u.n, u.content, u.id, $1
    FROM unnest($2::text[], $3::int8[], $4::int8[], $5::int8[], $6::int8[]) AS u(stream, ms, n, content, id)
    ORDER BY u.ms, u.n, u.content, u.stream ON CONFLICT DO NOTHING";
/// The events whose entries belong to others.
pub const NOTE_DUPLICATES: &str = "INSERT INTO dsmil_archive_duplicates (instance, id, of_instance, of_id)
    SELECT $1, u.id, e.instance, e.id
    FROM unnest($2::text[], $3::int8[], $4::int8[], $5::int8[], $6::int8[]) AS u(stream, ms, n, content, id)
    JOIN dsmil_archive_entries e USING (ms, n, content, stream) WHERE (e.instance, e.id) <> ($1, u.id)
    ON CONFLICT DO NOTHING";
pub const READ_DUPLICATES: &str =
    "SELECT id FROM dsmil_archive_duplicates WHERE instance = $1 AND id >= $2 ORDER BY id DESC LIMIT $3";
pub const FORGET_ENTRIES: [&str; 2] =
    ["DELETE FROM dsmil_archive_entries WHERE id < $1", "DELETE FROM dsmil_archive_duplicates WHERE id < $1"];
/// Letters stay: they were written with the checkpoint. A new store numbers its own from 1.
pub const TAKE_BACK: &str = "UPDATE dsmil_archive_state SET rows_through = $2, letters_through = 0 WHERE instance = $1";
/// The columns of the hot store's `Stored`, for ids with `$2 < id <= $3`.
pub const SELECT_RANGE: &str = "SELECT id, ts - ts_shift * 1e-6 AS ts, root, attributes::bigint << 16 | layer::bigint AS form,
        payload AS body, source, compartment, format, arrival, believed, provenance
    FROM raw_events_fast WHERE instance = $1 AND id > $2 AND id <= $3
    UNION ALL
    SELECT id, ts - ts_shift * 1e-6, root, 1::bigint << 8 | layer::bigint, convert_to(output_json, 'UTF8'), NULL, NULL, NULL, arrival, believed, NULL
    FROM model_outputs_fast WHERE instance = $1 AND id > $2 AND id <= $3
    UNION ALL
    SELECT id, ts - ts_shift * 1e-6, root, 2::bigint << 8 | (stream = 'TICK')::int, convert_to(body_json, 'UTF8'), NULL, NULL, NULL, arrival, believed, NULL
    FROM control_events_fast WHERE instance = $1 AND id > $2 AND id <= $3
    ORDER BY id LIMIT $4";

/// SOC events with `$2 < id <= $3`, the newest first, at most `$4`, as [`SELECT_RANGE`] has them.
pub const SOC_NEWEST: &str = concat!(select_soc!(), "ORDER BY id DESC LIMIT $4");
/// The same, the oldest first.
pub const SOC_OLDEST: &str = concat!(select_soc!(), "ORDER BY id LIMIT $4");

/// The event with the id `$2`, as [`SELECT_RANGE`] has it.
pub const SELECT_ONE: &str = "SELECT id, ts - ts_shift * 1e-6 AS ts, root, attributes::bigint << 16 | layer::bigint AS form,
        payload AS body, source, compartment, format, arrival, believed, provenance
    FROM raw_events_fast WHERE instance = $1 AND id = $2
    UNION ALL
    SELECT id, ts - ts_shift * 1e-6, root, 1::bigint << 8 | layer::bigint, convert_to(output_json, 'UTF8'), NULL, NULL, NULL, arrival, believed, NULL
    FROM model_outputs_fast WHERE instance = $1 AND id = $2
    UNION ALL
    SELECT id, ts - ts_shift * 1e-6, root, 2::bigint << 8 | (stream = 'TICK')::int, convert_to(body_json, 'UTF8'), NULL, NULL, NULL, arrival, believed, NULL
    FROM control_events_fast WHERE instance = $1 AND id = $2
    LIMIT 1";

/// The columns as [`Copied`](super::copied::Copied) has them.
pub const COPY_RAW: &str =
    "COPY raw_events_fast (ts, id, source, compartment, payload, layer, root, format, attributes, arrival,
    believed, provenance, instance) FROM STDIN (FORMAT binary)";
pub const COPY_OUTPUTS: &str =
    "COPY model_outputs_fast (ts, id, layer, model, input_ref, output_json, score, root, producer, arrival,
    believed, instance) FROM STDIN (FORMAT binary)";

/// An INSERT of a whole batch, the same for rows whose key is taken, and how many rows are not there.
///
/// `$1` is the instance, `$2` the shift; the arrays follow. A row counts as there when this instance has it under any
/// shift.
#[derive(Debug, Clone, Copy)]
pub struct Insert {
    pub all: &'static str,
    pub missing_shifted: &'static str,
    pub count_missing: &'static str,
}

macro_rules! insert {
    ($table:literal, $columns:literal, $values:literal, $arrays:literal, $same:literal) => {
        Insert {
            all: concat!(
                "INSERT INTO ",
                $table,
                " (instance, ts_shift, ts, id, ",
                $columns,
                ") SELECT $1, $2, u.ts, u.id, ",
                $values,
                " FROM unnest(",
                $arrays,
                ") AS u(ts, id, ",
                $columns,
                ") ON CONFLICT DO NOTHING"
            ),
            missing_shifted: concat!(
                "INSERT INTO ",
                $table,
                " (instance, ts_shift, ts, id, ",
                $columns,
                ") SELECT $1, $2, u.ts + $2 * 1e-6, u.id, ",
                $values,
                " FROM unnest(",
                $arrays,
                ") AS u(ts, id, ",
                $columns,
                ") WHERE NOT EXISTS (SELECT 1 FROM ",
                $table,
                " t WHERE t.id = u.id AND t.instance = $1 ",
                "AND t.ts BETWEEN u.ts AND u.ts + 0.002",
                $same,
                ") ON CONFLICT DO NOTHING"
            ),
            count_missing: concat!(
                "SELECT count(*) FROM unnest(",
                $arrays,
                ") AS u(ts, id, ",
                $columns,
                ") WHERE $2 >= 0 AND NOT EXISTS (SELECT 1 FROM ",
                $table,
                " t WHERE t.id = u.id AND t.instance = $1 AND t.ts BETWEEN u.ts AND u.ts + 0.002",
                $same,
                ")"
            ),
        }
    };
}

pub const INSERT_RAW: Insert = insert!(
    "raw_events_fast",
    "source, compartment, payload, layer, root, format, attributes, arrival, believed, provenance",
    "u.source, u.compartment, u.payload, u.layer, u.root, u.format, u.attributes, u.arrival, u.believed, u.provenance",
    "$3::float8[], $4::int8[], $5::text[], $6::text[], $7::bytea[], $8::int2[], $9::int8[], $10::text[], $11::int2[], $12::int8[], $13::int8[], $14::text[]",
    ""
);
pub const INSERT_OUTPUTS: Insert = insert!(
    "model_outputs_fast",
    "layer, model, input_ref, output_json, score, root, producer, arrival, believed",
    "u.layer, u.model, u.input_ref, u.output_json, u.score, u.root, u.producer, u.arrival, u.believed",
    "$3::float8[], $4::int8[], $5::int2[], $6::text[], $7::text[], $8::text[], $9::float8[], $10::int8[], $11::int2[], $12::int8[], $13::int8[]",
    ""
);
pub const INSERT_CONTROL: Insert = insert!(
    "control_events_fast",
    "stream, root, body_json, arrival, believed",
    "u.stream, u.root, u.body_json, u.arrival, u.believed",
    "$3::float8[], $4::int8[], $5::text[], $6::int8[], $7::text[], $8::int8[], $9::int8[]",
    ""
);
/// Several letters may carry one id and one time.
pub const INSERT_LETTERS: Insert = insert!(
    "dead_letters",
    "stream, reason, payload, digest",
    "u.stream, u.reason, u.payload, u.digest",
    "$3::float8[], $4::int8[], $5::text[], $6::text[], $7::bytea[], $8::bytea[]",
    " AND t.digest = u.digest"
);
