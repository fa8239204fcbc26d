//! The words for whether something succeeded.

use serde::{Deserialize, Deserializer, Serializer};

/// Empty where it is not known.
pub fn name(outcome: Option<bool>) -> &'static str {
    match outcome {
        Some(true) => "success",
        Some(false) => "failure",
        None => "",
    }
}

pub fn named(name: &str) -> Option<bool> {
    match name {
        "success" => Some(true),
        "failure" => Some(false),
        _ => None,
    }
}

pub fn serialize<S: Serializer>(outcome: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name(*outcome))
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(named(&String::deserialize(deserializer)?))
}
