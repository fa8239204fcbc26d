//! An event as the API shows it.

use serde_json::{Map, Value, json};

use crate::event::{Event, wire};

/// What the line's sender named `id` or `stream` does not replace ours.
pub fn event_json(event: &Event) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), json!(event.id));
    object.insert("stream".into(), json!(event.stream));
    if let Value::Object(fields) = wire::to_json(event) {
        for (key, value) in fields {
            object.entry(key).or_insert(value);
        }
    }
    Value::Object(object)
}
