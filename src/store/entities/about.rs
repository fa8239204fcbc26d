//! What a SOC event is about, as a row of its table.

use std::net::IpAddr;

use rusqlite::{Connection, Result as Sqlite, params};

use super::index::{TABLE, TABLE_NAME, YES};
use super::told::is_told_of;
use crate::event::{Body, Event, Stream};
use crate::store::batch::insert::Write;

/// The device whose first reason names an indicator.
const INTEL: u16 = 54;

/// The parts of one event, and its id.
#[derive(Debug, Default, PartialEq)]
pub struct About<'event> {
    id: i64,
    /// User, host, source, destination, process, domain, file, indicator.
    named: [Option<&'event str>; 8],
    /// Source and destination.
    unusual: [bool; 2],
    told: bool,
}

impl<'event> About<'event> {
    /// `None` for what has no part.
    pub fn of(event: &'event Event) -> Option<Self> {
        let Body::Soc(soc) = &event.body else { return None };
        if event.stream != Stream::SocEvents {
            return None;
        }
        let entity = &soc.entity;
        let indicator = soc.reasons.first().filter(|_| soc.producer() == INTEL);
        let named =
            [&entity.user, &entity.host, &entity.src_ip, &entity.dst_ip, &entity.process, &entity.domain, &entity.file];
        let [user, host, src_ip, dst_ip, process, domain, file] = named.map(|name| name.as_deref());
        let about = Self {
            named: [user, host, src_ip, dst_ip, process, domain, file, indicator.map(String::as_str)],
            unusual: [src_ip, dst_ip].map(|address| address.is_some_and(is_unusual)),
            told: is_told_of(event),
            ..Self::default()
        };
        (about != Self::default()).then_some(Self { id: event.id.packed(), ..about })
    }

    /// Gives the values of the columns of [`INSERT`](super::index::INSERT).
    pub fn write(&self, write: Write<'_>) -> Sqlite<()> {
        let [user, host, src_ip, dst_ip, process, domain, file, indicator] = self.named;
        let yes = |is_so: bool| is_so.then_some(YES);
        let [src, dst] = self.unusual.map(yes);
        let (id, told) = (self.id, yes(self.told));
        write(params![id, user, host, src_ip, dst_ip, process, domain, file, indicator, src, dst, told])
    }
}

/// An address that is not written as it is printed, such as `2001:DB8::1` or `::ffff:192.0.2.1`.
pub fn is_unusual(text: &str) -> bool {
    text.contains(':') && text.parse().is_ok_and(|address: IpAddr| address.to_canonical().to_string() != text)
}

/// What earlier versions had instead: indexes over the JSON of events.
const EARLIER: [&str; 11] = [
    "idx_soc_user",
    "idx_soc_host",
    "idx_soc_src_ip",
    "idx_soc_dst_ip",
    "idx_soc_process",
    "idx_soc_domain",
    "idx_soc_file",
    "idx_soc_indicator",
    "idx_soc_unusual_src_ip",
    "idx_soc_unusual_dst_ip",
    "idx_soc_told",
];

/// Whether an earlier version had an index of this name.
pub fn was_index(name: &str) -> bool {
    EARLIER.contains(&name)
}

/// From the JSON of the events that there are. Of an address in IPv6 it is not looked at how it is written: it may be unusual.
const FILL: &str = "INSERT INTO soc_about SELECT id, json_extract(output_json, '$.entity.user'),
    json_extract(output_json, '$.entity.host'), json_extract(output_json, '$.entity.src_ip'),
    json_extract(output_json, '$.entity.dst_ip'), json_extract(output_json, '$.entity.process'),
    json_extract(output_json, '$.entity.domain'), json_extract(output_json, '$.entity.file'),
    CASE WHEN producer = 54 THEN json_extract(output_json, '$.reasons[0]') END,
    CASE WHEN json_extract(output_json, '$.entity.src_ip') GLOB '*:*' THEN 'yes' END,
    CASE WHEN json_extract(output_json, '$.entity.dst_ip') GLOB '*:*' THEN 'yes' END,
    CASE WHEN producer IN (52, 58, 100) OR json_extract(output_json, '$.silence_id') IS NOT NULL THEN 'yes' END
    FROM model_outputs_fast WHERE layer = 8 AND root IS NOT NULL AND json_valid(output_json)";

/// Makes the table where it is missing; in a transaction. Of a store of an earlier version, what is in it is about something as well.
pub fn make_table(connection: &Connection) -> Sqlite<()> {
    if connection.table_exists(None, TABLE_NAME)? {
        return Ok(());
    }
    // Their room is needed for what takes their place.
    EARLIER.into_iter().try_for_each(|name| connection.execute_batch(&format!("DROP INDEX IF EXISTS {name}")))?;
    connection.execute_batch(TABLE)?;
    connection.execute(FILL, []).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_unusual_where_it_is_printed_in_another_way() {
        for text in ["::FFFF:c000:201", "2001:DB8::1", "2001:0db8::1", "::ffff:192.0.2.1", "1:2:3:4:5:6::8"] {
            assert!(is_unusual(text), "{text}");
        }
        for text in ["192.0.2.1", "2001:db8::1", "1:2:3:4:5:6:0:8", "fe80::1%eth0", "none", ""] {
            assert!(!is_unusual(text), "{text}");
        }
    }
}
