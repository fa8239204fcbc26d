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

const NAME_BYTES_MAX: usize = 256;
const PATH_BYTES_MAX: usize = 4096;
/// Of what tells texts apart that were cut.
const DIGEST_CHARS: usize = 16;

/// A name that somebody outside gives to something, cut like those of an [`Entity`].
#[must_use]
pub fn cut_name(mut name: String) -> String {
    cut(&mut name, NAME_BYTES_MAX);
    name
}

fn cut(text: &mut String, bytes_max: usize) {
    const MARK: char = '…';
    if text.len() <= bytes_max {
        return;
    }
    let digest = blake3::hash(text.as_bytes()).to_hex();
    text.truncate(text.floor_char_boundary(bytes_max - DIGEST_CHARS - MARK.len_utf8()));
    text.push(MARK);
    text.extend(digest.chars().take(DIGEST_CHARS));
}

impl Entity {
    /// The name under which risk about this entity accumulates: the user where there is one, else the source address,
    /// else the host, else the process.
    pub fn key(&self) -> Option<String> {
        let of = |kind: &str, value: &Option<String>| value.as_ref().map(|value| [kind, ":", value].concat());
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

    /// Cuts what is longer than the name of any user, machine or domain, or than any path: who writes a line chooses how long they
    /// are, and they are remembered. What was cut stays different from what begins like it.
    #[must_use]
    pub fn cut(mut self) -> Self {
        let Self { user, host, src_ip, dst_ip, dst_port: _, process, domain, file } = &mut self;
        [user, host, src_ip, dst_ip, domain].into_iter().flatten().for_each(|name| cut(name, NAME_BYTES_MAX));
        [process, file].into_iter().flatten().for_each(|path| cut(path, PATH_BYTES_MAX));
        self
    }

    /// Bytes of all its texts.
    pub fn text_bytes(&self) -> usize {
        let Self { user, host, src_ip, dst_ip, dst_port: _, process, domain, file } = self;
        [user, host, src_ip, dst_ip, process, domain, file].into_iter().flatten().map(String::len).sum()
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

    fn of_user(user: String) -> Entity {
        Entity { user: Some(user), ..Entity::default() }.cut()
    }

    #[test]
    fn a_name_is_no_longer_than_names_are_and_stays_different_from_others_that_begin_like_it() {
        let [one, two] = ["1", "2"].map(|end| of_user("é".repeat(30_000) + end));
        assert_ne!(one, two);
        assert_eq!(one, of_user("é".repeat(30_000) + "1"));
        assert!((250..=256).contains(&one.text_bytes()) && one.user.as_ref().unwrap().starts_with("éé"), "{one:?}");
        assert_eq!(one.clone().cut(), one, "cut once");
        assert_eq!(of_user("u".repeat(256)).user, Some("u".repeat(256)));
    }

    #[test]
    fn a_path_keeps_its_end() {
        let path = format!("/{}/xmrig", "d/".repeat(2000));
        let entity = Entity { process: Some(path.clone()), file: Some("f".repeat(70_000)), ..Entity::default() }.cut();
        assert_eq!((entity.process, entity.file.map(|file| file.len())), (Some(path), Some(4096)));
    }
}
