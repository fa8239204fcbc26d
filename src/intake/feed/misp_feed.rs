//! The events of a MISP feed, kept as one file that holds them all. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The timestamp that the manifest has of each event, by the name of its file.
pub fn timestamps(manifest: &str) -> BTreeMap<String, String> {
    let map: Map<String, Value> =
        serde_json::from_str(manifest.trim_start_matches('\u{feff}').trim_start()).unwrap_or_default();
    map.into_iter().map(|(id, about)| (format!("{id}.json"), scalar(about.get("timestamp")))).collect()
}

/// Of what was kept: each event by the name of its file.
pub fn events_of(kept: &[u8]) -> BTreeMap<String, Value> {
    let Ok(Value::Object(mut kept)) = serde_json::from_slice(kept) else { return BTreeMap::new() };
    let Some(Value::Array(events)) = kept.remove("response") else { return BTreeMap::new() };
    let named = events.into_iter().filter_map(|event| {
        let id = event.get("Event")?.get("uuid")?.as_str()?;
        Some((format!("{id}.json"), event))
    });
    named.collect()
}

/// One event of the feed.
///
/// # Errors
/// It is no event, or another one than its name says.
pub fn event(file: &str, bytes: &[u8]) -> Result<Value, String> {
    let event: Value = serde_json::from_slice(bytes).map_err(|error| format!("{file} is not JSON ({error})"))?;
    let id = event.get("Event").and_then(|event| event.get("uuid")).and_then(Value::as_str);
    match id {
        Some(id) if file.strip_suffix(".json").is_some_and(|name| name.eq_ignore_ascii_case(id)) => Ok(event),
        Some(_) => Err(format!("{file} holds another event than its name says")),
        None => Err(format!("{file} is no MISP event")),
    }
}

/// Whether the event is as the manifest has it.
pub fn is_current(event: &Value, timestamp: &str) -> bool {
    scalar(event.get("Event").and_then(|event| event.get("timestamp"))) == timestamp
}

pub fn kept(events: BTreeMap<String, Value>) -> Vec<u8> {
    let events: Vec<Value> = events.into_values().collect();
    json!({"response": events}).to_string().into_bytes()
}

/// MISP writes times as texts and as numbers.
fn scalar(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "56c0cc2b-1a2c-4e5f-9d0a-0123456789ab";

    #[test]
    fn what_is_kept_gives_each_event_back_and_tells_which_are_current() {
        let file = format!("{ID}.json");
        let bytes = json!({"Event": {"uuid": ID, "timestamp": "7"}}).to_string();
        let one = event(&file, bytes.as_bytes()).unwrap();
        let back = events_of(&kept(BTreeMap::from([(file.clone(), one)])));
        let manifest = json!({ID: {"info": "x", "timestamp": 7}}).to_string();
        assert!(is_current(&back[&file], &timestamps(&manifest)[&file]));
        assert!(!is_current(&back[&file], "8"));
        assert!(event("other.json", bytes.as_bytes()).is_err() && event(&file, b"<html>").is_err());
    }
}
