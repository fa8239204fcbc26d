//! `dsmild incidents`: what is going on, and what somebody does about it.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::connection::{Client, ClientError};
use super::exit::EXIT_OK;
use super::lines::{self, field, time};
use super::lists;
use super::output::Surface;
use super::subcommands::IncidentCommand;
use crate::detect::deceptive::escaped;

const LIST: &str = "incidents";

pub async fn incidents(client: &Client, command: &IncidentCommand) -> Result<u8, ClientError> {
    let change = async |id: &str, action: &str, body: Value| {
        let answer: Value = client.post(&format!("{}/{action}", path_of(id)?), &body).await?;
        Ok::<String, ClientError>(story(&answer))
    };
    let text = match command {
        IncidentCommand::List { state, json } => {
            let answer = lists::ask(client, LIST, *state).await?;
            let incidents = lists::items(client, LIST, &answer)?;
            if *json { format!("{answer:#}\n") } else { table(incidents, Surface::of_stdout().width) }
        }
        IncidentCommand::Show { id, json } => {
            let answer: Value = client.get(&path_of(id)?).await?;
            if *json { format!("{answer:#}\n") } else { story(&answer) }
        }
        IncidentCommand::Acknowledge { id, note } => change(id, "acknowledge", json!({ "note": note })).await?,
        IncidentCommand::Close { id, resolution, note } => {
            change(id, "close", json!({ "resolution": resolution.name(), "note": note })).await?
        }
        IncidentCommand::Note { id, text } => change(id, "note", json!({ "note": text })).await?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(EXIT_OK)
}

/// An id is that of an event; anything else would be another path.
fn path_of(id: &str) -> Result<String, ClientError> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Ok(format!("/api/v1/incidents/{id}"));
    }
    let wrong = format!(
        "`{}` is no incident; an id is like 1763856000123-4, and `dsmild incidents list` shows them",
        escaped(id)
    );
    Err(ClientError::Arguments(wrong))
}

fn table(incidents: &[Value], width: Option<usize>) -> String {
    let row = |incident: &Value| {
        [
            field(incident, "id"),
            state(incident),
            field(incident, "severity"),
            time(incident, "first_ts"),
            time(incident, "last_ts"),
            field(incident, "count"),
            field(incident, "summary"),
        ]
    };
    let heads = ["INCIDENT", "STATE", "SEVERITY", "SINCE", "LAST", "ALERTS", "WHAT"];
    lines::list(LIST, width, heads, incidents.iter().map(row))
}

/// One incident in lines.
fn story(incident: &Value) -> String {
    let mut text = format!("{}  {}  {}\n", field(incident, "id"), state(incident), field(incident, "severity"));
    let _ = writeln!(text, "  {}", field(incident, "summary"));
    let (first, last) = (time(incident, "first_ts"), time(incident, "last_ts"));
    let _ = writeln!(text, "  {} alerts from {first} to {last}", field(incident, "count"));
    for (name, key) in [("attacker", "attacker"), ("part of", "merged_into")] {
        if let Some(value) = incident.get(key).and_then(Value::as_str) {
            let _ = writeln!(text, "  {name} {}", escaped(value));
        }
    }
    for (name, key, how) in [
        ("tactics", "tactics", ""),
        ("techniques", "attack", ""),
        ("alerts", "members", "; dsmild explain ID follows each"),
        ("reports", "events", ""),
        ("proposals", "proposals", ""),
    ] {
        let list = incident.get(key).and_then(Value::as_array).into_iter().flatten();
        let list: Vec<String> = list.filter_map(Value::as_str).map(|one| escaped(one).into_owned()).collect();
        if !list.is_empty() {
            let _ = writeln!(text, "  {name}: {}{how}", list.join(", "));
        }
    }
    for change in incident.get("changes").and_then(Value::as_array).into_iter().flatten() {
        let (note, resolution) = (field(change, "note"), field(change, "resolution"));
        let note = if note.is_empty() { note } else { format!(": {note}") };
        let resolution = if resolution.is_empty() { resolution } else { format!(" as {resolution}") };
        let (when, who, action) = (time(change, "ts"), field(change, "who"), field(change, "action"));
        let _ = writeln!(text, "  {when}  {action}{resolution} by {who}{note}");
    }
    text
}

fn state(incident: &Value) -> String {
    let resolution = field(incident, "resolution");
    let state = field(incident, "state");
    if resolution.is_empty() { state } else { format!("{state}, {resolution}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_told_with_what_was_done_and_nothing_of_it_reaches_the_terminal_raw() {
        let incident = json!({
            "id": "1-0", "state": "closed", "resolution": "false_positive", "severity": "HIGH", "count": 12,
            "summary": "incident about user bob\u{1b}[2J", "first_ts": 1_700_000_000.0, "last_ts": 1_700_000_060.0,
            "attacker": "203.0.113.5\u{202e}", "merged_into": null, "tactics": ["execution"], "attack": [],
            "members": ["7-0", "8-0"], "events": ["9-0"], "proposals": [],
            "changes": [{ "ts": 1_700_000_100.0, "who": "alice", "action": "close", "resolution": "false_positive", "note": "ours\n" }],
        });
        let text = story(&incident);
        for expected in [
            "closed, false_positive",
            "12 alerts from 2023-11-14T22:13:20",
            "7-0, 8-0",
            "close as false_positive by alice: ours",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let list = table(std::slice::from_ref(&incident), None);
        for text in [&text, &list] {
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        }
        assert_eq!(list.lines().count(), 2);
        assert_eq!(table(&[], None), "no incidents\n");
    }

    #[test]
    fn what_is_no_id_is_said_to_be_none_instead_of_asked_for() {
        assert_eq!(path_of("1763856000123-4").unwrap(), "/api/v1/incidents/1763856000123-4");
        for id in ["", "1-0/close", "../x", "1 0"] {
            assert!(path_of(id).unwrap_err().to_string().contains("is no incident"), "{id}");
        }
    }
}
