//! Who or what an event is about.

use serde::{Deserialize, Serialize};

/// The parts that are known; the names are those of the `entity` object on `SOC_EVENTS`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The machine that logged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Entity {
    /// The name under which risk about this entity accumulates: the user where there is one, else the source address,
    /// else the host, else the process.
    pub fn key(&self) -> Option<String> {
        let of = |kind: &str, value: &Option<String>| value.as_ref().map(|value| format!("{kind}:{value}"));
        of("user", &self.user)
            .or_else(|| of("src_ip", &self.src_ip))
            .or_else(|| of("host", &self.host))
            .or_else(|| of("process", &self.process))
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parts_are_absent_from_the_wire() {
        let entity = Entity { user: Some("alice".into()), ..Entity::default() };
        assert_eq!(serde_json::to_string(&entity).unwrap(), r#"{"user":"alice"}"#);
        assert_eq!(entity.key().as_deref(), Some("user:alice"));
    }
}
