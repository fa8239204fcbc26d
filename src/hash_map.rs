//! Hash maps of what is looked up with every line: the hash of `std` costs several times as much. Keys come out of log lines, and nobody
//! outside knows the secret that they are hashed with, which is another in each process; so is the order of the entries.

pub use ahash::RandomState;

pub type HashMap<Key, Value> = std::collections::HashMap<Key, Value, RandomState>;
