//! How many event streams may be open: each peer has a share, and those on the Unix socket have places of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::peer::Origin;
use crate::limits::{
    HTTP_LIVE_STREAMS_MAX, HTTP_LIVE_STREAMS_PER_PEER_MAX, HTTP_LOCAL_LIVE_STREAMS_MAX,
    HTTP_LOCAL_LIVE_STREAMS_PER_USER_MAX,
};
use crate::locked::locked;

/// Open streams by peer.
#[derive(Debug, Default)]
pub struct LivePlaces(Mutex<BTreeMap<Origin, usize>>);

/// A place until it is dropped.
#[derive(Debug)]
pub struct LivePlace {
    places: Arc<LivePlaces>,
    peer: Origin,
}

impl LivePlaces {
    /// # Errors
    /// How many there are already, and of whom.
    pub fn take(self: &Arc<Self>, origin: Origin) -> Result<LivePlace, String> {
        let (peer, is_local) = (origin.network(), is_local(&origin));
        let (all, share) = match is_local {
            true => (HTTP_LOCAL_LIVE_STREAMS_MAX, HTTP_LOCAL_LIVE_STREAMS_PER_USER_MAX),
            false => (HTTP_LIVE_STREAMS_MAX, HTTP_LIVE_STREAMS_PER_PEER_MAX),
        };
        let mut open = locked(&self.0);
        if open.get(&peer).is_some_and(|count| *count >= share) {
            return Err(format!("{share} event streams are open from there, which is the most"));
        }
        if open.iter().filter(|(peer, _)| self::is_local(peer) == is_local).map(|(_, count)| count).sum::<usize>()
            >= all
        {
            return Err(format!("{all} event streams are open, which is the most"));
        }
        *open.entry(peer).or_default() += 1;
        drop(open);
        Ok(LivePlace { places: Arc::clone(self), peer })
    }
}

fn is_local(origin: &Origin) -> bool {
    matches!(origin, Origin::Local { .. })
}

impl Drop for LivePlace {
    fn drop(&mut self) {
        let mut open = locked(&self.places.0);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Origin {
        Origin::Network(text.parse().unwrap())
    }

    fn taken(places: &Arc<LivePlaces>, origin: impl Fn(usize) -> Origin) -> Vec<LivePlace> {
        (0..999).map_while(|number| places.take(origin(number)).ok()).collect()
    }

    #[test]
    fn one_peer_leaves_places_for_others_and_nobody_on_the_network_takes_those_of_the_socket() {
        let places = Arc::default();
        let mine = taken(&places, |number| peer(&format!("127.0.0.{number}")));
        assert_eq!(mine.len(), HTTP_LIVE_STREAMS_PER_PEER_MAX);
        let others = taken(&places, |number| peer(&format!("192.0.2.{number}")));
        assert_eq!(mine.len() + others.len(), HTTP_LIVE_STREAMS_MAX);
        let local =
            taken(&places, |number| Origin::Local { uid: number as u32 / HTTP_LOCAL_LIVE_STREAMS_PER_USER_MAX as u32 });
        assert_eq!(local.len(), HTTP_LOCAL_LIVE_STREAMS_MAX);
        drop(others);
        assert!(places.take(peer("127.0.0.1")).is_err() && places.take(peer("192.0.2.1")).is_ok());
        drop((mine, local));
        assert!(locked(&places.0).is_empty());
    }

    #[test]
    fn one_user_leaves_places_on_the_socket_for_others() {
        let places = Arc::default();
        let mine = taken(&places, |_| Origin::Local { uid: 1000 });
        assert_eq!(mine.len(), HTTP_LOCAL_LIVE_STREAMS_PER_USER_MAX);
        assert!(places.take(Origin::Local { uid: 0 }).is_ok());
    }
}
