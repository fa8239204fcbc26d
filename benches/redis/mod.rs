//! A Redis and a daemon for the benches, both on the machine that measures.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dsmild::config::{self, Config};
use dsmild::daemon::{Daemon, Hooks, prepare};
use dsmild::redis::Link;
use tikv_jemallocator::Jemalloc;
use tokio::runtime::Runtime;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

pub struct Server {
    pub config: config::Redis,
    pub port: u16,
    child: Child,
    /// Connections have threads of their own, as in the daemon.
    io: Option<Runtime>,
}

impl Server {
    /// Keeps nothing on disk.
    pub fn start(folder: &Path, streams: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--loglevel", "warning", "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10)); // between two looks
        }
        let text = format!("url = \"redis://127.0.0.1:{port}\"\nmaxlen = 10000000\nstreams = {streams}");
        Self { config: toml::from_str(&text).unwrap(), port, child, io: Some(io()) }
    }

    pub async fn link(&self) -> Link {
        Link::connect(&self.config, self.io.as_ref().unwrap().handle()).await.unwrap()
    }

    /// Requests a second by redis-benchmark's own account.
    pub fn benchmark(&self, requests: usize, command: &[&str]) -> f64 {
        let output = Command::new("redis-benchmark")
            .args(["-p", &self.port.to_string(), "-n", &requests.to_string(), "-P", "200", "-c", "4", "--csv"])
            .args(command)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // The command, which may hold anything, then seven numbers, the first of them the rate.
        let rate = text.lines().last().unwrap().trim_matches('"').rsplit("\",\"").nth(6).unwrap();
        rate.parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.io.take().unwrap().shutdown_background();
    }
}

fn io() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

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

pub fn installed() -> bool {
    let found = ["redis-server", "redis-benchmark"]
        .iter()
        .all(|tool| Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok());
    if !found {
        eprintln!("skipped: redis-server and redis-benchmark are not installed");
    }
    found
}
