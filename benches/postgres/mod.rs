//! A PostgreSQL for the benches, on the machine that measures (as user `postgres` when run as root).

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Ended when dropped; nothing of it stays.
pub struct Server {
    pub dir: tempfile::TempDir,
    child: Child,
}

impl Server {
    pub fn start() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        if rustix::process::geteuid().is_root() {
            assert!(Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap().success());
        }
        let data = dir.path().join("data");
        let mut initdb = as_server("initdb");
        initdb.args(["--no-sync", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-D"]).arg(&data);
        assert!(initdb.stdout(Stdio::null()).status().unwrap().success());
        let child = as_server("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(dir.path())
            .args(["-p", "54329", "-c", "listen_addresses=", "-c", "max_wal_size=4GB"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { dir, child }
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost:54329/postgres?host={}", self.dir.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL: nothing in it is to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn as_server(name: &str) -> Command {
    let folders = std::fs::read_dir("/usr/lib/postgresql").unwrap().flatten().map(|version| version.path().join("bin"));
    let binary: PathBuf = folders.map(|folder| folder.join(name)).find(|file| file.is_file()).unwrap();
    if !rustix::process::geteuid().is_root() {
        return Command::new(binary);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(binary).current_dir("/");
    command
}

pub fn installed() -> bool {
    let found = std::fs::read_dir("/usr/lib/postgresql").is_ok();
    if !found {
        eprintln!("skipped: PostgreSQL is not installed");
    }
    found
}
