//! The indicators of a STIX 2.1 bundle. Patterns that only list values become those values; others are matched as they are.

use std::collections::BTreeMap;

use serde_json::Value;

use super::indicator_item::{Item, Taken, Terms, excerpt};
use super::observable::Observable;
use super::stix::{ListedValue, Pattern};
use crate::event::Timestamp;

/// Calls `take` with the number of each object (from 1) and what it gives. Objects that are no indicators give nothing.
pub fn read(objects: &[Value], mut take: impl FnMut(u32, Taken)) {
    let newest = newest_versions(objects);
    for (object, line) in objects.iter().zip(1..) {
        if text(object, "type") != Some("indicator") {
            continue;
        }
        let is_replaced = text(object, "id").and_then(|id| newest.get(id)).is_some_and(|newest| *newest != line);
        match left_out(object, is_replaced) {
            Some(why) => take(line, Ok(Item::LeftOut(why))),
            None => indicator(object, |taken| take(line, taken)),
        }
    }
}

/// The number of the last version of each id: the one with the latest `modified`, among equals the last.
fn newest_versions(objects: &[Value]) -> BTreeMap<&str, u32> {
    let mut newest: BTreeMap<&str, (Option<jiff::Timestamp>, u32)> = BTreeMap::new();
    for (object, line) in objects.iter().zip(1..) {
        let Some(id) = text(object, "id") else { continue };
        let version = (text(object, "modified").and_then(|time| time.parse().ok()), line);
        let known = newest.entry(id).or_insert(version);
        *known = version.max(*known);
    }
    newest.into_iter().map(|(id, (_, line))| (id, line)).collect()
}

fn left_out(object: &Value, is_replaced: bool) -> Option<&'static str> {
    let types = object.get("indicator_types").and_then(Value::as_array);
    let is_benign = types.is_some_and(|types| !types.is_empty() && types.iter().all(|kind| kind == "benign"));
    if is_replaced {
        Some("are older versions of indicators")
    } else if object.get("revoked").and_then(Value::as_bool) == Some(true) {
        Some("are revoked")
    } else if is_benign {
        Some("are about what is benign")
    } else {
        None
    }
}

fn indicator(object: &Value, mut take: impl FnMut(Taken)) {
    let Some(pattern) = text(object, "pattern") else { return take(Err("the indicator has no pattern".to_owned())) };
    if !matches!(text(object, "pattern_type"), None | Some("stix")) {
        return take(Err("its pattern_type is not `stix`".to_owned()));
    }
    match terms(object) {
        Ok(terms) => read_pattern(pattern, text(object, "name"), &terms, take),
        Err(problem) => take(Err(problem)),
    }
}

/// What a pattern gives; also for those that stand elsewhere.
pub fn read_pattern(pattern: &str, name: Option<&str>, terms: &Terms, mut take: impl FnMut(Taken)) {
    let parsed = match Pattern::parse(pattern) {
        Ok(parsed) => parsed,
        Err(error) => return take(Err(format!("the pattern `{}` cannot be used: {error}", excerpt(pattern)))),
    };
    match parsed.listed() {
        Some(values) if values.iter().all(is_looked_up) => {
            for value in values {
                take(observable(value).map(|observable| Item::Value(observable, terms.clone())));
            }
        }
        _ => {
            let name = excerpt(name.filter(|name| !name.trim().is_empty()).unwrap_or(pattern));
            take(Ok(Item::Pattern { name, pattern: Box::new(parsed), terms: terms.clone() }));
        }
    }
}

/// Whether lines are searched for such values without any pattern.
fn is_looked_up(value: &ListedValue) -> bool {
    let object = value.object.as_str();
    let has_value = matches!(object, "ipv4-addr" | "ipv6-addr" | "domain-name" | "url" | "email-addr");
    let has_hashes = matches!(object, "file" | "artifact" | "x509-certificate");
    (has_value && value.property == "value")
        || (has_hashes && value.property.strip_prefix("hashes.").is_some_and(is_known_hash))
}

fn is_known_hash(name: &str) -> bool {
    ["MD5", "SHA-1", "SHA-256", "SHA1", "SHA256"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn observable(value: &ListedValue) -> Result<Observable, String> {
    let read = Observable::read(&value.text).filter(|read| match value.object.as_str() {
        "ipv4-addr" | "ipv6-addr" => matches!(read, Observable::Ip(_) | Observable::Net(_)),
        "domain-name" => matches!(read, Observable::Domain(_)),
        "url" => matches!(read, Observable::Url(_)),
        "email-addr" => matches!(read, Observable::Email(_)),
        _ => matches!(read, Observable::Hash(_)),
    });
    read.ok_or_else(|| format!("`{}` is no value of `{}:{}`", excerpt(&value.text), value.object, value.property))
}

fn terms(object: &Value) -> Result<Terms, String> {
    let time = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok()) {
            Some(time) => Ok(Some(Timestamp::from_micros(time.as_microsecond()))),
            None => Err(format!("its `{key}` is no timestamp")),
        },
    };
    let confidence = object.get("confidence").and_then(Value::as_u64).map(|confidence| confidence.min(100));
    let confidence = confidence.and_then(|confidence| u8::try_from(confidence).ok());
    Ok(Terms { from: time("valid_from")?, until: time("valid_until")?, confidence })
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_all(objects: &Value) -> Vec<(u32, String)> {
        let mut all = Vec::new();
        read(objects.as_array().unwrap(), |line, taken| {
            let said = match taken {
                Ok(Item::Value(value, _)) => value.to_string(),
                Ok(Item::Pattern { name, .. }) => format!("pattern {name}"),
                Ok(Item::LeftOut(why)) => why.to_owned(),
                Err(problem) => format!("problem: {problem}"),
            };
            all.push((line, said));
        });
        all
    }

    fn one(pattern: &str) -> String {
        let all = read_all(&json!([{"type": "indicator", "name": "n", "pattern": pattern}]));
        all.iter().map(|(_, said)| said.as_str()).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn lists_of_values_become_those_values_and_everything_else_stays_a_pattern() {
        for (pattern, gives) in [
            (
                "[ipv4-addr:value = '203.0.113.9' OR domain-name:value IN ('a.example', 'b.example')]",
                "203.0.113.9, a.example, b.example",
            ),
            (
                "[ipv4-addr:value = '198.51.100.0/24'] OR [url:value = 'http://a.example/AND/LIKE']",
                "198.51.100.0/24, http://a.example/AND/LIKE",
            ),
            ("[file:hashes.MD5 = 'ABABABABABABABABABABABABABABABAB']", "abababababababababababababababab"),
            ("[email-addr:value = 'X@evil.example']", "x@evil.example"),
            ("[file:name = 'x' OR ipv4-addr:value = '203.0.113.9']", "pattern n"),
            ("[ipv4-addr:value ISSUBSET '203.0.113.0/24']", "pattern n"),
            ("[ipv4-addr:value = '203.0.113.9'] REPEATS 5 TIMES", "pattern n"),
        ] {
            assert_eq!(one(pattern), gives, "{pattern}");
        }
        assert!(one("[ipv4-addr:value = 'evil.example']").starts_with("problem: `evil.example` is no value of"));
        assert!(one("[ipv4-addr:value = 'x'").contains("at character 23"));
    }

    #[test]
    fn the_newest_version_of_an_indicator_counts_and_what_is_left_out_is_said() {
        let version = |modified: &str, address: &str| {
            json!({"type": "indicator", "id": "indicator--1", "modified": modified,
                "pattern": format!("[ipv4-addr:value = '{address}']")})
        };
        let pattern = "[ipv4-addr:value = '192.0.2.9']";
        let objects = json!([
            version("2026-03-01T00:00:00Z", "192.0.2.1"),
            version("2026-03-01T00:00:00.5Z", "192.0.2.2"),
            version("2026-02-28T23:59:59Z", "192.0.2.3"),
            {"type": "indicator", "pattern": pattern, "revoked": true},
            {"type": "indicator", "pattern": pattern, "indicator_types": ["benign"]},
            {"type": "indicator", "pattern": pattern, "pattern_type": "yara"},
            {"type": "indicator", "pattern": pattern, "valid_until": "soon"},
            {"type": "identity", "name": "x"},
        ]);
        let said = read_all(&objects);
        let older = "are older versions of indicators";
        let expected = [
            (1, older),
            (2, "192.0.2.2"),
            (3, older),
            (4, "are revoked"),
            (5, "are about what is benign"),
            (6, "problem: its pattern_type is not `stix`"),
            (7, "problem: its `valid_until` is no timestamp"),
        ];
        assert_eq!(said.iter().map(|(line, said)| (*line, said.as_str())).collect::<Vec<_>>(), expected);
    }
}
