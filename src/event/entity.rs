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

    /// Takes over the parts that are known in `more` and not yet here.
    pub fn fill(&mut self, more: &Self) {
        let first = |mine: &mut Option<String>, other: &Option<String>| {
            if mine.is_none() {
                mine.clone_from(other);
            }
        };
        first(&mut self.user, &more.user);
        first(&mut self.host, &more.host);
        first(&mut self.src_ip, &more.src_ip);
        first(&mut self.dst_ip, &more.dst_ip);
        first(&mut self.process, &more.process);
        first(&mut self.domain, &more.domain);
        first(&mut self.file, &more.file);
        self.dst_port = self.dst_port.or(more.dst_port);
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
