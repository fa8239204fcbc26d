//! A machine of a test's own: two network namespaces with a cable between them, in one the daemon and its helper,
//! in the other an attacker and somebody who does nothing.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Daemon, Site, dsmild, wait_for};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub const SERVER: &str = "203.0.113.1";
pub const ATTACKER: &str = "203.0.113.7";
pub const OTHER: &str = "203.0.113.8";
/// Who attacks in the log of the demo.
const ATTACKER_OF_THE_DEMO: &str = "203.0.113.66";
const SERVES: &str = "$s=IO::Socket::INET->new(LocalAddr=>'0.0.0.0',LocalPort=>8080,Listen=>50,ReuseAddr=>1) or die; \
                      $|=1; print qq(up\\n); while($c=$s->accept){close $c}";
const CONNECTS: &str =
    "exit(IO::Socket::INET->new(PeerAddr=>$ARGV[1],PeerPort=>8080,LocalAddr=>$ARGV[0],Timeout=>2)?0:1)";
pub const ASKS: &str = "$SIG{PIPE}=q(IGNORE); $s=IO::Socket::UNIX->new(Peer=>$ARGV[0]) or exit 3; print $s qq({\"verb\":\"list\"}\\n); $s->flush; \
                    exit(defined(<$s>)?0:7)";

/// The two namespaces; they go with it.
pub struct Cable {
    here: String,
    there: String,
    server: Option<Child>,
}

impl Cable {
    /// `None` where this cannot be tried.
    pub fn new(name: &str) -> Option<Self> {
        let is_there = |path: &str| Path::new(path).exists();
        if !is_there("/usr/sbin/nft") || !is_there("/usr/bin/perl") || !rustix::process::getuid().is_root() {
            eprintln!("skipped: this test needs /usr/sbin/nft, /usr/bin/perl and root");
            return None;
        }
        let id = std::process::id();
        let (here, there) = (format!("dsmild-{name}-{id}"), format!("dsmild-{name}-{id}-far"));
        let mut cable = Self { here: here.clone(), there: there.clone(), server: None };
        if !ip(&format!("netns add {here}")) || !ip(&format!("netns add {there}")) {
            eprintln!("skipped: network namespaces cannot be made here");
            return None;
        }
        for arguments in [
            format!("-n {here} link add near type veth peer name far netns {there}"),
            format!("-n {here} addr add {SERVER}/24 dev near"),
            format!("-n {there} addr add {ATTACKER}/24 dev far"),
            format!("-n {there} addr add {OTHER}/24 dev far"),
            format!("-n {here} link set lo up"),
            format!("-n {here} link set near up"),
            format!("-n {there} link set far up"),
            format!("-n {here} route add default via 203.0.113.254"),
        ] {
            assert!(ip(&arguments), "ip {arguments}");
        }
        let mut server = cable.inside("/usr/bin/perl", &["-MIO::Socket::INET", "-e", SERVES]);
        let mut server = server.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        cable.server = Some(server);
        assert!(cable.passes(ATTACKER) && cable.passes(OTHER), "the cable works");
        Some(cable)
    }

    pub fn inside(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.here, program]).args(arguments);
        command
    }

    /// Whether a connection from there to the machine of the daemon is made.
    pub fn passes(&self, from: &str) -> bool {
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.there,
            "/usr/bin/perl",
            "-MIO::Socket::INET",
            "-e",
            CONNECTS,
            from,
            SERVER,
        ]);
        command.status().unwrap().success()
    }

    /// The helper, as systemd would start it on the socket.
    pub fn helper(&self, site: &Site) -> Helper {
        let program = dsmild().get_program().to_string_lossy().into_owned();
        let config = site.path("dsmil.toml").display().to_string();
        let spent = site.path("spent.json").display().to_string();
        let arguments = ["respond-helper", "-c", &config, "--user", "root", "--spent", &spent, "--idle-s", "100000"];
        Helper::spawn(site, "helper.sock", self.inside(&program, &arguments))
    }

    pub fn start(&self, site: &Site) -> Daemon {
        let daemon = site.start_under("ip", &["netns", "exec", &self.here]);
        wait_for("the daemon to answer", || command(site, &["status"]).0 == Some(0));
        daemon
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        for name in [&self.here, &self.there] {
            ip(&format!("netns del {name}"));
        }
    }
}

pub struct Helper {
    child: Child,
    pub socket: std::path::PathBuf,
}

impl Helper {
    /// As systemd would start it on a socket of this name.
    pub fn spawn(site: &Site, socket: &str, mut command: Command) -> Self {
        let socket = site.path(socket);
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
        let child = command.stdin(OwnedFd::from(listener)).spawn().unwrap();
        Self { child, socket }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// It has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn ask(&self, request: &str) -> Value {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub fn block(&self, number: u64, target: &str) -> Value {
        self.ask(&format!(
            r#"{{"verb":"block","id":"{number}-0","target":"{target}","ttl_s":3600,"approver":{{"address":"192.0.2.9"}}}}"#
        ))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).status().is_ok_and(|status| status.success())
}

pub fn command(site: &Site, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = dsmild().args(arguments).arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code(), out, err)
}

/// Lines of the demo's attack, from an address of this network.
pub fn attack(site: &Site) {
    let text = std::fs::read_to_string(format!("{ROOT}/config/demo/auth.log")).unwrap();
    std::fs::write(site.path("auth.log"), text.replace(ATTACKER_OF_THE_DEMO, ATTACKER)).unwrap();
}

/// The same attacker gets into another account of another machine a day later.
pub fn attack_again(site: &Site) {
    let text = std::fs::read_to_string(site.path("auth.log")).unwrap();
    let days = ["2026-11-18", "2026-11-19"];
    let story = text.lines().filter(|line| line.starts_with(days[0]) && line.contains(ATTACKER));
    let again: String = story
        .map(|line| {
            format!("{}\n", line.replace(days[0], days[1]).replace(" atlas ", " gate ").replace("deploy", "erin"))
        })
        .collect();
    let mut file = std::fs::File::options().append(true).open(site.path("auth.log")).unwrap();
    file.write_all(again.as_bytes()).unwrap();
}

pub fn configured(site: &Site, respond: &str) {
    site.configure(&format!(
        "[[intake.file]]\npath = \"{{dir}}/auth.log\"\n[respond]\nsocket = \"{{dir}}/helper.sock\"\n{respond}\n"
    ));
    std::fs::set_permissions(site.path("dsmil.toml"), std::fs::Permissions::from_mode(0o644)).unwrap();
}

pub fn proposals(site: &Site) -> Vec<Value> {
    let (_, text, _) = command(site, &["proposals", "list", "--json"]);
    let list: Value = serde_json::from_str(&text).unwrap_or_default();
    list["proposals"].as_array().cloned().unwrap_or_default()
}

/// The id of the proposal to block the attacker.
pub fn wait_for_proposal(site: &Site) -> String {
    wait_for_proposed(site, "block_address", ATTACKER)
}

/// The id of the newest proposal of this action against this target.
pub fn wait_for_proposed(site: &Site, action: &str, target: &str) -> String {
    wait_for_another(site, action, target, &[])
}

/// As [`wait_for_proposed`], but none of these.
pub fn wait_for_another(site: &Site, action: &str, target: &str, known: &[&str]) -> String {
    let is_it = |one: &Value| {
        let proposal = &one["event"]["proposal"];
        proposal["action"] == action && proposal["target"] == target && known.iter().all(|known| one["id"] != *known)
    };
    let mut found = None;
    wait_for("the attack to be seen and that to be proposed", || {
        found = proposals(site).into_iter().find(is_it);
        found.is_some()
    });
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

pub fn response(site: &Site, id: &str) -> Value {
    proposals(site).into_iter().find(|one| one["id"] == id).map(|one| one["response"].clone()).unwrap_or_default()
}

pub fn audit(site: &Site) -> String {
    let text = std::fs::read_to_string(site.path("state/audit.log")).unwrap_or_default();
    let actions = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].clone());
    actions.map(|action| action.as_str().unwrap().to_owned() + "\n").collect()
}
