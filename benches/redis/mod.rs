//! A Redis and a daemon for the benches, both on the machine that measures.

use std::path::Path;
use std::time::{Duration, Instant};

use dsmild::config::{self, Config};
use dsmild::daemon::{Daemon, Hooks, prepare};
use tikv_jemallocator::Jemalloc;

mod server;

pub use server::{Server, installed};

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A daemon in this process that does nothing but what Redis is about.
pub async fn daemon(folder: &Path, redis: &config::Redis) -> Daemon {
    let mut config = Config::default();
    config.daemon.state_dir = folder.join("state");
    config.store.path = folder.join("hot/hotpath.db");
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    (config.l3.enabled, config.l4.enabled, config.fusion.enabled) = (false, false, false);
    for number in 51..=58 {
        config.device.insert(number.to_string(), toml::from_str("enabled = false").unwrap());
    }
    config.redis = Some(redis.clone());
    let plan = prepare(&config).unwrap();
    Daemon::start(config, "bench".to_owned(), plan, Hooks::default()).await.unwrap()
}

/// How long it takes until the condition holds, and the most memory that the process holds meanwhile.
pub async fn until(mut condition: impl AsyncFnMut() -> bool) -> (Duration, Memory) {
    let (begun, mut most) = (Instant::now(), 0);
    while !condition().await {
        most = own_bytes().max(most);
        tokio::time::sleep(Duration::from_millis(5)).await; // between two looks
    }
    (begun.elapsed(), Memory(most))
}

/// In bytes, next to the bound that the configuration names.
pub struct Memory(u64);

impl std::fmt::Display for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let max = Config::default().daemon.memory_max.get();
        write!(formatter, "at most {} MiB held, daemon.memory_max is {} MiB", self.0 >> 20, max >> 20)
    }
}

fn own_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
