//! One function for each parser of bytes that others write. The targets in `fuzz/` call them, no program does; tests try
//! each on the seeds in `fuzz/seeds/`, so that a change that breaks one is seen without fuzzing.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::config;
use crate::detect::allow_list::AllowList;
use crate::detect::allowed_files::AllowedFiles;
use crate::detect::efi_variable::efi_switch;
use crate::detect::ima_log::measurement;
use crate::detect::indicator_list::{read_allowed, read_indicators};
use crate::detect::indicators::Indicators;
use crate::detect::quote::{Attest, AttestationKey, verify};
use crate::detect::tcg_log::TcgLog;
use crate::detect::{cacao, stix, web, zeek};
use crate::event::{Body, Event, EventId, Format, Stream, Times, Timestamp};
use crate::intake::redis::{Content, Entry};
use crate::intake::syslog::{framing, relp};
use crate::intake::unpack::{Packing, Unpacked};
use crate::intake::{entry, shrink};
use crate::journal::{Entry as JournalEntry, Export};
use crate::limits;
use crate::parse::parse;
use crate::query::Filter;
use crate::redis::{Decoder, Reply};

/// The name of its target and of its folder of seeds.
type Parser = (&'static str, fn(&[u8]));

pub const PARSERS: &[Parser] = &[
    ("lines", lines),
    ("zeek", zeek),
    ("journal_export", journal_export),
    ("redis_entries", redis_entries),
    ("redis_protocol", redis_protocol),
    ("http_entries", http_entries),
    ("syslog_stream", syslog_stream),
    ("relp", relp),
    ("packed", packed),
    ("indicator_lists", indicator_lists),
    ("stix_pattern", stix_pattern),
    ("web_request", web_request),
    ("cacao", cacao),
    ("tcg_log", tcg_log),
    ("ima_log", ima_log),
    ("quote", quote),
    ("shrink", shrink),
    ("configuration", configuration),
    ("query", query),
];

const FORMATS: &[Format] = &[
    Format::Auto,
    Format::Syslog,
    Format::Rfc5424,
    Format::ShortIso,
    Format::Json,
    Format::Logfmt,
    Format::Auditd,
    Format::Text,
];
const INGESTED: &[Stream] = &[Stream::L3In, Stream::L4In, Stream::L3Out, Stream::L4Out];
/// Answers of Redis are lists in lists in lists; what is deeper is refused before.
const REPLY_DEPTH: usize = 6;
const PACKED_TEXT_BYTES: u64 = 4 * 1024 * 1024;

/// The first byte chooses the size of the pieces.
pub fn syslog_stream(data: &[u8]) {
    let Some((size, text)) = data.split_first() else { return };
    let mut messages = framing::Messages::default();
    for piece in text.chunks(usize::from(*size).max(1)) {
        messages.put(piece);
        while let Some(message) = messages.next_message() {
            assert!(!message.text.is_empty() && message.text.len() <= limits::LINE_BYTES_MAX);
        }
    }
    messages.finish();
}

/// The same.
pub fn relp(data: &[u8]) {
    let Some((size, text)) = data.split_first() else { return };
    let mut commands = relp::Commands::default();
    for piece in text.chunks(usize::from(*size).max(1)) {
        commands.put(piece);
        while let Ok(Some(command)) = commands.next_command() {
            assert!(command.data.len() <= limits::LINE_BYTES_MAX);
        }
    }
}

/// The first byte chooses the format; the rest is the line.
pub fn lines(data: &[u8]) {
    let Some((choice, line)) = data.split_first() else { return };
    let Some(format) = FORMATS.get(usize::from(*choice) % FORMATS.len()) else { return };
    assert_eq!(parse(line, *format, &[]), parse(line, *format, &[]), "a line has one meaning");
}

/// What anybody may have packed, up to some pieces of text.
pub fn packed(data: &[u8]) {
    let Some(packing) = Packing::of(data) else { return };
    let text = Unpacked::new(packing, Cursor::new(data.to_vec()));
    let _ = io::copy(&mut text.take(PACKED_TEXT_BYTES), &mut io::sink());
}

pub fn zeek(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut columns = Vec::new();
    for line in text.lines() {
        columns = zeek::columns(line).unwrap_or(columns);
        zeek::record(line, &columns);
    }
}

/// The first byte is the length of the pieces in which the second reader receives the same bytes.
pub fn journal_export(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let whole = journal_entries(data, data.len());
    let in_pieces = journal_entries(data, usize::from(*piece));
    assert_eq!(whole, in_pieces, "entries do not depend on how their bytes arrive");
}

fn journal_entries(data: &[u8], piece: usize) -> (Vec<JournalEntry>, bool) {
    let mut export = Export::default();
    let mut entries = Vec::new();
    for bytes in data.chunks(piece.max(1)) {
        export.buffer().extend_from_slice(bytes);
        loop {
            match export.next_entry() {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => break,
                Err(_) => return (entries, false),
            }
        }
    }
    (entries, true)
}

/// What a group is given to read, as entries of each stream that others write.
pub fn redis_entries(data: &[u8]) {
    let mut rest = data;
    let reply = reply(&mut rest, 0);
    let entries = Entry::of_stream(reply.clone()).into_iter().chain(Entry::list(reply)).flatten();
    let source: Arc<str> = "redis".into();
    for entry in entries {
        let Content::Fields(fields) = entry.content else { continue };
        for stream in INGESTED {
            drop(entry::from_fields(&fields, *stream, &source, Timestamp::from_millis(0)));
        }
    }
}

/// What a server answers, in two pieces and in one: the same is understood.
pub fn redis_protocol(data: &[u8]) {
    let answered = |pieces: &[&[u8]]| {
        let mut decoder = Decoder::default();
        let end = pieces.iter().try_for_each(|piece| decoder.take(piece));
        (end, std::iter::from_fn(|| decoder.answer()).collect::<Vec<_>>())
    };
    let (half, rest) = data.split_at(data.len() / 2);
    assert_eq!(answered(&[data]), answered(&[half, rest]), "how it comes makes no difference");
}

/// Bytes as a reply: a byte of kind, then a byte of count or length, then what it counts.
fn reply(rest: &mut &[u8], depth: usize) -> Reply {
    let mut byte = || {
        let (first, others) = rest.split_first()?;
        *rest = others;
        Some(*first)
    };
    let (Some(kind), Some(count)) = (byte(), byte()) else { return Reply::Nil };
    match kind % 4 {
        0 => Reply::Nil,
        1 => Reply::Number(i64::from(count) - 128),
        2 => {
            let (text, others) = rest.split_at(usize::from(count).min(rest.len()));
            *rest = others;
            Reply::Text(Bytes::copy_from_slice(text))
        }
        _ if depth == REPLY_DEPTH => Reply::Nil,
        _ => Reply::List((0..count % 16).map(|_| reply(rest, depth + 1)).collect()),
    }
}

/// Lines that somebody posts.
pub fn http_entries(data: &[u8]) {
    let source: Arc<str> = "http".into();
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(read) = serde_json::from_slice::<Map<String, Value>>(line) else { continue };
        for stream in INGESTED {
            drop(entry::from_entry(read.clone(), *stream, &source, Timestamp::from_millis(0)));
        }
    }
}

/// Text, hosts files, CSV, response policy zones, STIX bundles, MISP events, CSV and warninglists; as indicators and as an allow list.
pub fn indicator_lists(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut allow = AllowList::default();
    let (parts, _) = read_allowed(&text, &mut allow);
    drop(allow.set_parts(&parts));
    read_indicators(&"list".into(), &text, &mut Indicators::new(allow));
}

/// A pattern in the first line, and what was observed in the others, a JSON object in each.
pub fn stix_pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, observed) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(pattern) = stix::Pattern::parse(pattern) else { return };
    let observed = observed.lines().filter_map(|line| serde_json::from_str(line).ok());
    let observations = observed.filter_map(|json| stix::observation::read(&json).ok()).flatten();
    drop(pattern.matches(&observations.collect::<Vec<_>>()));
}

/// Request line, agent and referrer, each on a line.
pub fn web_request(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines().map(|line| line.split_once(' ').unwrap_or(("", line)));
    let [(method, url), (_, agent), (_, referrer)] = std::array::from_fn(|_| lines.next().unwrap_or_default());
    web::builtin::patterns().0.find(&web::Request { method, url, agent, referrer, status: None });
}

pub fn cacao(data: &[u8]) {
    let Ok(playbook) = serde_json::from_slice(data) else { return };
    cacao::problems(&playbook);
    cacao::labels(&playbook).count();
}

pub fn tcg_log(data: &[u8]) {
    efi_switch(data);
    let Ok(log) = TcgLog::parse(data) else { return };
    log.replay();
    log.secure_boot();
    log.inconsistent();
}

/// A quote, a signature and a key, each of the same bytes.
pub fn quote(data: &[u8]) {
    let key = AttestationKey::from_tpm(data).or_else(|_| AttestationKey::read(&String::from_utf8_lossy(data)));
    let key = key.unwrap_or_else(|_| AttestationKey::P256(data.to_vec()));
    let _ = (Attest::read(data), verify(data, data, &key, data, None));
}

/// The kernel's list of measurements, and the lists of what is allowed.
pub fn ima_log(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let allowed = AllowedFiles::parse(&text).unwrap_or_default();
    for measurement in text.lines().filter_map(measurement) {
        allowed.judge_entry(&measurement);
    }
}

/// JSON or Prometheus text: no answer makes a value that is not a number.
pub fn shrink(data: &[u8]) {
    for kind in [None, Some("application/json"), Some("text/plain; version=0.0.4")] {
        let Ok(reading) = shrink::read(kind, data) else { continue };
        assert!(reading.values.values().all(|value| value.is_finite()), "every value is finite");
    }
}

/// Every finding names what is wrong; nothing that the file names is opened.
pub fn configuration(data: &[u8]) {
    let path = std::env::temp_dir().join(format!("dsmild-fuzzed-{}.toml", std::process::id()));
    if std::fs::write(&path, data).is_ok() {
        drop(config::load(Some(&path)));
    }
}

/// A filter says of an event the same after it was printed and read again; a mistake in it has a column.
pub fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let filter = match text.parse::<Filter>() {
        Ok(filter) => filter,
        Err(error) => return assert!((1..=text.chars().count() + 1).contains(&error.column), "{text}: {error}"),
    };
    let id = EventId::new(1, 0);
    let times = Times::at(Timestamp::from_millis(1));
    let event = Event { id, stream: Stream::SocEvents, times, root: id, body: Body::Soc(Box::default()) };
    let passes = filter.passes(&event, Timestamp::ZERO);
    let printed = filter.to_string();
    if printed.len() <= limits::FILTER_BYTES_MAX {
        let again = printed.parse::<Filter>();
        assert_eq!(again.as_ref(), Ok(&filter), "{text}");
        assert_eq!(again.map(|again| again.passes(&event, Timestamp::ZERO)), Ok(passes), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// Every seed of a parser.
    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn every_parser_has_a_target_and_seeds() {
        for (name, _) in PARSERS {
            let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{name}.rs"));
            assert!(target.is_file(), "{}", target.display());
            assert!(!seeds(name).is_empty(), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_damage_to_what_others_write_makes_a_parser_panic(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            end in any::<prop::sample::Index>(),
        ) {
            for (name, parser) in PARSERS {
                for mut seed in seeds(name) {
                    for (place, byte) in &damage {
                        let place = place.index(seed.len());
                        seed[place] = *byte;
                    }
                    parser(&seed);
                    parser(&seed[..end.index(seed.len())]);
                }
            }
        }
    }
}
