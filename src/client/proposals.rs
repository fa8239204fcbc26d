//! `dsmild proposals`: what could be done, and what somebody decides.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::connection::{Client, ClientError};
use super::exit::EXIT_OK;
use super::lines::{self, field, time};
use super::lists;
use super::output::Surface;
use super::subcommands::{ProposalCommand, ProposalState};
use crate::event::EventId;

const LIST: &str = "proposals";

pub async fn proposals(client: &Client, command: &ProposalCommand) -> Result<u8, ClientError> {
    let decide = async |id: &EventId, decision: &str, note: &str| {
        let path = format!("/api/v1/proposals/{id}/{decision}");
        let answer = client.post(&path, &json!({ "note": note })).await?;
        Ok::<String, ClientError>(decided(id, &answer))
    };
    let text = match command {
        ProposalCommand::List { state, json } => {
            let answer = lists::ask(client, LIST, *state).await?;
            if *json {
                format!("{answer:#}\n")
            } else {
                table(lists::items(client, LIST, &answer)?, Surface::of_stdout().width)
                    + approving(&field(&answer, "mode"))
            }
        }
        ProposalCommand::Show { id, json } => {
            let answer = lists::ask(client, LIST, None::<ProposalState>).await?;
            let id = id.to_string();
            let found = lists::items(client, LIST, &answer)?.iter().find(|one| field(one, "id") == id);
            let found = found.ok_or_else(|| client.bad_answer(&format!("there is no proposal {id}")))?;
            if *json { format!("{found:#}\n") } else { story(found) }
        }
        ProposalCommand::Approve { id, note } => decide(id, "approve", note).await?,
        ProposalCommand::Reject { id, note } => decide(id, "reject", note).await?,
        ProposalCommand::Undo { id, note } => decide(id, "undo", note).await?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(EXIT_OK)
}

/// Who decided what, what that leads to, and what became of it.
fn decided(id: &EventId, answer: &Value) -> String {
    let mut text = format!("proposal {id} is {} by {}\n", field(answer, "state"), field(answer, "who"));
    match happened(answer) {
        Some(happened) => _ = writeln!(text, "  {happened}"),
        None => _ = writeln!(text, "  {}", field(answer, "effect")),
    }
    text
}

/// What became of it, in a sentence; `None` while nothing did.
fn happened(one: &Value) -> Option<String> {
    let response = one.get("response").filter(|response| !response.is_null())?;
    let is = |key: &str| response.get(key).and_then(Value::as_bool).unwrap_or_default();
    let (state, said) = (field(response, "state"), field(response, "said"));
    let mut text = format!("{state} at {}", field(response, "ts"));
    if !said.is_empty() {
        let _ = write!(text, ": {said}");
    }
    if is("retried") {
        text += "; it is tried again";
    }
    if is("in_force") {
        let _ = write!(text, "; in force until {} (undo takes it back)", field(response, "ends"));
    }
    Some(text)
}

/// What approving leads to.
fn approving(mode: &str) -> &'static str {
    match mode {
        "propose" => "\nrespond.mode is propose: approving is recorded, and nothing acts\n",
        "simulate" => {
            "\nrespond.mode is simulate: approving asks the kernel whether it would take it, and changes nothing\n"
        }
        "approve" => "\nrespond.mode is approve: what is approved is carried out\n",
        "automatic" => "\nrespond.mode is automatic: what is approved is carried out, some of it without anybody\n",
        _ => "",
    }
}

/// The part of the event that has what is proposed.
fn proposed(one: &Value) -> &Value {
    one.pointer("/event/proposal").unwrap_or(&Value::Null)
}

fn table(proposals: &[Value], width: Option<usize>) -> String {
    let rows = proposals.iter().map(|one| {
        let event = one.get("event").unwrap_or(&Value::Null);
        [
            field(one, "id"),
            field(one, "state"),
            field(event, "severity"),
            time(proposed(one), "expires"),
            one.get("response").map(|response| field(response, "state")).unwrap_or_default(),
            field(event, "incident_id"),
            field(event, "summary"),
        ]
    });
    lines::list(LIST, width, ["PROPOSAL", "STATE", "SEVERITY", "EXPIRES", "RESPONSE", "INCIDENT", "WHAT"], rows)
}

/// That the same was proposed before; nothing where it was not.
fn repeated(one: &Value) -> String {
    let Some(repeats) = one.get("repeats").filter(|repeats| !repeats.is_null()) else { return String::new() };
    format!("{} times since {}", field(repeats, "count"), field(repeats, "first_ts"))
}

fn story(one: &Value) -> String {
    let (event, proposal) = (one.get("event").unwrap_or(&Value::Null), proposed(one));
    let mut text = format!("{}  {}  {}\n", field(one, "id"), field(one, "state"), field(event, "severity"));
    let _ = writeln!(text, "  {}", field(event, "summary"));
    let _ = writeln!(text, "  because {}", field(proposal, "rationale"));
    for (name, value) in [
        ("incident", field(event, "incident_id")),
        ("caution", field(proposal, "caution")),
        ("refused", field(proposal, "refused")),
        ("expires", time(proposal, "expires")),
        ("proposed", repeated(one)),
        ("superseded by", field(one, "superseded_by")),
        ("if approved", field(one, "effect")),
        ("carried out by", field(one, "executor")),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name}: {value}");
        }
    }
    for (name, key) in [("to do", "commands"), ("to take it back", "undo")] {
        let steps: Vec<&Value> = proposal.get(key).and_then(Value::as_array).into_iter().flatten().collect();
        if !steps.is_empty() {
            let _ = writeln!(text, "  {name}:");
        }
        for step in steps {
            let _ = writeln!(text, "    {}", lines::text_of(step));
        }
    }
    if let Some(decision) = one.get("decision").filter(|decision| !decision.is_null()) {
        let note = field(decision, "note");
        let note = if note.is_empty() { note } else { format!(": {note}") };
        let _ = writeln!(
            text,
            "  {} by {} at {}{note}",
            field(decision, "state"),
            field(decision, "who"),
            field(decision, "ts")
        );
    }
    if let Some(happened) = happened(one) {
        let _ = writeln!(text, "  {happened}");
    } else if field(one, "state") == "approved" && field(one, "executor").is_empty() {
        text += "  nothing was done here: do it yourself\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_shown_with_what_is_to_be_done_why_and_how_it_is_taken_back() {
        let one = json!({
            "id": "9-0", "state": "approved",
            "decision": { "state": "approved", "who": "alice", "ts": "2026-01-01T00:00:00Z", "note": "go" },
            "response": { "state": "executed", "ts": "2026-01-01T00:00:01Z", "in_force": true, "retried": false,
                "ends": "2026-01-01T01:00:00Z", "said": "the kernel blocks 203.0.113.7\u{1b}[2J" },
            "event": { "severity": "HIGH", "summary": "proposal: block address\u{1b}[2J", "incident_id": "1-0",
                "proposal": { "commands": ["nft add …"], "undo": ["nft delete …"], "rationale": "HIGH APP: scans",
                    "expires": 1_700_000_000.0, "caution": null, "refused": null } },
        });
        let text = story(&one);
        for expected in [
            "nft add",
            "nft delete",
            "because HIGH APP: scans",
            "approved by alice",
            ": go",
            "incident: 1-0",
            "executed at 2026-01-01T00:00:01Z: the kernel blocks",
            "in force until 2026-01-01T01:00:00Z",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("caution") && !text.contains('\u{1b}'), "{text}");
        let list = table(std::slice::from_ref(&one), None);
        assert!(list.lines().count() == 2 && !list.contains('\u{1b}'), "{list}");
        assert_eq!(table(&[], None), "no proposals\n");
    }

    #[test]
    fn what_is_approved_and_carried_out_by_nobody_is_said_to_be_left_to_whoever_approved_it() {
        let one = |executor: Value| {
            story(&json!({ "id": "9-0", "state": "approved", "executor": executor, "response": null }))
        };
        assert!(one(Value::Null).contains("nothing was done here: do it yourself"));
        assert!(!one(json!("accounts")).contains("do it yourself"), "it is about to be");
    }
}
