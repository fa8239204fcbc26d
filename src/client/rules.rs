//! `dsmild rules hits`: how often each rule has matched, and when it did last.

use std::io::{self, Write as _};

use serde_json::Value;

use super::connection::{Client, ClientError};
use super::exit::EXIT_OK;
use super::lines::{self, field, time};
use super::lists;
use super::output::Surface;

const LIST: &str = "rules";

pub async fn hits(client: &Client, json: bool) -> Result<u8, ClientError> {
    let answer: Value = client.get("/api/v1/rules").await?;
    let rules = lists::items(client, LIST, &answer)?;
    let text = if json { format!("{answer:#}\n") } else { table(rules, Surface::of_stdout().width) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(EXIT_OK)
}

/// Those that match most come first; at the end is how many never have.
fn table(rules: &[Value], width: Option<usize>) -> String {
    let hits = |rule: &Value| rule.get("hits").and_then(Value::as_u64).unwrap_or_default();
    let mut hit: Vec<&Value> = rules.iter().filter(|rule| hits(rule) > 0).collect();
    hit.sort_by_key(|rule| std::cmp::Reverse(hits(rule)));
    let row = |rule: &&Value| {
        let techniques = rule.get("techniques").and_then(Value::as_array).into_iter().flatten();
        let techniques: Vec<String> = techniques.map(lines::text_of).collect();
        [
            hits(rule).to_string(),
            time(rule, "last_hit_ts"),
            field(rule, "last_hit"),
            field(rule, "level"),
            field(rule, "kind"),
            field(rule, "title"),
            techniques.join(" "),
        ]
    };
    let heads = ["HITS", "LAST", "LAST EVENT", "LEVEL", "KIND", "RULE", "TECHNIQUES"];
    let never = rules.len() - hit.len();
    let list = lines::list("rule has matched", width, heads, hit.iter().map(row));
    format!("{list}\n{never} of {} rules have not matched\n", rules.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rule_that_matches_most_comes_first_and_nothing_reaches_the_terminal_raw() {
        let rule = |title: &str, hits: u64| {
            json!({ "title": title, "hits": hits, "last_hit_ts": 1.0, "last_hit": "1-0", "level": "high", "kind": "rule",
                "techniques": ["T1110"] })
        };
        let text = table(&[rule("few\u{1b}[2J", 2), rule("none", 0), rule("many", 30)], None);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("30") && lines[1].contains("many") && lines[2].contains("few\\u{1b}"), "{text}");
        assert_eq!(lines.last(), Some(&"1 of 3 rules have not matched"));
        assert!(table(&[], None).starts_with("no rule has matched\n"));
    }
}
