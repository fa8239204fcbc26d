//! What a line means after the lines before it: the stateful detectors of Layer 3.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempts::Attempts;
use super::detection::{Detection, Model};
use crate::detect::novelty::Novelty;
use crate::detect::rates::{Alarm, Measure, Rates, Threshold};
use crate::event::{Action, Record, Timestamp};

/// Five failures within ten minutes: the defaults of fail2ban (`maxretry`, `findtime`).
const GUESSING: Threshold = Threshold { window: Duration::from_secs(600), measure: Measure::Events, at: 5 };
/// So many different users tried from one address make it spraying rather than guessing.
const SPRAYED_USERS: usize = 5;
/// One user tried from so many addresses: no single address need ever reach the threshold above.
const DISTRIBUTED: Threshold = Threshold { window: Duration::from_secs(600), measure: Measure::DistinctItems, at: 10 };
/// Fifteen ports: the capacity of CrowdSec's `iptables-scan-multi_ports`.
const PORT_SCAN: Threshold = Threshold { window: Duration::from_secs(60), measure: Measure::DistinctItems, at: 15 };
/// A page with dead links asks for a few missing files at once; a scanner for many.
const PATH_SCAN: Threshold = Threshold { window: Duration::from_secs(60), measure: Measure::DistinctItems, at: 20 };
/// A rule that matches this often about one entity is repeating itself.
pub const REPETITIONS_HEARD: u32 = 10;
const REPETITION: Threshold = Threshold { at: REPETITIONS_HEARD as usize, ..GUESSING };

/// Passwords are guessed everywhere all day, so guessing alone is suspicious, and more so the larger it grows;
/// malicious is a login after it.
const GUESSING_SCORES: [f64; 3] = [0.6, 0.7, 0.78];
const SCAN_SCORES: [f64; 3] = [0.45, 0.55, 0.6];
/// One user's few failures may be the user; many failures or many names are not.
const LOGIN_AFTER_FAILURES_SCORE: f64 = 0.85;
const LOGIN_AFTER_GUESSING_SCORE: f64 = 0.95;
const GUESSING_FAILURES: u64 = 10;
/// Below the suspicious: a surprise is a signal for Layer 4 to add to others.
const NOVELTY_SCORE: f64 = 0.25;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Watch {
    attempts: Attempts,
    /// Failed logins by address (by user where the login was local); items are users.
    failures_by_peer: Rates,
    /// Failed logins by user; items are addresses.
    failures_by_user: Rates,
    /// Refused connections by address; items are ports.
    refused_ports: Rates,
    /// Failed requests by address; items are paths.
    failed_paths: Rates,
    /// Matches of rules, by rule and entity.
    repeated_rules: Rates,
    novelty: Novelty,
}

impl Watch {
    /// Whether a rule's match is one too many: a rule that goes on matching about the same entity counts in full ten
    /// times, then each time the burst has grown tenfold. Counts the match.
    pub fn is_repeated_rule(&mut self, rule: &str, record: &Record, ts: Timestamp) -> bool {
        let key = format!("{rule} {}", record.entity.key().unwrap_or_default());
        let alarm = self.repeated_rules.observe_times(&REPETITION, &key, "", ts, record.times());
        alarm.is_none() && self.repeated_rules.ongoing(&REPETITION, &key, ts).is_some()
    }

    /// What the detectors find in this line, which is added to their state. `is_web_login`: it is a login that a web server refused.
    pub fn observe(&mut self, record: &Record, is_web_login: bool, ts: Timestamp) -> Vec<Detection> {
        let mut detections = match (record.action, record.outcome) {
            (Action::Login, Some(false)) => self.failed_login(record, ts),
            (Action::Login | Action::PrivilegeUse, Some(true)) => self.login(record, ts),
            (Action::Connection, _) if is_unwelcome(record) => self.refused_connection(record, ts),
            (Action::HttpRequest, Some(false)) => self.failed_request(record, ts),
            _ => Vec::new(),
        };
        if is_web_login {
            detections.extend(self.failed_login(record, ts));
        }
        detections.extend(self.habits(record, ts));
        detections
    }

    fn failed_login(&mut self, record: &Record, ts: Timestamp) -> Vec<Detection> {
        let mut detections = Vec::new();
        let user = record.entity.user.as_deref().unwrap_or_default();
        let peer = peer(record);
        // What the syslog daemon has folded is of as many attempts as it says.
        if record.repeated.is_none()
            && peer.as_ref().is_some_and(|peer| self.attempts.is_repeated(&peer.key, record, ts))
        {
            return detections;
        }
        if let Some(peer) = peer
            && let Some(alarm) = self.failures_by_peer.observe_times(&GUESSING, &peer.key, user, ts, record.times())
        {
            let detection = guessing(&peer.name, user, &alarm);
            detections.push(Detection { is_of_address: record.entity.src_ip.is_some(), ..detection });
        }
        if let (Some(address), false) = (record.entity.src_ip.as_deref(), user.is_empty())
            && let Some(alarm) = self.failures_by_user.observe_times(&DISTRIBUTED, user, address, ts, record.times())
        {
            let summary = format!("{} failed logins of {user} from {} addresses", alarm.total, alarm.distinct);
            detections.push(of_rates(
                "distributed_brute_force",
                Some("T1110"),
                graded(GUESSING_SCORES, &alarm),
                summary,
            ));
        }
        detections
    }

    /// A login from where passwords have just been guessed: one detection, and the guessing is then over.
    fn login(&mut self, record: &Record, ts: Timestamp) -> Vec<Detection> {
        let Some(peer) = peer(record) else { return Vec::new() };
        let before = self.failures_by_peer.ongoing(&GUESSING, &peer.key, ts);
        let own = self.take_back(&peer, record, ts);
        let after = self.failures_by_peer.ongoing(&GUESSING, &peer.key, ts);
        // What one session alone has guessed, it has guessed.
        let Some(failures) = after.or(before.filter(|_| own >= GUESSING.at)) else { return Vec::new() };
        self.failures_by_peer.forget(&peer.key);
        let guessed = failures.total >= GUESSING_FAILURES || failures.distinct > 1;
        let score = if guessed { LOGIN_AFTER_GUESSING_SCORE } else { LOGIN_AFTER_FAILURES_SCORE };
        let user = record.entity.user.as_deref().unwrap_or("an unnamed user");
        let summary = format!("login of {user} from {} succeeded after {} failures", peer.name, failures.total);
        vec![of_rates("success_after_failures", Some("T1110"), score, summary)]
    }

    /// The failures of a session that ends in a login were the user's own. Returns how many they were.
    fn take_back(&mut self, peer: &Peer, record: &Record, ts: Timestamp) -> usize {
        let own = self.attempts.succeeded(&peer.key, record, ts);
        for user in &own {
            self.failures_by_peer.take_back(&peer.key, user);
            if let Some(address) = record.entity.src_ip.as_deref() {
                self.failures_by_user.take_back(user, address);
            }
        }
        own.len()
    }

    fn refused_connection(&mut self, record: &Record, ts: Timestamp) -> Vec<Detection> {
        let (Some(address), Some(port)) = (record.entity.src_ip.as_deref(), record.entity.dst_port) else {
            return Vec::new();
        };
        let (port, times) = (port.to_string(), record.times());
        let Some(alarm) = self.refused_ports.observe_times(&PORT_SCAN, address, &port, ts, times) else {
            return Vec::new();
        };
        let summary =
            format!("{address} tried {} ports that are not open to it ({} attempts)", alarm.distinct, alarm.total);
        vec![of_rates("port_scan", Some("T1046"), graded(SCAN_SCORES, &alarm), summary)]
    }

    fn failed_request(&mut self, record: &Record, ts: Timestamp) -> Vec<Detection> {
        let path = record.first_of(&["cs-uri-stem", "c-uri", "path", "uri"]);
        let (Some(address), Some(path)) = (record.entity.src_ip.as_deref(), path) else { return Vec::new() };
        let path = path.split('?').next().unwrap_or_default();
        let alarm = self.failed_paths.observe_times(&PATH_SCAN, address, path, ts, record.times());
        let Some(alarm) = alarm else { return Vec::new() };
        let summary =
            format!("{address} asked for {} paths that are not there ({} requests)", alarm.distinct, alarm.total);
        vec![of_rates("path_scan", Some("T1595.003"), graded(SCAN_SCORES, &alarm), summary)]
    }

    /// First times: a program on a host, an address that a user logs in from, a program that a user runs with the
    /// rights of another.
    fn habits(&mut self, record: &Record, ts: Timestamp) -> Vec<Detection> {
        let entity = &record.entity;
        let host = entity.host.as_deref().unwrap_or_default();
        let mut detections = Vec::new();
        let mut note = |reason: &str, whose: String, value: &str, technique: Option<&str>| {
            if let Some(surprise) = self.novelty.observe(&whose, value, ts) {
                let score = NOVELTY_SCORE * surprise;
                detections
                    .push(Detection { model: Model::Novelty, ..of_rates(reason, technique, score, String::new()) });
            }
        };
        if let Some(program) = &record.program {
            note("first_program_on_host", format!("program {host}"), program, None);
        }
        let Some(user) = &entity.user else { return detections };
        match (record.action, record.outcome) {
            (Action::Login, Some(true)) => {
                let address = entity.src_ip.as_deref().unwrap_or("local");
                note("first_login_from_address", format!("login {host} {user}"), address, Some("T1078"));
            }
            (Action::PrivilegeUse, Some(true)) => {
                let command = record.command.as_deref().and_then(|command| command.split_whitespace().next());
                if let Some(program) = command {
                    note("first_program_of_user", format!("privileged {host} {user}"), program, None);
                }
            }
            _ => {}
        }
        detections
    }
}

/// Where a login comes from.
struct Peer {
    key: String,
    name: String,
}

/// The address, or the name that PAM has for it; else the user on the host. Lines of sshd that name no address repeat
/// another line that does.
fn peer(record: &Record) -> Option<Peer> {
    if let Some(address) = record.entity.src_ip.as_deref().or_else(|| record.field("src_host")) {
        return Some(Peer { key: address.to_owned(), name: address.to_owned() });
    }
    if record.program.as_deref().is_some_and(|program| program.starts_with("sshd")) {
        return None;
    }
    let user = record.entity.user.as_deref()?;
    let host = record.entity.host.as_deref().unwrap_or_default();
    Some(Peer { key: format!("local {host} {user}"), name: format!("no named address (user {user})") })
}

/// A packet that was refused, or that came in and was worth logging: many firewalls log what they drop without a word.
fn is_unwelcome(record: &Record) -> bool {
    match record.outcome {
        Some(welcome) => !welcome,
        None => record.field("iface_in").is_some(),
    }
}

fn guessing(peer: &str, user: &str, alarm: &Alarm) -> Detection {
    let score = graded(GUESSING_SCORES, alarm);
    let failures = format!("{} failed logins from {peer}", alarm.total);
    if alarm.distinct >= SPRAYED_USERS {
        let summary = format!("{failures} as {} users, last as {user}", alarm.distinct);
        of_rates("password_spraying", Some("T1110.003"), score, summary)
    } else {
        of_rates("brute_force", Some("T1110.001"), score, format!("{failures}, last as {user}"))
    }
}

fn of_rates(reason: &str, technique: Option<&str>, score: f64, summary: String) -> Detection {
    Detection {
        model: Model::Rates,
        score,
        reason: reason.to_owned(),
        techniques: technique.map(str::to_owned).into_iter().collect(),
        summary,
        is_of_address: false,
    }
}

/// The score of an alarm by its grade; the last one for all higher grades.
fn graded(scores: [f64; 3], alarm: &Alarm) -> f64 {
    let [first, second, third] = scores;
    match alarm.grade {
        0 | 1 => first,
        2 => second,
        _ => third,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Entity;
    use crate::layer::l3::web_login;

    fn second(number: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + number * 1000)
    }

    fn login(user: &str, address: &str, succeeded: bool) -> Record {
        let entity = Entity { user: Some(user.into()), src_ip: Some(address.into()), ..Entity::default() };
        Record { action: Action::Login, outcome: Some(succeeded), entity, ..Record::default() }
    }

    /// Reasons and scores in order.
    fn loud(watch: &mut Watch, lines: impl IntoIterator<Item = (u64, Record)>) -> Vec<(String, f64)> {
        lines
            .into_iter()
            .flat_map(|(at, record)| watch.observe(&record, web_login::is_failed(&record), second(at)))
            .map(|detection| (detection.reason, detection.score))
            .collect()
    }

    #[test]
    fn guessing_gives_one_alarm_and_its_success_another() {
        let mut watch = Watch::default();
        let guesses = (0..12).map(|at| (at * 5, login("root", "203.0.113.7", false)));
        let success = [(70, login("root", "203.0.113.7", true)), (71, login("root", "203.0.113.7", true))];
        let alarms = loud(&mut watch, guesses.chain(success));
        assert_eq!(alarms, [("brute_force".to_owned(), 0.6), ("success_after_failures".to_owned(), 0.95)]);
    }

    #[test]
    fn a_user_who_mistypes_and_gets_in_is_no_alarm() {
        let mistyped = (0..4).map(|at| (at * 5, login("alice", "192.0.2.4", false)));
        let success = [(25, login("alice", "192.0.2.4", true))];
        assert_eq!(loud(&mut Watch::default(), mistyped.chain(success)), []);
    }

    #[test]
    fn three_lines_about_one_attempt_count_once() {
        let line = |user: &str, pid, message: &str| {
            let login = login(user, "192.0.2.4", false);
            Record { pid: Some(pid), message: message.to_owned(), ..login }
        };
        let attempt = |at, pid| {
            [("alice", "invalid user"), ("", "pam"), ("alice", "failed password")]
                .map(|(user, message)| (at, line(user, pid, message)))
        };
        let mistyped = [attempt(0, 7), attempt(10, 7), attempt(20, 8)].into_iter().flatten();
        assert_eq!(loud(&mut Watch::default(), mistyped), []);
        let parallel = (0..5).map(|pid| (pid as u64 / 5, line("alice", pid, "failed password")));
        assert_eq!(loud(&mut Watch::default(), parallel).len(), 1);
    }

    #[test]
    fn a_login_that_works_at_the_second_module_each_time_is_no_guessing_and_one_after_five_failures_is() {
        let of = |succeeded: bool, pid| Record { pid: Some(pid), ..login("alice", "192.0.2.4", succeeded) };
        let logins = (0..20).flat_map(|at| [(at * 9, of(false, at as u32)), (at * 9 + 1, of(true, at as u32))]);
        assert_eq!(loud(&mut Watch::default(), logins), []);
        let guessed = (0..6).map(|at| (at, of(false, 7))).chain([(9, of(true, 7))]);
        let reasons: Vec<String> = loud(&mut Watch::default(), guessed).into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(reasons, ["brute_force", "success_after_failures"]);
    }

    #[test]
    fn a_line_of_sshd_without_an_address_is_counted_for_nobody_and_one_of_another_program_for_its_user() {
        let line = |program: &str| {
            let entity = Entity { user: Some("admin".into()), ..Entity::default() };
            let program = Some(program.to_owned());
            Record { program, action: Action::Login, outcome: Some(false), entity, ..Record::default() }
        };
        assert_eq!(loud(&mut Watch::default(), (0..9).map(|at| (at, line("sshd-session")))), []);
        assert_eq!(loud(&mut Watch::default(), (0..9).map(|at| (at, line("login")))).len(), 1);
    }

    #[test]
    fn a_success_from_another_address_is_not_the_guessers() {
        let guesses = (0..12).map(|at| (at, login("root", "203.0.113.7", false)));
        let other = [(20, login("root", "192.0.2.4", true))];
        assert_eq!(loud(&mut Watch::default(), guesses.chain(other)).len(), 1);
    }

    #[test]
    fn many_users_from_one_address_are_sprayed_and_one_user_from_many_addresses_is_attacked_from_all() {
        let spray = (0..6).map(|at| (at, login(&format!("user{at}"), "203.0.113.7", false)));
        assert_eq!(loud(&mut Watch::default(), spray)[0].0, "password_spraying");
        let botnet = (0..12).map(|at| (at, login("root", &format!("203.0.113.{at}"), false)));
        assert_eq!(loud(&mut Watch::default(), botnet), [("distributed_brute_force".to_owned(), 0.6)]);
    }

    #[test]
    fn scans_of_ports_and_paths_are_told_from_retries() {
        let entity = |port| Entity { src_ip: Some("203.0.113.9".into()), dst_port: Some(port), ..Entity::default() };
        let refused = |port| Record {
            action: Action::Connection,
            outcome: Some(false),
            entity: entity(port),
            ..Record::default()
        };
        let missing = |number: u64| Record {
            action: Action::HttpRequest,
            outcome: Some(false),
            fields: vec![("path".into(), format!("/{number}?x=1"))],
            entity: entity(80),
            ..Record::default()
        };
        let mut watch = Watch::default();
        assert_eq!(loud(&mut watch, (0..40).map(|at| (at, refused(443)))), []);
        assert_eq!(loud(&mut watch, (0..40).map(|at| (40 + at / 4, refused(1000 + at as u16)))).len(), 1);
        assert_eq!(loud(&mut watch, (0..40).map(|at| (100 + at, missing(at % 3)))), []);
        assert_eq!(loud(&mut watch, (0..40).map(|at| (200 + at, missing(at)))).len(), 1);
    }

    #[test]
    fn logged_packets_without_a_verdict_count_when_they_come_in() {
        let packet = |port, incoming: Option<&str>| Record {
            action: Action::Connection,
            fields: incoming.map(|interface| ("iface_in".into(), interface.into())).into_iter().collect(),
            entity: Entity { src_ip: Some("203.0.113.9".into()), dst_port: Some(port), ..Entity::default() },
            ..Record::default()
        };
        assert_eq!(loud(&mut Watch::default(), (0..20).map(|at| (at / 2, packet(at as u16, Some("eth0"))))).len(), 1);
        assert_eq!(loud(&mut Watch::default(), (0..20).map(|at| (at / 2, packet(at as u16, None)))), []);
    }

    #[test]
    fn a_rule_that_never_stops_matching_counts_ten_times_and_then_by_orders_of_magnitude() {
        let mut watch = Watch::default();
        let record = login("root", "203.0.113.7", false);
        let counted: Vec<u64> = (1..=1000).filter(|at| !watch.is_repeated_rule("rule", &record, second(*at))).collect();
        assert_eq!(counted, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100, 1000]);
        assert!(!watch.is_repeated_rule("another rule", &record, second(1001)));
    }

    #[test]
    fn a_login_from_a_new_address_is_a_weak_signal_after_the_learning_period() {
        let day = 24 * 3600;
        let known = (0..60).map(|at| (at * 1800, login("alice", "192.0.2.4", true)));
        let new = [(2 * day, login("alice", "198.51.100.9", true))];
        let alarms = loud(&mut Watch::default(), known.chain(new));
        assert_eq!(alarms.len(), 1);
        assert!(alarms[0].0 == "first_login_from_address" && alarms[0].1 > 0.2 && alarms[0].1 < 0.35, "{alarms:?}");
    }
}
