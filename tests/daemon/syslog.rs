//! Syslog over the network, from util-linux's logger and from clients of RELP and TLS.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Daemon, Site, free_port, wait_for};

/// A daemon that takes syslog by this transport, and the port.
fn site(transport: &str, extra: &str) -> (Site, u16) {
    let port = free_port();
    let listen = format!("[[intake.syslog]]\nlisten = \"{transport}://127.0.0.1:{port}\"\n{extra}\n");
    (Site::new(&listen), port)
}

fn payloads(daemon: &Daemon) -> Vec<String> {
    let events = daemon.stream("L3_IN");
    events.iter().filter_map(|event| Some(event["payload"].as_str()?.to_owned())).collect()
}

fn until_taken(daemon: &Daemon, words: &[&str]) -> Vec<Value> {
    wait_for("every message to be taken in", || {
        let found = payloads(daemon);
        words.iter().all(|word| found.iter().any(|payload| payload.contains(word)))
    });
    daemon.stream("L3_IN")
}

fn logger(arguments: &[&str]) -> bool {
    match Command::new("logger").args(arguments).stdin(Stdio::null()).status() {
        Ok(status) => {
            assert!(status.success(), "{arguments:?}");
            true
        }
        Err(_) => {
            eprintln!("skipped: there is no logger (util-linux)");
            false
        }
    }
}

/// A daemon that is ready may still be about to listen: what it does says its status.
fn listening(site: &Site) -> Daemon {
    let daemon = site.start_ready();
    wait_for("the listener to be up", || {
        let status = daemon.status();
        let mut sources = status["sources"].as_array().unwrap().iter();
        sources.any(|source| source["name"].as_str().unwrap().starts_with("syslog:") && source["state"] == "up")
    });
    daemon
}

#[test]
fn what_logger_sends_over_tcp_and_udp_is_taken_in_with_the_address_of_the_sender() {
    for (transport, flag) in [("tcp", "-T"), ("udp", "-d")] {
        let (site, port) = site(transport, "compartment = \"edge\"");
        let daemon = listening(&site);
        let port = port.to_string();
        let common = ["-n", "127.0.0.1", "-P", &port, flag, "-t", "sshd"];
        let sent = [
            &["Failed password for root from 192.0.2.1 port 4242 ssh2"][..],
            &["--octet-count", "octets"],
            &["--rfc3164", "old"],
        ];
        for last in sent {
            if flag == "-d" && last[0] == "--octet-count" {
                continue;
            }
            if !logger(&[&common[..], last].concat()) {
                return;
            }
        }
        let events = until_taken(&daemon, &["Failed password", "old"]);
        if flag == "-T" {
            until_taken(&daemon, &["octets"]);
        }
        for event in &events {
            assert_eq!(
                (&event["log.source.address"], &event["compartment"]),
                (&Value::from("127.0.0.1"), &Value::from("edge")),
                "{event}"
            );
            assert!(event["payload"].as_str().unwrap().starts_with('<'), "{event}");
        }
        wait_for("the failure to be judged", || {
            daemon.stream("L3_OUT").iter().any(|event| event["entity"]["src_ip"] == "192.0.2.1")
        });
        let status = daemon.status();
        let source = format!("syslog:{transport}://127.0.0.1:{port}");
        let shown = status["sources"].as_array().unwrap().iter().find(|shown| shown["name"] == source.as_str());
        assert_eq!(shown.map(|shown| &shown["state"]), Some(&Value::from("up")), "{status}");
    }
}

/// A client of RELP with a session.
struct Relp {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Relp {
    fn open(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let offers = "relp_version=0\nrelp_software=test\ncommands=syslog";
        writeln!(stream, "1 open {} {offers}", offers.len()).unwrap();
        Self { stream, heard: Vec::new() }
    }

    fn send(&mut self, number: u32, text: &str) -> std::io::Result<()> {
        writeln!(self.stream, "{number} syslog {} {text}", text.len())
    }

    /// Numbers of the messages that are acknowledged by now.
    fn acknowledged(&mut self) -> std::io::Result<BTreeSet<u32>> {
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.heard.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&self.heard);
        let answers = text.lines().filter_map(|line| line.strip_suffix(" rsp 6 200 OK"));
        Ok(answers.filter_map(|number| number.parse().ok()).collect())
    }
}

#[test]
fn what_relp_has_acknowledged_is_there_after_kill_9() {
    let (site, port) = site("relp", "");
    let daemon = listening(&site);
    let mut client = Relp::open(port);
    let sender = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let mut client = Relp { stream: sender, heard: Vec::new() };
        // Until the daemon is gone.
        (2..)
            .take_while(|number| client.send(*number, &format!("<13>Nov 10 10:00:00 web app: number={number}")).is_ok())
            .count()
    });
    let mut safe = BTreeSet::new();
    while safe.len() < 500 {
        safe = client.acknowledged().unwrap();
    }
    daemon.kill();
    while let Ok(more) = client.acknowledged() {
        safe = more;
    }
    sending.join().unwrap();
    let daemon = listening(&site);
    let there: Vec<u32> =
        payloads(&daemon).iter().filter_map(|payload| payload.rsplit_once('=')?.1.parse().ok()).collect();
    let numbers: BTreeSet<u32> = there.iter().copied().collect();
    let lost: Vec<_> = safe.difference(&numbers).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(numbers.len(), there.len(), "nothing is there twice");
}

#[test]
fn a_session_of_relp_ends_in_order_and_what_is_no_relp_is_told() {
    let (site, port) = site("relp", "");
    let daemon = listening(&site);
    let mut client = Relp::open(port);
    client.send(2, "<13>Nov 10 10:00:00 web app: hello").unwrap();
    writeln!(client.stream, "3 starttls 0\n4 close 0").unwrap();
    let mut heard = String::new();
    client.stream.read_to_string(&mut heard).unwrap();
    let answers: Vec<&str> = heard.lines().collect();
    assert!(answers[0].starts_with("1 rsp ") && answers[0].ends_with("200 OK"), "{heard}");
    assert!(answers.contains(&"2 rsp 6 200 OK") && heard.contains("\n3 rsp ") && heard.contains(" 500 "), "{heard}");
    assert!(heard.ends_with("4 rsp 0\n0 serverclose 0\n"), "{heard}");
    assert_eq!(payloads(&daemon), ["<13>Nov 10 10:00:00 web app: hello"]);
    let mut other = TcpStream::connect(("127.0.0.1", port)).unwrap();
    other.write_all(b"<13>Nov 10 10:00:00 web app: no relp\n").unwrap();
    assert_eq!(other.read(&mut [0; 16]).unwrap_or_default(), 0, "closed");
    wait_for("it to be told", || site.log().contains("this is not RELP"));
}

#[test]
fn who_sends_too_fast_over_udp_loses_what_is_counted_and_said() {
    let (site, port) = site("udp", "rate = 10");
    let daemon = listening(&site);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    for number in 0..100 {
        socket.send(format!("<13>Nov 10 10:00:00 web app: {number}").as_bytes()).unwrap();
    }
    let dropped = |daemon: &Daemon| {
        let (_, metrics) = daemon.get("/metrics").unwrap();
        let line =
            metrics.lines().find(|line| line.contains("dsmil_dropped_total") && line.contains("too_fast"))?.to_owned();
        line.rsplit_once(' ')?.1.parse::<usize>().ok()
    };
    wait_for("all to be taken in or dropped", || dropped(&daemon).unwrap_or_default() + payloads(&daemon).len() == 100);
    assert!(dropped(&daemon).unwrap_or_default() > 0 && payloads(&daemon).len() >= 10);
    site.until_said("more than `rate` a second");
}

fn openssl(site: &Site, arguments: &str) -> bool {
    let status =
        Command::new("openssl").args(arguments.split(' ')).current_dir(site.dir.path()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn over_tls_only_who_has_a_certificate_of_the_authority_may_send() {
    let (site, port) = site(
        "tls",
        "tls_cert_file = \"{dir}/server.pem\"\ntls_key_file = \"{dir}/server.key\"\ntls_client_ca_file = \"{dir}/ca.pem\"",
    );
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    std::fs::write(site.path("leaf"), "basicConstraints = critical,CA:FALSE\n").unwrap();
    let authority = format!("req -x509 {key} -days 2 -subj /CN=ca -keyout ca.key -out ca.pem");
    let made = openssl(&site, &authority)
        && ["server", "client"].iter().all(|name| {
            let signed = format!("-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile leaf -out {name}.pem");
            openssl(&site, &format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"))
                && openssl(&site, &format!("x509 -req -in {name}.csr {signed}"))
        });
    if !made {
        eprintln!("skipped: there is no openssl");
        return;
    }
    let daemon = listening(&site);
    let send = |credentials: &[&str], text: &str| {
        let address = format!("127.0.0.1:{port}");
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-no_ign_eof", "-connect", &address])
            .args(credentials)
            .current_dir(site.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Who is refused may be gone before it has sent.
        let _ = client.stdin.take().unwrap().write_all(text.as_bytes());
        client.wait().unwrap();
    };
    send(&[], "<13>Nov 10 10:00:00 web app: stranger\n");
    send(&["-cert", "client.pem", "-key", "client.key"], "35 <13>Nov 10 10:00:00 web app: friend");
    until_taken(&daemon, &["friend"]);
    assert_eq!(payloads(&daemon), ["<13>Nov 10 10:00:00 web app: friend"]);
}
