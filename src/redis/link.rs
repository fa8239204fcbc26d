//! The connection to Redis: to one server, or to as many nodes of a cluster as have the keys that are asked about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::address::Place;
use super::node::{CALL_TIMEOUT, Failure, Node};
use super::settings::Settings;
use super::slot::slot;
use super::{Answer, Packed, Reply, error};
use crate::config;
use crate::limits::REDIS_MOVES_MAX;
use crate::retry::OutsideError;

/// Closed when it is dropped.
pub struct Link {
    settings: Arc<Settings>,
    io: Handle,
    first: (Place, Arc<Node>),
    cluster: Mutex<Cluster>,
}

/// What is known of the nodes besides the first.
#[derive(Default)]
struct Cluster {
    nodes: BTreeMap<Place, Arc<Node>>,
    /// Which node has a slot, where one has said so.
    places: BTreeMap<u16, Place>,
}

impl Link {
    /// Connects, authenticates and selects the database. The connection's own tasks run on `io`.
    ///
    /// # Errors
    /// A file that the configuration names cannot be read; Redis cannot be reached or refuses; the cluster is down.
    pub async fn connect(config: &config::Redis, io: &Handle) -> Result<Self, OutsideError> {
        let settings = Arc::new(Settings::read(config)?);
        let tried = format!("connecting to {}", settings.url);
        let mut cause = "redis.url names no server".to_owned();
        for place in &settings.places {
            match Node::open(&settings, place, io).await {
                Ok(node) => {
                    let first = (place.clone(), Arc::new(node));
                    let link = Self { settings, io: io.clone(), first, cluster: Mutex::default() };
                    link.expect_cluster(&tried).await?;
                    return Ok(link);
                }
                Err(why) => cause = why,
            }
        }
        Err(error::lost(&tried, &cause))
    }

    async fn expect_cluster(&self, tried: &str) -> Result<(), OutsideError> {
        if !self.settings.is_cluster {
            return Ok(());
        }
        let asked = self.first.1.ask("CLUSTER", vec![Bytes::from_static(b"INFO")], CALL_TIMEOUT).await;
        match asked {
            Ok(info) if info.text().is_some_and(|info| info.contains("cluster_state:ok")) => Ok(()),
            Ok(_) => Err(error::lost(tried, "CLUSTERDOWN the state of the cluster is not ok")),
            Err(Failure::Refused(why) | Failure::Lost(why)) => Err(error::lost(tried, &why)),
        }
    }

    /// Sends one command about one key and waits for the answer.
    ///
    /// # Errors
    /// Redis refuses; the connection ends; there is no answer within [`CALL_TIMEOUT`].
    pub async fn call(&self, command: &'static str, key: &str, arguments: Vec<Bytes>) -> Result<Reply, OutsideError> {
        self.call_within(command, key, arguments, CALL_TIMEOUT).await
    }

    /// As [`call`](Self::call), for commands that block.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_within(
        &self,
        command: &'static str,
        key: &str,
        arguments: Vec<Bytes>,
        timeout: Duration,
    ) -> Result<Reply, OutsideError> {
        let tried = || format!("{command} {key}");
        let slot = slot(key.as_bytes());
        let (mut place, mut node) = self.node_of(slot);
        let mut moves = 0;
        loop {
            let refusal = match node.ask(command, arguments.clone(), timeout).await {
                Ok(reply) => return Ok(reply),
                Err(Failure::Lost(cause)) => return Err(error::lost(&tried(), &cause)),
                Err(Failure::Refused(refusal)) => refusal,
            };
            let next = moved(&refusal, &place).filter(|_| self.settings.is_cluster && moves < REDIS_MOVES_MAX);
            let Some(next) = next else { return Err(error::refused(&tried(), &refusal)) };
            moves += 1;
            node = self
                .follow(slot, &next)
                .await
                .map_err(|cause| error::lost(&format!("{} after {refusal}", tried()), &cause))?;
            place = next;
        }
    }

    /// Sends several commands about one key at once, to the node that was last known to have it, and waits for all answers. What is
    /// refused is among them.
    ///
    /// # Errors
    /// The connection ends; not all answers are there within [`CALL_TIMEOUT`].
    pub async fn call_all(&self, key: &str, commands: Packed) -> Result<Vec<Answer>, OutsideError> {
        let (_, node) = self.node_of(slot(key.as_bytes()));
        let answers = node.ask_all(commands, CALL_TIMEOUT).await;
        answers.map_err(|(Failure::Refused(cause) | Failure::Lost(cause))| {
            error::lost(&format!("asking about {key}"), &cause)
        })
    }

    /// The node that has a slot, as far as that is known.
    fn node_of(&self, slot: u16) -> (Place, Arc<Node>) {
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            cluster.places.get(&slot).and_then(|place| Some((place.clone(), Arc::clone(cluster.nodes.get(place)?))));
        known.unwrap_or_else(|| self.first.clone())
    }

    /// The node at a place, which has the slot from now on.
    async fn follow(&self, slot: u16, place: &Place) -> Result<Arc<Node>, String> {
        let known = if *place == self.first.0 {
            Some(Arc::clone(&self.first.1))
        } else {
            self.cluster.lock().unwrap_or_else(PoisonError::into_inner).nodes.get(place).cloned()
        };
        let node = match known {
            Some(node) => node,
            None => Arc::new(Node::open(&self.settings, place, &self.io).await?),
        };
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.nodes.insert(place.clone(), Arc::clone(&node));
        cluster.places.insert(slot, place.clone());
        Ok(node)
    }
}

/// Where a refusal sends to: `MOVED 3999 127.0.0.1:6381`, or `MOVED 3999 :6381` for the host that was asked.
fn moved(refusal: &str, asked: &Place) -> Option<Place> {
    let (host, port) = refusal.strip_prefix("MOVED ")?.split_once(' ')?.1.trim().rsplit_once(':')?;
    let host = match (host, asked) {
        ("" | "?", Place::Port { host, .. }) => host.clone(),
        _ => host.to_owned(),
    };
    Some(Place::Port { host, port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_node_to_ask() {
        let port = |host: &str, port| Place::Port { host: host.to_owned(), port };
        let asked = port("h", 1);
        assert_eq!(moved("MOVED 3999 127.0.0.1:6381", &asked), Some(port("127.0.0.1", 6381)));
        assert_eq!(moved("MOVED 3999 fd00::1:6381", &asked), Some(port("fd00::1", 6381)));
        assert_eq!(moved("MOVED 3999 :6381", &asked), Some(port("h", 6381)));
        assert_eq!(moved("ERR no", &asked), None);
        assert_eq!(moved("MOVED 1 h:99999", &asked), None);
    }
}
