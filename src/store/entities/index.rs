//! By what SOC events are found that are about one user, address or machine, or that say something of an incident, a proposal or a
//! silence: a table beside them, with an index for each part. It is written with the events, from what they are made of: SQLite would have
//! to read each one's JSON for each of as many indexes over that.

use crate::store::batch::insert::{Table, table};

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

pub(in crate::store) const TABLE_NAME: &str = "soc_about";

/// A row for each SOC event that has any part.
pub(in crate::store) const TABLE: &str = "CREATE TABLE IF NOT EXISTS soc_about (
    id INTEGER PRIMARY KEY, user TEXT, host TEXT, src_ip TEXT, dst_ip TEXT, process TEXT, domain TEXT, file TEXT,
    indicator TEXT, unusual_src_ip TEXT, unusual_dst_ip TEXT, told TEXT)";

/// The columns as in [`About`](super::about::About), behind the id.
pub(in crate::store) const INSERT: Table = table!(
    "soc_about (id, user, host, src_ip, dst_ip, process, domain, file, indicator, unusual_src_ip, unusual_dst_ip, told)",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

/// With the events up to an id.
pub(in crate::store) const DELETE_THROUGH: &str = "DELETE FROM soc_about WHERE id <= ?";
/// With those beyond one.
pub(in crate::store) const DELETE_BEYOND: &str = "DELETE FROM soc_about WHERE id > ?";

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

macro_rules! statements {
    ($column:literal) => {
        Statements {
            create: concat!(
                "CREATE INDEX IF NOT EXISTS idx_soc_about_", $column, " ON soc_about(", $column, ") WHERE (",
                $column, " IS NOT NULL)"
            ),
            newest: statements!(select $column, "ORDER BY about.id DESC LIMIT ?4"),
            oldest: statements!(select $column, "ORDER BY about.id LIMIT ?4"),
            count: concat!(
                "SELECT count(*), min(id) FROM (SELECT id FROM soc_about WHERE ", $column, " = ?1 ORDER BY id LIMIT ?2)"
            ),
        }
    };
    // What there is about it is read first (CROSS JOIN), and is in the order of ids already.
    (select $column:literal, $order:literal) => {
        concat!(
            "SELECT event.id, event.ts, event.root, 1 << 8 | event.layer, event.output_json, NULL, NULL, NULL, \
             event.arrival, event.believed, NULL \
             FROM soc_about AS about CROSS JOIN model_outputs_fast AS event ON event.id = about.id \
             WHERE about.", $column, " = ?3 AND about.id > ?1 AND about.id <= ?2 \
             AND event.layer = 8 AND event.root IS NOT NULL ", $order
        )
    };
}

const USER: Statements = statements!("user");
const HOST: Statements = statements!("host");
const SRC_IP: Statements = statements!("src_ip");
const DST_IP: Statements = statements!("dst_ip");
const PROCESS: Statements = statements!("process");
const DOMAIN: Statements = statements!("domain");
const FILE: Statements = statements!("file");
const INDICATOR: Statements = statements!("indicator");
const UNUSUAL_SRC_IP: Statements = statements!("unusual_src_ip");
const UNUSUAL_DST_IP: Statements = statements!("unusual_dst_ip");
const TOLD: Statements = statements!("told");

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
