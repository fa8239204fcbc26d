//! What programs elsewhere measure and send to `L4_IN` for the models of this daemon: the payload is a JSON object with a `kind`.
//! `examples/README.md` has each kind with its fields.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::cut_name;
pub use super::measured_error::MeasuredError;
use super::measured_flows::{self, MeasuredFlow};
use super::quote::{Quote, QuoteText};
use crate::limits::{CALLS_PER_EVENT_MAX, KEYS_PER_SAMPLE_MAX, MEASURED_ABS_MAX, METRICS_PER_EVENT_MAX};

/// A payload of a kind that is known here.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    Keystrokes(Keystrokes),
    Metrics(Metrics),
    Syscalls(Syscalls),
    Quote(Quote),
    Flows(Vec<MeasuredFlow>),
}

/// How one text was typed once. The text itself is not among it, and must not be: it may be a password.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Keystrokes {
    pub user: String,
    /// What the text is called, the same each time that it is typed.
    pub text: String,
    /// Milliseconds that each key was held.
    pub dwell_ms: Vec<f64>,
    /// Milliseconds from the release of each key to the press of the next, one fewer than keys; negative where they overlap.
    pub flight_ms: Vec<f64>,
    /// Of each key, where the device measures it.
    pub pressure: Vec<f64>,
    /// Of the finger on each key, where the device measures it.
    pub area: Vec<f64>,
}

/// System calls of one process, in their order.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Syscalls {
    /// The program that the process runs; `user` will do where that is not known.
    pub process: String,
    pub user: String,
    /// Names or numbers.
    pub calls: Vec<Call>,
}

/// Numbers of one machine at one time.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// By name.
    pub values: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Call {
    Name(String),
    Number(u32),
}

impl Measured {
    /// `None`: the payload is something else.
    ///
    /// # Errors
    /// It is of a known kind, and its fields are not those of that kind.
    pub fn read(payload: &[u8]) -> Result<Option<Self>, MeasuredError> {
        if !payload.trim_ascii_start().starts_with(b"{") {
            return Ok(None);
        }
        let Ok(value) = serde_json::from_slice::<Value>(payload) else { return Ok(None) };
        match value.get("kind").and_then(Value::as_str) {
            Some("keystrokes") => Ok(Some(Self::Keystrokes(shape::<Keystrokes>("keystrokes", value)?.checked()?))),
            Some("metrics") => Ok(Some(Self::Metrics(shape::<Metrics>("metrics", value)?.checked()?))),
            Some("syscalls") => Ok(Some(Self::Syscalls(shape::<Syscalls>("syscalls", value)?.checked()?))),
            Some("quote") => {
                let quote = shape::<QuoteText>("quote", value)?.read();
                Ok(Some(Self::Quote(quote.map_err(|why| MeasuredError::Shape("quote".to_owned(), why))?)))
            }
            Some("flows") => Ok(Some(Self::Flows(measured_flows::read(&value)?))),
            _ => Ok(None),
        }
    }
}

fn shape<Shape: serde::de::DeserializeOwned>(kind: &str, value: Value) -> Result<Shape, MeasuredError> {
    serde_json::from_value(value).map_err(|error| MeasuredError::Shape(kind.to_owned(), error.to_string()))
}

fn in_range<'a>(name: &'static str, values: impl IntoIterator<Item = &'a f64>) -> Result<(), MeasuredError> {
    let holds = values.into_iter().all(|value| value.abs() <= MEASURED_ABS_MAX);
    if holds { Ok(()) } else { Err(MeasuredError::Range(name)) }
}

fn counted(name: &'static str, is: usize, expected: usize) -> Result<(), MeasuredError> {
    if is == expected { Ok(()) } else { Err(MeasuredError::Count(name, is, expected.to_string())) }
}

impl Keystrokes {
    fn checked(self) -> Result<Self, MeasuredError> {
        if self.user.is_empty() {
            return Err(MeasuredError::Missing("user"));
        }
        let keys = self.dwell_ms.len();
        if !(2..=KEYS_PER_SAMPLE_MAX).contains(&keys) {
            return Err(MeasuredError::Count("dwell_ms", keys, format!("2 to {KEYS_PER_SAMPLE_MAX}")));
        }
        counted("flight_ms", self.flight_ms.len(), keys - 1)?;
        for (name, values) in [("pressure", &self.pressure), ("area", &self.area)] {
            if !values.is_empty() {
                counted(name, values.len(), keys)?;
            }
            in_range(name, values)?;
        }
        in_range("dwell_ms", &self.dwell_ms)?;
        in_range("flight_ms", &self.flight_ms)?;
        Ok(self)
    }
}

impl Metrics {
    fn checked(self) -> Result<Self, MeasuredError> {
        let values = self.values.len();
        if !(1..=METRICS_PER_EVENT_MAX).contains(&values) {
            return Err(MeasuredError::Count("values", values, format!("1 to {METRICS_PER_EVENT_MAX}")));
        }
        in_range("values", self.values.values())?;
        Ok(self)
    }
}

impl Syscalls {
    fn checked(self) -> Result<Self, MeasuredError> {
        if self.process.is_empty() && self.user.is_empty() {
            return Err(MeasuredError::Missing("process"));
        }
        let calls = self.calls.len();
        if !(1..=CALLS_PER_EVENT_MAX).contains(&calls) {
            return Err(MeasuredError::Count("calls", calls, format!("1 to {CALLS_PER_EVENT_MAX}")));
        }
        Ok(self)
    }

    /// Names and numbers alike, cut to what a name may have.
    pub fn names(self) -> Vec<String> {
        let name = |call| match call {
            Call::Name(name) => cut_name(name),
            Call::Number(number) => number.to_string(),
        };
        self.calls.into_iter().map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Measured>, MeasuredError> {
        Measured::read(text.as_bytes())
    }

    #[test]
    fn what_has_no_known_kind_is_something_else() {
        for text in ["", "failed login", "{", "[1]", "{\"kind\":5}", "{\"kind\":\"alert\"}", "{\"user\":\"a\"}"] {
            assert_eq!(read(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn keystrokes_have_a_user_and_a_flight_between_every_two_keys() {
        let good = r#"{"kind":"keystrokes","user":"alice","text":"login","dwell_ms":[80,90,70],"flight_ms":[120,-15]}"#;
        let Ok(Some(Measured::Keystrokes(typed))) = read(good) else { panic!("{:?}", read(good)) };
        assert_eq!((&*typed.user, &*typed.text, typed.flight_ms), ("alice", "login", vec![120.0, -15.0]));
        for (bad, says) in [
            (r#"{"kind":"keystrokes","dwell_ms":[80,90],"flight_ms":[1]}"#, "`user` is missing"),
            (r#"{"kind":"keystrokes","user":"a","dwell_ms":[80],"flight_ms":[]}"#, "`dwell_ms` has 1 values"),
            (r#"{"kind":"keystrokes","user":"a","dwell_ms":[80,90],"flight_ms":[1,2]}"#, "1 are expected"),
            (r#"{"kind":"keystrokes","user":"a","dwell_ms":[80,1e300],"flight_ms":[1]}"#, "a value of `dwell_ms`"),
            (r#"{"kind":"keystrokes","user":"a","dwell_ms":"x","flight_ms":[1]}"#, "invalid type"),
            (
                r#"{"kind":"keystrokes","user":"a","dwell_ms":[8,9],"flight_ms":[1],"area":[1]}"#,
                "`area` has 1 values; 2",
            ),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn metrics_are_numbers_by_name() {
        let good = r#"{"kind":"metrics","host":"db","values":{"load":0.5,"connections":12}}"#;
        let Ok(Some(Measured::Metrics(metrics))) = read(good) else { panic!("{:?}", read(good)) };
        assert_eq!((metrics.values.len(), metrics.values["connections"]), (2, 12.0));
        let many = (0..=METRICS_PER_EVENT_MAX).map(|number| format!("\"m{number}\":1")).collect::<Vec<_>>().join(",");
        for (bad, says) in [
            (r#"{"kind":"metrics"}"#, "`values` has 0 values; 1 to"),
            (r#"{"kind":"metrics","values":{"load":"high"}}"#, "cannot be read as that"),
            (r#"{"kind":"metrics","values":{"load":1e300}}"#, "a value of `values` is not between"),
            (&format!("{{\"kind\":\"metrics\",\"values\":{{{many}}}}}"), "1 to 64 are expected"),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn syscalls_are_names_or_numbers_of_a_process_or_user() {
        let good = r#"{"kind":"syscalls","process":"nginx","calls":["read",1,"close"]}"#;
        let Ok(Some(Measured::Syscalls(calls))) = read(good) else { panic!("{:?}", read(good)) };
        assert_eq!(calls.names(), ["read", "1", "close"]);
        for (bad, says) in [
            (r#"{"kind":"syscalls","calls":["read"]}"#, "`process` is missing"),
            (r#"{"kind":"syscalls","process":"a"}"#, "`calls` has 0 values"),
            (r#"{"kind":"syscalls","process":"a","calls":[-1]}"#, "cannot be read as that"),
            (r#"{"kind":"syscalls","process":"a","calls":"read write"}"#, "cannot be read as that"),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_quote_has_a_nonce_what_was_signed_and_a_signature() {
        let good =
            r#"{"kind":"quote","nonce":"00ff","attest":"AAAA","signature":"AAAA","registers":{"sha256":{"7":"0a"}}}"#;
        let Ok(Some(Measured::Quote(quote))) = read(good) else { panic!("{:?}", read(good)) };
        assert_eq!((quote.nonce, quote.ak), (vec![0, 255], None));
        assert_eq!(quote.registers.unwrap()["sha256"][&7], [10]);
        for (bad, says) in [
            (r#"{"kind":"quote","attest":"AAAA","signature":"AAAA"}"#, "missing field `nonce`"),
            (r#"{"kind":"quote","nonce":"","attest":"AAAA","signature":"AAAA"}"#, "`nonce` is not hexadecimal"),
            (r#"{"kind":"quote","nonce":"00","attest":"A","signature":"AAAA"}"#, "`attest` is not base64"),
            (
                r#"{"kind":"quote","nonce":"00","attest":"AAAA","signature":"AAAA","registers":{"sha1":{"x":"00"}}}"#,
                "cannot be read as that",
            ),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
