use proptest::prelude::*;

use super::expr::{Expr, Order, Test};
use super::field::{FIELDS, Field, Name};
use super::kind::Kind;
use super::value::Value;
use super::{Filter, Moment};
use crate::event::{
    Alarm, Body, Category, Decision, Entity, Event, EventId, Severity, Soc, Stream, Times, Timestamp, Verdict,
};
use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX};

const NOW: u64 = 1_700_000_000_000;

fn soc() -> Soc {
    Soc {
        src_layer: "4".into(),
        src_device: 57,
        decision: Verdict::Suspicious,
        score: 0.75,
        severity: Severity::High,
        category: Category::Network,
        compartment: "ops".into(),
        summary: "Port SCAN by 203.0.113.66".into(),
        entity: Entity {
            user: Some("root".into()),
            host: Some("192.0.2.4".into()),
            src_ip: Some("203.0.113.66".into()),
            dst_port: Some(22),
            file: Some("/etc/passwd".into()),
            ..Entity::default()
        },
        flags: vec!["SCAN".into()],
        attack: vec!["T1046".into(), "T1110.001".into()],
        reasons: vec!["port_scan".into(), "listed".into()],
        outcome: Some(false),
        input_ref: "1699999999000-1".into(),
        incident_id: Some("i7".into()),
        silence_id: Some("s3".into()),
        alarm: Some(Alarm { id: "a1".into(), count: 12, ..Alarm::default() }),
        ..Soc::default()
    }
}

pub(crate) fn event_of(stream: Stream, body: Body) -> Event {
    let id = EventId::new(NOW, 0);
    Event { id, stream, times: Times::at(Timestamp::from_millis(NOW)), root: id, body }
}

pub(crate) fn event() -> Event {
    event_of(Stream::SocEvents, Body::Soc(Box::new(soc())))
}

fn filter(text: &str) -> Filter {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOW + 3_600_000)
}

#[test]
fn each_field_is_compared_by_what_it_is() {
    let event = event();
    for text in [
        "",
        "severity >= HIGH and src_ip in 203.0.113.0/24 and not device = 51 and rule ~ \"scan\"",
        "severity = high",
        "severity < critical and severity > Medium",
        "verdict = suspicious decision != benign decision >= suspicious",
        "score >= 0.75 score <= .75 not score > 0.75",
        "device in (51, 57)",
        "layer = 4",
        "category = network",
        "reason = listed and rule = port_scan",
        "flag = SCAN",
        "technique = T1110 and technique = t1110.001 and attack = T1046 and technique != T1110.002",
        "compartment = ops",
        "user = root and user in (alice, root)",
        "src_ip = 203.0.113.66 and src_ip = ::ffff:203.0.113.66 and src_ip in (10.0.0.0/8, 203.0.113.64/29)",
        "host in 192.0.2.0/24",
        "src_ip ~ 203.0.113.",
        "dst_port = 22",
        "file ~ PASSWD",
        "outcome = failure and outcome != success",
        "summary ~ \"port scan\"",
        "alert_id = a1 and incident_id = i7 and count > 10 and input_ref = 1699999999000-1 and id = 1700000000000-0",
        "silence = s3",
        "scan",
        "\"by 203\" critical or high",
        "dst_ip != 192.0.2.1",
        "not (user = alice or user = bob)",
        "NOT user = alice AND (user = bob OR user = root)",
        "!(user = alice) && user == root || user = bob",
        "summary !~ login",
    ] {
        assert!(filter(text).passes(&event, now()), "{text}");
    }
    for text in [
        "severity > HIGH",
        "user = ROOT",
        "user = roo",
        "technique = T111",
        "technique = T1110.002",
        "src_ip in 203.0.113.64/31",
        "dst_ip = 192.0.2.1",
        "model ~ a",
        "host in \"192.0.2.0/24\"",
        "absent",
        "user = root and user = alice",
        "user = alice or user = bob and user = root",
        "57",
    ] {
        let is_technique_prefix = text == "technique = T111";
        let read = text.parse::<Filter>();
        assert!(read.map_or(is_technique_prefix, |filter| !filter.passes(&event, now())), "{text}");
    }
}

#[test]
fn and_binds_closer_than_or() {
    assert_eq!(filter("a or b c and not d"), filter("\"a\" or (\"b\" and (\"c\" and (not \"d\")))"));
    assert_eq!(filter("(a or b) c").to_string(), "(\"a\" or \"b\") and \"c\"");
    assert_eq!(filter("not (a b)").to_string(), "not (\"a\" and \"b\")");
}

#[test]
fn decisions_and_lines_are_filtered_by_what_they_have() {
    let mut decision = Decision::benign("sigma".into(), 15, "ops".into(), EventId::new(1, 0));
    decision.happened.program = Some("sshd".into());
    let decision = event_of(Stream::L3Out, Body::Decision(Box::new(decision)));
    assert!(filter("model = sigma layer = 3 device = 15 program = sshd decision = benign").passes(&decision, now()));
    assert!(!filter("severity >= INFO").passes(&decision, now()));
    let payload = "Failed password for root from 203.0.113.7 port 4242 ssh2";
    let line = format!("<38>Nov 14 22:13:20 atlas sshd[1]: {payload}");
    let raw = crate::event::Raw::new(
        "file:/a".into(),
        "ops".into(),
        crate::event::Format::Syslog,
        line.into_bytes().into(),
        Vec::new(),
        crate::parse::built_in(),
    );
    let raw = event_of(Stream::L3In, Body::Raw(raw));
    assert!(filter("source = file:/a payload ~ failed src_ip in 203.0.113.0/24 user = root").passes(&raw, now()));
    let tick = event_of(Stream::Tick, Body::Tick);
    assert!(filter("not user = root").passes(&tick, now()) && !filter("user = root").passes(&tick, now()));
}

#[test]
fn since_and_until_count_back_from_now_or_name_a_moment() {
    let event = event();
    for text in ["since 1h", "since 2h until 59m", "since 2023-11-14", "until 2023-11-15", "since 2023-11-14T22:13"] {
        assert!(filter(text).passes(&event, now()), "{text}");
    }
    for text in ["since 59m", "until 1h", "since 2023-11-14T23:13:20+00:00", "until 2023-11-14T22:13:20Z"] {
        assert!(!filter(text).passes(&event, now()), "{text}");
    }
}

#[test]
fn no_line_brings_itself_past_since_by_the_time_that_it_claims() {
    let claim = Timestamp::from_millis(NOW).plus(std::time::Duration::from_secs(86_400));
    let mut later = event();
    later.times.ts = crate::event::Claimed::new(claim);
    assert!(!filter("since 30m").passes(&later, now()));
    later.times.believed = claim;
    assert!(!filter("since 30m").passes(&later, now()), "nothing happened after it was taken in");
}

#[test]
fn what_cannot_pass_for_its_time_is_known_beforehand() {
    let hours = |count: u64| now().minus(std::time::Duration::from_secs(count * 3600));
    for (text, earliest) in [
        ("since 2h", hours(2)),
        ("user = root since 2h and since 1h", hours(1)),
        ("since 2h or (a since 3h)", hours(3)),
        ("since 2h or user = root", Timestamp::ZERO),
        ("not since 2h", Timestamp::ZERO),
        ("until 2h", Timestamp::ZERO),
    ] {
        assert_eq!(filter(text).earliest(now()), earliest, "{text}");
    }
}

#[test]
fn a_mistake_is_told_with_its_column_and_what_would_be_right() {
    for (text, column, right) in [
        ("user < root", 6, "is a text"),
        ("user <", 6, "is a text"),
        ("severity ~ HIGH", 10, "`severity` is a severity"),
        ("severity >= BIG", 13, "INFO, LOW, MEDIUM, HIGH or CRITICAL; found `BIG`"),
        ("sevrity = HIGH", 1, "did you mean `severity`?"),
        ("xyzzy = 1", 1, "fields are severity, score"),
        ("time > 2h", 1, "`since 2h`"),
        ("äöü and user = ", 16, "found the end"),
        ("user", 5, "an operator behind `user`"),
        ("(user = root", 13, "`)`"),
        ("user = root)", 12, "closes nothing"),
        ("user = root and", 16, "found the end"),
        ("user in (a b)", 12, "`,` or `)`"),
        ("src_ip = 10.0.0.0/8", 10, "`in 203.0.113.0/24`"),
        ("src_ip in atlas", 11, "found `atlas`"),
        ("technique = 1110", 13, "T1110.001"),
        ("score > NaN", 9, "0.75"),
        ("since soon", 7, "2026-11-18T02:00Z"),
        ("summary ~ \"open", 11, "closing quote"),
        ("\"\\q\"", 2, "\\u{…}"),
        ("\"\\u{110000}\"", 2, "\\u{…}"),
        ("a , b", 3, "found `,`"),
        ("= 3", 1, "found `=`"),
        ("\"user\" = root", 1, "expected a field"),
    ] {
        let error = text.parse::<Filter>().unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.to_string().contains(right), "{text}: {error}");
    }
}

#[test]
fn no_mistake_brings_deceptive_characters_to_the_reader() {
    for text in ["evil\u{202e}\u{1b}[2J = 1", "user = root \u{202e})", "severity = \"\u{1b}[2J\""] {
        let error = text.parse::<Filter>().unwrap_err().to_string();
        assert!(!error.chars().any(crate::detect::deceptive::is_deceptive), "{error:?}");
    }
    let printed = filter("summary ~ \"a\u{202e}\\n\\\"\"").to_string();
    assert_eq!(printed, "summary ~ \"a\\u{202e}\\u{a}\\\"\"");
}

#[test]
fn a_filter_has_bounds_in_length_terms_and_depth() {
    let terms = |count: usize| vec!["a"; count].join(" ").parse::<Filter>();
    assert!(terms(FILTER_TERMS_MAX).is_ok());
    assert!(terms(FILTER_TERMS_MAX + 1).unwrap_err().to_string().contains("terms"));
    let values = |count: usize| format!("user in ({})", vec!["a"; count].join(",")).parse::<Filter>();
    assert!(values(FILTER_TERMS_MAX).is_ok() && values(FILTER_TERMS_MAX + 1).is_err());
    let deep = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth)).parse::<Filter>();
    assert!(deep(FILTER_DEPTH_MAX).is_ok());
    assert_eq!(deep(FILTER_DEPTH_MAX + 1).unwrap_err().column, FILTER_DEPTH_MAX + 1);
    assert!("not ".repeat(FILTER_DEPTH_MAX + 1).parse::<Filter>().is_err());
    let long = "a".repeat(FILTER_BYTES_MAX + 1).parse::<Filter>().unwrap_err();
    assert!(long.to_string().contains("bytes"), "{long}");
}

fn any_value(kind: Kind) -> BoxedStrategy<Value> {
    let read = move |text: &str| Value::read(kind, text, false, true).unwrap();
    match kind {
        Kind::Severity => prop::sample::select(vec!["INFO", "LOW", "HIGH"]).prop_map(read).boxed(),
        Kind::Verdict => prop::sample::select(vec!["benign", "malicious"]).prop_map(read).boxed(),
        Kind::Category => prop::sample::select(vec!["AUTH", "INTEL"]).prop_map(read).boxed(),
        Kind::Outcome => any::<bool>().prop_map(Value::Outcome).boxed(),
        Kind::Number => prop::num::f64::NORMAL.prop_map(Value::Number).boxed(),
        Kind::Address => any::<std::net::IpAddr>().prop_map(|it| Value::Address(it.to_canonical())).boxed(),
        Kind::Technique => "T[0-9]{4}(\\.[0-9]{3})?".prop_map(Value::Technique).boxed(),
        Kind::Text => any::<String>().prop_map(Value::Text).boxed(),
    }
}

fn any_network() -> impl Strategy<Value = Value> {
    (any::<std::net::Ipv4Addr>(), 0..=32_u8)
        .prop_map(|(address, length)| Value::Network(ipnet::IpNet::new(address.into(), length).unwrap().trunc()))
}

fn any_test() -> impl Strategy<Value = Expr> {
    prop::sample::select(FIELDS.iter().collect::<Vec<&'static Field>>()).prop_flat_map(|field| {
        let is_text = field.kind.is_text();
        let values = prop::collection::vec(any_value(field.kind), 1..4);
        let may_be_network = matches!(field.kind, Kind::Address | Kind::Text);
        let orders = prop::sample::select(vec![Order::Less, Order::AtMost, Order::Greater, Order::AtLeast]);
        (values, any_network(), orders, any::<String>(), 0..4).prop_map(
            move |(mut values, network, order, text, way)| match way {
                0 if field.kind.is_ordered() => Expr::Is(field, Test::Order(order, values.remove(0))),
                1 if is_text => Expr::contains(field, &text),
                2 if may_be_network => {
                    values.push(network);
                    Expr::Is(field, Test::OneOf(values))
                }
                _ => Expr::Is(field, Test::OneOf(values)),
            },
        )
    })
}

fn any_expr() -> impl Strategy<Value = Expr> {
    let moment = prop_oneof![
        any::<u32>().prop_map(|millis| Moment::Ago(millis.into())),
        (0..4_000_000_000_000_000_i64).prop_map(|micros| Moment::At(Timestamp::from_micros(micros))),
    ];
    let leaf = prop_oneof![
        6 => any_test(),
        1 => any::<String>().prop_map(|text| Expr::anywhere(&text)),
        1 => (moment, any::<bool>()).prop_map(|(at, since)| if since { Expr::Since(at) } else { Expr::Until(at) }),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expr::all),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expr::any),
            inner.prop_map(Expr::not),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_filter_is_read_as_the_same(expr in any_expr()) {
        let text = expr.to_string();
        prop_assume!(text.len() <= FILTER_BYTES_MAX);
        prop_assert_eq!(text.parse::<Filter>().map(|filter| filter.0), Ok(expr), "{}", text);
    }

    #[test]
    fn not_not_is_nothing_and_not_is_the_opposite(expr in any_expr()) {
        prop_assert_eq!(&Expr::not(Expr::not(expr.clone())), &expr);
        let opposite = Filter(Expr::not(expr.clone()));
        prop_assert_ne!(Filter(expr).passes(&event(), now()), opposite.passes(&event(), now()));
    }

    #[test]
    fn no_text_makes_it_panic_and_mistakes_have_a_column(text in "[a-z_ =<>!~()\",.0-9/:\\\\\u{202e}ä]{0,60}|\\PC*") {
        crate::fuzzed::query(text.as_bytes());
    }

    #[test]
    fn words_in_any_order_are_understood_or_refused(
        words in prop::collection::vec(prop::sample::select(vec![
            "user", "severity", "src_ip", "score", "=", "!=", "<", "~", "!~", "in", "(", ")", ",", "and", "or", "not", "!",
            "since", "until", "2h", "HIGH", "10.0.0.0/8", "\"a b\"", "0.5", "root",
        ]), 0..14),
    ) {
        crate::fuzzed::query(words.join(" ").as_bytes());
    }
}

#[test]
fn every_field_has_one_row_and_every_name_is_used_once() {
    let mut names: Vec<&str> = FIELDS.iter().flat_map(|field| field.texts).copied().collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(FIELDS.iter().any(|field| field.name == Name::Payload));
}

#[test]
fn what_a_field_is_said_to_take_it_takes() {
    for field in FIELDS {
        let sample = match field.kind {
            Kind::Number => "51",
            Kind::Address => "203.0.113.7",
            Kind::Technique => "T1110",
            _ => "x",
        };
        let values = if field.kind.values().is_empty() { &[sample][..] } else { field.kind.values() };
        for (value, operator) in
            values.iter().flat_map(|value| field.kind.operators().into_iter().map(move |it| (value, it)))
        {
            let value = if operator == "in" { format!("({value})") } else { (*value).to_owned() };
            filter(&format!("{} {operator} {value}", field.text()));
        }
    }
}
