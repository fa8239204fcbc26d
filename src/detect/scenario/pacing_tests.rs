//! Who stays just below a threshold is told, and who comes near it by chance is not.

use super::*;
use crate::detect::sigma::RuleText;
use crate::event::{Action, Entity, EventId, Record, Timestamp};

const RULES: &str = "title: F\nname: failed\nlogsource: {category: authentication}\ndetection:\n  s: {event.outcome: failure}\n  \
                     condition: s\n---\ntitle: S\nname: succeeded\nlogsource: {category: authentication}\ndetection:\n  \
                     s: {event.outcome: success}\n  condition: s\n";

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Five failures of what is grouped by within ten minutes.
fn five_within_ten_minutes(group_by: &str) -> ScenarioSet {
    let yaml = format!(
        "{RULES}---\ntitle: Guessing\nid: t\nlevel: medium\ncorrelation: {{type: event_count, rules: [failed], group-by: [{group_by}], \
         timespan: 10m, condition: {{gte: 5}}}}\ndsmil: {{category: AUTH, reason: brute_force, cancelled-by: succeeded}}\n"
    );
    let (set, problems) = ScenarioSet::compile(&[RuleText { file: "t.yml".into(), yaml }], &[]);
    assert_eq!(problems, []);
    set
}

#[derive(Debug, Clone)]
struct Login {
    at: u64,
    user: String,
    address: String,
    succeeds: bool,
}

fn failed(at: u64, user: &str, address: &str) -> Login {
    Login { at, user: user.to_owned(), address: address.to_owned(), succeeds: false }
}

/// What is told of these, with a save and a load of the state between all of them.
fn told(group_by: &str, logins: impl IntoIterator<Item = Login>) -> Vec<Raised> {
    let set = five_within_ten_minutes(group_by);
    let (mut counters, mut pacing) = (Counters::default(), Pacing::default());
    let mut told = Vec::new();
    for (number, login) in (0..).zip(logins) {
        let entity = Entity { user: Some(login.user), src_ip: Some(login.address), ..Entity::default() };
        let record = Record { action: Action::Login, outcome: Some(login.succeeds), entity, ..Record::default() };
        let ts = Timestamp::from_millis((1_700_000_000 + login.at) * 1000);
        let id = EventId::new(ts.millis(), number);
        let line = Observation { id, record: &record, ts, is_repeated: false, own: &[] };
        told.extend(counters.observe(&set, &line, &mut pacing));
        if number % 7 == 0 {
            let saved = serde_json::to_string(&pacing).unwrap();
            pacing = serde_json::from_str(&saved).unwrap();
            assert_eq!(serde_json::to_string(&pacing).unwrap(), saved);
        }
    }
    told
}

/// So many attempts a window, for so many windows.
fn paced(attempts: u64, windows: u64, who: impl Fn(u64) -> (String, String)) -> Vec<Login> {
    let window = |window: u64| {
        let (user, address) = who(window);
        (0..attempts).map(move |attempt| failed(window * 11 * MINUTE + attempt * 20, &user, &address))
    };
    (0..windows).flat_map(window).collect()
}

#[test]
fn one_address_that_makes_four_attempts_a_window_where_five_are_an_alarm_is_told_once() {
    let told = told("source.ip", paced(4, 60, |_| ("root".into(), "203.0.113.7".into())));
    let reasons: Vec<&str> = told.iter().map(|raised| raised.reason.as_str()).collect();
    assert_eq!(reasons, ["below_threshold"]);
    let only = &told[0];
    assert_eq!(
        only.summary,
        "source.ip 203.0.113.7 stays just below the alarm \"Guessing\": 8 times within 88 min a count of 4, where 5 within 10 min are an alarm"
    );
    assert_eq!((only.evidence.value, only.evidence.threshold), (Some(4.0), Some(5.0)));
    assert_eq!((only.is_of_one_source, only.score, only.evidence.events.len()), (true, 0.6, 8));
}

#[test]
fn a_steady_pace_of_one_attempt_at_a_time_is_told_as_well() {
    let steady = (0..80).map(|turn| failed(turn * 3 * MINUTE, "root", "203.0.113.7"));
    assert_eq!(told("source.ip", steady).len(), 1);
}

#[test]
fn a_new_address_for_each_window_against_one_account_is_told_of_the_account() {
    let told = told("source.ip", paced(4, 30, |window| ("root".into(), format!("198.51.100.{window}"))));
    let account: Vec<_> = told.iter().map(|raised| (raised.is_of_user, raised.is_of_many, &*raised.summary)).collect();
    let summary = "user.name root stays just below the alarm \"Guessing\": 8 times within 88 min a count of 4 from 8 sources, \
                   where 5 within 10 min are an alarm";
    assert_eq!(account, [(true, true, summary)]);
}

#[test]
fn one_address_over_many_accounts_is_told_of_the_address() {
    let told = told("user.name", paced(4, 30, |window| (format!("user{window}"), "203.0.113.7".into())));
    assert_eq!(told.iter().map(|raised| raised.is_of_one_source).collect::<Vec<_>>(), [true]);
    assert!(told[0].summary.contains("against 8 accounts"), "{}", told[0].summary);
}

#[test]
fn strangers_with_a_line_each_make_nobody_be_forgotten() {
    let mut logins = paced(4, 30, |_| ("root".into(), "203.0.113.7".into()));
    let stranger = |number: u64| failed(number * 60, "x", &format!("10.{}.{}.1", number / 250, number % 250));
    logins.extend((0..3000).map(|number| Login { at: number % 300 * 60, ..stranger(number) }));
    logins.sort_by_key(|login| login.at);
    let told = told("source.ip", logins);
    assert_eq!(told.iter().filter(|raised| raised.summary.contains("203.0.113.7")).count(), 1);
}

#[test]
fn who_mistypes_who_gets_in_in_the_end_and_a_probe_that_fails_every_hour_are_nothing() {
    let (user, home) = ("alice", "192.0.2.9");
    let mistypes = (0..180).flat_map(|day| [9, 14].map(|hour| failed(day * DAY + hour * HOUR, user, home)));
    assert_eq!(told("source.ip", mistypes), [], "twice a day for half a year");
    let hourly = (0..60 * 24).map(|hour| failed(hour * HOUR, user, home));
    assert_eq!(told("source.ip", hourly), []);
    let in_the_end = (0..200).flat_map(|turn| {
        let begin = turn * 30 * MINUTE;
        let fails = (0..4).map(move |attempt| failed(begin + attempt * 10, user, home));
        fails.chain([Login { succeeds: true, ..failed(begin + 60, user, home) }])
    });
    assert_eq!(told("source.ip", in_the_end), []);
}

#[test]
fn whose_count_varies_by_itself_goes_on_to_the_alarm_and_is_not_said_to_stay_below() {
    let counts = [4, 2, 5, 4, 3, 4, 6, 4, 1, 4, 4, 5, 3];
    let window = |(window, count): (u64, u64)| {
        (0..count).map(move |attempt| failed(window * 21 * MINUTE + attempt * 20, "root", "203.0.113.7"))
    };
    let logins = (0..).zip(counts.into_iter().cycle().take(130)).flat_map(window);
    assert!(told("source.ip", logins).iter().all(|raised| raised.reason == "brute_force"));
}

#[test]
fn an_account_of_ones_own_takes_nothing_back_of_what_was_tried_of_others() {
    let logins = paced(4, 30, |_| ("root".into(), "203.0.113.7".into())).into_iter().flat_map(|login| {
        let own = Login { succeeds: true, user: "mallory".to_owned(), at: login.at + 1, ..login.clone() };
        [login, own]
    });
    assert_eq!(told("source.ip", logins).iter().filter(|raised| raised.reason == "below_threshold").count(), 1);
}
