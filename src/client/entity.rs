//! `dsmild entity`: everything about one user, address or machine.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::connection::{Client, ClientError};
use super::exit::EXIT_OK;
use super::lines::{event, field, list, time};
use super::output::Surface;

pub async fn entity(client: &Client, kind: &str, value: &str, json: bool) -> Result<u8, ClientError> {
    let [kind, value] = [kind, value].map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string());
    let answer: Value = client.get(&format!("/api/v1/entities/{kind}/{value}?count=20")).await?;
    let text = if json { format!("{answer:#}\n") } else { story(&answer, Surface::of_stdout().width) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(EXIT_OK)
}

fn story(answer: &Value, width: Option<usize>) -> String {
    let mut text = format!("{} {}: ", field(answer, "kind"), field(answer, "value"));
    let count = answer.get("count").and_then(Value::as_u64).unwrap_or_default();
    if count == 0 {
        text.push_str("no SOC event in the hot store is about it\n");
    } else {
        let more = if answer.get("is_more") == Some(&Value::Bool(true)) { "more than " } else { "" };
        let (first, last) = (time(answer, "first_seen"), time(answer, "last_seen"));
        let _ = writeln!(text, "{more}{count} SOC events from {first} to {last}, at worst {}", field(answer, "worst"));
    }
    part(
        &mut text,
        width,
        answer,
        "incidents",
        ["ID", "STATE", "SEVERITY", "SUMMARY"],
        ["id", "state", "severity", "summary"],
    );
    part(&mut text, width, answer, "proposals", ["ID", "STATE"], ["id", "state"]);
    part(&mut text, width, answer, "silences", ["ID", "STATE", "COMMENT"], ["id", "state", "comment"]);
    part(&mut text, width, answer, "indicators", ["LIST", "INDICATOR", "EVENT"], ["list", "indicator", "event_id"]);
    part(&mut text, width, answer, "touched", ["KIND", "VALUE", "EVENTS"], ["kind", "value", "events"]);
    part(&mut text, width, answer, "reasons", ["REASON", "EVENTS"], ["reason", "events"]);
    let events = answer.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !events.is_empty() {
        text.push_str("\nnewest events\n");
        events.iter().for_each(|one| text.push_str(&(event(one) + "\n")));
    }
    text
}

/// A list of the answer, with its name above it; nothing where it is empty.
fn part<const N: usize>(
    text: &mut String,
    width: Option<usize>,
    answer: &Value,
    name: &str,
    heads: [&str; N],
    fields: [&str; N],
) {
    let rows = answer.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !rows.is_empty() {
        let _ = write!(
            text,
            "\n{name}\n{}",
            list(name, width, heads, rows.iter().map(|row| fields.map(|key| field(row, key))))
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_of_one_fits_the_terminal_and_cannot_drive_it() {
        let answer = json!({ "kind": "user", "value": "eve\u{1b}[2J", "count": 2, "is_more": false, "first_seen": 0.0, "last_seen": 60.0,
            "worst": "HIGH", "incidents": [{ "id": "1-0", "state": "open", "severity": "HIGH", "summary": "s" }],
            "events": [{ "id": "2-0", "ts": 0.0, "severity": "HIGH", "summary": "x" }] });
        let text = story(&answer, None);
        assert!(text.starts_with("user eve\\u{1b}[2J: 2 SOC events from 1970-01-01T00:00:00Z to"), "{text}");
        assert!(text.contains("incidents\nID") && text.contains("2-0") && !text.contains("proposals"), "{text}");
        assert!(story(&json!({ "kind": "user", "value": "bob" }), None).contains("no SOC event"));
    }
}
