//! Which lines are about one attempt to log in.
//!
//! A program, its PAM modules and a directory service each write a line about one wrong password, and one of them may fail
//! where the next succeeds. Lines of one session belong to one attempt until one of them comes a second time; a success takes
//! the session's failures back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// Sessions that have failed to log in, by peer and session.
#[derive(Debug, Serialize, Deserialize)]
pub struct Attempts {
    sessions: Recent<Session>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Session {
    /// The newest line.
    at: Timestamp,
    user: String,
    /// How the lines of the current attempt begin.
    beginnings: Vec<String>,
    /// The user of each attempt that was counted, as the counted line named it.
    counted: Vec<String>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { sessions: Recent::new(limits::ENTITIES_PER_DETECTOR_MAX) }
    }
}

impl Attempts {
    /// Whether the line of a failure is about an attempt that has been counted already.
    pub fn is_repeated(&mut self, peer: &str, record: &Record, ts: Timestamp) -> bool {
        let Some(key) = key(peer, record) else { return false };
        let session = self.sessions.touch(&key, Default::default);
        let user = record.entity.user.as_deref().unwrap_or_default();
        let beginning = beginning(record);
        let is_same_session = session.is_near(ts, length(record)) && session.is_of(user);
        if !is_same_session {
            *session = Session::default();
        }
        session.at = ts;
        if session.user.is_empty() {
            user.clone_into(&mut session.user);
        }
        // An agent offers all its keys before the person is asked for anything.
        let is_next = session.beginnings.contains(&beginning) && !is_key_offered(record);
        if is_next || session.beginnings.len() >= limits::LINES_PER_ATTEMPT_MAX {
            session.beginnings.clear();
        }
        let is_first = session.beginnings.is_empty();
        if is_first || !session.beginnings.contains(&beginning) {
            session.beginnings.push(beginning);
        }
        if is_first && session.counted.len() < limits::ATTEMPTS_PER_SESSION_MAX {
            session.counted.push(user.to_owned());
        }
        !is_first
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
    fn is_near(&self, ts: Timestamp, length: Duration) -> bool {
        !self.beginnings.is_empty() && ts.since(self.at).max(self.at.since(ts)) <= length
    }

    fn is_of(&self, user: &str) -> bool {
        self.user == user || self.user.is_empty() || user.is_empty()
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
        Some(session) => Some(format!("{host} {peer} session {session}")),
        None => record.pid.map(|pid| format!("{host} {peer} {pid}")),
    }
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
        lines.iter().filter(|(at, record)| !attempts.is_repeated(PEER, record, second(*at))).count()
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
