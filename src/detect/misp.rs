//! MISP: events as they are exported, the results of searches, and the manifest of a feed.

use serde_json::Value;

use super::indicator_item::{Item, Taken, Terms};
use super::indicator_types::observables;
use super::stix_bundle::read_pattern;
use crate::limits::MISP_FEED_EVENTS_MAX;

/// Whether this is what [`read`] reads.
pub fn is_events(json: &Value) -> bool {
    json.get("Event").is_some() || json.get("response").is_some()
}

/// Calls `take` with the number of each attribute (from 1) and what it gives.
pub fn read(json: &Value, mut take: impl FnMut(u32, Taken)) {
    let mut attributes = Vec::new();
    gather(json, 0, &mut attributes);
    for (attribute, line) in attributes.into_iter().zip(1..) {
        read_attribute(attribute, |taken| take(line, taken));
    }
}

/// `{"Event": {"Attribute": […], "Object": [{"Attribute": […]}]}}`, alone, in a list, or in a `response`.
fn gather<'a>(json: &'a Value, depth: u32, attributes: &mut Vec<&'a Value>) {
    const DEPTH_MAX: u32 = 6;
    if depth > DEPTH_MAX {
        return;
    }
    match json {
        Value::Array(list) => list.iter().for_each(|part| gather(part, depth + 1, attributes)),
        Value::Object(map) => {
            attributes.extend(map.get("Attribute").and_then(Value::as_array).into_iter().flatten());
            for key in ["response", "Event", "Object"] {
                map.get(key).into_iter().for_each(|part| gather(part, depth + 1, attributes));
            }
        }
        _ => {}
    }
}

fn read_attribute(attribute: &Value, mut take: impl FnMut(Taken)) {
    let text = |key: &str| attribute.get(key).and_then(Value::as_str).unwrap_or_default();
    let is = |key: &str| match attribute.get(key) {
        Some(Value::Bool(is)) => *is,
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        Some(Value::String(text)) => is_yes(text),
        _ => false,
    };
    if is("deleted") {
        return take(Ok(Item::LeftOut("are deleted")));
    }
    // JA4 has no type of its own, only a place in an object.
    let kind = if text("object_relation").starts_with("ja4") { "ja4" } else { text("type") };
    read_value(kind, text("value"), is("to_ids"), take);
}

/// What a value of this type gives; `is_for_detection` is `to_ids`.
pub fn read_value(kind: &str, value: &str, is_for_detection: bool, mut take: impl FnMut(Taken)) {
    if !is_for_detection {
        return take(Ok(Item::LeftOut("are not meant for detection (`to_ids`)")));
    }
    if kind == "stix2-pattern" {
        return read_pattern(value, None, &Terms::default(), take);
    }
    match observables(kind, value) {
        None => take(Ok(Item::LeftOut("are of types that lines are not searched for"))),
        Some(Err(problem)) => take(Err(problem)),
        Some(Ok(values)) => values.into_iter().for_each(|value| take(Ok(Item::Value(value, Terms::default())))),
    }
}

/// How MISP writes that something is so in CSV.
pub fn is_yes(text: &str) -> bool {
    text == "1" || text.eq_ignore_ascii_case("true")
}

/// The files of the events that the manifest of a feed names; they lie beside it. `None` where this is no manifest.
///
/// # Errors
/// There are more events than are read.
pub fn manifest(content: &str) -> Option<Result<Vec<String>, String>> {
    let content = content.trim_start_matches('\u{feff}').trim_start();
    if !content.starts_with('{') {
        return None;
    }
    let map: serde_json::Map<String, Value> = serde_json::from_str(content).ok()?;
    let is_event = |(id, about): (&String, &Value)| {
        id.len() == 36
            && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            && about.get("info").is_some()
            && about.get("timestamp").is_some()
    };
    if map.is_empty() || !map.iter().all(is_event) {
        return None;
    }
    if map.len() > MISP_FEED_EVENTS_MAX {
        return Some(Err(format!("the feed has {} events, more than {MISP_FEED_EVENTS_MAX}", map.len())));
    }
    Some(Ok(map.into_iter().map(|(id, _)| format!("{id}.json")).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_of_events_and_of_their_objects_are_read_and_what_is_left_out_is_said() {
        let attribute = |kind: &str, value: &str, to_ids: bool| json!({"type": kind, "value": value, "to_ids": to_ids});
        let event = json!({"Event": {
            "info": "x",
            "Attribute": [
                attribute("ip-dst|port", "203.0.113.9|443", true),
                attribute("domain", "allowed.example", false),
                attribute("comment", "203.0.113.1", true),
                attribute("stix2-pattern", "[file:name LIKE 'x%']", true),
                {"type": "domain", "value": "gone.example", "to_ids": true, "deleted": true},
                attribute("domain", "no name", true),
            ],
            "Object": [{"name": "file", "Attribute": [
                attribute("sha1", "abababababababababababababababababababab", true),
                {"type": "text", "object_relation": "ja4-fingerprint", "value": "t13d1516h2_8daaf6152771_02713d6af862", "to_ids": "1"},
            ]}],
        }});
        let expected = [
            "1 203.0.113.9:443",
            "2 are not meant for detection (`to_ids`)",
            "3 are of types that lines are not searched for",
            "4 [file:name LIKE 'x%']",
            "5 are deleted",
            "6 `no name` is no name",
            "7 abababababababababababababababababababab",
            "8 t13d1516h2_8daaf6152771_02713d6af862",
        ];
        for json in [json!({"response": [event]}), json!([event]), event] {
            let mut said = Vec::new();
            read(&json, |line, taken| {
                said.push(match taken {
                    Ok(Item::Value(value, _)) => format!("{line} {value}"),
                    Ok(Item::Pattern { name, .. }) => format!("{line} {}", name.replace("\\'", "'")),
                    Ok(Item::LeftOut(why)) => format!("{line} {why}"),
                    Err(problem) => format!("{line} {problem}"),
                });
            });
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn a_manifest_names_files_beside_it_and_no_others() {
        let id = "56c0cc2b-1a2c-4e5f-9d0a-0123456789ab";
        let about = json!({"info": "x", "timestamp": "1700000000"});
        let manifest_of = |id: &str| manifest(&json!({id: about}).to_string());
        assert_eq!(manifest_of(id), Some(Ok(vec![format!("{id}.json")])));
        assert_eq!(manifest_of("../../../../etc/passwd-aaaaaaaaaaaaa"), None);
        for other in ["{}", "[]", "x", r#"{"list": []}"#, r#"{"Event": {}}"#] {
            assert_eq!(manifest(other), None, "{other}");
        }
    }
}
