//! What other programs do with the same, in the same run: rsyslog from a file into Redis, a router written in Python over Redis,
//! `rsigma engine eval` over process creations. One that is not installed is said.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::daemon::{Daemon, PATIENCE, program};
use super::{FEW, redis, writer};

/// Ended when dropped.
struct Peer(Child);

impl Peer {
    /// `None` where it is not installed.
    fn start(command: &mut Command) -> Option<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok().map(Self)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const DETECTION_OFF: &str = "[l3]\nenabled = false\n[l4]\nenabled = false\n[fusion]\nenabled = false\n";

fn devices_off() -> String {
    (51..=58).fold(String::new(), |text, number| text + &format!("[device.{number}]\nenabled = false\n"))
}

/// Until what is at a key is so long; `None` if it stands still.
async fn until(server: &redis::Server, (command, key): (&'static str, &'static str), entries: u64) -> Option<Duration> {
    let (begun, link) = (Instant::now(), server.link().await);
    let (mut before, mut grew) = (0, Instant::now());
    loop {
        let length =
            link.call(command, key, vec![key.into()]).await.ok().and_then(|length| length.number()).unwrap_or(0);
        if length >= entries {
            return Some(begun.elapsed());
        }
        if length > before {
            (before, grew) = (length, Instant::now());
        }
        if grew.elapsed() > PATIENCE / 20 {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(2)).await; // between two looks
    }
}

fn row(name: &str, count: usize, took: Option<Duration>) {
    match took {
        Some(took) => println!("{name:<34} {:>9.0}", count as f64 / took.as_secs_f64()),
        None => println!("{name:<34} {:>9}", "never"),
    }
}

/// Lines of a file as entries of a stream, nothing judged.
pub async fn file_to_redis(lines: usize) {
    println!("file -> Redis, nothing judged");
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = folder.path().join("in.log");
    assert!(writer(&file, lines, 0, FEW).wait().unwrap().success());
    let server = redis::Server::start(folder.path(), "{}");
    let settings = format!(
        "[[intake.file]]\npath = {file:?}\n[redis]\nurl = \"redis://127.0.0.1:{}\"\nmaxlen = 10000000\n\
         streams = {{ L3_IN = \"mirror\", L4_IN = \"off\" }}\n{DETECTION_OFF}{}",
        server.port,
        devices_off()
    );
    let begun = Instant::now();
    let daemon = Daemon::start(folder.path(), &settings);
    let took = until(&server, ("XLEN", "L3_IN"), lines as u64).await.map(|_| begun.elapsed());
    row("dsmild, from its start", lines, took);
    drop((daemon, server));
    let server = redis::Server::start(folder.path(), "{}");
    let (begun, rsyslog) = (Instant::now(), rsyslog(folder.path(), &file, server.port));
    if rsyslog.is_none() {
        return println!("skipped: rsyslogd with omhiredis is not installed");
    }
    let took = until(&server, ("LLEN", "LINES"), lines as u64).await.map(|_| begun.elapsed());
    row("rsyslog imfile -> omhiredis", lines, took);
}

/// As elements of a list: it knows no streams in the versions that distributions have.
fn rsyslog(folder: &Path, file: &Path, port: u16) -> Option<Peer> {
    let config = format!(
        "global(workDirectory={folder:?})\nmodule(load=\"imfile\" mode=\"inotify\")\nmodule(load=\"omhiredis\")\n\
         template(name=\"line\" type=\"string\" string=\"%msg%\")\n\
         ruleset(name=\"out\" queue.type=\"LinkedList\" queue.size=\"200000\" queue.dequeueBatchSize=\"1000\") {{\n\
         action(type=\"omhiredis\" server=\"127.0.0.1\" serverport=\"{port}\" mode=\"queue\" key=\"LINES\" template=\"line\")\n}}\n\
         input(type=\"imfile\" file={file:?} tag=\"in\" ruleset=\"out\")\n"
    );
    std::fs::write(folder.join("rsyslog.conf"), config).unwrap();
    let mut command = Command::new("rsyslogd");
    command.arg("-n").arg("-f").arg(folder.join("rsyslog.conf")).arg("-i").arg(folder.join("rsyslog.pid"));
    Peer::start(&mut command)
}

/// Decisions of a Layer 3 elsewhere in Redis become SOC events in Redis.
pub async fn router(lines: usize) {
    println!("L3_OUT in Redis -> SOC_EVENTS in Redis");
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let entry = [
        "XADD",
        "L3_OUT",
        "*",
        "ts",
        "1795703584.5",
        "decision",
        "suspicious",
        "score",
        "0.6",
        "model",
        "m",
        "device_id",
        "18",
    ];
    let fill = |lines: usize| {
        let server = redis::Server::start(folder.path(), "{}");
        server.benchmark(lines, &entry);
        server
    };
    let server = fill(lines);
    let settings = format!(
        "[redis]\nurl = \"redis://127.0.0.1:{}\"\nmaxlen = 10000000\nstreams = {{ L3_IN = \"off\", L4_IN = \"off\", \
         L3_OUT = \"ingest\", L4_OUT = \"off\" }}\n[l3]\nenabled = false\n[l4]\nenabled = false\n{}",
        server.port,
        devices_off()
    );
    let begun = Instant::now();
    let daemon = Daemon::start(folder.path(), &settings);
    let took = until(&server, ("XLEN", "SOC_EVENTS"), lines as u64).await.map(|_| begun.elapsed());
    row("dsmild, from its start", lines, took);
    drop(daemon);
    if let Some(event) = first_entry(&server, "SOC_EVENTS").await {
        let append: Vec<&str> = ["XADD", "AGAIN", "*"].into_iter().chain(event.iter().map(String::as_str)).collect();
        println!("{:<34} {:>9.0}", "Redis alone takes such events", server.benchmark(lines, &append));
    }
    drop(server);
    if !Command::new("python3")
        .args(["-c", "import redis"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|has| has.success())
    {
        return println!("skipped: python3 with its module redis is not installed");
    }
    let lines = lines / 10;
    let server = fill(lines);
    let script = PYTHON.replace("PORT", &server.port.to_string());
    let (begun, python) = (Instant::now(), Peer::start(Command::new("python3").args(["-c", &script])));
    let took = until(&server, ("XLEN", "SOC_EVENTS"), lines as u64).await.map(|_| begun.elapsed());
    row("a loop in Python", lines, took.filter(|_| python.is_some()));
}

/// The names and values of the first entry of a stream.
async fn first_entry(server: &redis::Server, key: &'static str) -> Option<Vec<String>> {
    let arguments = [key, "-", "+", "COUNT", "1"].map(|text| text.to_owned().into());
    let answer = server.link().await.call("XRANGE", key, arguments.into()).await.ok()?;
    let [_, fields] = answer.list().first()?.list() else { return None };
    fields.list().iter().map(|text| text.text().map(str::to_owned)).collect()
}

/// One service of several that would share the work: reads ten entries, asks for the operator's state, writes ten.
const PYTHON: &str = r#"
import json, urllib.request, redis
server, last = redis.Redis(port=PORT), "0"
while True:
    try:
        state = json.load(urllib.request.urlopen("http://127.0.0.1:8500/api/v1/metrics", timeout=0.5))
    except OSError:
        state = {}
    for _, entries in server.xread({"L3_OUT": last}, count=10, block=1000):
        for last, fields in entries:
            decision = {name.decode(): value.decode() for name, value in fields.items()}
            event = {"ts": decision["ts"], "src_layer": "3", "decision": decision["decision"], "score": decision["score"],
                     "shrink_risk": state.get("risk_acute_stress")}
            server.xadd("SOC_EVENTS", {name: json.dumps(value) for name, value in event.items()})
"#;

/// Process creations against rules, the whole pipeline next to the rules alone.
pub fn rules(lines: usize, rules: &[PathBuf]) {
    let rules: Vec<&PathBuf> =
        rules.iter().filter(|rule| rule.to_string_lossy().contains("/process_creation/")).collect();
    if rules.is_empty() {
        return;
    }
    println!("process creations against {} rules", rules.len());
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let (events, kept) = (folder.path().join("events.ndjson"), folder.path().join("rules"));
    std::fs::write(&events, processes(lines)).unwrap();
    std::fs::create_dir(&kept).unwrap();
    for (number, rule) in rules.iter().enumerate() {
        std::fs::copy(rule, kept.join(format!("{number}.yml"))).unwrap();
    }
    let config = folder.path().join("dsmil.toml");
    std::fs::write(&config, format!("[l3]\nrules = [{kept:?}]\n")).unwrap();
    let timed = |command: &mut Command| {
        let begun = Instant::now();
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ended.is_ok_and(|ended| ended.success()).then(|| begun.elapsed())
    };
    row("dsmild replay", lines, timed(Command::new(program()).args(["replay", "-c"]).arg(&config).arg(&events)));
    let Some(took) = timed(
        Command::new("rsigma")
            .args(["engine", "eval", "-r"])
            .arg(&kept)
            .arg("-e")
            .arg(format!("@{}", events.display())),
    ) else {
        return println!("skipped: rsigma is not installed, or does not take these arguments");
    };
    row("rsigma engine eval", lines, Some(took));
}

fn processes(lines: usize) -> String {
    const COMMANDS: [&str; 6] = [
        "/usr/bin/ls -la /home/",
        "/usr/bin/python3 /opt/run.py ",
        "/bin/sh -c ",
        "/usr/bin/git fetch ",
        "/usr/bin/base64 -d ",
        "/usr/bin/make -j4 ",
    ];
    let mut text = String::new();
    for number in 0..lines {
        let command = COMMANDS[number * 7 % 11 % COMMANDS.len()];
        let image = command.split(' ').next().unwrap_or_default();
        writeln!(
            text,
            r#"{{"ts":{},"category":"process_creation","product":"linux","host":"h{}","User":"user{}","Image":"{image}","CommandLine":"{command}{number}","ParentImage":"/bin/bash","ProcessId":{number}}}"#,
            1_795_703_584 + number / 2000,
            number % 40,
            number % 300
        )
        .unwrap();
    }
    text
}
