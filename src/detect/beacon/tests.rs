use super::*;
use crate::detect::pace::REGULAR_FROM;

/// A short connection of which all is known.
const PLAIN: Contact = Contact {
    answered: Some(true),
    port: 443,
    algorithmic: 0.0,
    is_internal: false,
    is_own: true,
    is_question: false,
    conversation: Conversation {
        client_port: None,
        duration: Some(Duration::from_millis(300)),
        sent: Some(500),
        received: Some(900),
        packets_sent: None,
        packets_received: None,
        is_part: false,
    },
};

/// Nothing is known of the connection.
const UNMEASURED: Contact = Contact {
    conversation: Conversation {
        client_port: None,
        duration: None,
        sent: None,
        received: None,
        packets_sent: None,
        packets_received: None,
        is_part: false,
    },
    ..PLAIN
};

/// Small and deterministic; uniform in 0 to 1.
fn noise(step: u64) -> f64 {
    let bits = (step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ bits >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn run(contact: Contact, gaps: impl Iterator<Item = f64>) -> Vec<Beacon> {
    let mut beacons = Beacons::default();
    let mut now = 1e9;
    gaps.filter_map(|gap| {
        now += gap;
        beacons.contact("a>b:443", contact, Timestamp::from_seconds(now).unwrap(), 12)
    })
    .collect()
}

#[test]
fn a_minute_with_half_of_it_jitter_and_gaps_is_a_beacon_and_one_alarm_that_grows() {
    let gaps = (0..600).map(|step| 60.0 * (1.0 - 0.5 * noise(step)) * if step % 9 == 0 { 2.0 } else { 1.0 });
    let reported = run(PLAIN, gaps);
    assert!((2..=6).contains(&reported.len()), "{reported:?}");
    assert_eq!(reported[0].evidence, ["frequent"]);
    assert!(reported.iter().all(|beacon| beacon.alarm.id == reported[0].alarm.id));
    assert!(reported[0].alarm.first_ts < reported[0].alarm.last_ts);
    let steady = run(PLAIN, (0..600).map(|_| 60.0));
    let counts: Vec<u64> = steady.iter().map(|beacon| beacon.alarm.count).collect();
    assert_eq!(counts, [12, 120]);
}

#[test]
fn a_flood_of_made_up_clients_makes_no_own_machine_be_forgotten() {
    let mut beacons = Beacons::default();
    let mut reported = 0;
    for step in 0..13_u64 {
        let now = Timestamp::from_millis(1_000_000_000 + step * 60_000);
        reported += usize::from(beacons.contact("a>b:443", PLAIN, now, 12).is_some());
        for stranger in 0..1000 {
            let key = format!("{step}.{stranger}>c:7777");
            beacons.contact(&key, Contact { is_own: false, ..PLAIN }, now, 12);
        }
    }
    assert_eq!(reported, 1);
}

#[test]
fn a_beacon_is_reported_again_when_it_is_worse_and_when_it_begins_again_after_days() {
    let mut beacons = Beacons::default();
    let mut now = 1_000_000;
    let mut contacts = |count: u64, every: u64, answered| -> Vec<u64> {
        let contact = Contact { answered: Some(answered), ..PLAIN };
        let reported = (0..count).filter_map(|_| {
            now += every;
            Some(beacons.contact("a>b:443", contact, Timestamp::from_millis(now * 1000), 12)?.alarm.count)
        });
        reported.collect()
    };
    assert_eq!(contacts(14, 60, true), [12]);
    assert_eq!(contacts(16, 60, false), [29], "most are without an answer by now");
    assert_eq!(contacts(1, 3 * 24 * 3600, false), [31]);
    assert_eq!(contacts(10, 60, false), [0; 0]);
}

#[test]
fn the_less_regular_the_less_certain() {
    let odd = Contact { port: 1177, ..PLAIN };
    let reported = run(odd, (0..40).map(|step| if step % 6 == 5 { 90.0 } else { 60.0 }));
    let Beacon { score, regularity, .. } = reported[0];
    assert!((REGULAR_FROM..1.0).contains(&regularity), "{reported:?}");
    assert!((score - 0.7 * (0.5 + 0.5 * regularity)).abs() < 1e-9, "{reported:?}");
}

#[test]
fn pauses_do_not_hide_a_beacon_unless_there_are_too_many() {
    let with_every = |nth: u64| run(PLAIN, (0..60).map(|step| if step % nth == 0 { 3600.0 } else { 60.0 }));
    assert!(!with_every(4).is_empty());
    assert_eq!(with_every(3), []);
}

#[test]
fn it_is_evidence_when_more_than_half_were_not_answered() {
    let evidence = |unanswered: u64| {
        let mut beacons = Beacons::default();
        let found = (0..60).find_map(|step| {
            let contact = Contact { answered: Some(step % 5 >= unanswered), ..PLAIN };
            beacons.contact("a>b:443", contact, Timestamp::from_millis((1_000_000 + step * 30) * 1000), 30)
        });
        found.unwrap().evidence
    };
    assert_eq!(evidence(2), ["frequent"]);
    assert_eq!(evidence(3), ["unanswered", "frequent"]);
}

#[test]
fn a_person_is_not_regular() {
    let gaps = (0..500).map(|step| -40.0 * noise(step).ln() + 1.0);
    assert_eq!(run(PLAIN, gaps), []);
}

#[test]
fn an_updater_on_its_quarter_of_an_hour_is_none() {
    assert_eq!(run(PLAIN, (0..500).map(|_| 900.0)), []);
}

#[test]
fn asking_on_at_the_same_pace_without_an_answer_is_evidence() {
    let dead = Contact { answered: Some(false), port: 1177, ..PLAIN };
    let reported = run(dead, (0..100).map(|step| 600.0 + 60.0 * noise(step)));
    assert_eq!(reported[0].evidence, ["unanswered", "uncommon-port"]);
    assert!(reported[0].score > 0.7, "{reported:?}");
}

#[test]
fn giving_up_after_one_time_and_trying_again_after_another_is_regular() {
    let dead = Contact { answered: Some(false), ..PLAIN };
    let reported = run(dead, (0..30).map(|step| if step % 2 == 0 { 21.0 } else { 60.0 }));
    assert_eq!(reported.len(), 1);
    assert!((39.0..42.0).contains(&reported[0].interval.as_secs_f64()), "{reported:?}");
}

#[test]
fn a_service_of_the_own_network_asked_every_minute_is_none() {
    assert_eq!(run(Contact { is_internal: true, ..PLAIN }, (0..500).map(|_| 15.0)), []);
}

#[test]
fn a_clock_set_back_does_not_silence_the_pair_for_good() {
    let mut beacons = Beacons::default();
    let mut tell = |seconds: u64| beacons.contact("p", PLAIN, Timestamp::from_millis(seconds * 1000), 12);
    assert_eq!(tell(4_000_000_000), None);
    let reported = (0..30).filter_map(|step| tell(1_000_000_000 + step * 30)).count();
    assert_eq!(reported, 1);
}

/// A contact every so often, each of which is changed by `of`.
fn each(count: u64, every_s: f64, of: impl Fn(u64) -> Contact) -> Vec<Beacon> {
    let mut beacons = Beacons::default();
    let at = |step: u64| Timestamp::from_seconds(1e9 + step as f64 * every_s).unwrap();
    (0..count).filter_map(|step| beacons.contact("a>b:443", of(step), at(step), 12)).collect()
}

fn talking(contact: Contact, conversation: Conversation) -> Contact {
    Contact { conversation, ..contact }
}

#[test]
fn a_web_socket_that_is_cut_by_a_timeout_or_begins_again_at_once_is_none() {
    for every_s in [15.0, 30.0, 45.0, 60.0, 119.0] {
        let known = PLAIN.conversation;
        let same_port = Conversation { client_port: Some(50_123), ..known };
        let middle = Conversation { is_part: true, client_port: Some(50_123), ..known };
        let lasting = Duration::from_secs_f64(every_s - 2.0);
        let again =
            |step: u64| Conversation { client_port: Some(40_000 + step as u16), duration: Some(lasting), ..known };
        for answered in [Some(true), None] {
            let contact = Contact { answered, ..PLAIN };
            assert_eq!(each(600, every_s, |_| talking(contact, same_port)), [], "the same connection");
            assert_eq!(each(600, every_s, |_| talking(contact, middle)), [], "its beginning was not seen");
            assert_eq!(each(600, every_s, |step| talking(contact, again(step))), [], "carried on by another");
            let odd = Contact { port: 9001, ..contact };
            assert_eq!(each(600, every_s, |step| talking(odd, again(step))), [], "whatever the port");
        }
    }
}

#[test]
fn a_connection_for_each_check_in_is_one_whatever_the_client_port() {
    let of = |step: u64| Conversation { client_port: Some(40_000 + step as u16 % 3), ..PLAIN.conversation };
    assert!(!each(100, 60.0, |step| talking(PLAIN, of(step))).is_empty());
    let dead = Contact { answered: Some(false), port: 1177, ..PLAIN };
    let same = Conversation { client_port: Some(50_123), duration: None, ..PLAIN.conversation };
    assert!(!each(100, 12.0, |_| talking(dead, same)).is_empty(), "an attempt without an answer is no connection");
}

#[test]
fn a_page_that_is_open_for_half_an_hour_is_none_and_what_goes_on_for_longer_is_one() {
    assert_eq!(each(30, 60.0, |_| UNMEASURED), []);
    assert_eq!(each(240, 60.0, |_| UNMEASURED)[0].alarm.count, 31);
}

#[test]
fn what_says_something_else_each_time_is_none() {
    let of = |step: u64| Conversation { sent: Some((noise(step) * 50_000.0) as u64), ..PLAIN.conversation };
    assert_eq!(each(600, 60.0, |step| talking(PLAIN, of(step))), []);
    let padded = |step: u64| Conversation { sent: Some(500 + (noise(step) * 90.0) as u64), ..PLAIN.conversation };
    assert!(!each(600, 60.0, |step| talking(PLAIN, padded(step))).is_empty());
}

#[test]
fn what_is_watched_inside_and_names_that_a_cache_asks_for_are_none() {
    for (port, answered) in [(9187, true), (9187, false), (10_250, true), (5432, false)] {
        let watched = Contact { is_internal: true, answered: Some(answered), port, ..UNMEASURED };
        assert_eq!(each(5000, 15.0, |_| watched), [], "{port}");
    }
    assert_eq!(each(5000, 60.0, |_| Contact { is_question: true, answered: None, ..UNMEASURED }), []);
}
