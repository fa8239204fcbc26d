//! Lists of indicators and allow lists as they are published: text with one value a line, CSV with the value in the
//! first column, hosts files, response policy zones, STIX 2.1 bundles, MISP warninglists.

use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::allow_list::AllowList;
use super::indicators::{Indicators, Origin};
use super::observable::Observable;
use super::policy_zone::{Policy, is_policy_zone, rules};
use crate::event::Timestamp;

/// Something in a list that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1; the number of the object in a JSON list.
    pub line: u32,
    pub text: String,
}

/// Adds every good value of the list to `indicators`. Returns what was left out.
pub fn read_indicators(name: &Arc<str>, content: &str, indicators: &mut Indicators) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut take = |line: u32, value: Result<(Observable, Option<Timestamp>), String>| {
        let inserted = value.and_then(|(value, until)| {
            let shown = value.to_string();
            let origin = Origin { list: Arc::clone(name), line, until };
            indicators.insert(value, origin).map_err(|refused| format!("`{shown}` is left out: {refused}"))
        });
        if let Err(text) = inserted {
            problems.push(Problem { line, text });
        }
    };
    match recognise(content) {
        Ok(List::Text(content)) => {
            lines(content).for_each(|(line, text)| take(line, observable(text).map(|value| (value, None))));
        }
        Ok(List::PolicyZone(content)) => rules(content, |line, rule| match rule {
            Ok(rule) if rule.policy == Policy::LetThrough => {}
            rule => take(line, rule.map(|rule| (rule.about, None))),
        }),
        Ok(List::Stix(objects)) => {
            for (object, line) in objects.iter().zip(1..) {
                stix_object(object, &mut |value| take(line, value));
            }
        }
        Ok(List::Misp(_)) => take(1, Err("a MISP warninglist is an allow list, not indicators".to_owned())),
        Err(text) => take(1, Err(text)),
    }
    problems
}

/// Adds every good value of the list to `allow`. Returns the substrings of a MISP list of that type, and what was left
/// out.
pub fn read_allowed(content: &str, allow: &mut AllowList) -> (Vec<String>, Vec<Problem>) {
    let problem = |text: &str| vec![Problem { line: 1, text: text.to_owned() }];
    let problems = match recognise(content) {
        Ok(List::Text(content)) => allowed_lines(content, allow),
        Ok(List::PolicyZone(content)) => allowed_names(content, allow),
        Ok(List::Stix(_)) => problem("a STIX bundle holds indicators, not an allow list"),
        Ok(List::Misp(list)) => return misp(list, allow),
        Err(text) => problem(&text),
    };
    (Vec::new(), problems)
}

fn allowed_lines(content: &str, allow: &mut AllowList) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, text) in lines(content) {
        match observable(text) {
            Ok(value) => allow.insert(value),
            Err(text) => problems.push(Problem { line, text }),
        }
    }
    problems
}

/// What a policy zone lets through; the rest of it is no allow list.
fn allowed_names(content: &str, allow: &mut AllowList) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut lets_through = false;
    rules(content, |line, rule| match rule {
        Ok(rule) if rule.policy == Policy::LetThrough => {
            lets_through = true;
            match rule.about {
                Observable::Domain(name) if !rule.is_below => allow.insert_exact(&name),
                about => allow.insert(about),
            }
        }
        Ok(_) => {}
        Err(text) => problems.push(Problem { line, text }),
    });
    if !lets_through {
        let text = "the policy zone lets nothing through (`CNAME rpz-passthru.`), and nothing else in it is allowed";
        problems.push(Problem { line: 1, text: text.to_owned() });
    }
    problems
}

fn observable(text: &str) -> Result<Observable, String> {
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    Observable::read(text)
        .ok_or_else(|| format!("`{shown}` is no address, network, domain, url or hash (MD5, SHA-1, SHA-256)"))
}

/// Values with their line numbers: no comments, no empty lines, no CSV header, the name of a hosts line.
fn lines(content: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut is_first = true;
    content.lines().zip(1..).filter_map(move |(line, number)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || line.starts_with("//") {
            return None;
        }
        let value = value_of(line);
        let is_header = std::mem::take(&mut is_first)
            && line.contains([',', '\t'])
            && value.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b' ' | b'-'));
        (!is_header).then_some((number, value))
    })
}

fn value_of(line: &str) -> &str {
    if let Some(quoted) = line.strip_prefix('"') {
        return quoted.split('"').next().unwrap_or_default();
    }
    let mut words = line.split([',', '\t', ' ']).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    match words.next() {
        Some(name) if matches!(first, "0.0.0.0" | "127.0.0.1" | "::" | "::1") && !name.starts_with('#') => name,
        _ => first,
    }
}

/// The forms in which lists are published, told apart by how they begin.
enum List<'a> {
    /// One value a line: text, CSV, hosts files.
    Text(&'a str),
    PolicyZone(&'a str),
    Stix(Vec<Value>),
    Misp(MispList),
}

#[derive(Deserialize)]
struct MispList {
    list: Vec<String>,
    #[serde(default, rename = "type")]
    kind: String,
}

fn recognise(content: &str) -> Result<List<'_>, String> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    if content.trim_start().starts_with('{') {
        return json(content);
    }
    Ok(if is_policy_zone(content) { List::PolicyZone(content) } else { List::Text(content) })
}

fn json(content: &str) -> Result<List<'_>, String> {
    let wrong = |error: serde_json::Error| format!("it starts like JSON and is none: {error}");
    let value: Value = serde_json::from_str(content).map_err(wrong)?;
    if value.get("list").is_some() {
        let list = serde_json::from_value(value);
        return list.map(List::Misp).map_err(|error| format!("it is no MISP warninglist: {error}"));
    }
    match value.get("objects").and_then(Value::as_array) {
        Some(objects) => Ok(List::Stix(objects.clone())),
        None => Err("it is neither a STIX 2.1 bundle (`objects`) nor a MISP warninglist (`list`)".to_owned()),
    }
}

/// One comparison of a STIX pattern: object type, property, value.
static COMPARISON: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([a-z0-9-]+):([A-Za-z0-9_.'-]+)\s*=\s*'((?:[^'\\]|\\.)*)'").ok());
/// What joins or changes comparisons, so that one value alone is not what the pattern means.
static COMPLEX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b(?:AND|FOLLOWEDBY|NOT|LIKE|MATCHES|ISSUBSET|ISSUPERSET|EXISTS|REPEATS|WITHIN)\b|!=|<|>").ok()
});

type Taken = Result<(Observable, Option<Timestamp>), String>;

fn stix_object(object: &Value, take: &mut dyn FnMut(Taken)) {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    if text("type") != Some("indicator") || object.get("revoked").and_then(Value::as_bool) == Some(true) {
        return;
    }
    let Some(pattern) = text("pattern") else { return take(Err("the indicator has no pattern".to_owned())) };
    if !matches!(text("pattern_type"), None | Some("stix")) {
        return take(Err("its pattern_type is not `stix`".to_owned()));
    }
    let until = text("valid_until").and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let until = until.map(|time| Timestamp::from_micros(time.as_microsecond()));
    for value in stix_pattern(pattern) {
        take(value.map(|value| (value, until)));
    }
}

/// The values of a pattern like `[ipv4-addr:value = '203.0.113.9' OR domain-name:value = 'evil.example']`.
fn stix_pattern(pattern: &str) -> Vec<Result<Observable, String>> {
    let (Some(comparison), Some(complex)) = (COMPARISON.as_ref(), COMPLEX.as_ref()) else { return Vec::new() };
    let shown: String = pattern.chars().take(120).flat_map(char::escape_debug).collect();
    let without_values = comparison.replace_all(pattern, "");
    if complex.is_match(&without_values) || !comparison.is_match(pattern) {
        return vec![Err(format!("the pattern `{shown}` is more than equal values joined by OR"))];
    }
    let is_known = |object: &str, property: &str| {
        matches!((object, property), ("ipv4-addr" | "ipv6-addr" | "domain-name" | "url", "value"))
            || (object == "file" && property.starts_with("hashes."))
    };
    comparison
        .captures_iter(pattern)
        .map(|part| {
            let get = |index: usize| part.get(index).map_or("", |part| part.as_str());
            if !is_known(get(1), get(2)) {
                return Err(format!("`{}:{}` is not compared with anything here", get(1), get(2)));
            }
            observable(&get(3).replace("\\'", "'").replace("\\\\", "\\"))
        })
        .collect()
}

fn misp(list: MispList, allow: &mut AllowList) -> (Vec<String>, Vec<Problem>) {
    let mut problems = Vec::new();
    match list.kind.as_str() {
        "substring" => return (list.list, problems),
        "regex" => problems.push(Problem { line: 1, text: "lists of type `regex` are not read".to_owned() }),
        kind => {
            for (value, line) in list.list.iter().zip(1..) {
                // A leading dot asks for the names below; an exact string with one means no name by itself.
                let (name, covers_below) = match value.strip_prefix('.') {
                    Some(name) => (name, true),
                    None => (value.as_str(), kind != "string"),
                };
                match Observable::read(name) {
                    Some(Observable::Domain(name)) if !covers_below => allow.insert_exact(&name),
                    Some(value) => allow.insert(value),
                    None if kind == "cidr" => {
                        problems.push(Problem { line, text: format!("`{}` is no network", name.escape_debug()) });
                    }
                    None => allow.insert_exact(name),
                }
            }
        }
    }
    (Vec::new(), problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> (Indicators, Vec<Problem>) {
        let mut indicators = Indicators::default();
        let problems = read_indicators(&"test".into(), content, &mut indicators);
        (indicators, problems)
    }

    fn hits(indicators: &Indicators, value: &str) -> Option<u32> {
        indicators.look_up(&Observable::read(value).unwrap(), Timestamp::ZERO).map(|origin| origin.line)
    }

    #[test]
    fn a_bad_line_is_named_and_the_good_ones_count() {
        let (indicators, problems) =
            read("# a comment\n203.0.113.9\n\nnot an indicator\nhxxp://evil[.]example/x # why\n");
        assert_eq!((hits(&indicators, "203.0.113.9"), hits(&indicators, "http://evil.example/x")), (Some(2), Some(5)));
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn csv_hosts_files_and_drop_lists_are_read() {
        let (indicators, problems) = read(
            "ioc,first_seen\n\"evil.example\",2026-01-01\n198.51.100.7,x\n0.0.0.0 ads.example\n203.0.113.0/24 ; SBL1\n",
        );
        assert_eq!(problems, []);
        for value in ["evil.example", "198.51.100.7", "ads.example", "203.0.113.77"] {
            assert!(hits(&indicators, value).is_some(), "{value}");
        }
    }

    #[test]
    fn a_stix_bundle_gives_its_simple_patterns_and_says_which_it_cannot_use() {
        let bundle = r#"{"type":"bundle","id":"bundle--1","objects":[
            {"type":"indicator","pattern":"[ipv4-addr:value = '203.0.113.9' OR domain-name:value = 'evil.example']"},
            {"type":"identity","name":"x"},
            {"type":"indicator","pattern":"[file:hashes.'SHA-256' = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855']"},
            {"type":"indicator","pattern":"[url:value = 'http://a.example/AND/LIKE']","valid_until":"1970-01-01T00:00:01Z"},
            {"type":"indicator","pattern":"[process:name = 'x' AND ipv4-addr:value = '198.51.100.1']"},
            {"type":"indicator","revoked":true,"pattern":"[ipv4-addr:value = '198.51.100.2']"}]}"#;
        let (indicators, problems) = read(bundle);
        for (value, line) in [
            ("203.0.113.9", Some(1)),
            ("evil.example", Some(1)),
            ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Some(3)),
            ("http://a.example/AND/LIKE", Some(4)),
            ("198.51.100.1", None),
            ("198.51.100.2", None),
        ] {
            assert_eq!(hits(&indicators, value), line, "{value}");
        }
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn broken_json_is_one_problem_and_no_indicator() {
        for content in ["{", "{\"x\":1}", "{\"list\":[1]}"] {
            let (indicators, problems) = read(content);
            assert!(indicators.is_empty() && problems.len() == 1, "{content}: {problems:?}");
        }
    }

    #[test]
    fn a_policy_zone_accuses_what_it_withholds_and_as_an_allow_list_allows_what_it_lets_through() {
        let zone = "@ SOA a. b. 1\nevil.example CNAME .\nwww.evil.example CNAME rpz-passthru.\nodd\n";
        let (indicators, problems) = read(zone);
        assert_eq!((hits(&indicators, "evil.example"), indicators.len()), (Some(2), 1));
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [4]);
        let mut allow = AllowList::default();
        let (_, problems) = read_allowed(zone, &mut allow);
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [4]);
        for (name, is_allowed) in [("www.evil.example", true), ("evil.example", false), ("a.www.evil.example", false)] {
            assert_eq!(allow.covers(&Observable::read(name).unwrap()), is_allowed, "{name}");
        }
    }

    #[test]
    fn a_policy_zone_that_lets_nothing_through_is_no_allow_list() {
        let (_, problems) = read_allowed("@ SOA a. b. 1\nevil.example CNAME .\n", &mut AllowList::default());
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    #[test]
    fn misp_types_allow_what_they_mean() {
        let covers = |list: &str, value: &str| {
            let mut allow = AllowList::default();
            let (parts, problems) = read_allowed(list, &mut allow);
            assert_eq!(problems, []);
            allow.set_parts(&parts).unwrap();
            allow.covers(&Observable::read(value).unwrap())
        };
        assert!(covers(r#"{"list":["198.51.100.0/24"],"type":"cidr"}"#, "198.51.100.9"));
        assert!(covers(r#"{"list":["Example.com"],"type":"hostname"}"#, "www.example.com"));
        assert!(covers(r#"{"list":["example.com"],"type":"string"}"#, "example.com"));
        assert!(!covers(r#"{"list":["example.com"],"type":"string"}"#, "www.example.com"));
        assert!(covers(r#"{"list":[".example.com"],"type":"string"}"#, "www.example.com"));
        assert!(covers(r#"{"list":["train"],"type":"substring"}"#, "x.training.example"));
    }
}
