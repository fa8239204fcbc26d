//! What holds for counting whatever the lines are.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::detect::sigma::RuleText;
use crate::event::{Action, Entity, EventId, Record, Timestamp};
use crate::limits;

const RULES: &str = "title: F\nname: failed\nlogsource: {category: authentication}\ndetection:\n  s: {event.outcome: failure}\n  \
                     condition: s\n";

fn set(correlation: &str) -> ScenarioSet {
    let yaml = format!("{RULES}---\ntitle: T\nid: t\n{correlation}");
    let (set, problems) = ScenarioSet::compile(&[RuleText { file: "t.yml".into(), yaml }], &[]);
    assert_eq!(problems, []);
    set
}

fn five_lines() -> ScenarioSet {
    set(
        "correlation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {gte: 5}}\n",
    )
}

fn five_users() -> ScenarioSet {
    set(
        "correlation: {type: value_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {field: user.name, \
         gte: 5}}\n",
    )
}

fn failed(user: u64, address: u64) -> Record {
    let entity = Entity {
        user: Some(user.to_string()),
        src_ip: Some(format!("10.{}.{}.{}", address / 65_536, address / 256 % 256, address % 256)),
        ..Entity::default()
    };
    Record { action: Action::Login, outcome: Some(false), entity, ..Record::default() }
}

fn second(number: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + number * 1000)
}

fn step(counters: &mut Counters, set: &ScenarioSet, record: &Record, at: u64) -> usize {
    counters
        .observe(
            set,
            &Observation { id: EventId::ZERO, record, ts: second(at), is_repeated: false, own: &[] },
            &mut Pacing::default(),
        )
        .len()
}

#[test]
fn what_was_counted_goes_on_after_it_was_saved_also_by_an_earlier_version_under_the_scenarios_ids() {
    let (set, mut counters) = (five_lines(), Counters::default());
    (0..4).for_each(|at| assert_eq!(step(&mut counters, &set, &failed(1, 1), at), 0));
    let saved = rmp_serde::to_vec_named(&counters).unwrap();
    let tables: BTreeMap<u64, table::Table> = rmp_serde::from_slice(&saved).unwrap();
    let by_id: BTreeMap<&str, &table::Table> = tables.values().map(|table| ("t", table)).collect();
    let earlier = rmp_serde::to_vec_named(&by_id).unwrap();
    for saved in [saved, earlier] {
        let mut loaded: Counters = rmp_serde::from_slice(&saved).unwrap();
        assert_eq!(step(&mut loaded, &set, &failed(1, 1), 4), 1);
    }
}

#[test]
fn an_alarm_is_worse_with_each_power_of_ten_and_says_whether_it_is_of_many() {
    for (field, is_of_many) in [("source.ip", false), ("user.name", true)] {
        let set = set(&format!(
            "correlation: {{type: event_count, rules: [failed], group-by: [{field}], timespan: 10m, condition: {{gte: 5}}}}\n"
        ));
        let mut counters = Counters::default();
        let record = failed(1, 1);
        let raised: Vec<Raised> = (0..500)
            .flat_map(|at| {
                let line =
                    Observation { id: EventId::ZERO, record: &record, ts: second(at), is_repeated: false, own: &[] };
                counters.observe(&set, &line, &mut Pacing::default())
            })
            .collect();
        assert!(raised.iter().all(|raised| raised.is_of_many == is_of_many), "{field}");
        let scores: Vec<(u64, i64)> =
            raised.iter().map(|raised| (raised.alarm.count, (1000.0 * raised.score).round() as i64)).collect();
        let score = |from: u64| scores.iter().find(|(count, _)| *count >= from).map(|(_, score)| *score);
        assert!(score(5) < score(50), "{field}: {scores:?}");
        assert_eq!((score(6), score(51)), (score(5), score(50)), "{field}: {scores:?}");
    }
}

#[test]
fn counting_is_bounded_whatever_comes() {
    let set = five_users();
    let mut counters = Counters::default();
    for stranger in 0..30_000 {
        step(&mut counters, &set, &failed(stranger % 7, stranger), stranger / 1000);
    }
    assert_eq!(counters.groups(), limits::SCENARIO_GROUPS_MAX);
    let bytes = rmp_serde::to_vec_named(&counters).unwrap().len();
    assert!(bytes < 5 << 20, "{bytes} bytes");
}

#[test]
fn many_scenarios_share_a_memory_that_is_bounded_and_none_takes_that_of_another() {
    let one = |number: usize| {
        format!(
            "---\ntitle: T\nid: t{number:03}\ncorrelation: {{type: event_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {{gte: 5}}}}\n"
        )
    };
    let yaml = format!("{RULES}{}", (0..limits::SCENARIOS_MAX).map(one).collect::<String>());
    let (set, problems) = ScenarioSet::compile(&[RuleText { file: "t.yml".into(), yaml }], &[]);
    assert_eq!((set.count(), problems), (limits::SCENARIOS_MAX, Vec::new()));
    assert_eq!(set.iter().map(|scenario| scenario.groups_max).sum::<usize>(), limits::SCENARIO_GROUPS_ALL_MAX);
    assert_eq!(set.iter().filter(|scenario| scenario.is_sketched).count(), limits::SCENARIO_SKETCHES_MAX);
    let mut counters = Counters::default();
    let alarms: usize = (0..5).map(|at| step(&mut counters, &set, &failed(1, 0), at)).sum();
    assert_eq!(alarms, limits::SCENARIOS_MAX);
}

#[test]
fn asking_for_the_same_again_is_never_another_among_any_number_of_strangers() {
    let set = five_users();
    let mut counters = Counters::default();
    let mut alarms = 0;
    for round in 0..12 {
        alarms += step(&mut counters, &set, &failed(1, 0), round);
        for stranger in 0..6000 {
            step(&mut counters, &set, &failed(9, 1 + round * 6000 + stranger), round);
        }
    }
    assert_eq!(alarms, 0);
}

#[test]
fn a_group_near_the_threshold_outlives_any_number_of_strangers() {
    for set in [five_lines(), five_users()] {
        let mut counters = Counters::default();
        let mut alarms = 0;
        for guess in 0..5 {
            alarms += step(&mut counters, &set, &failed(guess, 0), guess * 60);
            for stranger in 0..12_000 {
                step(&mut counters, &set, &failed(stranger, 1 + guess * 12_000 + stranger), guess * 60 + 1);
            }
        }
        assert_eq!(alarms, 1);
    }
}

#[test]
fn what_cannot_be_counted_is_refused_with_its_reason() {
    let problem = |correlation: &str| {
        let yaml = format!("{RULES}---\ntitle: T\nid: t\n{correlation}");
        let problems = ScenarioSet::compile(&[RuleText { file: "t.yml".into(), yaml }], &[]).1;
        assert_eq!(problems.len(), 1, "{correlation}");
        problems[0].reason.clone()
    };
    let of = |rest: &str| problem(&format!("correlation: {{rules: [failed], group-by: [source.ip], {rest}}}\n"));
    assert!(of("type: event_count, timespan: 10m, condition: {lte: 3}").contains("gte or gt"));
    assert!(of("type: event_count, timespan: 90d, condition: {gte: 3}").contains("31d"));
    assert!(of("type: value_sum, timespan: 1m, condition: {gte: 3, field: a}").contains("sums"));
    assert!(of("type: event_count, timespan: 1m, condition: {gte: 100000}").contains("256"));
    let absent =
        "correlation: {type: event_count, rules: [absent], group-by: [a], timespan: 1m, condition: {gte: 2}}\n";
    assert!(problem(absent).contains("no rule `absent`"));
    let odd = "correlation: {type: event_count, rules: [failed], group-by: [a], timespan: 1m, condition: {gte: 2}}\ndsmil: {x: 1}\n";
    assert!(problem(odd).contains("dsmil"));
}

#[test]
fn of_two_base_rules_of_a_name_the_later_one_counts() {
    let own = "title: G\nname: failed\nlogsource: {category: authentication}\ndetection:\n  s: {event.outcome: success}\n  \
               condition: s\n";
    let five = "correlation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {gte: 5}}\n";
    let text = |file: &str, yaml: String| RuleText { file: file.into(), yaml };
    let built_in = text("a.yml", format!("{RULES}---\ntitle: T\nid: t\n{five}"));
    let alarms = |texts: &[RuleText], rules: &[RuleText]| {
        let (set, problems) = ScenarioSet::compile(texts, rules);
        assert_eq!(problems, []);
        let mut counters = Counters::default();
        (0..5).map(|at| step(&mut counters, &set, &failed(1, 1), at)).sum::<usize>()
    };
    let own = text("own.yml", own.to_owned());
    assert_eq!(alarms(std::slice::from_ref(&built_in), &[]), 1);
    assert_eq!(alarms(&[built_in.clone(), own.clone()], &[]), 0);
    assert_eq!(alarms(&[built_in], &[own]), 1, "a rule of Layer 3 takes no name");
}

#[test]
fn steps_count_in_their_order_alone_where_the_rule_says_so() {
    let yaml = "title: A\nname: a\nlogsource: {category: authentication}\ndetection: {s: {user.name: '1'}, condition: s}\n---\n\
                title: B\nname: b\nlogsource: {category: authentication}\ndetection: {s: {user.name: '2'}, condition: s}\n---\n\
                title: T\nid: t\ncorrelation: {type: TYPE, rules: [a, b], group-by: [source.ip], timespan: 10m}\n";
    let alarms = |kind: &str, lines: &[(u64, u64)]| {
        let text = RuleText { file: "t.yml".into(), yaml: yaml.replace("TYPE", kind) };
        let (set, problems) = ScenarioSet::compile(&[text], &[]);
        assert_eq!(problems, []);
        let mut counters = Counters::default();
        lines.iter().map(|(at, user)| step(&mut counters, &set, &failed(*user, 0), *at)).sum::<usize>()
    };
    assert_eq!(alarms("temporal_ordered", &[(0, 1), (5, 2), (6, 2)]), 1);
    assert_eq!(alarms("temporal_ordered", &[(0, 2), (5, 1)]), 0);
    assert_eq!(alarms("temporal", &[(0, 2), (5, 1)]), 1);
    assert_eq!(alarms("temporal_ordered", &[(0, 1), (700, 2)]), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn saved_and_loaded_anywhere_it_goes_on_as_if_nothing_had_been(
        lines in prop::collection::vec((0..8_u64, 0..40_u64, 0..3000_u64), 1..120),
        cut in 0..120_usize,
    ) {
        for set in [five_lines(), five_users()] {
            let (mut whole, mut halves) = (Counters::default(), Counters::default());
            for (index, (user, address, at)) in lines.iter().enumerate() {
                if index == cut {
                    halves = rmp_serde::from_slice(&rmp_serde::to_vec_named(&halves).unwrap()).unwrap();
                }
                let record = failed(*user, *address);
                prop_assert_eq!(step(&mut whole, &set, &record, *at), step(&mut halves, &set, &record, *at));
            }
            prop_assert_eq!(whole, halves);
        }
    }

    #[test]
    fn as_many_lines_within_the_timespan_as_it_takes_are_an_alarm_and_fewer_are_none(
        lines in prop::collection::vec((0..6_u64, 0..2000_u64), 1..80),
    ) {
        let set = five_lines();
        let mut counters = Counters::default();
        let mut sorted = lines;
        sorted.sort_by_key(|(_, at)| *at);
        let mut seen: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut alarmed: BTreeMap<u64, u64> = BTreeMap::new();
        for (address, at) in sorted {
            let times = seen.entry(address).or_default();
            times.push(at);
            let within = times.iter().filter(|earlier| at - **earlier <= 600).count();
            let found = step(&mut counters, &set, &failed(0, address), at);
            if found > 0 {
                prop_assert!(within >= 5);
                alarmed.insert(address, at);
            } else if within >= 5 {
                prop_assert!(alarmed.contains_key(&address));
            }
        }
    }
}

/// Three scenarios, each silent while another tells.
fn three_that_keep_silent_for_each_other() -> ScenarioSet {
    let rest =
        [("fast", "10s", 3, "[often, long]"), ("often", "10m", 5, "[fast, long]"), ("long", "2d", 12, "[fast, often]")];
    let scenarios = rest.map(|(name, timespan, at, unless)| {
        format!(
            "---\ntitle: {name}\nname: {name}\nid: {name}\ncorrelation: {{type: event_count, rules: [failed], group-by: [source.ip], \
             timespan: {timespan}, condition: {{gte: {at}}}}}\ndsmil: {{unless: {unless}}}\n"
        )
    });
    let yaml = format!("{RULES}{}", scenarios.concat());
    let (set, problems) = ScenarioSet::compile(&[RuleText { file: "t.yml".into(), yaml }], &[]);
    assert_eq!(problems, []);
    set
}

#[test]
fn scenarios_that_keep_silent_for_each_other_never_all_do_while_somebody_guesses() {
    let (set, mut counters) = (three_that_keep_silent_for_each_other(), Counters::default());
    let burst: usize = (0..16).map(|at| step(&mut counters, &set, &failed(1, 1), at)).sum();
    assert!(burst > 0);
    // The burst is over; what comes then is too slow for what reported it.
    let later = (0..2000).map(|line| step(&mut counters, &set, &failed(1, 1), 2000 + line * 60)).sum::<usize>();
    assert!(later > 0, "nobody tells of 2000 failures");
}

#[test]
fn an_alarm_that_is_over_keeps_no_other_silent() {
    let rule = |name: &str, outcome: &str| {
        format!(
            "title: {name}\nname: {name}\nlogsource: {{category: authentication}}\ndetection:\n  s: {{event.outcome: \
             {outcome}}}\n  condition: s\n---\n"
        )
    };
    let scenario = |id: &str, counts: &str, dsmil: &str| {
        format!(
            "title: {id}\nid: {id}\ncorrelation: {{type: event_count, rules: [{counts}], group-by: [source.ip], timespan: 10m, \
             condition: {{gte: 3}}}}\n{dsmil}"
        )
    };
    let scenarios =
        [scenario("guessing", "failed", "---\n"), scenario("logins", "done", "dsmil: {unless: [guessing]}\n")];
    let yaml = [rule("failed", "failure"), rule("done", "success"), scenarios.concat()].concat();
    let (set, problems) = ScenarioSet::compile(&[RuleText { file: "t.yml".into(), yaml }], &[]);
    assert_eq!(problems, []);
    let done = Record { outcome: Some(true), ..failed(1, 1) };
    let mut counters = Counters::default();
    let mut reported =
        |record: &Record, from: u64| (0..3).map(|at| step(&mut counters, &set, record, from + at)).sum::<usize>();
    assert_eq!(reported(&failed(1, 1), 0), 1);
    assert_eq!(reported(&done, 100), 0, "it goes on");
    // No line of what is counted there has come since: nothing has ended it.
    assert_eq!(reported(&done, 86_400), 1);
}

#[test]
fn lines_of_a_rule_by_a_clock_that_is_far_behind_push_out_no_line_of_another() {
    let yaml = "title: A\nname: a\nlogsource: {category: authentication}\ndetection: {s: {user.name: '1'}, condition: s}\n---\n\
                title: B\nname: b\nlogsource: {category: authentication}\ndetection: {s: {user.name: '2'}, condition: s}\n---\n\
                title: T\nid: t\ncorrelation: {type: temporal, rules: [a, b], group-by: [source.ip], timespan: 10m}\n";
    let (set, problems) = ScenarioSet::compile(&[RuleText { file: "t.yml".into(), yaml: yaml.into() }], &[]);
    assert_eq!(problems, []);
    let (mut counters, now) = (Counters::default(), 10_000_000);
    assert_eq!(step(&mut counters, &set, &failed(2, 0), now), 0);
    // Each an hour after the one before: of a rule only those count that are near.
    for line in 0..1000 {
        assert_eq!(step(&mut counters, &set, &failed(1, 0), line * 3600), 0);
    }
    assert_eq!(step(&mut counters, &set, &failed(1, 0), now + 60), 1);
}

#[test]
fn a_line_counts_for_exactly_as_long_as_the_timespan() {
    let alarms = |last: u64| {
        let mut counters = Counters::default();
        [0, 150, 300, 450, last].iter().map(|at| step(&mut counters, &five_lines(), &failed(1, 0), *at)).sum::<usize>()
    };
    assert_eq!((alarms(600), alarms(601)), (1, 0));
}

#[test]
fn groups_that_are_over_make_room_for_one_that_is_not() {
    let (set, mut counters) = (five_lines(), Counters::default());
    for address in 0..limits::SCENARIO_GROUPS_MAX as u64 {
        step(&mut counters, &set, &failed(1, address), 0);
        step(&mut counters, &set, &failed(1, address), 1);
    }
    assert_eq!(counters.groups(), limits::SCENARIO_GROUPS_MAX);
    step(&mut counters, &set, &failed(1, limits::SCENARIO_GROUPS_MAX as u64), 10_000);
    assert_eq!(counters.groups(), 1);
}

#[test]
fn the_failures_of_the_session_that_gets_in_are_its_own_and_lead_to_nothing() {
    let yaml = format!(
        "{RULES}---\ntitle: D\nname: done\nlogsource: {{category: authentication}}\ndetection:\n  s: {{event.outcome: success}}\n  \
         condition: s\n---\ntitle: T\nid: t\ncorrelation: {{type: event_count, rules: [failed], group-by: [source.ip], timespan: \
         10m, condition: {{gte: 5}}}}\ndsmil: {{item: user.name, followed-by: {{rule: done, reason: got_in}}}}\n"
    );
    let (set, problems) = ScenarioSet::compile(&[RuleText { file: "t.yml".into(), yaml }], &[]);
    assert_eq!(problems, []);
    let got_in = |own: &[&str]| {
        let mut counters = Counters::default();
        for at in 0..5 {
            step(&mut counters, &set, &failed(1, 0), at);
        }
        let own: Vec<String> = own.iter().map(|user| (*user).to_owned()).collect();
        let record = Record { outcome: Some(true), ..failed(1, 0) };
        let line = Observation { id: EventId::ZERO, record: &record, ts: second(9), is_repeated: false, own: &own };
        counters.observe(&set, &line, &mut Pacing::default()).iter().any(|raised| raised.reason == "got_in")
    };
    assert!(got_in(&[]), "five of others");
    assert!(!got_in(&["1"]), "four of others");
    assert!(got_in(&["1"; 5]), "one session alone has guessed");
}
