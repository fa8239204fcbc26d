//! A journald of our own in a mount namespace, with a journal that tests can fill.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::harness::wait_for;

/// Every line on standard input is a command line for the shell inside.
const INSIDE: &str = r#"mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal || exit 1
printf '[Journal]\nRateLimitIntervalSec=0\nRuntimeMaxUse=512M\nReadKMsg=no\n' >/run/systemd/journald.conf.d/test.conf
mount --bind "$0" /run/log/journal || exit 1
if [ -n "$1" ]; then echo "$1" >/run/boot_id; mount --bind /run/boot_id /proc/sys/kernel/random/boot_id || exit 1; fi
/lib/systemd/systemd-journald & journald=$!
until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
while read -r line; do eval "$line"; done
kill $journald; wait $journald"#;

pub struct Journald {
    inside: Child,
    folder: tempfile::TempDir,
}

impl Journald {
    /// `None`, and why on standard error, where it cannot run.
    pub fn start() -> Option<Self> {
        Self::start_in_boot("")
    }

    /// Its entries are of the boot with this id; empty: of the running one.
    pub fn start_in_boot(id: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", INSIDE]).arg(folder.path()).arg(id);
        let inside = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let is_root = rustix::process::getuid().is_root();
        let has_journald = std::path::Path::new("/lib/systemd/systemd-journald").exists();
        let (Ok(inside), true, true) = (inside, is_root, has_journald) else {
            eprintln!("skipped: a private journald needs root, unshare and systemd-journald");
            return None;
        };
        let mut journald = Self { inside, folder };
        journald.run("echo started | systemd-cat -t probe");
        wait_for("the first entry of the private journal", || journald.lines("probe") == 1);
        Some(journald)
    }

    /// What `nsenter` takes to run a program inside.
    pub fn enter(&self) -> [String; 3] {
        ["-t".to_owned(), self.inside.id().to_string(), "-m".to_owned()]
    }

    /// Runs a command line inside; does not wait for its end.
    pub fn run(&mut self, command: &str) {
        writeln!(self.inside.stdin.as_mut().unwrap(), "{command}").unwrap();
    }

    /// One entry with any bytes in it.
    pub fn send(&self, fields: &[(&str, &[u8])]) {
        let mut entry = Vec::new();
        for (name, value) in fields {
            entry.extend_from_slice(name.as_bytes());
            entry.push(b'\n');
            entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
            entry.extend_from_slice(value);
            entry.push(b'\n');
        }
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(&entry, format!("/proc/{}/root/run/systemd/journal/socket", self.inside.id())).unwrap();
    }

    /// Writes the lines `FROM` to `TO`, numbered.
    pub fn count(&mut self, identifier: &str, from: u64, to: u64) {
        self.run(&format!("seq -f 'number=%.0f' {from} {to} | systemd-cat -t {identifier}"));
    }

    /// The folder with the machine's id, once there is one.
    pub fn directory(&self) -> PathBuf {
        let mut entries = std::fs::read_dir(self.folder.path()).unwrap().flatten();
        entries.next().map_or_else(|| self.folder.path().join("none"), |entry| entry.path())
    }

    pub fn journalctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("journalctl");
        command.env("LC_ALL", "C").arg("--quiet").arg("--directory").arg(self.directory()).args(arguments);
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    }

    pub fn lines(&self, identifier: &str) -> usize {
        self.journalctl(&["-o", "cat", "-t", identifier]).lines().count()
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.inside.stdin.take());
        let _ = self.inside.wait();
    }
}
