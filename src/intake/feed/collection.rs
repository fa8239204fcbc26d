//! The pages of a TAXII 2.1 collection, and the bundle that they are kept as. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// One page of objects, as sections 3.7 and 5.4 of the standard name its parts.
#[derive(Debug, Default, Deserialize)]
pub struct Envelope {
    #[serde(default)]
    pub more: bool,
    #[serde(default)]
    pub next: Option<String>,
    #[serde(default)]
    pub objects: Vec<Value>,
}

impl Envelope {
    /// # Errors
    /// It is no envelope.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("it is no TAXII envelope ({error})"))
    }
}

/// Below the API root.
pub fn path(root: &str, collection: &str) -> String {
    format!("{}/collections/{collection}/objects/", root.trim_end_matches('/'))
}

/// The objects of a bundle that was kept; none where it is no bundle.
pub fn objects_of(bundle: &[u8]) -> Vec<Value> {
    let Ok(Value::Object(mut bundle)) = serde_json::from_slice(bundle) else { return Vec::new() };
    match bundle.remove("objects") {
        Some(Value::Array(objects)) => objects,
        _ => Vec::new(),
    }
}

/// Of each id the version that was modified last, and of one modification what came last; without what is revoked. In the order
/// of the ids, so that the same objects are the same bytes.
pub fn merged(objects: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let mut newest: BTreeMap<String, (Option<jiff::Timestamp>, Value)> = BTreeMap::new();
    for object in objects {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let Some(id) = text("id").map(str::to_owned) else { continue };
        let modified = text("modified").and_then(|time| time.parse().ok());
        match newest.get(&id) {
            Some((before, _)) if *before > modified => {}
            _ => {
                newest.insert(id, (modified, object));
            }
        }
    }
    let objects = newest.into_values().map(|(_, object)| object);
    let objects: Vec<Value> = objects.filter(|object| object.get("revoked") != Some(&Value::Bool(true))).collect();
    json!({"type": "bundle", "objects": objects}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indicator(id: &str, modified: &str, name: &str) -> Value {
        json!({"type": "indicator", "id": id, "modified": modified, "pattern": format!("[domain-name:value = '{name}']")})
    }

    #[test]
    fn of_each_id_the_latest_version_is_kept_and_what_was_revoked_is_gone() {
        let old = merged([
            indicator("indicator--a", "2026-01-01T00:00:00Z", "a.example"),
            indicator("indicator--b", "2026-01-01T00:00:00Z", "b.example"),
        ]);
        let mut revoked = indicator("indicator--b", "2026-01-02T00:00:00Z", "b.example");
        revoked["revoked"] = true.into();
        let new = [
            revoked,
            indicator("indicator--a", "2026-01-01T00:00:00.5Z", "newer.example"),
            indicator("indicator--a", "2025-01-01T00:00:00Z", "older.example"),
            json!({"type": "indicator"}),
        ];
        let kept = objects_of(&merged(objects_of(&old).into_iter().chain(new)));
        assert_eq!(kept.len(), 1);
        assert!(kept[0]["pattern"].as_str().unwrap().contains("newer.example"));
        assert!(objects_of(b"not json").is_empty());
    }

    #[test]
    fn a_page_is_an_envelope_and_an_empty_one_says_that_there_is_nothing() {
        let page = Envelope::read(br#"{"more":true,"next":"2","objects":[{"id":"x"}]}"#).unwrap();
        assert_eq!((page.more, page.next.as_deref(), page.objects.len()), (true, Some("2"), 1));
        assert!(Envelope::read(b"{}").unwrap().objects.is_empty());
        assert!(Envelope::read(b"<html>").is_err());
        assert_eq!(path("https://h/api/", "c"), "https://h/api/collections/c/objects/");
    }
}
