//! What an event log of measured boot says of the keys that the machine trusts at its start, as facts of the source `boot`.

use serde_json::{Value, json};

use crate::detect::efi_variable::signatures;
use crate::detect::tcg_log::TcgLog;
use crate::event::hex;

/// Keys and digests by which Secure Boot decides.
pub const LISTS: [&str; 4] = ["PK", "KEK", "db", "dbx"];

pub fn facts(log: &TcgLog) -> Vec<Value> {
    let lists = log.policy().filter_map(|variable| {
        let name = LISTS.into_iter().find(|name| *name == variable.name)?;
        Some(list(name, variable.value))
    });
    let mut facts: Vec<Value> = lists.collect();
    facts.extend(log.owner_lists().map(|(name, digest)| {
        json!({ "boot": "owner_list", "state": "measured", "list": name, "value": hex::encode(digest), "message": format!("{name} measured") })
    }));
    if log.shim_is_off() {
        facts.push(json!({ "boot": "shim", "state": "off", "message": "shim does not check what it starts" }));
    }
    facts
}

/// The value of one such variable.
pub fn list(name: &str, value: &[u8]) -> Value {
    match signatures(value) {
        Ok(entries) => {
            let message = format!("{name}: {} entries", entries.len());
            let entries = entries.into_iter().collect::<Vec<_>>().join(" ");
            json!({ "boot": "signatures", "state": "measured", "list": name, "entries": entries, "message": message })
        }
        Err(error) => {
            let message = format!("{name} cannot be compared with that of the last boot: {error}");
            json!({ "boot": "signatures", "state": "unreadable", "list": name, "message": message })
        }
    }
}
