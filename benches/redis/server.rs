//! A Redis on the machine that measures.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dsmild::config;
use dsmild::redis::Link;
use tokio::runtime::Runtime;

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

pub fn installed() -> bool {
    let found = ["redis-server", "redis-benchmark"]
        .iter()
        .all(|tool| Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok());
    if !found {
        eprintln!("skipped: redis-server and redis-benchmark are not installed");
    }
    found
}
