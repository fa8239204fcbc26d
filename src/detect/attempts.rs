//! Which lines are about one attempt to log in.
//!
//! A program, its PAM modules and a directory service each write a line about one wrong password, and one of them may fail
//! where the next succeeds. Lines of one session belong to one attempt until one of them comes a second time; a success takes
//! the session's failures back. Where the same log is read twice (from the journal and from a file), each reading tells of the same
//! attempts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use super::recent::Recent;
use crate::event::{Record, Timestamp};
use crate::limits;

/// OpenSSH's `LoginGraceTime`: a session that has not logged in by then is over, and so is login's.
const SESSION: Duration = Duration::from_secs(120);

/// In a container everything that a program does is of process 1: of that, only lines that come together are of one attempt.
const FIRST_PROCESS: u32 = 1;
const TOGETHER: Duration = Duration::from_secs(2);

/// How the audit system writes that there is no session yet, which all that log in have in common.
const NO_SESSION: [&str; 3] = ["4294967295", "-1", "unset"];

/// Readings of one session that are told apart.
const READINGS_MAX: usize = 4;

/// Sessions that have failed to log in, by peer and session.
#[derive(Debug, Serialize, Deserialize)]
pub struct Attempts {
    sessions: Recent<Session>,
    /// Lines that name no session and no process, by peer and what they say.
    #[serde(default = "none")]
    lines: Recent<Session>,
}

fn none() -> Recent<Session> {
    Recent::new(limits::ENTITIES_PER_DETECTOR_MAX)
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Session {
    /// The newest line.
    at: Timestamp,
    user: String,
    /// What each source of lines has told of it.
    #[serde(default)]
    readings: Vec<Reading>,
    /// How many attempts were counted.
    #[serde(default)]
    attempts: u64,
    /// The user of each attempt that was counted, as the counted line named it.
    counted: Vec<String>,
}

/// A session as one source of lines tells of it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Reading {
    /// Fingerprint of the source's name.
    source: u64,
    /// How the lines of the current attempt begin.
    beginnings: Vec<String>,
    attempts: u64,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { sessions: none(), lines: none() }
    }
}

impl Attempts {
    /// Whether the line of a failure is about an attempt that has been counted already. `source`: the name of where it was read.
    pub fn is_repeated(&mut self, peer: &str, source: &str, record: &Record, ts: Timestamp) -> bool {
        let session = match key(peer, record) {
            Some(key) => self.sessions.touch(&key, Default::default),
            None => self.lines.touch(&key_of_line(peer, record), Default::default),
        };
        let user = record.entity.user.as_deref().unwrap_or_default();
        let is_same_session = session.is_near(ts, length(record)) && session.is_of(user);
        if !is_same_session {
            *session = Session::default();
        }
        session.at = ts;
        if session.user.is_empty() {
            user.clone_into(&mut session.user);
        }
        let attempts = session.reading(fingerprint(source)).map_or(0, |reading| reading.attempts(record));
        let is_new = attempts > session.attempts;
        session.attempts = session.attempts.max(attempts);
        if is_new && session.counted.len() < limits::ATTEMPTS_PER_SESSION_MAX {
            session.counted.push(user.to_owned());
        }
        !is_new
    }

    /// The users of the failures that the success that `record` tells of takes back. The session is over.
    pub fn succeeded(&mut self, peer: &str, record: &Record, ts: Timestamp) -> Vec<String> {
        let Some(key) = key(peer, record) else { return Vec::new() };
        let user = record.entity.user.as_deref().unwrap_or_default();
        let is_near = |session: &Session| session.is_near(ts, length(record));
        let is_meant = self.sessions.get(&key).is_some_and(|session| is_near(session) && session.is_of(user));
        // Whoever fails as one user and gets in as another has still tried the first.
        if !is_meant {
            return Vec::new();
        }
        self.sessions.remove(&key).map(|session| session.counted).unwrap_or_default()
    }
}

impl Session {
    /// The one of this source. Of more than are told apart, the last one is of all others.
    fn reading(&mut self, source: u64) -> Option<&mut Reading> {
        let known = self.readings.iter().position(|reading| reading.source == source);
        let place = known.unwrap_or(self.readings.len()).min(READINGS_MAX - 1);
        if place == self.readings.len() {
            self.readings.push(Reading { source, ..Reading::default() });
        }
        self.readings.get_mut(place)
    }

    fn is_near(&self, ts: Timestamp, length: Duration) -> bool {
        self.attempts > 0 && ts.since(self.at).max(self.at.since(ts)) <= length
    }

    fn is_of(&self, user: &str) -> bool {
        self.user == user || self.user.is_empty() || user.is_empty()
    }
}

impl Reading {
    /// Of how many attempts it has told, with this line.
    fn attempts(&mut self, record: &Record) -> u64 {
        let beginning = beginning(record);
        // An agent offers all its keys before the person is asked for anything.
        let is_next = self.beginnings.contains(&beginning) && !is_key_offered(record);
        if is_next || self.beginnings.len() >= limits::LINES_PER_ATTEMPT_MAX {
            self.beginnings.clear();
        }
        self.attempts += u64::from(self.beginnings.is_empty());
        if !self.beginnings.contains(&beginning) {
            self.beginnings.push(beginning);
        }
        self.attempts
    }
}

fn session(record: &Record) -> Option<&str> {
    record.field("session").filter(|session| !NO_SESSION.contains(session))
}

/// How far apart lines of one session may be.
fn length(record: &Record) -> Duration {
    let is_of_everybody = session(record).is_none() && record.pid == Some(FIRST_PROCESS);
    if is_of_everybody { TOGETHER } else { SESSION }
}

/// The session that the line names, else the process that serves it.
fn key(peer: &str, record: &Record) -> Option<String> {
    let host = record.entity.host.as_deref().unwrap_or_default();
    match session(record) {
        Some(session) => Some([host, " ", peer, " session ", session].concat()),
        None => record.pid.map(|pid| [host, " ", peer, " ", &pid.to_string()].concat()),
    }
}

/// What a line that names neither says: two that say the same are of two attempts, if they were read at one place.
fn key_of_line(peer: &str, record: &Record) -> String {
    let host = record.entity.host.as_deref().unwrap_or_default();
    format!("{host} {peer} line {:016x}", fingerprint(&record.message))
}

/// How the program begins such a line: what stands before the name or the address, without the numbers (times, serials, processes)
/// that differ from line to line.
fn beginning(record: &Record) -> String {
    let message = record.message.as_str();
    let places = [record.entity.user.as_deref(), record.entity.src_ip.as_deref()];
    let first = places.into_iter().flatten().filter_map(|text| message.find(text)).min().unwrap_or(message.len());
    let end = message.floor_char_boundary(first.min(limits::LINE_BEGINNING_BYTES_MAX));
    message.get(..end).unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn is_key_offered(record: &Record) -> bool {
    record.message.starts_with("Failed publickey ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Entity;

    const PEER: &str = "192.0.2.4";
    const FILE: &str = "file:/var/log/auth.log";

    fn second(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + number * 1000)
    }

    fn line(user: &str, pid: u32, message: &str) -> Record {
        let user = Some(user.to_owned()).filter(|user| !user.is_empty());
        let entity = Entity { user, src_ip: Some(PEER.into()), ..Entity::default() };
        Record { pid: Some(pid), message: message.to_owned(), entity, ..Record::default() }
    }

    /// How many attempts lines at these seconds are.
    fn counted(attempts: &mut Attempts, lines: &[(u64, Record)]) -> usize {
        lines.iter().filter(|(at, record)| !attempts.is_repeated(PEER, FILE, record, second(*at))).count()
    }

    #[test]
    fn all_that_write_of_one_wrong_password_write_of_one_attempt() {
        let lines = [
            (0, line("alice", 7, "Invalid user alice from 192.0.2.4 port 5")),
            (0, line("", 7, "pam_unix(sshd:auth): authentication failure; rhost=192.0.2.4")),
            (2, line("alice", 7, "Failed password for invalid user alice from 192.0.2.4 port 5 ssh2")),
            (40, line("alice", 7, "Connection closed by invalid user alice 192.0.2.4 port 5 [preauth]")),
        ];
        assert_eq!(counted(&mut Attempts::default(), &lines), 1);
    }

    #[test]
    fn two_wrong_passwords_of_one_process_are_two_attempts_and_two_keys_are_one() {
        let password = "Failed password for alice from 192.0.2.4 port 5 ssh2";
        let lines = [(0, line("alice", 7, password)), (1, line("alice", 7, password)), (1, line("bob", 7, password))];
        assert_eq!(counted(&mut Attempts::default(), &lines), 3);
        let key = "Failed publickey for alice from 192.0.2.4 port 5 ssh2: RSA SHA256:aa";
        let lines = [(0, line("alice", 7, key)), (0, line("alice", 7, key)), (3, line("alice", 8, key))];
        assert_eq!(counted(&mut Attempts::default(), &lines), 2);
    }

    #[test]
    fn lines_that_name_neither_session_nor_process_are_of_attempts_of_their_own() {
        let told = |message: &str| Record { pid: None, ..line("bob", 7, message) };
        let lines = [(0, told("refused 192.0.2.4 as bob")), (1, told("the password of bob from 192.0.2.4 is wrong"))];
        assert_eq!(counted(&mut Attempts::default(), &lines), 2);
    }

    #[test]
    fn what_is_read_in_the_journal_and_in_a_file_was_tried_once() {
        let password = "Failed password for alice from 192.0.2.4 port 5 ssh2";
        let mut attempts = Attempts::default();
        let mut counted = |source: &str, at: u64, record: &Record| {
            usize::from(!attempts.is_repeated(PEER, source, record, second(at)))
        };
        let ssh = line("alice", 7, password);
        let web =
            Record { pid: None, ..line("bob", 7, "192.0.2.4 - bob [10/Nov/2026:10:00:00 +0000] \"POST /login\" 401") };
        for record in [ssh, web] {
            // Both at once, one after the other, and one of them behind by several lines.
            let places = ["journal", FILE, "journal", FILE, "journal", "journal", FILE, FILE];
            let sum: usize = (0..).zip(places).map(|(at, source)| counted(source, at, &record)).sum();
            assert_eq!(sum, 4, "{}", record.message);
        }
    }

    #[test]
    fn a_success_takes_back_what_failed_before_it_in_its_session_and_of_its_user() {
        let mut attempts = Attempts::default();
        let failed = |user: &str, pid| line(user, pid, "Failed password for alice from 192.0.2.4 port 5 ssh2");
        let accepted = |user: &str, pid| line(user, pid, "Accepted password for alice from 192.0.2.4 port 5 ssh2");
        counted(&mut attempts, &[(0, failed("alice", 7)), (4, failed("alice", 7)), (5, failed("alice", 8))]);
        let mut taken_back = |user: &str, pid, at| attempts.succeeded(PEER, &accepted(user, pid), second(at)).len();
        assert_eq!(taken_back("bob", 7, 6), 0);
        assert_eq!(taken_back("alice", 9, 6), 0);
        assert_eq!(taken_back("alice", 7, 9), 2);
        assert_eq!(taken_back("alice", 7, 9), 0);
        assert_eq!(taken_back("alice", 8, 1000), 0);
    }

    #[test]
    fn refusals_before_there_is_a_session_are_not_of_one_session() {
        let line = |at: u64| {
            let message = format!("type=USER_LOGIN msg=audit(1772766240.125:{at}): pid={at} msg='op=login res=failed'");
            let fields = vec![("session".to_owned(), "4294967295".to_owned())];
            (at, Record { fields, ..line("root", at as u32, &message) })
        };
        assert_eq!(counted(&mut Attempts::default(), &[line(1), line(2), line(3)]), 3);
    }

    #[test]
    fn the_first_process_of_a_container_serves_everybody_so_lines_that_differ_are_one_attempt_only_when_they_come_together()
     {
        let words = ["login failed for user root", "Invalid credentials for root", "authentication failed for root"];
        let at = |every: u64, pid| -> Vec<(u64, Record)> {
            (0..12).map(|n| (n as u64 * every, line("root", pid, words[n % 3]))).collect()
        };
        assert_eq!(counted(&mut Attempts::default(), &at(40, 1)), 12);
        assert_eq!(counted(&mut Attempts::default(), &at(40, 7)), 4);
        assert_eq!(counted(&mut Attempts::default(), &at(1, 1)), 4);
    }

    #[test]
    fn a_program_that_writes_a_time_before_its_words_still_says_the_same() {
        let line = |at: u64| (at, line("bob", 7, &format!("[16:41:{at}] [INF] [79] request for bob has been denied")));
        assert_eq!(counted(&mut Attempts::default(), &[line(20), line(25), line(30)]), 3);
    }

    #[test]
    fn a_session_that_many_processes_name_is_one() {
        let mut attempts = Attempts::default();
        let lines = ["auth: failed for", "imap-login: failed for"].map(|message| Record {
            fields: vec![("session".into(), "a1".into())],
            ..line("bob", message.len() as u32, message)
        });
        assert_eq!(counted(&mut attempts, &lines.map(|line| (0, line))), 1);
    }
}
