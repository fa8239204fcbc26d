use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::event::{
    Action, Alarm, Category, Decision, Entity, Evidence, Happened, InFile, Rule, Severity, ShrinkSample, ShrinkState,
    ShrinkView, Soc, Verdict,
};
use crate::parse::built_in;

/// What the database returns for a row.
fn stored<'row>(row: &'row Row<'_>) -> Stored<'row> {
    let empty = Stored {
        id: 0,
        ts: 0.0,
        root: None,
        kind: 0,
        layer: 0,
        body: Vec::new(),
        source: None,
        compartment: None,
        format: None,
        attributes: 0,
        arrival: None,
        believed: None,
        provenance: None,
    };
    match row {
        Row::Raw(row) => Stored {
            id: row.id,
            ts: row.ts,
            arrival: Some(row.arrival),
            believed: Some(row.believed),
            root: row.root,
            layer: row.layer,
            body: row.payload.to_vec(),
            source: Some(&row.source),
            compartment: Some(&row.compartment),
            format: Some(&row.format),
            provenance: row.provenance.as_deref(),
            attributes: row.attributes,
            ..empty
        },
        Row::Output(row) => Stored {
            id: row.id,
            ts: row.ts,
            arrival: Some(row.arrival),
            believed: Some(row.believed),
            root: Some(row.root),
            kind: 1,
            layer: row.layer,
            body: row.output_json.clone().into_bytes(),
            ..empty
        },
        Row::Control(row) => Stored {
            id: row.id,
            ts: row.ts,
            arrival: Some(row.arrival),
            believed: Some(row.believed),
            root: row.root,
            kind: 2,
            layer: i64::from(row.stream == "TICK"),
            body: row.body_json.clone().into_bytes(),
            ..empty
        },
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9 ]{0,12}", any::<String>(), Just("payload".to_owned()), Just("payload_hex".to_owned())]
}

fn name() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

fn unit() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..=1.0, Just(0.1 + 0.2), Just(f64::MIN_POSITIVE)]
}

fn finite() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO
}

fn format() -> impl Strategy<Value = Format> {
    use Format::*;
    prop::sample::select(vec![Auto, Syslog, Rfc5424, ShortIso, Json, Logfmt, Auditd, Text])
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(vec![Verdict::Benign, Verdict::Suspicious, Verdict::Malicious])
}

fn category() -> impl Strategy<Value = Category> {
    use Category::*;
    prop::sample::select(vec![Auth, Network, System, App, Intel, Crypto, Operator])
}

fn entity() -> impl Strategy<Value = Entity> {
    (prop::option::of(text()), prop::option::of(text()), prop::option::of(any::<u16>()))
        .prop_map(|(user, src_ip, dst_port)| Entity { user, src_ip, dst_port, ..Entity::default() })
}

fn raw() -> impl Strategy<Value = (Stream, Body)> {
    let stream = prop::sample::select(vec![Stream::L3In, Stream::L4In]);
    let payload = prop_oneof![vec(any::<u8>(), 0..40), text().prop_map(String::into_bytes)];
    (stream, name(), any::<bool>(), name(), format(), payload, vec((text(), text()), 0..5)).prop_map(
        |(stream, source, is_named, compartment, format, payload, attributes)| {
            let raw = Raw::new(source, compartment, format, payload.into(), attributes, built_in());
            // Any place will do: that each is read back, its own tests ask.
            let place = InFile { inode: Some(7), offset: raw.payload.len() as u64, ..InFile::default() };
            let provenance = is_named.then(|| Provenance::in_file(place));
            (stream, Body::Raw(raw.named_by_sender(is_named).read_at(provenance)))
        },
    )
}

fn decision() -> impl Strategy<Value = (Stream, Body)> {
    let stream = prop::sample::select(vec![Stream::L3Out, Stream::L4Out]);
    let actions = vec![Action::Other, Action::Login, Action::ServiceStop, Action::Alert];
    let happened = (proptest::option::of(text()), prop::sample::select(actions), any::<Option<bool>>(), 2..2000_u32)
        .prop_map(|(program, action, outcome, times)| Happened { program, action, outcome, times });
    let lists = (vec(text(), 0..3), vec(text(), 0..3), text(), text(), happened, alarm(), evidence());
    (stream, verdict(), unit(), name(), any::<u16>(), name(), entity(), category(), lists).prop_map(
        |(stream, verdict, score, model, device_id, compartment, entity, category, lists)| {
            let (reasons, attack, summary, input_ref, happened, alarm, evidence) = lists;
            let decision = Decision {
                verdict,
                score,
                model,
                device_id,
                compartment,
                input_ref,
                entity,
                category,
                happened,
                reasons,
                attack,
                summary,
                alarm: alarm.map(Box::new),
                evidence,
            };
            (stream, Body::Decision(Box::new(decision)))
        },
    )
}

fn evidence() -> impl Strategy<Value = Option<Box<Evidence>>> {
    let events = vec(any::<u32>().prop_map(|ms| EventId::new(ms.into(), 0)), 0..5);
    let evidence = (events, any::<u32>(), prop::option::of(text()), prop::option::of(finite())).prop_map(
        |(events, unnamed, name, value)| {
            let rule = name.clone().map(|name| Rule { id: name.clone(), title: name.clone(), file: name });
            let (threshold, timespan_s) = (value, value);
            Box::new(Evidence { events, unnamed: unnamed.into(), rule, value, threshold, field: name, timespan_s })
        },
    );
    prop::option::of(evidence)
}

fn alarm() -> impl Strategy<Value = Option<Alarm>> {
    let alarm = (text(), any::<u32>(), finite(), finite(), vec(text(), 0..3), any::<bool>()).prop_map(
        |(id, count, first_ts, last_ts, members, is_over)| Alarm {
            id,
            count: count.into(),
            first_ts,
            last_ts,
            members,
            is_over,
        },
    );
    prop::option::of(alarm)
}

fn values() -> impl Strategy<Value = BTreeMap<String, f64>> {
    btree_map("v[a-z_]{0,8}", finite(), 0..5)
}

fn view() -> impl Strategy<Value = ShrinkView> {
    let state = prop::sample::select(vec![ShrinkState::Fresh, ShrinkState::Stale, ShrinkState::Down]);
    let sample_id = prop::option::of(any::<u32>().prop_map(|n| EventId::new(n.into(), n)));
    (state, prop::option::of(finite()), sample_id, values()).prop_map(|(state, age_s, sample_id, values)| ShrinkView {
        state,
        age_s,
        sample_id,
        values,
    })
}

fn proposal() -> impl Strategy<Value = Option<Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        finite().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    });
    // A proposal of `null` is none.
    prop::option::of(tree.prop_filter("null is none", |value| !value.is_null()))
}

fn soc() -> impl Strategy<Value = (Stream, Body)> {
    let severity = prop::sample::select(vec![Severity::Info, Severity::Low, Severity::High, Severity::Critical]);
    let texts = (prop::sample::select(vec!["3", "4", "8"]), text(), text(), text());
    let alarm = (alarm(), evidence());
    let ids = (prop::option::of(text()), prop::option::of(text()), proposal());
    let lists = (vec(text(), 0..3), vec(text(), 0..3), vec(text(), 0..3), proposal(), ids, alarm);
    let numbers = (unit(), prop::option::of(unit()), 50..=105_u16, prop::option::of(any::<bool>()));
    (verdict(), numbers, severity, category(), texts, entity(), view(), lists).prop_map(
        |(decision, numbers, severity, category, texts, entity, shrink, lists)| {
            let (score, shrink_risk, src_device, outcome) = numbers;
            let (src_layer, input_ref, compartment, summary) = texts;
            let (flags, attack, reasons, proposal, ids, (alarm, evidence)) = lists;
            let (incident_id, silence_id, silence) = ids;
            let soc = Soc {
                src_layer: src_layer.to_owned(),
                decision,
                score,
                shrink_risk,
                input_ref,
                src_device,
                severity,
                category,
                compartment,
                summary,
                entity,
                shrink,
                flags,
                attack,
                reasons,
                outcome,
                proposal,
                incident_id,
                silence_id,
                silence,
                alarm,
                evidence,
            };
            (Stream::SocEvents, Body::Soc(Box::new(soc)))
        },
    )
}

fn control() -> impl Strategy<Value = (Stream, Body)> {
    let sample = (values(), prop::option::of(text()))
        .prop_map(|(values, failure)| (Stream::Shrink, Body::Shrink(ShrinkSample { values, failure })));
    prop_oneof![Just((Stream::Tick, Body::Tick)), sample]
}

/// Times up to the year 2106, from where on epoch seconds as a double are coarser than a microsecond.
fn any_event() -> impl Strategy<Value = Event> {
    let id = (0..=1_u64 << 43, 0..1_u32 << 20).prop_map(|(ms, n)| EventId::new(ms, n));
    let body = prop_oneof![raw(), decision(), soc(), control()];
    let time = || (0..=(1_i64 << 32) * 1_000_000).prop_map(Timestamp::from_micros);
    let times =
        (time(), time(), time()).prop_map(|(ts, arrival, believed)| Times { ts: Claimed::new(ts), arrival, believed });
    (id.clone(), prop::option::of(id), times, body).prop_map(|(id, root, times, body)| Event {
        id,
        stream: body.0,
        times,
        root: root.unwrap_or(id),
        body: body.1,
    })
}

/// Everything an event says, in a form that can be compared: `Debug` shows floats in the shortest exact form.
fn shown(event: &Event) -> String {
    match &event.body {
        Body::Raw(raw) => {
            let fields = (&raw.source, raw.is_named, &raw.compartment, raw.format, &raw.payload, &raw.attributes);
            format!("{:?} {:?} {fields:?}", (event.id, event.times, event.root), event.stream)
        }
        _ => format!("{event:?}"),
    }
}

proptest! {
    #[test]
    fn events_come_back_from_their_rows_as_they_were_whatever_row_came_before(originals in vec(any_event(), 1..5)) {
        let (mut names, mut rebuilder) = (FormatNames::default(), Rebuilder::new(built_in()));
        for original in originals {
            let back = rebuilder.event(stored(&row(&original, &mut names).unwrap())).unwrap();
            prop_assert_eq!(shown(&back), shown(&original));
        }
    }

    #[test]
    fn a_damaged_payload_column_is_an_error_and_never_a_panic(body in vec(any::<u8>(), 0..40), form in 0..4_i64) {
        let original = Raw::new("s".into(), "c".into(), Format::Auto, Bytes::new(), vec![], built_in());
        let id = EventId::new(1, 0);
        let (ts, body_of) = (Timestamp::ZERO, Body::Raw(original));
        let plain = Event { id, stream: Stream::L3In, times: Times::at(ts), root: id, body: body_of };
        let row = row(&plain, &mut FormatNames::default()).unwrap();
        let result = Rebuilder::new(built_in()).event(Stored { body, attributes: form, ..stored(&row) });
        prop_assert!(form != attribute_form::BYTES || result.is_ok());
    }
}

#[test]
fn a_payload_with_nothing_beside_it_is_kept_as_received_and_one_with_attributes_is_a_json_object() {
    let column = |payload: &'static [u8], attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let raw = Raw::new("s".into(), "c".into(), Format::Auto, Bytes::from_static(payload), attributes, built_in());
        let (bytes, form) = payload_column(&raw);
        (String::from_utf8_lossy(&bytes).into_owned(), form)
    };
    assert_eq!(column(b"{\"a\": 1}", &[]), ("{\"a\": 1}".to_owned(), attribute_form::BYTES));
    assert_eq!(column(b"x", &[("k", "v")]), (r#"{"payload":"x","k":"v"}"#.to_owned(), attribute_form::TEXT));
    assert_eq!(
        column(b"x", &[("k", "v"), ("k", "w"), ("payload", "p")]),
        (r#"{"payload":["x","p"],"k":["v","w"]}"#.to_owned(), attribute_form::TEXT)
    );
    assert_eq!(
        column(b"\xff\x0a", &[("k", "v")]),
        (r#"{"payload_hex":"ff0a","k":"v"}"#.to_owned(), attribute_form::HEX)
    );
}
