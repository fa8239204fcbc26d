//! The daemon as a process of its own, and what it takes.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(600);
/// Clock ticks a second in /proc, on every Linux that there is.
const HZ: f64 = 100.0;
const TAKEN: &str = "dsmil_events_total{stream=\"L3_IN\"}";

pub struct Daemon {
    child: Child,
    pub port: u16,
}

impl Daemon {
    /// With this configuration beside the usual places, once it is ready.
    pub fn start(folder: &Path, settings: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = folder.display();
        let config = format!(
            "[daemon]\nstate_dir = \"{dir}/state\"\n[log]\ntarget = \"stderr\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
             [store]\npath = \"{dir}/hot/hotpath.db\"\nmax_size = \"2GiB\"\n[intake.boot]\nenabled = false\n{settings}"
        );
        std::fs::create_dir_all(folder.join("state")).unwrap();
        std::fs::write(folder.join("dsmil.toml"), config).unwrap();
        let log = File::create(folder.join("daemon.log")).unwrap();
        let mut command = Command::new(program());
        command.args(["run", "-c"]).arg(folder.join("dsmil.toml")).env("RUNTIME_DIRECTORY", folder);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let daemon = Self { child, port };
        let begun = Instant::now();
        while !daemon.get("/readyz").starts_with("HTTP/1.1 200") {
            assert!(begun.elapsed() < PATIENCE, "{}", std::fs::read_to_string(folder.join("daemon.log")).unwrap());
            std::thread::sleep(Duration::from_millis(10)); // between two looks
        }
        daemon
    }

    pub fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        }
        answer
    }

    /// Everything was taken in, handled, committed and taken outside.
    pub fn is_through(&self, lines: usize) -> bool {
        let metrics = self.get("/metrics");
        let of = |name| sum(&metrics, name);
        of(TAKEN) >= lines as f64 && of("dsmil_stage_lag_events{") == 0.0 && of("dsmil_outlet_lag_events{") == 0.0
    }

    /// Lines that are committed.
    pub fn taken(&self) -> u64 {
        sum(&self.get("/metrics"), TAKEN) as u64
    }

    /// Seconds of CPU so far.
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / HZ
    }

    pub fn peak_mib(&self) -> u64 {
        self.bytes("VmHWM:") >> 20
    }

    /// Without files and the hot store: what `daemon.memory_max` bounds.
    pub fn own_bytes(&self) -> u64 {
        self.bytes("RssAnon:")
    }

    pub fn resident_bytes(&self) -> u64 {
        self.bytes("VmRSS:")
    }

    /// As the kernel says it, see proc_pid_status(5).
    fn bytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SIGKILL: nothing in it is to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Of all series whose lines begin so.
pub fn sum(metrics: &str, name: &str) -> f64 {
    let values = metrics.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    values.filter_map(|value| value.parse::<f64>().ok()).sum()
}

pub fn program() -> PathBuf {
    std::env::var_os("DSMILD_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_dsmild").into(), PathBuf::from)
}
