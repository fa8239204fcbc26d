//! Durations (`"500ms"`) and sizes (`"3GiB"`) as the file writes them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration greater than zero, written like `500ms`, `10s`, `2h 30m`, `7d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub const fn get(self) -> Duration {
        self.0
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", humantime::format_duration(self.0))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = humantime::parse_duration(&text).map_err(|error| {
            de::Error::custom(format!(
                "`{text}` is not a duration ({error}); write one like \"500ms\", \"10s\" or \"7d\""
            ))
        })?;
        if duration.is_zero() {
            return Err(de::Error::custom(
                "a duration of zero is not possible here; write one like \"500ms\" or \"10s\"",
            ));
        }
        Ok(Self(duration))
    }
}

/// A size greater than zero, written like `64MiB`, `3GiB`, `500MB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

impl Bytes {
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib * 1024 * 1024)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", bytesize::ByteSize::b(self.0))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}B", self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse::<bytesize::ByteSize>() {
            Ok(size) if size.as_u64() > 0 => Ok(Self(size.as_u64())),
            _ => Err(de::Error::custom(format!("`{text}` is not a size; write one like \"64MiB\" or \"3GiB\""))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_an_operator_writes_them() {
        assert_eq!(serde_json::from_str::<Span>(r#""500ms""#).unwrap(), Span::from_millis(500));
        assert_eq!(serde_json::from_str::<Bytes>(r#""3GiB""#).unwrap(), Bytes::from_mib(3072));
    }

    #[test]
    fn a_wrong_duration_or_size_says_what_would_be_right() {
        for text in [r#""soon""#, r#""0s""#] {
            let error = serde_json::from_str::<Span>(text).unwrap_err().to_string();
            assert!(error.contains("10s"), "{error}");
        }
        assert!(serde_json::from_str::<Bytes>(r#""much""#).unwrap_err().to_string().contains("3GiB"));
    }
}
