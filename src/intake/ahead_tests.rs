//! Lines that are parsed ahead mean what they mean when each is parsed in its turn.

use std::sync::Arc;

use proptest::prelude::*;

use super::Origin;
use super::context::Context;
use super::heads::Heads;
use super::lines::Lines;
use super::multiline::Multiline;
use super::replay::{ReplayInput, merged_on};
use crate::event::{Body, Draft, Format, InFile, Stream, Timestamp};
use crate::parse::Calendar;
use crate::pool::Pool;

/// What goes on from lines before it, and what does not.
const LINES: &[&str] = &[
    "2026-11-10 10:00:00,123 ERROR [main] c.e.App - boom",
    "java.lang.IllegalStateException: x",
    "\tat c.e.App.main(App.java:1)",
    "Caused by: java.io.IOException: y",
    "Traceback (most recent call last):",
    "#0 {main}",
    "#fields\tts\tuid\tid.orig_h",
    "#fields\tid.orig_h\tts",
    "1795703584.5\tC1\t192.0.2.1",
    "type=SYSCALL msg=audit(1762768800.000:7): arch=c000003e syscall=59 success=yes exe=\"/usr/bin/id\"",
    "type=EXECVE msg=audit(1762768800.000:7): argc=2 a0=\"id\" a1=\"-u\"",
    "type=PROCTITLE msg=audit(1762768800.000:7): proctitle=6964002D75",
    "Nov 10 10:00:01 web sshd[7]: Failed password for root from 192.0.2.1 port 4242 ssh2",
    "Nov 10 10:00:02 web last message repeated 9 times",
    "Nov 10 10:00:03 db sudo[7]:  bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/one",
    "Nov 10 10:00:03 db sudo[7]:  bob : (command continued) more",
    "2026-11-10T10:00:01.5+00:00 web CRON[9]: pam_unix(cron:session): session opened for user a(uid=1) by (uid=0)",
    "{\"ts\":1762768800,\"source\":\"s\",\"payload\":\"Failed password for root from 192.0.2.1 port 1 ssh2\"}",
    "{\"ts\":\"never\",\"payload\":\"y\"}",
    "{\"time\":\"2026-11-10T10:00:01Z\",\"user\":\"root\",\"other\":\"payload\"}",
    "words \u{fffd} without a time",
];

fn origin() -> Origin {
    Origin { stream: Stream::L3In, source: Arc::from("file:a"), compartment: Arc::from(""), format: Format::Auto }
}

fn calendar() -> Calendar {
    Calendar { zone: jiff::tz::TimeZone::UTC, reference: Timestamp::from_millis(1_800_000_000_000) }
}

/// Without its time, which is judged when the lines are in their order.
fn meant(draft: &Draft) -> String {
    let Body::Raw(raw) = &draft.body else { panic!("a raw event") };
    format!("{raw:?} {:?}", raw.record())
}

/// Each in its turn.
fn one_by_one(rule: Multiline, text: &str) -> Vec<String> {
    let (mut lines, mut heads, mut drafts) =
        (Lines::at(0), Heads::new(rule, Context::default(), InFile::default()), Vec::new());
    lines.put(text.as_bytes().to_vec());
    while let Some(line) = lines.next_line() {
        heads.take(line, &origin(), &calendar(), false);
        drafts.extend(heads.pop());
    }
    heads.close();
    drafts.extend(std::iter::from_fn(|| heads.pop()));
    drafts.iter().map(|head| meant(&head.draft)).collect()
}

fn ahead(multiline: Multiline, text: &str, pool: &Arc<Pool>, beside: usize) -> Vec<String> {
    let input = |text: String| ReplayInput {
        origin: origin(),
        calendar: calendar(),
        written: None,
        multiline,
        file: InFile::default(),
        reader: Box::new(std::io::Cursor::new(text)),
    };
    // Others that are empty leave less room for this one.
    let mut inputs = vec![input(text.to_owned())];
    inputs.extend((0..beside).map(|_| input(String::new())));
    merged_on(inputs, pool).filter_map(Result::ok).map(|draft| meant(&draft)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lines_mean_the_same_parsed_ahead_or_in_their_turn(
        picked in prop::collection::vec(prop::sample::select(LINES), 0..300),
        multiline in prop::sample::select(vec![Multiline::Auto, Multiline::Indented, Multiline::Dated, Multiline::Off]),
        threads in 0_usize..5,
        beside in prop::sample::select(vec![0, 3, 100]),
    ) {
        // Entries have their own time, and are for `replay` alone.
        let lines: Vec<&str> = picked.iter().copied().filter(|line| !line.contains("\"payload\":")).collect();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let pool = Arc::new(Pool::new(threads));
        prop_assert_eq!(ahead(multiline, &text, &pool, beside), one_by_one(multiline, &text));
        let all: String = picked.iter().map(|line| format!("{line}\n")).collect();
        prop_assert_eq!(ahead(multiline, &all, &pool, beside), ahead(multiline, &all, &Arc::new(Pool::new(0)), 0));
    }
}
