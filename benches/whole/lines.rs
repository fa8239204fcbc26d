//! A log as several programs write it, and the process that writes it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// At most so many lines are written at once: of a slow log, those of a millisecond.
const PORTION: usize = 100;
/// One of so many lines is an attack of its own, of which a SOC event follows.
const ATTACK_EVERY: usize = 500;

/// The process that writes the log.
pub fn write(path: &Path, lines: usize, rate: usize, entities: usize) {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    let (begun, mut mix) = (Instant::now(), Mix::new(entities));
    let mut text = String::new();
    let portion = if rate > 0 { (rate / 1000).clamp(1, PORTION) } else { PORTION };
    for first in (0..lines).step_by(portion) {
        text.clear();
        for number in first..lines.min(first + portion) {
            mix.line(&mut text, number, now());
        }
        file.write_all(text.as_bytes()).unwrap();
        if rate > 0 {
            let due = Duration::from_secs_f64((first + portion) as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(begun.elapsed())); // the rate that was asked for
        }
    }
}

/// In microseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// The same lines in every run, but for their times.
pub struct Mix {
    random: u64,
    entities: usize,
}

impl Mix {
    pub fn new(entities: usize) -> Self {
        Self { random: 7, entities }
    }

    /// Has other lines follow.
    #[allow(dead_code)] // for who writes them from several threads
    pub fn skip(&mut self, number: usize) {
        self.random ^= number as u64;
    }

    /// The line of this number, with its newline.
    pub fn line(&mut self, text: &mut String, number: usize, micros: u64) {
        // Of Knuth's linear congruential generator the upper bits.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        line(text, number, (self.random >> 33) as usize, self.entities, micros);
    }
}

fn line(text: &mut String, number: usize, random: usize, entities: usize, micros: u64) {
    let stamp = jiff::Timestamp::from_microsecond(micros as i64).unwrap();
    let (who, kind) = (random / 100 % entities, random % 100);
    let (user, pid, port) = (who % 5000, 1000 + who % 30_000, 1024 + who % 60_000);
    let address = format!("10.{}.{}.{}", who >> 16 & 255, who >> 8 & 255, who & 255);
    write!(text, "{stamp:.6} host{} ", who % 50).unwrap();
    let written = match kind {
        _ if number % ATTACK_EVERY == ATTACK_EVERY - 1 => attack(text, number, stamp),
        0..2 => writeln!(text, "sshd[{pid}]: Failed password for user{user} from {address} port {port} ssh2"),
        2..25 => writeln!(
            text,
            "sshd[{pid}]: Accepted publickey for user{user} from {address} port {port} ssh2: RSA SHA256:a{who}"
        ),
        25..45 => writeln!(
            text,
            "CRON[{pid}]: pam_unix(cron:session): session opened for user user{user}(uid={port}) by (uid=0)"
        ),
        45..60 => writeln!(text, "systemd[1]: Started session-{who}.scope - Session {who} of User user{user}."),
        60..75 => writeln!(
            text,
            "sudo[{pid}]:    user{user} : TTY=pts/{} ; PWD=/home/user{user} ; USER=root ; COMMAND=/usr/bin/systemctl status unit{}",
            who % 9,
            who % 97
        ),
        75..90 => writeln!(
            text,
            "nginx[{}]: {address} - - [{}] \"GET /p/{} HTTP/1.1\" 200 {} \"-\" \"Mozilla/5.0\"",
            700 + who % 9,
            stamp.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            who % 3000,
            who % 9999
        ),
        _ => writeln!(text, "kernel: [{number}.{port:06}] eth0: link becomes ready {}", who % 77),
    };
    written.unwrap();
}

/// One of several kinds in turn, for what is said again and again of one is told ever more rarely.
fn attack(text: &mut String, number: usize, stamp: jiff::Timestamp) -> std::fmt::Result {
    let address = format!("198.{}.{}.{}", 18 + (number >> 16 & 1), number >> 8 & 255, number & 255);
    let when = stamp.strftime("%d/%b/%Y:%H:%M:%S +0000");
    let web = |path: &str| format!("nginx[700]: {address} - - [{when}] \"GET {path} HTTP/1.1\" 200 99 \"-\" \"-\"");
    let attack = match number / ATTACK_EVERY % 4 {
        0 => format!("sudo[7]: u{number} : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow"),
        1 => web(&format!("/p?n={number}&id=1%27+UNION+SELECT+user,pass+FROM+users--")),
        2 => web(&format!("/{number}/../../../../etc/passwd")),
        _ => format!("useradd[7]: new user: name=u{number}, UID=0, GID=0, home=/root, shell=/bin/bash, from=none"),
    };
    writeln!(text, "{attack}")
}
