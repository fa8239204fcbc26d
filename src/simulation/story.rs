//! What is written in the quarter of an hour: noise, and in it an attack and a source that falls silent, both of which must be found.

use std::time::Duration;

use super::machine::at;
use super::random::Random;
use crate::event::Timestamp;

pub const ENDS: Duration = Duration::from_secs(15 * 60);
/// Of the steady source.
const BEAT: Duration = Duration::from_secs(5);
const BEATS: u64 = 100;
const FAILURES: u64 = 12;

/// One line, and when it is written.
#[derive(Debug, Clone)]
pub struct Line {
    pub written: Duration,
    /// What it tells of its time.
    pub claim: Timestamp,
    message: String,
}

pub struct Story {
    /// Of logins: honest, and the attack.
    pub logins: Vec<Line>,
    /// One line every five seconds, and then nothing.
    pub beats: Vec<Line>,
    /// Requests, some of which lie about their time.
    pub requests: Vec<Line>,
    pub attacker: String,
}

impl Story {
    pub fn new(random: &mut Random) -> Self {
        let attacker = format!("203.0.113.{}", 1 + random.below(250));
        let mut logins = noise(random, 12, |random, number| {
            let user = random.pick(&["alice", "bob", "carol"]);
            format!(
                "sshd[{}]: Accepted publickey for {user} from 192.0.2.{} port {number} ssh2",
                1000 + number,
                1 + random.below(20)
            )
        });
        let begin = Duration::from_secs(60 + random.below(10 * 60));
        for number in 0..FAILURES {
            let written = begin + Duration::from_secs(number * 3);
            let user = random.pick(&["root", "admin", "oracle"]);
            let text = format!(
                "sshd[{}]: Failed password for invalid user {user} from {attacker} port {} ssh2",
                5000 + number,
                40_000 + number
            );
            logins.push(line(written, text));
        }
        logins.sort_by_key(|line| line.written);
        let beats = (0..BEATS).map(|number| line(BEAT * number as u32, format!("beacon[7]: still here, {number}")));
        let mut requests = noise(random, 10, |random, number| {
            format!("portal[9]: request {number} of 198.51.100.{} took {} ms", random.below(9), random.below(900))
        });
        for line in &mut requests {
            let day = Duration::from_secs(86_400);
            match random.below(20) {
                0 => line.lie(line.claim.plus(day * (1 + random.below(70_000) as u32))),
                1 => line.lie(line.claim.minus(day * (1 + random.below(300) as u32))),
                _ => {}
            }
        }
        Self { beats: beats.collect(), logins, requests, attacker }
    }
}

/// About one line in so many seconds.
fn noise(random: &mut Random, seconds: u64, text: impl Fn(&mut Random, u64) -> String) -> Vec<Line> {
    let count = ENDS.as_secs() / seconds;
    let mut moments: Vec<u64> = (0..count).map(|_| random.below(ENDS.as_millis() as u64)).collect();
    moments.sort_unstable();
    let moments = moments.into_iter().zip(0..);
    moments.map(|(moment, number)| line(Duration::from_millis(moment), text(random, number))).collect()
}

fn line(written: Duration, message: String) -> Line {
    Line { written, claim: at(written), message }
}

impl Line {
    fn lie(&mut self, claim: Timestamp) {
        self.claim = claim;
    }

    pub fn text(&self) -> String {
        format!("{} host {}", self.claim, self.message)
    }
}
