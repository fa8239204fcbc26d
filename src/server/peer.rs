//! Who is at the other end of a connection.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::detect::client_network;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Network(IpAddr),
    /// The Unix socket: who may open it is the file system's affair, and the kernel says who it was.
    Local {
        uid: u32,
    },
}

impl Origin {
    /// What counts as one peer.
    #[must_use]
    pub fn network(self) -> Self {
        match self {
            Self::Network(address) => Self::Network(client_network::peer(address)),
            local => local,
        }
    }
}

/// One connection; clones speak of the same.
#[derive(Debug, Clone)]
pub struct Peer {
    pub origin: Origin,
    /// A right token was shown on it.
    trusted: Arc<AtomicBool>,
    /// TLS.
    pub is_encrypted: bool,
}

impl Peer {
    pub fn new(origin: Origin, is_encrypted: bool) -> Self {
        Self { origin, trusted: Arc::default(), is_encrypted }
    }

    pub fn is_local(&self) -> bool {
        matches!(self.origin, Origin::Local { .. })
    }

    /// Over the network.
    pub fn address(&self) -> Option<IpAddr> {
        match self.origin {
            Origin::Network(address) => Some(address),
            Origin::Local { .. } => None,
        }
    }

    pub fn trust(&self) {
        self.trusted.store(true, Ordering::Relaxed);
    }

    pub fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(formatter),
            Self::Local { uid } => write!(formatter, "uid {uid}"),
        }
    }
}
