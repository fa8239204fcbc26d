//! Starts, asks and kills the daemon.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a test waits for a condition before it says that it does not come true.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A folder, a port and a configuration for one daemon that may be started many times.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub port: u16,
}

impl Site {
    /// `extra` is added to a configuration with a store, a state folder and HTTP on loopback.
    pub fn new(extra: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("dsmild-test").tempdir_in(memory_dir()).unwrap();
        let site = Self { dir, port: free_port() };
        std::fs::create_dir(site.path("state")).unwrap();
        site.configure(extra);
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Whoever asks has to show a token of the file from the next start on.
    pub fn name_tokens(&self) {
        let path = self.path("dsmil.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let named = format!("[http]\ntokens_file = \"{}\"\n", self.path("tokens").display());
        std::fs::write(&path, text.replace("[http]\n", &named)).unwrap();
    }

    /// Lines of a role, a token and a name, in a file that nobody else can read.
    pub fn write_tokens(&self, lines: &str) {
        use std::os::unix::fs::OpenOptionsExt;
        let _ = std::fs::remove_file(self.path("tokens"));
        let file =
            std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(self.path("tokens"));
        std::io::Write::write_all(&mut file.unwrap(), lines.as_bytes()).unwrap();
    }

    pub fn configure(&self, extra: &str) {
        let dir = self.dir.path().display();
        let text = format!(
            "[daemon]\nstate_dir = \"{dir}/state\"\n[log]\ntarget = \"stderr\"\n[http]\nlisten = \"127.0.0.1:{}\"\n\
             [store]\npath = \"{dir}/hot/hotpath.db\"\nmax_size = \"512MiB\"\n[intake.boot]\nenabled = false\n{}",
            self.port,
            extra.replace("{dir}", &dir.to_string())
        );
        std::fs::write(self.path("dsmil.toml"), text).unwrap();
    }

    pub fn start(&self) -> Daemon {
        self.start_in(self.dir.path())
    }

    /// With another working folder, for relative paths.
    pub fn start_in(&self, folder: impl AsRef<Path>) -> Daemon {
        self.start_as(dsmild(), folder)
    }

    /// By another program that runs what follows on its command line.
    pub fn start_under(&self, program: &str, arguments: &[&str]) -> Daemon {
        let mut command = Command::new(program);
        let dsmild = dsmild();
        command.args(arguments).arg(dsmild.get_program());
        for (name, _) in dsmild.get_envs() {
            command.env_remove(name);
        }
        self.start_as(command, self.dir.path())
    }

    fn start_as(&self, mut command: Command, folder: impl AsRef<Path>) -> Daemon {
        let log = std::fs::File::options().append(true).create(true).open(self.path("daemon.log")).unwrap();
        let child = command
            .args(["run", "-c"])
            .arg(self.path("dsmil.toml"))
            .current_dir(folder)
            .env("RUNTIME_DIRECTORY", self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Daemon { child, port: self.port }
    }

    pub fn start_ready(&self) -> Daemon {
        let mut daemon = self.start();
        daemon.until_ready(self);
        daemon
    }

    /// Waits until the daemon's log has this. What it says it writes a moment later: elsewhere it may be seen before.
    pub fn until_said(&self, words: &str) {
        wait_for(&format!("the log to say `{words}`"), || self.log().contains(words));
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}

/// On tmpfs where there is one, as in production.
pub fn memory_dir() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() }
}

/// The program that was built with the tests, or the one that `DSMILD_TEST_BIN` names.
fn program() -> std::ffi::OsString {
    std::env::var_os("DSMILD_TEST_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_dsmild").into())
}

/// The binary under test, with no configuration from this process's environment.
pub fn dsmild() -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DSMIL_") || name == "NOTIFY_SOCKET") {
        command.env_remove(name);
    }
    command
}

/// None of those that the kernel gives to connections: a server that was killed finds its port free again.
pub fn free_port() -> u16 {
    let any = || 10_000 + (RandomState::new().hash_one(0) % 22_000) as u16;
    std::iter::repeat_with(any).find(|port| is_ours(*port)).unwrap()
}

/// Whether nobody listens there, and no other test is about to: each port is of one process of tests until that ends.
pub fn is_ours(port: u16) -> bool {
    static OURS: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let user = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("dsmild-test-ports-{user}"));
    std::fs::create_dir_all(&folder).unwrap();
    let file = File::options().create(true).truncate(false).write(true).open(folder.join(port.to_string())).unwrap();
    let is_free = file.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok();
    if is_free {
        OURS.lock().unwrap().push(file);
    }
    is_free
}

pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(20)); // between two looks
    }
}

/// As [`wait_for`] `count` to be `goal`: for work that takes as long as it takes, there is patience while it goes on.
pub fn wait_for_count(what: &str, goal: u64, count: impl FnMut() -> u64) {
    wait_while_it_goes_on(what, goal, count, |count| count == goal);
}

pub fn wait_for_at_least(what: &str, goal: u64, count: impl FnMut() -> u64) {
    wait_while_it_goes_on(what, goal, count, |count| count >= goal);
}

fn wait_while_it_goes_on(what: &str, goal: u64, mut count: impl FnMut() -> u64, is_there: impl Fn(u64) -> bool) {
    let mut newest = count();
    while !is_there(newest) {
        let before = newest;
        wait_for(&format!("{what} to go on from {before} to {goal}"), || {
            newest = count();
            newest != before
        });
    }
}

/// The next request of a connection to a server of the test: its head, and its body. `None` at the end.
pub fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// The answer to a request with a body and one more header; `None` as with [`ask`].
pub fn send(port: u16, request: &str, header: &str, body: &str) -> Option<(u16, String)> {
    let head = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{header}\r\n");
    ask(port, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// The answer to a request on loopback; `None` when nobody listens or the connection breaks.
fn ask(port: u16, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let mut part = [0; 65_536];
    while !is_whole(&answer) {
        match stream.read(&mut part).ok()? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let code = text.split(' ').nth(1)?.parse().ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((code, if chunked { unchunk(body) } else { body.to_owned() }))
}

/// Whether it has as many bytes as it announces: not everybody ends a connection when asked to.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    announced.is_some_and(|length| answer.len() >= end + 4 + length)
}

pub struct Daemon {
    pub child: Child,
    port: u16,
}

impl Daemon {
    pub fn until_ready(&mut self, site: &Site) {
        wait_for("the daemon to be ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}: {}", site.log());
            }
            self.get("/readyz").is_some_and(|(code, _)| code == 200)
        });
    }

    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        ask(self.port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port))
    }

    pub fn post(&self, path: &str, body: &str) -> Option<(u16, String)> {
        send(self.port, &format!("POST {path}"), "Content-Type: application/x-ndjson", body)
    }

    /// As [`post`](Self::post), with a token.
    pub fn post_as(&self, token: &str, path: &str, body: &str) -> (u16, String) {
        let token = format!("Authorization: Bearer {token}");
        send(self.port, &format!("POST {path}"), &token, body).expect("an answer")
    }

    /// As [`get`](Self::get), with a token.
    pub fn get_as(&self, token: &str, path: &str) -> (u16, String) {
        send(self.port, &format!("GET {path}"), &format!("Authorization: Bearer {token}"), "").expect("an answer")
    }

    pub fn status(&self) -> Value {
        let (_, body) = self.get("/api/v1/status").expect("the daemon answers");
        serde_json::from_str(&body).expect("status is JSON")
    }

    /// Whether every stage has handled all that came to it until now.
    pub fn has_no_backlog(&self) -> bool {
        self.status()["actors"].as_array().unwrap().iter().all(|actor| actor["lag_events"] == 0)
    }

    /// Waits until so many lines were taken in and every stage has handled what came of them.
    pub fn until_handled(&self, lines: usize) {
        wait_for("all lines to be taken in", || self.stream("L3_IN").len() >= lines);
        wait_for("every stage to have handled everything", || self.has_no_backlog());
    }

    /// All events of a stream.
    pub fn stream(&self, name: &str) -> Vec<Value> {
        let (mut after, mut events) = ("0-0".to_owned(), Vec::new());
        loop {
            let (code, body) =
                self.get(&format!("/api/v1/streams/{name}?after={after}&count=1000")).expect("an answer");
            assert_eq!(code, 200, "{body}");
            let page: Value = serde_json::from_str(&body).unwrap();
            let found = page["events"].as_array().unwrap();
            let Some(last) = found.last() else { return events };
            after = last["id"].as_str().unwrap().to_owned();
            events.extend(found.iter().cloned());
        }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn ask_to_end(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// SIGHUP.
    pub fn reload(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.ask_to_end();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Gone already where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unchunk(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        text.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    text
}
