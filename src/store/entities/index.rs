//! By what SOC events are found that are about one user, address or machine, or that say something of an incident, a proposal or a
//! silence: indexes over what their JSON says, which SQLite keeps by itself. A row that is no JSON is in none of them, and stands in
//! nobody's way.

/// What of an event is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    User,
    Host,
    SrcIp,
    DstIp,
    Process,
    Domain,
    File,
    /// The first reason of device 54, like `indicator:203.0.113.7`.
    Indicator,
    /// [`YES`] where the address is written in another way than is usual, or may be: such are few.
    UnusualSrcIp,
    UnusualDstIp,
    /// [`YES`] where incidents, proposals or silences follow from it: see [`is_told_of`](super::told::is_told_of).
    Told,
}

/// The value of a part that is there or is not.
pub const YES: &str = "yes";

/// The statements about one part.
pub(in crate::store) struct Statements {
    pub(in crate::store) create: &'static str,
    /// Events with `?1 < id <= ?2` whose part is `?3`, the newest first, at most `?4`; see `rows::Stored`.
    pub(in crate::store) newest: &'static str,
    /// The same, the oldest first.
    pub(in crate::store) oldest: &'static str,
    /// How many events have `?1`, and the oldest of them; at most `?2` are counted.
    pub(in crate::store) count: &'static str,
}

/// `value` is what SQLite computes of a row.
macro_rules! statements {
    ($name:literal, [$($value:tt)*], $only:literal) => {
        Statements {
            create: concat!(
                "CREATE INDEX IF NOT EXISTS idx_soc_", $name, " ON model_outputs_fast(", $($value)*, ") WHERE ",
                $only, " AND (", $($value)*, " IS NOT NULL)"
            ),
            newest: statements!(select [$($value)*], $only, "ORDER BY id DESC LIMIT ?4"),
            oldest: statements!(select [$($value)*], $only, "ORDER BY id LIMIT ?4"),
            count: concat!(
                "SELECT count(*), min(id) FROM (SELECT id FROM model_outputs_fast WHERE ", $only, " AND ", $($value)*,
                " = ?1 AND root IS NOT NULL ORDER BY id LIMIT ?2)"
            ),
        }
    };
    (select [$($value:tt)*], $only:literal, $order:literal) => {
        concat!(
            "SELECT id, ts, root, 1 << 8 | layer, output_json, NULL, NULL, NULL, arrival, believed, NULL \
             FROM model_outputs_fast WHERE ", $only, " AND ", $($value)*,
            " = ?3 AND id > ?1 AND id <= ?2 AND root IS NOT NULL ", $order
        )
    };
}

/// What stands at a place of the JSON.
macro_rules! at {
    ($path:literal) => {
        concat!("CASE WHEN json_valid(output_json) THEN json_extract(output_json, '", $path, "') END")
    };
}

/// An IPv6 address that may be written in another way than it is printed: with capitals, a dotted end, needless zeros, `::` for one group,
/// or as an IPv4 address in IPv6. Only the first condition is looked at of other addresses.
macro_rules! unusual {
    ($path:literal) => {
        concat!(
            "CASE WHEN json_valid(output_json) THEN CASE WHEN json_extract(output_json, '",
            $path,
            "') GLOB '*:*' \
             THEN CASE WHEN json_extract(output_json, '",
            $path,
            "') GLOB '*[A-Z.]*' \
             OR json_extract(output_json, '",
            $path,
            "') GLOB '*:0*' \
             OR json_extract(output_json, '",
            $path,
            "') GLOB '0*' \
             OR json_extract(output_json, '",
            $path,
            "') GLOB '::ffff:*' \
             OR (json_extract(output_json, '",
            $path,
            "') GLOB '*::*' \
             AND json_extract(output_json, '",
            $path,
            "') GLOB '*:*:*:*:*:*:*:*') \
             THEN 'yes' END END END"
        )
    };
}

/// What [`is_told_of`](super::told::is_told_of) takes.
macro_rules! told {
    () => {
        "CASE WHEN producer IN (52, 58, 100) THEN 'yes' WHEN json_valid(output_json) \
         THEN CASE WHEN json_extract(output_json, '$.silence_id') IS NOT NULL THEN 'yes' END END"
    };
}

const USER: Statements = statements!("user", [at!("$.entity.user")], "layer = 8");
const HOST: Statements = statements!("host", [at!("$.entity.host")], "layer = 8");
const SRC_IP: Statements = statements!("src_ip", [at!("$.entity.src_ip")], "layer = 8");
const DST_IP: Statements = statements!("dst_ip", [at!("$.entity.dst_ip")], "layer = 8");
const PROCESS: Statements = statements!("process", [at!("$.entity.process")], "layer = 8");
const DOMAIN: Statements = statements!("domain", [at!("$.entity.domain")], "layer = 8");
const FILE: Statements = statements!("file", [at!("$.entity.file")], "layer = 8");
const INDICATOR: Statements = statements!("indicator", [at!("$.reasons[0]")], "layer = 8 AND producer = 54");
const UNUSUAL_SRC_IP: Statements = statements!("unusual_src_ip", [unusual!("$.entity.src_ip")], "layer = 8");
const UNUSUAL_DST_IP: Statements = statements!("unusual_dst_ip", [unusual!("$.entity.dst_ip")], "layer = 8");
const TOLD: Statements = statements!("told", [told!()], "layer = 8");

/// The statements that make the indexes.
pub(in crate::store) const CREATE: [&str; 11] = [
    USER.create,
    HOST.create,
    SRC_IP.create,
    DST_IP.create,
    PROCESS.create,
    DOMAIN.create,
    FILE.create,
    INDICATOR.create,
    UNUSUAL_SRC_IP.create,
    UNUSUAL_DST_IP.create,
    TOLD.create,
];

impl Part {
    pub(in crate::store) fn statements(self) -> &'static Statements {
        match self {
            Self::User => &USER,
            Self::Host => &HOST,
            Self::SrcIp => &SRC_IP,
            Self::DstIp => &DST_IP,
            Self::Process => &PROCESS,
            Self::Domain => &DOMAIN,
            Self::File => &FILE,
            Self::Indicator => &INDICATOR,
            Self::UnusualSrcIp => &UNUSUAL_SRC_IP,
            Self::UnusualDstIp => &UNUSUAL_DST_IP,
            Self::Told => &TOLD,
        }
    }
}
