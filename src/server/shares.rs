//! What many clients draw on at once (places of event streams, memory for bodies): each peer has a share, and those on the Unix
//! socket have an amount of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::peer::Origin;
use crate::locked::locked;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub struct Amounts {
    pub network: usize,
    pub per_peer: usize,
    /// On the Unix socket, beside that of the network.
    pub local: usize,
    pub per_user: usize,
}

/// What is taken, by peer.
#[derive(Debug)]
pub struct Shares {
    amounts: Amounts,
    taken: Mutex<BTreeMap<Origin, usize>>,
}

/// What one request has taken, until it is dropped.
#[derive(Debug)]
pub struct Share {
    shares: Arc<Shares>,
    peer: Origin,
    amount: usize,
}

/// Why there is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// The peer has all that one may have: so much.
    Share(usize),
    /// All is taken: so much.
    All(usize),
}

impl Shares {
    pub fn new(amounts: Amounts) -> Arc<Self> {
        Arc::new(Self { amounts, taken: Mutex::default() })
    }

    /// Nothing yet.
    pub fn of(self: &Arc<Self>, origin: Origin) -> Share {
        Share { shares: Arc::clone(self), peer: origin.network(), amount: 0 }
    }
}

impl Share {
    /// So much more.
    ///
    /// # Errors
    /// There is not so much left; what was taken before stays.
    pub fn take(&mut self, amount: usize) -> Result<(), Spent> {
        let (amounts, is_local) = (self.shares.amounts, is_local(&self.peer));
        let (all, share) = match is_local {
            true => (amounts.local, amounts.per_user),
            false => (amounts.network, amounts.per_peer),
        };
        let mut taken = locked(&self.shares.taken);
        let own = taken.get(&self.peer).copied().unwrap_or_default();
        if own.saturating_add(amount) > share {
            return Err(Spent::Share(share));
        }
        let alike = taken.iter().filter(|(peer, _)| self::is_local(peer) == is_local);
        if alike.map(|(_, taken)| taken).sum::<usize>().saturating_add(amount) > all {
            return Err(Spent::All(all));
        }
        taken.insert(self.peer, own + amount);
        self.amount += amount;
        Ok(())
    }
}

fn is_local(origin: &Origin) -> bool {
    matches!(origin, Origin::Local { .. })
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = locked(&self.shares.taken);
        if let Some(own) = taken.get_mut(&self.peer) {
            *own = own.saturating_sub(self.amount);
            if *own == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMOUNTS: Amounts = Amounts { network: 64, per_peer: 32, local: 16, per_user: 8 };

    fn peer(text: &str) -> Origin {
        Origin::Network(text.parse().unwrap())
    }

    fn taken(shares: &Arc<Shares>, origin: impl Fn(usize) -> Origin) -> Vec<Share> {
        let one = |number| {
            let mut share = shares.of(origin(number));
            share.take(1).ok().map(|()| share)
        };
        (0..999).map_while(one).collect()
    }

    #[test]
    fn one_peer_leaves_some_for_others_and_nobody_on_the_network_takes_what_is_for_the_socket() {
        let shares = Shares::new(AMOUNTS);
        let mine = taken(&shares, |number| peer(&format!("127.0.0.{number}")));
        assert_eq!(mine.len(), AMOUNTS.per_peer);
        let others = taken(&shares, |number| peer(&format!("192.0.2.{number}")));
        assert_eq!(mine.len() + others.len(), AMOUNTS.network);
        let local = taken(&shares, |number| Origin::Local { uid: (number / AMOUNTS.per_user) as u32 });
        assert_eq!(local.len(), AMOUNTS.local);
        assert_eq!(shares.of(peer("192.0.2.1")).take(1), Err(Spent::All(64)));
        drop(others);
        assert_eq!(shares.of(peer("127.0.0.1")).take(1), Err(Spent::Share(32)));
        assert_eq!(shares.of(peer("192.0.2.1")).take(1), Ok(()));
        drop((mine, local));
        assert!(locked(&shares.taken).is_empty());
    }

    #[test]
    fn what_one_takes_bit_by_bit_is_its_share_together_and_comes_back_together() {
        let shares = Shares::new(AMOUNTS);
        let mut mine = shares.of(Origin::Local { uid: 1000 });
        assert_eq!([5, 3, 1].map(|amount| mine.take(amount)), [Ok(()), Ok(()), Err(Spent::Share(8))]);
        assert_eq!(shares.of(Origin::Local { uid: 0 }).take(8), Ok(()));
        assert_eq!(shares.of(Origin::Local { uid: 1000 }).take(usize::MAX), Err(Spent::Share(8)));
        drop(mine);
        assert_eq!(shares.of(Origin::Local { uid: 1000 }).take(8), Ok(()));
    }
}
