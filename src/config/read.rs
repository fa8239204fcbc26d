//! From a merged tree of values to [`Config`], with every mistake at once: a value that does not fit is recorded, taken
//! out of the tree, and the rest is read again.

use std::collections::BTreeSet;

use serde_path_to_error::Segment;
use toml::{Table, Value};

use super::nearest::nearest;
use super::{Config, Finding};
use crate::limits;

/// A value from outside the file: `DSMIL_HTTP__LISTEN=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Name of the environment variable.
    pub variable: String,
    /// Dotted key, like `http.listen`.
    pub key: String,
    pub text: String,
}

/// What could be read.
#[derive(Debug)]
pub struct Reading {
    /// With defaults in the place of what was wrong.
    pub config: Config,
    pub findings: Vec<Finding>,
    /// Keys whose value in `config` is not what the operator wrote: nothing can be said about them.
    pub broken: BTreeSet<String>,
}

/// Reads the tree; never fails.
pub fn read(tree: Table, overrides: &[Override]) -> Reading {
    let mut tree = Value::Table(tree);
    let mut findings = Vec::new();
    let mut broken = BTreeSet::new();
    let mut removed: Vec<Removed> = Vec::new();
    while findings.len() < limits::CONFIG_FINDINGS_MAX {
        let error = match serde_path_to_error::deserialize::<_, Config>(tree.clone()) {
            Ok(config) => return Reading { config, findings, broken },
            Err(error) => error,
        };
        let mut path = steps(error.path());
        let message = error.inner().message().to_owned();
        if let Some(missing) = quoted_after(&message, "missing field ") {
            path.push(Step::Key(missing));
            let key = shown(&path, &removed);
            if broken.insert(key.clone()) {
                findings.push(Finding::new(key, "is missing", "this section cannot do without it"));
            }
            // Every key without a default is a text.
            if !insert(&mut tree, &path, Value::String(String::new())) {
                break;
            }
            continue;
        }
        if as_text(&mut tree, &path, overrides) {
            continue;
        }
        let key = shown(&path, &removed);
        if broken.insert(key.clone()) {
            findings.push(explain(key, &message));
        }
        if !remove(&mut tree, &path, &mut removed) {
            break;
        }
    }
    Reading { config: Config::default(), findings, broken }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// An array element that was taken out: those after it have moved up by one.
struct Removed {
    array: Vec<Step>,
    index: usize,
}

fn steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// The dotted key as the file counts it.
fn shown(path: &[Step], removed: &[Removed]) -> String {
    let mut text = String::new();
    for (depth, step) in path.iter().enumerate() {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Index(index) => {
                let array = path.get(..depth).unwrap_or_default();
                text.push_str(&format!("[{}]", original_index(array, *index, removed)));
            }
        }
    }
    text
}

fn at<'a>(tree: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(tree, |value, step| match (value, step) {
        (Value::Table(table), Step::Key(key)) => table.get_mut(key),
        (Value::Array(array), Step::Index(index)) => array.get_mut(*index),
        _ => None,
    })
}

fn insert(tree: &mut Value, path: &[Step], value: Value) -> bool {
    let Some((Step::Key(key), parent)) = path.split_last() else { return false };
    let Some(Value::Table(table)) = at(tree, parent) else { return false };
    table.insert(key.clone(), value).is_none()
}

fn remove(tree: &mut Value, path: &[Step], removed: &mut Vec<Removed>) -> bool {
    let Some((last, parent)) = path.split_last() else { return false };
    match (at(tree, parent), last) {
        (Some(Value::Table(table)), Step::Key(key)) => table.remove(key).is_some(),
        (Some(Value::Array(array)), Step::Index(index)) if *index < array.len() => {
            array.remove(*index);
            let original = original_index(parent, *index, removed);
            removed.push(Removed { array: parent.to_vec(), index: original });
            true
        }
        _ => false,
    }
}

fn original_index(array: &[Step], index: usize, removed: &[Removed]) -> usize {
    let mut gone: Vec<usize> =
        removed.iter().filter(|removed| removed.array == array).map(|removed| removed.index).collect();
    gone.sort_unstable();
    gone.into_iter().fold(index, |index, gone| index + usize::from(gone <= index))
}

/// An environment variable has no types: `DSMIL_DAEMON__INSTANCE=7` was taken for a number, and is tried as a text.
fn as_text(tree: &mut Value, path: &[Step], overrides: &[Override]) -> bool {
    let key = shown(path, &[]);
    let Some(source) = overrides.iter().find(|source| source.key == key) else { return false };
    match at(tree, path) {
        Some(value) if !value.is_str() => {
            *value = Value::String(source.text.clone());
            true
        }
        _ => false,
    }
}

/// Says in an operator's words what the library says of a value.
fn explain(key: String, message: &str) -> Finding {
    if let Some(unknown) = quoted_after(message, "unknown field ") {
        let known: Vec<String> = quoted(message).into_iter().skip(1).collect();
        return Finding::new(key, "is not a key that exists", meant(&unknown, &known, "the keys here are"));
    }
    if let Some(unknown) = quoted_after(message, "unknown variant ") {
        let known: Vec<String> = quoted(message).into_iter().skip(1).collect();
        return Finding::new(key, format!("`{unknown}` is not possible"), meant(&unknown, &known, "possible are"));
    }
    if message.contains("socket address") {
        return Finding::new(key, "is not an address with a port", "write one like \"127.0.0.1:8600\"");
    }
    let type_error = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = type_error.and_then(|error| error.rsplit_once(", expected ")) {
        let table = expected == "a map" || expected.starts_with("struct ");
        return Finding::new(
            key,
            format!("is {found}"),
            format!("expected {}", if table { "a table" } else { expected }),
        );
    }
    let (problem, remedy) = message
        .split_once("; ")
        .or_else(|| message.split_once(": "))
        .unwrap_or((message, "compare it with the commented file"));
    Finding::new(key, problem, remedy)
}

fn meant(word: &str, known: &[String], introduction: &str) -> String {
    if ["password", "token", "secret"].iter().any(|secret| word.contains(secret))
        && let Some(file) = known.iter().find(|key| matches!(key.as_str(), "password_file" | "tokens_file"))
    {
        return format!("write it to a file and name that in `{file}`");
    }
    match nearest(word, known.iter().map(String::as_str)) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("{introduction} {}", known.join(", ")),
    }
}

fn quoted(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn quoted_after(message: &str, introduction: &str) -> Option<String> {
    quoted(message.strip_prefix(introduction)?).into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        read(text.parse().unwrap(), &[]).findings.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn five_mistakes_give_five_findings_with_their_full_keys() {
        let found = findings(
            r#"
            [http]
            lissten = "127.0.0.1:1"
            [store]
            retention = "soon"
            [redis]
            streams = { L3_OUT = "ingested" }
            [[intake.file]]
            path = "/a"
            formt = "json"
            [l4]
            enabled = "yes"
            "#,
        );
        assert_eq!(found.len(), 6, "{found:#?}");
        for expected in [
            "http.lissten: is not a key that exists, did you mean `listen`?",
            "store.retention: `soon` is not a duration",
            "redis.streams.L3_OUT: `ingested` is not possible, did you mean `ingest`?",
            "redis.url: is missing",
            "intake.file[0].formt: is not a key that exists, did you mean `format`?",
            "l4.enabled: is string \"yes\", expected a boolean",
        ] {
            assert!(found.iter().any(|finding| finding.starts_with(expected)), "{expected} in {found:#?}");
        }
    }

    #[test]
    fn array_elements_keep_the_numbers_they_have_in_the_file() {
        let found = findings("[intake]\nfile = [5, { path = \"/a\", compartment = 1 }, 6, {}]");
        let keys: Vec<_> = found.iter().map(|finding| finding.split(": ").next().unwrap()).collect();
        assert_eq!(keys, ["intake.file[0]", "intake.file[1].compartment", "intake.file[2]", "intake.file[3].path"]);
    }

    #[test]
    fn a_required_key_of_the_wrong_type_is_one_finding_not_two() {
        assert_eq!(findings("[loki]\nurl = 5"), ["loki.url: is integer `5`, expected a string"]);
    }

    #[test]
    fn unknown_sections_and_streams_and_whole_sections_of_the_wrong_type_are_found() {
        let found = findings(
            "http = 3\n[shrnk]\n[redis]\nurl = \"redis://h\"\nstreams = { L9_OUT = \"mirror\" }\n[device]\n51 = true",
        );
        for expected in [
            "shrnk: is not a key that exists, did you mean `shrink`?",
            "redis.streams.L9_OUT: `L9_OUT` is not a stream, expected one of L3_IN",
            "device.51: is boolean `true`, expected a table",
            "http: is integer `3`, expected a table",
        ] {
            assert!(found.iter().any(|finding| finding.starts_with(expected)), "{expected} in {found:#?}");
        }
        assert_eq!(found.len(), 4, "{found:#?}");
    }

    #[test]
    fn a_secret_in_the_file_is_told_where_to_go_and_not_shown() {
        let found = findings("[redis]\nurl = \"redis://h\"\npassword = \"hunter2\"");
        assert_eq!(
            found,
            ["redis.password: is not a key that exists, write it to a file and name that in `password_file`"]
        );
    }

    #[test]
    fn a_variable_that_looks_like_a_number_may_be_a_text() {
        let overrides = [Override { variable: "V".into(), key: "daemon.instance".into(), text: "007".into() }];
        let reading = read("[daemon]\ninstance = 7".parse().unwrap(), &overrides);
        assert_eq!(reading.findings, []);
        assert_eq!(reading.config.daemon.instance, "007");
    }

    #[test]
    fn endless_mistakes_end() {
        let text: String = (0..1000).map(|number| format!("key_{number} = 1\n")).collect();
        assert_eq!(findings(&text).len(), limits::CONFIG_FINDINGS_MAX);
    }
}
