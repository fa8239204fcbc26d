//! What a reload has to do: which parts are touched by the difference of two configurations, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use toml::Value;

use super::{Config, redact};

/// A part of the daemon that reads configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The process itself: names, folders, where its log goes.
    Process,
    Log,
    Http,
    Store,
    RedisIntake,
    Mirror,
    Archive,
    ShrinkPoller,
    JournalIntake,
    FileIntake,
    HttpIntake,
    FlatLog,
    Loki,
    Stdout,
    L3,
    L4,
    Fusion,
    Supervisor,
    /// By number.
    Device(u16),
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Process => "process",
            Self::Log => "log",
            Self::Http => "http",
            Self::Store => "store",
            Self::RedisIntake => "redis intake",
            Self::Mirror => "mirror",
            Self::Archive => "archive",
            Self::ShrinkPoller => "shrink",
            Self::JournalIntake => "journal intake",
            Self::FileIntake => "file intake",
            Self::HttpIntake => "http intake",
            Self::FlatLog => "flat log",
            Self::Loki => "loki",
            Self::Stdout => "stdout",
            Self::L3 => "l3",
            Self::L4 => "l4",
            Self::Fusion => "fusion",
            Self::Supervisor => "supervisor",
            Self::Device(number) => return write!(formatter, "device {number}"),
        };
        formatter.write_str(name)
    }
}

/// What happens to the part. In order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It keeps running and gets the new values.
    Told,
    /// It starts, stops, or stops and starts again, from the new values.
    Restarts,
    /// The running process keeps the old values: stores cannot be swapped under it.
    NextStart,
}

/// One part with the keys that changed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub part: Part,
    pub effect: Effect,
    /// Dotted keys, sorted; a list (`intake.file`) is one key.
    pub keys: Vec<String>,
    /// One line for the log, without secrets.
    pub summary: String,
}

/// Key prefixes, longest first where one contains another.
const TOUCHES: &[(&str, &[(Part, Effect)])] = &[
    ("daemon.print_events", &[(Part::Stdout, Effect::Restarts)]),
    ("stdout", &[(Part::Stdout, Effect::Restarts)]),
    ("daemon.memory_max", &[(Part::Process, Effect::Told)]),
    ("daemon", &[(Part::Process, Effect::NextStart)]),
    ("log.level", &[(Part::Log, Effect::Told)]),
    ("log", &[(Part::Process, Effect::NextStart)]),
    ("http", &[(Part::Http, Effect::Restarts)]),
    ("store.max_size", &[(Part::Store, Effect::Told)]),
    ("store.retention", &[(Part::Store, Effect::Told)]),
    ("store", &[(Part::Store, Effect::NextStart)]),
    ("redis.maxlen", &[(Part::Mirror, Effect::Restarts)]),
    ("redis", &[(Part::RedisIntake, Effect::Restarts), (Part::Mirror, Effect::Restarts)]),
    ("archive", &[(Part::Archive, Effect::Restarts)]),
    ("shrink.stale_after", &[(Part::ShrinkPoller, Effect::Restarts), (Part::Fusion, Effect::Restarts)]),
    ("shrink", &[(Part::ShrinkPoller, Effect::Restarts)]),
    ("intake.journal", &[(Part::JournalIntake, Effect::Restarts)]),
    ("intake.file", &[(Part::FileIntake, Effect::Restarts)]),
    ("intake.http", &[(Part::HttpIntake, Effect::Restarts)]),
    ("intake.boot", &[(Part::Process, Effect::NextStart)]),
    ("flat_log", &[(Part::FlatLog, Effect::Restarts)]),
    ("loki", &[(Part::Loki, Effect::Restarts)]),
    ("l3", &[(Part::L3, Effect::Restarts)]),
    ("l4", &[(Part::L4, Effect::Restarts)]),
    ("fusion", &[(Part::Fusion, Effect::Restarts)]),
    ("supervisor", &[(Part::Supervisor, Effect::Told)]),
];

/// The parts that the difference touches, each with the same effect once; empty when nothing changed. Sees the
/// configuration alone, not the files that it names.
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let (old, new) = (leaves(old), leaves(new));
    let mut touched: BTreeMap<(Part, Effect), BTreeSet<&String>> = BTreeMap::new();
    for key in old.keys().chain(new.keys()) {
        if old.get(key) != new.get(key) {
            for touch in touches(key) {
                touched.entry(touch).or_default().insert(key);
            }
        }
    }
    touched
        .into_iter()
        .map(|((part, effect), keys)| Change {
            part,
            effect,
            summary: summary(part, effect, &keys, &old, &new),
            keys: keys.into_iter().cloned().collect(),
        })
        .collect()
}

fn touches(key: &str) -> Vec<(Part, Effect)> {
    let inside = |outer: &str| key.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if let Some(number) = key.strip_prefix("device.").and_then(|rest| rest.split('.').next()?.parse().ok()) {
        return vec![(Part::Device(number), Effect::Restarts)];
    }
    let known = TOUCHES.iter().find(|(outer, _)| inside(outer)).map(|(_, touches)| touches.to_vec());
    known.unwrap_or_else(|| vec![(Part::Process, Effect::NextStart)])
}

/// Every value by its dotted key. Empty tables are values, so that a section that appears is seen.
fn leaves(config: &Config) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    if let Ok(tree) = Value::try_from(config) {
        collect(String::new(), tree, &mut leaves);
    }
    leaves
}

fn collect(key: String, value: Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (name, value) in table {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                collect(key, value, leaves);
            }
        }
        value => {
            leaves.insert(key, value);
        }
    }
}

type Leaves = BTreeMap<String, Value>;

fn summary(part: Part, effect: Effect, keys: &BTreeSet<&String>, old: &Leaves, new: &Leaves) -> String {
    let effect = match effect {
        Effect::Told => "goes on with",
        Effect::Restarts => "restarts with",
        Effect::NextStart => "keeps the old value until the next start of the daemon:",
    };
    let keys: Vec<String> =
        keys.iter().map(|key| format!("{key} {} -> {}", shown(old.get(*key)), shown(new.get(*key)))).collect();
    format!("{part} {effect} {}", keys.join(", "))
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "(none)".to_owned(),
        Some(Value::Array(list)) => format!("({} entries)", list.len()),
        Some(value) => redact(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config::documented::{full, uncommented};

    #[test]
    fn equal_configurations_touch_nothing() {
        assert_eq!(diff(&full(), &full()), []);
    }

    #[test]
    fn a_part_that_is_told_is_not_restarted_and_one_that_is_untouched_is_not_mentioned() {
        let mut new = full();
        new.store.retention = crate::config::Span::from_millis(1000);
        new.shrink = None;
        let found: Vec<_> = diff(&full(), &new).into_iter().map(|change| (change.part, change.effect)).collect();
        let expected =
            [(Part::Store, Effect::Told), (Part::ShrinkPoller, Effect::Restarts), (Part::Fusion, Effect::Restarts)];
        assert_eq!(found, expected);
        assert_eq!(diff(&full(), &new)[0].summary, "store goes on with store.retention \"1day\" -> \"1s\"",);
    }

    /// Another value of the same type, where there is one that the key accepts.
    fn other(tree: &Value, key: &str) -> Config {
        let pointer: Vec<&str> = key.split('.').collect();
        let texts =
            ["77s", "77MiB", "127.0.0.1:77", "debug", "stderr", "power", "off", "mirror", "text", "HIGH", "zzz"];
        let candidates = texts.iter().map(|text| Value::from(*text)).chain([
            Value::from(77),
            Value::from(77.5),
            Value::from(false),
            Value::from(true),
            Value::Array(vec![]),
            Value::Array(vec![Value::from("zzz")]),
        ]);
        for candidate in candidates {
            let mut changed = tree.clone();
            let place = pointer.iter().fold(&mut changed, |place, step| &mut place[*step]);
            let replaced = std::mem::replace(place, candidate.clone());
            if replaced != candidate
                && let Ok(config) = changed.try_into()
            {
                return config;
            }
        }
        panic!("no other value for {key}");
    }

    #[test]
    fn every_key_that_changes_is_in_the_difference() {
        let old = full();
        let tree = Value::try_from(&old).unwrap();
        // Of the commented file, which has every key of the schema: one that does not serialise is missed otherwise.
        let mut written = Leaves::new();
        collect(String::new(), Value::Table(uncommented()), &mut written);
        assert!(written.len() > 60, "{written:#?}");
        for key in written.into_keys() {
            let changes = diff(&old, &other(&tree, &key));
            assert!(!changes.is_empty(), "{key}");
            for change in changes {
                assert_eq!(change.keys, [key.as_str()]);
                assert!(change.summary.contains(&key), "{}", change.summary);
            }
        }
    }

    #[test]
    fn every_section_is_known_to_the_table_of_effects() {
        for key in leaves(&full()).keys() {
            let process = touches(key).iter().any(|(part, _)| *part == Part::Process);
            let meant = ["daemon.", "log.", "intake.boot."].iter().any(|section| key.starts_with(section));
            assert!(!process || meant, "{key}");
        }
    }

    #[test]
    fn a_section_without_keys_is_seen_to_appear() {
        let mut new = full();
        new.device.insert("99".to_owned(), toml::Table::new());
        assert_eq!(diff(&full(), &new)[0].part, Part::Device(99));
    }
}
