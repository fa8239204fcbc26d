//! The scenarios that come with the daemon, through the whole stage.

use std::collections::BTreeSet;

use super::*;
use crate::event::{Action, Entity, Format, Record};
use crate::layer::testing::{decisions, l3_in, login};

/// The alarms that lines at these seconds lead to, as they were reported first.
fn alarms(lines: impl IntoIterator<Item = (u64, Record)>) -> Vec<Decision> {
    let mut known = BTreeSet::new();
    let is_first = |decision: &Decision| decision.alarm.as_ref().is_none_or(|alarm| known.insert(alarm.id.clone()));
    let mut reported = reported(lines);
    reported.retain(is_first);
    reported
}

/// All that Layer 4 says of lines at these seconds, but what it says of risk.
fn reported(lines: impl IntoIterator<Item = (u64, Record)>) -> Vec<Decision> {
    let mut stage = prepare(&config::L4::default(), &[]).unwrap().stage();
    let events: Vec<Event> = lines.into_iter().map(|(at, record)| l3_in(at, record)).collect();
    decisions(&mut *stage, &events).into_iter().filter(|decision| &*decision.model != MODEL).collect()
}

/// Reasons and scores in order.
fn loud(lines: impl IntoIterator<Item = (u64, Record)>) -> Vec<(String, f64)> {
    alarms(lines).into_iter().map(|mut decision| (decision.reasons.remove(0), decision.score)).collect()
}

fn is_called(alarms: &[(String, f64)], names: &[&str]) -> bool {
    alarms.iter().map(|(name, _)| name.as_str()).eq(names.iter().copied())
}

#[test]
fn every_scenario_that_comes_with_the_daemon_is_loaded() {
    let prepared = prepare(&config::L4::default(), &[]).unwrap();
    assert!(prepared.warnings.is_empty(), "{:?}", prepared.warnings);
    let (set, problems) = ScenarioSet::compile(&builtin::texts(), &[]);
    assert_eq!(problems, []);
    assert!(set.count() >= 18, "{}", set.count());
}

#[test]
fn guessing_gives_one_alarm_and_its_success_another() {
    let guesses = (0..12).map(|at| (at * 5, login("root", "203.0.113.7", false)));
    let success = [(70, login("root", "203.0.113.7", true)), (71, login("root", "203.0.113.7", true))];
    let alarms = loud(guesses.chain(success));
    assert_eq!(alarms, [("brute_force".to_owned(), 0.6), ("success_after_failures".to_owned(), 0.95)]);
}

#[test]
fn guessing_is_laid_to_the_address_and_not_to_the_user_it_is_tried_on() {
    let guessed = alarms((0..5).map(|at| (at * 9, login("root", "203.0.113.7", false)))).remove(0);
    assert_eq!((guessed.verdict, guessed.entity.user), (Verdict::Suspicious, None));
    assert_eq!(guessed.entity.src_ip.as_deref(), Some("203.0.113.7"));
    assert_eq!(guessed.summary, "5 failed logins from 203.0.113.7, last as root");
}

#[test]
fn one_who_comes_back_within_a_day_goes_on_with_the_same_alarm_and_after_hours_that_is_reported() {
    let burst =
        |begin: u64, guesses: u64| (0..guesses).map(move |at| (begin + at, login("root", "203.0.113.7", false)));
    let reported = reported(burst(0, 31).chain(burst(4 * 3600, 12)));
    let again = reported.iter().find(|decision| decision.reasons == ["brute_force", "resumed"]).unwrap();
    assert_eq!(again.alarm.as_ref().map(|alarm| &alarm.id), reported[0].alarm.as_ref().map(|alarm| &alarm.id));
    assert!(again.alarm.as_ref().is_some_and(|alarm| alarm.count > 31), "{again:?}");
    assert!(loud(burst(0, 31).chain(burst(4 * 86_400, 12))).len() > 1, "after days it is another");
    let day_of_bursts = (0..120).flat_map(|n| burst(n * 660, 4));
    assert!(loud(day_of_bursts).len() <= 3, "each eleven minutes");
}

#[test]
fn a_user_who_mistypes_and_gets_in_is_no_alarm() {
    let mistyped = (0..4).map(|at| (at * 5, login("alice", "192.0.2.4", false)));
    let again = (0..4).map(|at| (60 + at * 5, login("alice", "192.0.2.4", false)));
    let success = |at| [(at, login("alice", "192.0.2.4", true))];
    assert_eq!(loud(mistyped.chain(success(25)).chain(again).chain(success(90))), []);
}

#[test]
fn who_knows_one_password_cannot_wipe_out_what_was_guessed_of_others() {
    let guesses = (0..20).flat_map(|at| {
        [(at * 20, login("root", "203.0.113.7", false)), (at * 20 + 1, login("mallory", "203.0.113.7", true))]
    });
    assert!(loud(guesses).iter().any(|(reason, _)| reason == "brute_force"));
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
    assert_eq!(loud([attempt(0, 7), attempt(10, 7), attempt(20, 8)].into_iter().flatten()), []);
    assert_eq!(loud((0..5).map(|pid| (pid as u64 / 5, line("alice", pid, "failed password")))).len(), 1);
}

#[test]
fn a_thousand_guesses_of_one_process_are_a_thousand() {
    let line = |at: u64| {
        let message = format!("FATAL: password authentication failed for user \"u{at}\"");
        (at / 400, Record { pid: Some(7), message, ..login(&format!("u{at}"), "203.0.113.7", false) })
    };
    let reported = reported((0..1000).map(line));
    let counts: Vec<u64> = reported.iter().filter_map(|decision| Some(decision.alarm.as_ref()?.count)).collect();
    assert_eq!(counts, [4, 8, 16, 32, 40, 64, 128, 256, 400], "at powers of two, and where it becomes a grade worse");
    assert!(
        reported.iter().all(|decision| decision.alarm.as_ref().unwrap().id == reported[0].alarm.as_ref().unwrap().id)
    );
}

#[test]
fn a_login_that_works_at_the_second_module_each_time_is_no_guessing_and_one_after_five_failures_is() {
    let of = |succeeded: bool, pid| Record { pid: Some(pid), ..login("alice", "192.0.2.4", succeeded) };
    let logins = (0..20).flat_map(|at| [(at * 9, of(false, at as u32)), (at * 9 + 1, of(true, at as u32))]);
    assert_eq!(loud(logins), []);
    let guessed = loud((0..6).map(|at| (at, of(false, 7))).chain([(9, of(true, 7))]));
    assert!(is_called(&guessed, &["brute_force", "success_after_failures"]), "{guessed:?}");
}

#[test]
fn the_failures_of_each_session_that_gets_in_are_its_own_also_where_a_module_names_nobody() {
    let failure = |pid| {
        let login = login("", "192.0.2.4", false);
        Record { pid: Some(pid), entity: Entity { user: None, ..login.entity }, ..login }
    };
    let success = |pid| Record { pid: Some(pid), ..login("alice", "192.0.2.4", true) };
    let round = |at: u64, pid| [(at * 9, failure(at as u32)), (at * 9 + 1, success(pid))];
    let is_after_failures =
        |lines: Vec<(u64, Record)>| loud(lines).iter().any(|(reason, _)| reason == "success_after_failures");
    assert!(!is_after_failures((0..7).flat_map(|at| round(at, at as u32)).collect()));
    assert!(is_after_failures((0..7).flat_map(|at| round(at, 99)).collect()), "of other sessions");
}

#[test]
fn a_line_of_sshd_without_an_address_is_counted_for_nobody_and_one_of_another_program_for_its_user() {
    let line = |program: &str| {
        let entity = Entity { user: Some("admin".into()), ..Entity::default() };
        let program = Some(program.to_owned());
        Record { program, action: Action::Login, outcome: Some(false), entity, ..Record::default() }
    };
    assert_eq!(loud((0..9).map(|at| (at, line("sshd-session")))), []);
    assert_eq!(loud((0..9).map(|at| (at, line("login")))).len(), 1);
}

#[test]
fn a_success_from_another_address_is_not_the_guessers() {
    let guesses = (0..12).map(|at| (at, login("root", "203.0.113.7", false)));
    assert_eq!(loud(guesses.chain([(20, login("root", "192.0.2.4", true))])).len(), 1);
}

#[test]
fn many_users_from_one_address_are_sprayed_and_one_user_from_many_addresses_is_attacked_from_all() {
    let spray = loud((0..6).map(|at| (at, login(&format!("user{at}"), "203.0.113.7", false))));
    assert!(is_called(&spray, &["password_spraying"]), "{spray:?}");
    let botnet = loud((0..12).map(|at| (at, login("root", &format!("203.0.{at}.1"), false))));
    assert!(is_called(&botnet, &["distributed_brute_force"]), "{botnet:?}");
}

#[test]
fn addresses_of_one_network_are_one_guesser() {
    let customer = loud((0..200).map(|at| (at, login("root", &format!("2001:db8:1:2::{at:x}"), false))));
    assert!(customer.iter().any(|(reason, _)| reason == "brute_force"), "{customer:?}");
    assert!(customer.len() <= 5, "{customer:?}");
    let network = loud((0..8).map(|at| (at * 60, login(&format!("u{at}"), &format!("203.0.113.{at}"), false))));
    assert!(is_called(&network, &["network_brute_force"]), "{network:?}");
    let mut stage = prepare(&config::L4::default(), &[]).unwrap().stage();
    let guesses = (0..60).map(|at| l3_in(at * 8, login("root", &format!("203.0.113.{}", at % 10), false)));
    let said = decisions(&mut *stage, &guesses.collect::<Vec<_>>());
    assert!(said.iter().all(|decision| &*decision.model != MODEL), "the network is not the address's fault: {said:?}");
}

#[test]
fn one_failure_every_few_minutes_is_found_within_hours() {
    let slow = loud((0..180).map(|at| (at * 160, login("root", "203.0.113.7", false))));
    assert!(slow.iter().any(|(reason, _)| reason == "brute_force"), "{slow:?}");
    assert!(slow.len() <= 3, "{slow:?}");
    let very_slow = loud((0..30).map(|at| (at * 3600, login("root", "203.0.113.7", false))));
    assert!(is_called(&very_slow, &["brute_force"]), "{very_slow:?}");
    let forgetful = (0..60).flat_map(|day: u64| {
        [(day * 43_200, login("alice", "192.0.2.4", false)), (day * 43_200 + 9, login("alice", "192.0.2.4", true))]
    });
    assert_eq!(loud(forgetful), []);
}

#[test]
fn strangers_in_between_make_nobody_be_forgotten() {
    let mut lines = Vec::new();
    let mut stranger = 0_u64;
    for guess in 0..6 {
        lines.push((guess * 60, login("root", "203.0.113.7", false)));
        for at in 0..11_000_u64 {
            stranger += 1;
            let address = format!("10.{}.{}.{}", stranger / 65_536, stranger / 256 % 256, stranger % 256);
            lines.push((guess * 60 + at / 200, login(&format!("x{stranger}"), &address, false)));
        }
    }
    let found = alarms(lines);
    let of_guesser: Vec<&Decision> =
        found.iter().filter(|alarm| alarm.entity.src_ip.as_deref() == Some("203.0.113.7")).collect();
    assert!(of_guesser.iter().any(|alarm| alarm.reasons == ["brute_force"]), "{of_guesser:?}");
    let of_strangers = found.iter().filter(|alarm| alarm.reasons == ["brute_force"]).count() - of_guesser.len();
    assert!(of_strangers < 5, "{of_strangers} strangers were taken for guessers");
}

#[test]
fn scans_of_ports_and_paths_are_reported_from_retries() {
    let entity = |port| Entity { src_ip: Some("203.0.113.9".into()), dst_port: Some(port), ..Entity::default() };
    let refused =
        |port| Record { action: Action::Connection, outcome: Some(false), entity: entity(port), ..Record::default() };
    let missing = |number: u64| Record {
        action: Action::HttpRequest,
        outcome: Some(false),
        fields: vec![("path".into(), format!("/{number}?x=1")), ("status".into(), "404".into())],
        entity: entity(80),
        ..Record::default()
    };
    assert_eq!(loud((0..40).map(|at| (at, refused(443)))), []);
    assert!(is_called(&loud((0..40).map(|at| (at / 4, refused(1000 + at as u16)))), &["port_scan"]));
    assert_eq!(loud((0..40).map(|at| (at, missing(at % 3)))), []);
    assert!(is_called(&loud((0..40).map(|at| (at, missing(at)))), &["path_scan"]));
}

#[test]
fn a_line_that_says_that_it_was_repeated_counts_as_often() {
    let refused = |port| Record {
        action: Action::Connection,
        outcome: Some(false),
        repeated: Some(4),
        entity: Entity { src_ip: Some("203.0.113.9".into()), dst_port: Some(port), ..Entity::default() },
        ..Record::default()
    };
    let scan = alarms((1..=15).map(|port| (u64::from(port), refused(port)))).remove(0);
    assert!(scan.summary.contains("15 ports") && scan.summary.contains("(60 attempts)"), "{}", scan.summary);
    let folded = Record { repeated: Some(9), ..login("root", "203.0.113.7", false) };
    assert!(is_called(&loud([(0, folded)]), &["brute_force"]));
}

#[test]
fn logged_packets_without_a_verdict_count_when_they_come_in() {
    let packet = |port, incoming: Option<&str>| Record {
        action: Action::Connection,
        fields: incoming.map(|interface| ("iface_in".into(), interface.into())).into_iter().collect(),
        entity: Entity { src_ip: Some("203.0.113.9".into()), dst_port: Some(port), ..Entity::default() },
        ..Record::default()
    };
    assert_eq!(loud((0..20).map(|at| (at / 2, packet(at as u16, Some("eth0"))))).len(), 1);
    assert_eq!(loud((0..20).map(|at| (at / 2, packet(at as u16, None)))), []);
}

#[test]
fn one_line_of_another_time_neither_ends_nor_begins_a_window() {
    let day = 86_400;
    let guess = |at| (at, login("root", "203.0.113.7", false));
    assert!(is_called(&loud([1000, 1001, 1002 + day, 1003, 1004, 1005].map(|at| guess(at + day))), &["brute_force"]));
    assert!(is_called(&loud([day, day + 1, 0, day + 2, day + 3, day + 4].map(guess)), &["brute_force"]));
}

#[test]
fn five_hundred_guessers_in_an_hour_are_one_campaign_with_a_list() {
    let guessers = (0..500_u64).flat_map(|number| {
        let address = format!("198.{}.{}.7", 18 + number / 250, number % 250);
        (0..4).map(move |guess| (number * 6 + guess, login("root", &address, false)))
    });
    let found = reported(guessers);
    let of_guessing: Vec<&Decision> =
        found.iter().filter(|alarm| alarm.reasons.iter().any(|reason| reason == "brute_force")).collect();
    assert!(of_guessing.len() <= 45, "{}", of_guessing.len());
    let last = of_guessing.last().unwrap();
    assert_eq!((last.reasons[0].as_str(), last.verdict), ("campaign", Verdict::Suspicious));
    assert!(last.alarm.as_ref().unwrap().members.len() > 200);
}

#[test]
fn people_behind_one_address_who_mistype_once_and_get_in_are_no_guessers() {
    let office = (0..300_u64).flat_map(|at| {
        let user = format!("user{}", at % 50);
        [(at * 300, login(&user, "198.51.100.1", false)), (at * 300 + 9, login(&user, "198.51.100.1", true))]
    });
    assert_eq!(loud(office), []);
    let each_from_home = (0..60_u64).flat_map(|at| {
        let (user, address) = (format!("user{at}"), format!("192.0.2.{at}"));
        let failed = (0..3).map(|guess| (at * 600 + guess * 8, login(&user, &address, false))).collect::<Vec<_>>();
        failed.into_iter().chain([(at * 600 + 30, login(&user, &address, true))])
    });
    assert_eq!(loud(each_from_home), []);
}

#[test]
fn a_failed_logon_of_the_windows_event_log_counts_like_any_other() {
    let line = r#"{"event": {"code": "4625", "action": "logon-failed", "outcome": "failure"}, "host": {"name": "srv01"}, "winlog": {"channel": "Security", "event_id": "4625", "event_data": {"IpAddress": "203.0.113.87", "TargetUserName": "Administrator"}}}"#;
    let read = crate::parse::record(line.as_bytes(), Format::Auto, &[]);
    assert!(is_called(&loud((0..6).map(|at| (at * 5, read.clone()))), &["brute_force"]));
}

#[test]
fn a_login_by_a_key_takes_back_nothing_of_who_types_passwords_from_the_same_address() {
    let line = |pid: u64, said: &str| {
        let line = format!("Nov 10 10:00:00 atlas sshd[{pid}]: {said} for root from 203.0.113.9 port 4242 ssh2");
        crate::parse::record(line.as_bytes(), Format::Auto, &[])
    };
    let guessed = |accepted: &str| {
        let mut lines: Vec<(u64, Record)> = (0..200).map(|n| (n * 120, line(n + 10, "Failed password"))).collect();
        lines.extend((0..50).map(|n| (n * 480 + 60, line(1000 + n, accepted))));
        lines.sort_by_key(|(at, _)| *at);
        loud(lines)
    };
    let by_key = guessed("Accepted publickey");
    assert!(is_called(&by_key[..2], &["brute_force", "success_after_failures"]), "{by_key:?}");
    assert!(by_key[1].1 < 0.75, "not HIGH, so that nothing is proposed against who has the key");
    assert_eq!(guessed("Accepted password"), [], "who remembers in the end");
    // But for the session that the key ends.
    let with_agent = (0..60)
        .flat_map(|n| [(n * 60, line(n + 10, "Failed publickey")), (n * 60 + 1, line(n + 10, "Accepted publickey"))]);
    assert!(loud(with_agent).is_empty());
}

#[test]
fn spellings_of_one_account_are_one_account_that_many_addresses_try() {
    let tried = |names: &[&str]| {
        let lines = (0..36).map(|n| (n * 15, login(names[n as usize % names.len()], &format!("20.{n}.1.7"), false)));
        alarms(lines).into_iter().find(|decision| decision.reasons[0] == "distributed_brute_force")
    };
    let found = tried(&["alice", "alice@example.org", "EXAMPLE\\alice", "ALICE"]).unwrap();
    assert!(
        found.summary.contains("of EXAMPLE\\alice from") || found.summary.contains("of alice"),
        "{}",
        found.summary
    );
    assert!(tried(&["alice", "bob", "carol", "dave"]).is_none());
}
