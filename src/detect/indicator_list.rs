//! Lists of indicators and allow lists as they are published: text with one value a line, CSV, hosts files, response policy
//! zones, STIX 2.1 bundles, MISP events and warninglists. How a list begins tells which it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::allow_list::AllowList;
use super::indicator_csv::{self, Columns};
use super::indicator_item::{Item, Taken, Terms};
use super::indicators::{Indicators, Origin};
use super::observable::Observable;
use super::policy_zone::{Policy, is_policy_zone, rules};
use super::stix_rules::StixRule;
use super::{misp, stix_bundle};

/// Something in a list that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1; the number of the object in a JSON list.
    pub line: u32,
    pub text: String,
}

/// What of a list is not used.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// What cannot be used.
    pub problems: Vec<Problem>,
    /// What is not to be used: how many, and why, in words that follow the number.
    pub left_out: BTreeMap<&'static str, usize>,
}

/// Adds every good value of the list to `indicators`.
pub fn read_indicators(name: &Arc<str>, content: &str, indicators: &mut Indicators) -> Unused {
    let mut unused = Unused::default();
    let mut take = |line: u32, taken: Taken| {
        let inserted = match taken {
            Ok(Item::LeftOut(why)) => {
                *unused.left_out.entry(why).or_default() += 1;
                Ok(())
            }
            Ok(item) => insert(indicators, name, line, item),
            Err(problem) => Err(problem),
        };
        if let Err(text) = inserted {
            unused.problems.push(Problem { line, text });
        }
    };
    let plain = |value: Result<Observable, String>| value.map(|value| Item::Value(value, Terms::default()));
    match recognise(content) {
        Ok(List::Text(content)) => lines(content).for_each(|(line, text)| take(line, plain(observable(text)))),
        Ok(List::Csv(content, columns)) => indicator_csv::read(content, columns, take),
        Ok(List::PolicyZone(content)) => rules(content, |line, rule| match rule {
            Ok(rule) if rule.policy == Policy::LetThrough => {}
            rule => take(line, plain(rule.map(|rule| rule.about))),
        }),
        Ok(List::Stix(objects)) => stix_bundle::read(&objects, take),
        Ok(List::MispEvents(json)) => misp::read(&json, take),
        Ok(List::Misp(_)) => take(1, Err("a MISP warninglist is an allow list, not indicators".to_owned())),
        Err(text) => take(1, Err(text)),
    }
    unused
}

fn insert(indicators: &mut Indicators, list: &Arc<str>, line: u32, item: Item) -> Result<(), String> {
    let list = Arc::clone(list);
    match item {
        Item::Value(value, terms) => {
            let shown = value.to_string();
            let terms = (!terms.is_always()).then(|| Box::new(terms));
            let inserted = indicators.insert(value, Origin { list, line, terms });
            inserted.map_err(|refused| format!("`{shown}` is left out: {refused}"))
        }
        Item::Pattern { name, pattern, terms } => {
            let key = format!("{line} {list} {name}");
            indicators.insert_pattern(StixRule { key, name, pattern: *pattern, list, line, terms })
        }
        Item::LeftOut(_) => Ok(()),
    }
}

/// Adds every good value of the list to `allow`. Returns the substrings of a MISP list of that type, and what was left
/// out.
pub fn read_allowed(content: &str, allow: &mut AllowList) -> (Vec<String>, Vec<Problem>) {
    let problem = |text: &str| vec![Problem { line: 1, text: text.to_owned() }];
    let problems = match recognise(content) {
        Ok(List::Text(content)) => allowed_lines(content, allow),
        Ok(List::PolicyZone(content)) => allowed_names(content, allow),
        Ok(List::Csv(..)) => problem("CSV with names of columns holds indicators; an allow list has one value a line"),
        Ok(List::Stix(_)) => problem("a STIX bundle holds indicators, not an allow list"),
        Ok(List::MispEvents(_)) => problem("a MISP event holds indicators, not an allow list"),
        Ok(List::Misp(list)) => return warninglist(list, allow),
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
        .ok_or_else(|| format!("`{shown}` is no address (with or without port), network, domain, url, e-mail address, hash (MD5, SHA-1, SHA-256) or JA4"))
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
    /// One value a line: text, CSV with the value in the first column, hosts files.
    Text(&'a str),
    PolicyZone(&'a str),
    /// The first line names the columns.
    Csv(&'a str, Columns),
    Stix(Vec<Value>),
    MispEvents(Value),
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
    // A line may begin with an IPv6 address in brackets.
    if content.trim_start().starts_with('{')
        || content.trim_start_matches(|c: char| c == '[' || c.is_whitespace()).starts_with('{')
    {
        return json(content);
    }
    if is_policy_zone(content) {
        return Ok(List::PolicyZone(content));
    }
    Ok(match indicator_csv::columns(content) {
        Some(columns) => List::Csv(content, columns),
        None => List::Text(content),
    })
}

fn json(content: &str) -> Result<List<'_>, String> {
    let wrong = |error: serde_json::Error| format!("it starts like JSON and is none: {error}");
    let value: Value = serde_json::from_str(content).map_err(wrong)?;
    if value.get("list").is_some() {
        let list = serde_json::from_value(value);
        return list.map(List::Misp).map_err(|error| format!("it is no MISP warninglist: {error}"));
    }
    if value.is_array() || misp::is_events(&value) {
        return Ok(List::MispEvents(value));
    }
    match value {
        Value::Object(mut map) if map.get("objects").is_some_and(Value::is_array) => match map.remove("objects") {
            Some(Value::Array(objects)) => Ok(List::Stix(objects)),
            _ => Ok(List::Stix(Vec::new())),
        },
        _ => Err("it is neither a STIX 2.1 bundle (`objects`) nor a MISP event (`Event`), search (`response`) or \
                  warninglist (`list`)"
            .to_owned()),
    }
}

fn warninglist(list: MispList, allow: &mut AllowList) -> (Vec<String>, Vec<Problem>) {
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
    use crate::event::Timestamp;

    fn read(content: &str) -> (Indicators, Vec<Problem>) {
        let mut indicators = Indicators::default();
        let unused = read_indicators(&"test".into(), content, &mut indicators);
        (indicators, unused.problems)
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
    fn a_stix_bundle_gives_values_and_patterns_and_says_which_it_cannot_use() {
        let bundle = r#"{"type":"bundle","id":"bundle--1","objects":[
            {"type":"indicator","pattern":"[ipv4-addr:value = '203.0.113.9' OR domain-name:value = 'evil.example']"},
            {"type":"identity","name":"x"},
            {"type":"indicator","pattern":"[file:hashes.'SHA-256' = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855']"},
            {"type":"indicator","pattern":"[url:value = 'http://a.example/AND/LIKE']","valid_until":"1970-01-01T00:00:01Z"},
            {"type":"indicator","pattern":"[process:name = 'x' AND process:pid = 1]"},
            {"type":"indicator","pattern":"[process:name = 'x' AND ipv4-addr:value = '198.51.100.1'"},
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
        assert_eq!((indicators.patterns().len(), indicators.len()), (1, 5));
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [6]);
        let unused = read_indicators(&"test".into(), bundle, &mut Indicators::default());
        assert_eq!(unused.left_out, BTreeMap::from([("are revoked", 1)]));
    }

    #[test]
    fn events_of_misp_and_csv_with_columns_are_read() {
        let event = r#"{"Event":{"Attribute":[{"type":"domain","value":"evil.example","to_ids":true}]}}"#;
        let csv = "uuid,type,value,to_ids\n1,domain,evil.example,1\n";
        for list in [event, &format!("[{event}]"), &format!("{{\"response\":[{event}]}}"), csv] {
            let (indicators, problems) = read(list);
            assert_eq!((indicators.len(), problems), (1, vec![]), "{list}");
            let (_, problems) = read_allowed(list, &mut AllowList::default());
            assert_eq!(problems.len(), 1, "{list}");
        }
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
