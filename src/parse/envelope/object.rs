//! A JSON object that somebody else may have written into.
//!
//! An application that puts a client's text into its line as it is lets the client close the text and write a key of its own. Of a key
//! that an object has twice nobody can tell who has written which, and readers differ in which they take. Where one of them is an
//! address, neither is: nobody is named rather than whom the client chose.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// A value whose objects are without addresses that are given twice; of any other key that is, the last counts.
pub struct Untwisted(pub Value);

impl<'de> Deserialize<'de> for Untwisted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Untwisted(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let Untwisted(value) = entries.next_value()?;
            match object.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(value);
                }
                Entry::Occupied(mut known) => {
                    let is_twisted = *known.get() != value && (is_address(known.get()) || is_address(&value));
                    known.insert(if is_twisted { Value::Null } else { value });
                }
            }
        }
        Ok(Value::Object(object))
    }
}

fn is_address(value: &Value) -> bool {
    let is_one = |text: &str| text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    value.as_str().is_some_and(|text| is_one(text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str::<Untwisted>(text).unwrap().0
    }

    #[test]
    fn an_address_that_is_given_twice_is_none_and_any_other_key_is_what_it_was_last() {
        for text in [
            r#"{"ip":"192.0.2.1","user":"x","ip":"203.0.113.6"}"#,
            r#"{"ip":"192.0.2.1","ip":"x","user":"x"}"#,
            r#"{"ip":"x","ip":"192.0.2.1","user":"x"}"#,
            r#"{"ip":"192.0.2.1:5","ip":"203.0.113.6:5","user":"x"}"#,
            r#"{"ip":"192.0.2.1","ip":"203.0.113.6","ip":"192.0.2.1","user":"x"}"#,
            r#"{"ip":"192.0.2.1","ip":"203.0.113.6","user":"x","ip":"192.0.2.1"}"#,
        ] {
            assert_eq!(read(text), serde_json::json!({"ip": null, "user": "x"}), "{text}");
        }
        let nested = r#"{"a":{"ip":"192.0.2.1","ip":"::1"},"b":[{"ip":"::1","ip":"::1"}],"n":1,"n":2}"#;
        assert_eq!(read(nested), serde_json::json!({"a": {"ip": null}, "b": [{"ip": "::1"}], "n": 2}));
    }

    #[test]
    fn any_value_is_read_as_it_is() {
        let text = r#"{"z":[1,-2,2.5,18446744073709551615,true,null,"\u00e9\n"],"a":{"b":{}},"e":[]}"#;
        assert_eq!(read(text), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(
            serde_json::to_string(&read(text)).unwrap(),
            serde_json::from_str::<Value>(text).unwrap().to_string()
        );
        assert!(serde_json::from_str::<Untwisted>(&"[".repeat(100_000)).is_err());
    }
}
