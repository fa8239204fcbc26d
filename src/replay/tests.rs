//! What is printed does not depend on how many threads there are.

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::flow::{self, Printed};
use super::remark;
use crate::config::Config;
use crate::daemon::prepare;
use crate::detect::deceptive::escaped_json;
use crate::event::{Format, InFile, Stream, Timestamp};
use crate::intake::Origin;
use crate::intake::clock::ReplayTicks;
use crate::intake::multiline::Multiline;
use crate::intake::replay::{ReplayInput, merged};
use crate::layer::pipeline::Pipeline;
use crate::layer::stage::StageSpec;
use crate::parse::Calendar;
use crate::pool::Pool;
use crate::server::event_json;

static STAGES: LazyLock<Vec<StageSpec>> = LazyLock::new(|| prepare(&Config::default()).unwrap().stages);

/// The demo's logs, and a sample of every message of every format.
static FIXTURES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/config/");
    let texts = |folder: &str| -> Vec<String> {
        let files = std::fs::read_dir(format!("{root}{folder}")).unwrap();
        let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    };
    let samples = |text: &String| -> Vec<String> {
        let Ok(toml) = text.parse::<toml::Table>() else { return Vec::new() };
        let tables = |value: Option<&toml::Value>| value.and_then(|it| it.as_array()).cloned().unwrap_or_default();
        let samples = tables(toml.get("message")).into_iter().flat_map(|message| tables(message.get("sample")));
        samples.filter_map(|sample| Some(sample.get("line")?.as_str()?.to_owned())).collect()
    };
    let mut fixtures = texts("demo");
    fixtures.extend(texts("formats").iter().map(samples).map(|lines| lines.join("\n")));
    fixtures.retain(|text| !text.is_empty());
    fixtures
});

fn inputs(texts: &[String]) -> Vec<ReplayInput> {
    let input = |(number, text): (usize, &String)| ReplayInput {
        origin: Origin {
            stream: Stream::L3In,
            source: Arc::from(format!("file:{number}")),
            compartment: Arc::from(""),
            format: Format::Auto,
        },
        calendar: Calendar { zone: TimeZone::UTC, reference: Timestamp::from_millis(1_796_000_000_000) },
        written: None,
        multiline: Multiline::Auto,
        file: InFile::default(),
        reader: Box::new(Cursor::new(text.clone())),
    };
    texts.iter().enumerate().map(input).collect()
}

/// What is printed and what is said of errors, with so many threads.
fn printed(texts: &[String], stream: Stream, threads: usize) -> (String, Vec<String>, u64) {
    let mut flow = flow::start(inputs(texts), STAGES.clone(), stream, Pool::new(threads)).unwrap();
    let (mut all, mut said, mut given) = (String::new(), Vec::new(), 0);
    while let Some(Printed { text, errors, bytes_given }) = flow.next() {
        all.push_str(&text);
        said.extend(errors.iter().map(ToString::to_string));
        assert!(bytes_given >= given, "progress goes forward");
        given = bytes_given;
    }
    assert_eq!(flow.refused(), 0);
    (all, said, given)
}

const STREAMS: [Stream; 3] = [Stream::L3Out, Stream::L4Out, Stream::SocEvents];

/// Line after line through every stage: what is printed of each stream.
fn in_turn(texts: &[String]) -> [String; 3] {
    let (mut pipeline, mut ticks) = (Pipeline::new(STAGES.clone()), ReplayTicks::default());
    let mut all: [String; 3] = Default::default();
    for draft in merged(inputs(texts)).filter_map(Result::ok) {
        for draft in ticks.before(draft.times.believed).chain([draft]) {
            for event in pipeline.push(draft) {
                if let Some(place) = STREAMS.iter().position(|stream| *stream == event.stream) {
                    all[place].push_str(&escaped_json(&event_json(&event).to_string()));
                    all[place].push('\n');
                }
            }
        }
    }
    all
}

#[test]
fn refused_outputs_are_reported_at_the_end_and_none_are_not() {
    assert_eq!(remark(0), None);
    assert!(remark(3).unwrap().starts_with("3 outputs were refused"));
}

#[test]
fn every_fixture_gives_the_same_bytes_with_any_number_of_threads() {
    let expected = in_turn(&FIXTURES);
    assert!(expected.iter().all(|text| !text.is_empty()));
    for (place, threads) in [(0, 8), (1, 2), (2, 1), (2, 2), (2, 8)] {
        let (text, said, given) = printed(&FIXTURES, STREAMS[place], threads);
        assert!(text == expected[place], "{} with {threads} threads", STREAMS[place]);
        assert_eq!(said, [] as [String; 0]);
        assert_eq!(given, FIXTURES.iter().map(|text| text.len() as u64).sum::<u64>());
    }
}

#[test]
fn an_input_that_breaks_off_is_said_in_its_place_with_any_number_of_threads() {
    let broken = ["{\"ts\":\"never\",\"payload\":\"y\"}\nNov 10 10:00:01 web sshd[7]: x".to_owned()];
    let once = printed(&broken, Stream::L3Out, 1);
    assert!(once.1.len() == 1 && once.0.lines().count() == 1, "{once:?}");
    assert_eq!([2, 8].map(|threads| printed(&broken, Stream::L3Out, threads)), [once.clone(), once]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn random_inputs_give_the_same_bytes_with_any_number_of_threads(
        picked in prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..200), 1..4),
        place in 0_usize..3,
    ) {
        let line = |(fixture, line): &(prop::sample::Index, prop::sample::Index)| {
            let lines: Vec<&str> = fixture.get(&FIXTURES).lines().collect();
            format!("{}\n", line.get(&lines))
        };
        let texts: Vec<String> = picked.iter().map(|lines| lines.iter().map(line).collect()).collect();
        let expected = in_turn(&texts);
        for threads in [1, 2, 8] {
            prop_assert!(printed(&texts, STREAMS[place], threads).0 == expected[place], "{} threads", threads);
        }
    }
}
