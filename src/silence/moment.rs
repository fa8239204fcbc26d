//! A time as people write it and as it is stored: RFC 3339.

use serde::{Deserialize, Deserializer, Serializer, de};

use crate::event::Timestamp;
use crate::query::Moment;

/// RFC 3339, or a day or a time without a zone, which is UTC; a duration is none.
pub fn time(text: &str) -> Result<Timestamp, String> {
    match text.parse() {
        Ok(Moment::At(time)) => Ok(time),
        Ok(Moment::Ago(_)) | Err(_) => {
            let text: String = text.chars().take(64).collect();
            Err(format!("`{text}` is not a time; write one like 2026-11-18T02:00Z, or 2026-11-18 (UTC)"))
        }
    }
}

pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| time(&text).map_err(de::Error::custom)).transpose()
}
