//! The first byte chooses the format; the rest is the line.
#![no_main]

use dsmild::event::Format;
use dsmild::parse::parse;
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 8] = [
    Format::Auto,
    Format::Syslog,
    Format::Rfc5424,
    Format::ShortIso,
    Format::Json,
    Format::Logfmt,
    Format::Auditd,
    Format::Text,
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, line)) = data.split_first() else { return };
    let format = FORMATS[usize::from(*choice) % FORMATS.len()];
    let once = parse(line, format, &[]);
    assert_eq!(once, parse(line, format, &[]));
});
