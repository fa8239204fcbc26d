//! By what SOC events are found that are about one user, address or machine: indexes over what their JSON says, which SQLite keeps by
//! itself. A row that is no JSON is in none of them, and stands in nobody's way.

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
}

/// The statements about one part.
pub(in crate::store) struct Statements {
    pub(in crate::store) create: &'static str,
    /// Events with `?1 < id <= ?2` whose part is `?3`, the newest first, at most `?4`; see `rows::Stored`.
    pub(in crate::store) newest: &'static str,
    /// How many events have `?1`, and the oldest of them; at most `?2` are counted.
    pub(in crate::store) count: &'static str,
}

macro_rules! statements {
    ($name:literal, $path:literal, $only:literal) => {
        Statements {
            create: concat!(
                "CREATE INDEX IF NOT EXISTS idx_soc_",
                $name,
                " ON model_outputs_fast(CASE WHEN json_valid(output_json) \
                 THEN json_extract(output_json, '",
                $path,
                "') END) WHERE ",
                $only,
                " AND (CASE WHEN json_valid(output_json) THEN json_extract(output_json, '",
                $path,
                "') END IS NOT NULL)"
            ),
            newest: concat!(
                "SELECT id, ts, root, 1 << 8 | layer, output_json, NULL, NULL, NULL, arrival, believed, NULL \
                 FROM model_outputs_fast WHERE ",
                $only,
                " AND CASE WHEN json_valid(output_json) \
                 THEN json_extract(output_json, '",
                $path,
                "') END = ?3 AND id > ?1 AND id <= ?2 AND root IS NOT NULL \
                 ORDER BY id DESC LIMIT ?4"
            ),
            count: concat!(
                "SELECT count(*), min(id) FROM (SELECT id FROM model_outputs_fast WHERE ",
                $only,
                " AND CASE WHEN json_valid(output_json) THEN json_extract(output_json, '",
                $path,
                "') END = ?1 \
                 AND root IS NOT NULL ORDER BY id LIMIT ?2)"
            ),
        }
    };
}

const USER: Statements = statements!("user", "$.entity.user", "layer = 8");
const HOST: Statements = statements!("host", "$.entity.host", "layer = 8");
const SRC_IP: Statements = statements!("src_ip", "$.entity.src_ip", "layer = 8");
const DST_IP: Statements = statements!("dst_ip", "$.entity.dst_ip", "layer = 8");
const PROCESS: Statements = statements!("process", "$.entity.process", "layer = 8");
const DOMAIN: Statements = statements!("domain", "$.entity.domain", "layer = 8");
const FILE: Statements = statements!("file", "$.entity.file", "layer = 8");
const INDICATOR: Statements = statements!("indicator", "$.reasons[0]", "layer = 8 AND producer = 54");

/// The statements that make the indexes.
pub(in crate::store) const CREATE: [&str; 8] = [
    USER.create,
    HOST.create,
    SRC_IP.create,
    DST_IP.create,
    PROCESS.create,
    DOMAIN.create,
    FILE.create,
    INDICATOR.create,
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
        }
    }
}
