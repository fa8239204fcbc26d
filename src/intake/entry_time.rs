//! The time that an entry names.

use serde_json::Value;

use crate::event::Timestamp;

#[derive(Debug, thiserror::Error)]
#[error("`ts` is {0}, which is neither epoch seconds nor RFC 3339 between 1970 and 2248; leave it out for the arrival")]
pub struct NotATime(String);

/// Epoch seconds or RFC 3339; absent or empty: `arrival`.
///
/// # Errors
/// It is something else.
pub fn time(value: Option<Value>, arrival: Timestamp) -> Result<Timestamp, NotATime> {
    let read = match &value {
        None | Some(Value::Null) => return Ok(arrival),
        Some(Value::String(text)) if text.is_empty() => return Ok(arrival),
        Some(Value::Number(seconds)) => seconds.as_f64().and_then(Timestamp::from_seconds),
        Some(Value::String(text)) => match text.parse::<f64>() {
            Ok(seconds) => Timestamp::from_seconds(seconds),
            Err(_) => rfc_3339(text),
        },
        Some(_) => None,
    };
    read.ok_or_else(|| NotATime(value.map(|value| value.to_string().chars().take(64).collect()).unwrap_or_default()))
}

fn rfc_3339(text: &str) -> Option<Timestamp> {
    let micros = text.parse::<jiff::Timestamp>().ok()?.as_microsecond();
    let time = Timestamp::from_micros(micros);
    (time.micros() == micros).then_some(time)
}
