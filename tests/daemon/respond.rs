//! Approved proposals on a machine of the test's own: two network namespaces with a cable between them, in one the daemon and its helper,
//! in the other an attacker and somebody who does nothing. What is dropped is dropped by the kernel.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Daemon, Site, dsmild, wait_for};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SERVER: &str = "203.0.113.1";
const ATTACKER: &str = "203.0.113.7";
const OTHER: &str = "203.0.113.8";
/// Who attacks in the log of the demo.
const ATTACKER_OF_THE_DEMO: &str = "203.0.113.66";
const SERVES: &str = "$s=IO::Socket::INET->new(LocalAddr=>'0.0.0.0',LocalPort=>8080,Listen=>50,ReuseAddr=>1) or die; \
                      $|=1; print qq(up\\n); while($c=$s->accept){close $c}";
const CONNECTS: &str =
    "exit(IO::Socket::INET->new(PeerAddr=>$ARGV[1],PeerPort=>8080,LocalAddr=>$ARGV[0],Timeout=>2)?0:1)";
const ASKS: &str = "$SIG{PIPE}=q(IGNORE); $s=IO::Socket::UNIX->new(Peer=>$ARGV[0]) or exit 3; print $s qq({\"verb\":\"list\"}\\n); $s->flush; \
                    exit(defined(<$s>)?0:7)";

/// The two namespaces; they go with it.
struct Cable {
    here: String,
    there: String,
    server: Option<Child>,
}

impl Cable {
    /// `None` where this cannot be tried.
    fn new(name: &str) -> Option<Self> {
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

    fn inside(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.here, program]).args(arguments);
        command
    }

    /// Whether a connection from there to the machine of the daemon is made.
    fn passes(&self, from: &str) -> bool {
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
    fn helper(&self, site: &Site) -> Helper {
        let socket = site.path("helper.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
        let program = dsmild().get_program().to_string_lossy().into_owned();
        let config = site.path("dsmil.toml").display().to_string();
        let spent = site.path("spent.json").display().to_string();
        let arguments = ["respond-helper", "-c", &config, "--user", "root", "--spent", &spent, "--idle-s", "100000"];
        let child = self.inside(&program, &arguments).stdin(OwnedFd::from(listener)).spawn().unwrap();
        Helper { child, socket }
    }

    fn start(&self, site: &Site) -> Daemon {
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

struct Helper {
    child: Child,
    socket: std::path::PathBuf,
}

impl Helper {
    fn ask(&self, request: &str) -> Value {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn block(&self, number: u64, target: &str) -> Value {
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

fn command(site: &Site, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = dsmild().args(arguments).arg("-c").arg(site.path("dsmil.toml")).output().unwrap();
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code(), out, err)
}

/// Lines of the demo's attack, from an address of this network.
fn attack(site: &Site) {
    let text = std::fs::read_to_string(format!("{ROOT}/config/demo/auth.log")).unwrap();
    std::fs::write(site.path("auth.log"), text.replace(ATTACKER_OF_THE_DEMO, ATTACKER)).unwrap();
}

fn configured(site: &Site, respond: &str) {
    site.configure(&format!(
        "[[intake.file]]\npath = \"{{dir}}/auth.log\"\n[respond]\nsocket = \"{{dir}}/helper.sock\"\n{respond}\n"
    ));
    std::fs::set_permissions(site.path("dsmil.toml"), std::fs::Permissions::from_mode(0o644)).unwrap();
}

fn proposals(site: &Site) -> Vec<Value> {
    let (_, text, _) = command(site, &["proposals", "list", "--json"]);
    let list: Value = serde_json::from_str(&text).unwrap_or_default();
    list["proposals"].as_array().cloned().unwrap_or_default()
}

/// The id of the proposal to block the attacker.
fn wait_for_proposal(site: &Site) -> String {
    let blocks = |one: &Value| {
        one["event"]["proposal"]["action"] == "block_address" && one["event"]["proposal"]["target"] == ATTACKER
    };
    let mut found = None;
    wait_for("the attack to be seen and a block proposed", || {
        found = proposals(site).into_iter().find(blocks);
        found.is_some()
    });
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

fn response(site: &Site, id: &str) -> Value {
    proposals(site).into_iter().find(|one| one["id"] == id).map(|one| one["response"].clone()).unwrap_or_default()
}

fn audit(site: &Site) -> String {
    let text = std::fs::read_to_string(site.path("state/audit.log")).unwrap_or_default();
    let actions = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].clone());
    actions.map(|action| action.as_str().unwrap().to_owned() + "\n").collect()
}

#[test]
fn what_is_approved_is_dropped_by_the_kernel_taken_back_at_once_and_over_in_time_though_the_daemon_is_dead() {
    let Some(cable) = Cable::new("acts") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"approve\"\nttl_max = \"1h\"");
    let helper = cable.helper(&site);
    let daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    assert!(cable.passes(ATTACKER), "nothing acts before it is approved");
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("if approved: the kernel blocks 203.0.113.7 for 1h"), "{shown}");

    let (code, said, error) = command(&site, &["proposals", "approve", &id]);
    assert_eq!(code, Some(0), "{error}");
    wait_for("it to be carried out", || response(&site, &id)["state"] == "executed");
    assert!(!cable.passes(ATTACKER), "{said}");
    assert!(cable.passes(OTHER), "the innocent are not blocked along");
    assert_eq!(command(&site, &["proposals", "undo", &id]).0, Some(0));
    wait_for("it to be taken back", || response(&site, &id)["state"] == "undone");
    assert!(cable.passes(ATTACKER));
    assert_eq!(
        audit(&site),
        "proposal.approve.execute\nresponse.requested\nresponse.executed\nproposal.undo\nresponse.undone\n"
    );
    let (code, _, error) = command(&site, &["proposals", "undo", &id]);
    assert!(code == Some(1) && error.contains("409"), "{error}");
    daemon.kill();
    drop(helper);

    // A second machine with the same attack: its daemon and its helper die, and the kernel goes on.
    let second = Site::new("");
    attack(&second);
    configured(&second, "mode = \"approve\"\nttl_max = \"20s\"");
    let helper = cable.helper(&second);
    let daemon = cable.start(&second);
    let id = wait_for_proposal(&second);
    assert_eq!(command(&second, &["proposals", "approve", &id]).0, Some(0));
    wait_for("it to be carried out", || response(&second, &id)["state"] == "executed");
    daemon.kill();
    drop(helper);
    assert!(!cable.passes(ATTACKER) && cable.passes(OTHER));
    wait_for("the kernel to let it through", || cable.passes(ATTACKER));

    let _daemon = cable.start(&second);
    wait_for("its end to be on record", || response(&second, &id)["state"] == "ended");
    let verified = command(&second, &["verify"]);
    assert_eq!(verified.0, Some(0), "{}{}", verified.1, verified.2);
    assert!(command(&second, &["proposals", "undo", &id]).2.contains("nothing to take back"));
}

#[test]
fn what_was_approved_while_the_helper_was_not_there_is_said_and_carried_out_once_after_a_kill() {
    let Some(cable) = Cable::new("late") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"approve\"");
    let daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    let (code, said, _) = command(&site, &["proposals", "approve", &id]);
    assert_eq!(code, Some(0));
    assert!(said.contains("failed") && said.contains("dsmil-respond.socket") && said.contains("tried again"), "{said}");
    let (_, status, _) = command(&site, &["status"]);
    assert!(status.contains("respond is DOWN") && status.contains("respond mode approve"), "{status}");
    daemon.kill();

    let _helper = cable.helper(&site);
    let _daemon = cable.start(&site);
    wait_for("it to be carried out", || response(&site, &id)["state"] == "executed");
    assert!(!cable.passes(ATTACKER) && cable.passes(OTHER));
    let audit = audit(&site);
    assert_eq!(audit.matches("response.requested\n").count(), 1, "{audit}");
    assert_eq!(audit.matches("response.executed\n").count(), 1, "{audit}");
    wait_for("status to be without it", || !command(&site, &["status"]).1.contains("respond is DOWN"));
}

#[test]
fn the_helper_refuses_by_itself_what_must_not_be_blocked_and_more_than_the_budget() {
    let Some(cable) = Cable::new("refuses") else { return };
    let site = Site::new("");
    configured(&site, "mode = \"approve\"\nbudget = 3\nprotected = [\"198.51.100.0/24\"]\nprefix_v4 = 24");
    let helper = cable.helper(&site);
    for (target, said) in [
        ("127.0.0.1", "loopback"),
        (SERVER, "this machine"),
        ("203.0.113.0/24", "this machine"),
        ("203.0.113.254", "gateway"),
        ("198.51.100.9", "protected"),
        ("192.0.2.9", "locked out"),
        ("10.0.0.0/8", "prefix_v4"),
        ("::1", "loopback"),
    ] {
        let answer = helper.block(1, target);
        assert!(
            answer["outcome"] == "refused" && answer["said"].as_str().unwrap().contains(said),
            "{target}: {answer}"
        );
    }
    for wrong in ["", "{", r#"{"verb":"flush"}"#, r#"{"verb":"unblock","target":"@blocked4"}"#] {
        assert_eq!(helper.ask(wrong)["outcome"], "refused", "{wrong}");
    }
    assert_eq!(helper.ask(&"x".repeat(5000))["outcome"], "refused");
    for number in 1..=3 {
        assert_eq!(helper.block(number, &format!("192.0.2.10{number}"))["outcome"], "done");
    }
    assert_eq!(helper.block(1, "192.0.2.101")["outcome"], "done", "the same again is no more");
    let spent = helper.block(4, "192.0.2.104");
    assert!(spent["outcome"] == "spent" && spent["said"].as_str().unwrap().contains("respond.budget"), "{spent}");
    drop(helper);
    let helper = cable.helper(&site);
    assert_eq!(helper.block(4, "192.0.2.104")["outcome"], "spent", "also when it starts again");
    let listed = helper.ask(r#"{"verb":"list"}"#)["blocked"].to_string();
    assert!(listed.contains("192.0.2.103") && !listed.contains("192.0.2.104"), "{listed}");

    // Nobody else is answered.
    std::fs::set_permissions(site.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = helper.socket.display().to_string();
    let ask = ["--reuid=65534", "--clear-groups", "/usr/bin/perl", "-MIO::Socket::UNIX", "-e", ASKS, &socket];
    match Command::new("setpriv").args(ask).status() {
        Ok(status) => assert_eq!(status.code(), Some(7)),
        Err(error) => eprintln!("skipped: setpriv: {error}"),
    }
    // Who may write the configuration may say what is protected.
    std::fs::set_permissions(site.path("dsmil.toml"), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(helper.block(1, "192.0.2.101")["outcome"], "failed");
}

#[test]
fn an_approval_that_only_simulates_changes_nothing_one_that_only_records_says_so_and_none_is_possible_too_late() {
    let Some(cable) = Cable::new("only") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"simulate\"");
    let _helper = cable.helper(&site);
    let daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    assert_eq!(command(&site, &["proposals", "approve", &id]).0, Some(0));
    wait_for("the dry run", || response(&site, &id)["state"] == "simulated");
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("the kernel would block"), "{shown}");
    assert!(cable.passes(ATTACKER));
    daemon.kill();

    let second = Site::new("");
    attack(&second);
    configured(&second, "");
    let daemon = cable.start(&second);
    let id = wait_for_proposal(&second);
    let (_, said, _) = command(&second, &["proposals", "approve", &id]);
    assert!(said.contains("nothing acts"), "{said}");
    assert!(command(&second, &["proposals", "list"]).1.contains("respond.mode is propose"));
    daemon.kill();

    let third = Site::new("");
    attack(&third);
    configured(&third, "mode = \"approve\"\n[device.58]\nvalid_for = \"1ms\"");
    let _daemon = cable.start(&third);
    let id = wait_for_proposal(&third);
    let (code, _, error) = command(&third, &["proposals", "approve", &id]);
    assert!(code == Some(1) && error.contains("has expired at 20"), "{error}");
}

#[test]
fn what_the_configuration_names_is_carried_out_without_anybody() {
    let Some(cable) = Cable::new("auto") else { return };
    let site = Site::new("");
    attack(&site);
    configured(&site, "mode = \"automatic\"\nautomatic = { severity = \"HIGH\" }");
    let _helper = cable.helper(&site);
    let _daemon = cable.start(&site);
    let id = wait_for_proposal(&site);
    wait_for("it to be carried out", || response(&site, &id)["state"] == "executed");
    assert!(!cable.passes(ATTACKER) && cable.passes(OTHER));
    let (_, shown, _) = command(&site, &["proposals", "show", &id]);
    assert!(shown.contains("approved by dsmild itself"), "{shown}");
}
