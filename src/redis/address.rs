//! What `redis.url` says: where Redis is, and as whom it is asked where that is written there.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

const DEFAULT_PORT: u16 = 6379;

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Port { host: String, port: u16 },
    Socket(PathBuf),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// More than one only for a cluster, of which each knows the others.
    pub places: Vec<Place>,
    pub is_cluster: bool,
    pub is_tls: bool,
    pub username: Option<String>,
    pub password: Option<String>,
    pub database: Option<i64>,
}

impl Address {
    /// Reads `redis://USER:PASSWORD@HOST:PORT/DATABASE` with the schemes `redis`, `rediss`, `redis-cluster` and
    /// `rediss-cluster`, the latter two with further nodes as `?node=HOST:PORT&node=HOST:PORT`; and
    /// `redis+unix:///PATH?db=DATABASE&user=USER&pass=PASSWORD`. Returns what is wrong, without what is secret.
    pub fn read(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("redis.url is no URL: {error}"))?;
        let asked = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let scheme = url.scheme();
        let is_cluster = scheme.ends_with("-cluster");
        let (places, database, username, password) = if scheme == "redis+unix" {
            let path = decoded(url.path())?;
            if path.is_empty() {
                return Err("redis.url names neither a port nor a socket".to_owned());
            }
            (vec![Place::Socket(path.into())], asked("db"), asked("user"), asked("pass"))
        } else {
            let path = url.path().trim_matches('/').to_owned();
            let username = Some(decoded(url.username())?).filter(|name| !name.is_empty());
            (places(&url)?, Some(path), username, url.password().map(decoded).transpose()?)
        };
        let database = database.filter(|number| !number.is_empty()).map(|number| number.parse());
        let database = database.transpose().map_err(|_| "the database in redis.url is no number".to_owned())?;
        let database = database.filter(|number| *number != 0);
        Ok(Self { places, is_cluster, is_tls: scheme.starts_with("rediss"), username, password, database })
    }
}

fn places(url: &Url) -> Result<Vec<Place>, String> {
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => decoded(name)?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err("redis.url names no host".to_owned()),
    };
    let first = Place::Port { host, port: url.port().unwrap_or(DEFAULT_PORT) };
    let nodes = url.query_pairs().filter(|(key, _)| key == "node");
    let others = nodes.map(|(_, node)| port(&node).ok_or_else(|| format!("node={node} in redis.url is no HOST:PORT")));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn port(node: &str) -> Option<Place> {
    let (host, port) = node.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(Place::Port { host: host.to_owned(), port: port.parse().ok()? })
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| "an escape in redis.url is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Address {
        Address::read(url).unwrap()
    }

    fn port(host: &str, port: u16) -> Place {
        Place::Port { host: host.to_owned(), port }
    }

    #[test]
    fn every_kind_of_url_names_its_places() {
        let plain = read("redis://h/3");
        assert_eq!((plain.places, plain.database, plain.is_cluster), (vec![port("h", 6379)], Some(3), false));
        assert_eq!(read("redis://h").database, None);
        assert_eq!(read("redis://10.0.0.1:7").places, [port("10.0.0.1", 7)]);
        assert!(read("rediss://h").is_tls && !read("redis://h").is_tls && read("rediss-cluster://h").is_cluster);
        let cluster = read("redis-cluster://a:1?node=b:2&node=[fd00::1]:3");
        assert_eq!((cluster.places, cluster.is_cluster), (vec![port("a", 1), port("b", 2), port("fd00::1", 3)], true));
        let socket = read("redis+unix:///run/redis%20a.sock?db=2&user=u&pass=p%40ss");
        assert_eq!((socket.places, socket.database), (vec![Place::Socket("/run/redis a.sock".into())], Some(2)));
        assert_eq!((socket.username.as_deref(), socket.password.as_deref()), (Some("u"), Some("p@ss")));
    }

    #[test]
    fn a_name_and_a_password_in_the_url_may_have_any_sign() {
        let named = read("redis://us%2Fer:p%40ss@[::1]:7");
        assert_eq!((named.places, named.username.as_deref()), (vec![port("::1", 7)], Some("us/er")));
        assert_eq!(named.password.as_deref(), Some("p@ss"));
        assert_eq!(read("redis://:secret@h").username, None);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for url in [
            "redis://u:hunter2@h:99999",
            "redis-cluster://u:hunter2@a?node=b",
            "redis://u:hunter2@h/x",
            "redis://:hunter2@",
            "redis+unix://?pass=hunter2",
            "redis://u:hunter2%ff@h",
            "hunter2",
        ] {
            let why = Address::read(url).unwrap_err();
            assert!(!why.contains("hunter2"), "{url}: {why}");
        }
    }
}
