//! `dsmild explain`: why an event is there, told from it down to the lines that it follows from.

use std::io::{self, Write};

use serde_json::Value;

use super::columns::fitted;
use super::connection::{Client, ClientError};
use super::exit::{EXIT_BAD, EXIT_OK};
use super::lines::{field, time};
use super::output::Surface;
use crate::detect::deceptive::{escaped, escaped_json};
use crate::event::EventId;

/// [`EXIT_BAD`] when it does not lead back to a line. The id of an incident is that of its first alert: the incident is told, with
/// that alert in it.
pub async fn explain(client: &Client, id: EventId, json: bool) -> Result<u8, ClientError> {
    let answer: Value = match client.get(&format!("/api/v1/incidents/{id}/explain")).await {
        Err(ClientError::BadAnswer { .. }) => client.get(&format!("/api/v1/events/{id}/explain")).await?,
        other => other?,
    };
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", escaped_json(&format!("{answer:#}")))?;
    } else {
        out.write_all(story(&answer, Surface::of_stdout().width).as_bytes())?;
    }
    let complete = answer.get("complete").and_then(Value::as_bool);
    complete.map(|complete| if complete { EXIT_OK } else { EXIT_BAD }).ok_or_else(|| client.bad_answer("no `complete`"))
}

/// The tree in lines of at most so many columns.
fn story(answer: &Value, width: Option<usize>) -> String {
    let mut story = Story { text: String::new(), width };
    if let Some(tree) = answer.get("tree") {
        story.branch(tree, &Indent::default());
    }
    if let Some(reason) = answer.get("ends_because").and_then(Value::as_str) {
        story.line("", &format!("the chain ends here: {reason}"));
    }
    let extent = |name: &str| answer.get("extent").and_then(|extent| extent.get(name)).and_then(Value::as_u64);
    let (lines, missing) = (extent("lines").unwrap_or_default(), extent("missing").unwrap_or_default());
    let missing = if missing > 0 { format!(", {missing} not in the store any more") } else { String::new() };
    let left_out = extent("left_out").filter(|count| *count > 0);
    let left_out = left_out.map(|count| format!(", {count} more left out: explain one of those above"));
    let plural = if lines == 1 { "" } else { "s" };
    story.line("", &format!("{lines} line{plural}{missing}{}", left_out.unwrap_or_default()));
    story.text
}

struct Story {
    text: String,
    width: Option<usize>,
}

/// What stands before the first line of a branch, and before all others.
#[derive(Default)]
struct Indent {
    first: String,
    others: String,
}

impl Indent {
    fn child(&self, is_last: bool) -> Self {
        let (first, others) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        Self { first: format!("{}{first}", self.others), others: format!("{}{others}", self.others) }
    }
}

impl Story {
    /// Text of others is shown with its deceptive characters visible.
    fn line(&mut self, indent: &str, text: &str) {
        let line = format!("{indent}{}", escaped(text));
        self.text.push_str(&self.width.map_or_else(|| line.clone(), |width| fitted(&line, width)));
        self.text.push('\n');
    }

    /// As deep as the answer is, which the reader of JSON bounds.
    fn branch(&mut self, node: &Value, indent: &Indent) {
        self.line(&indent.first, &head(node));
        if let Some(because) = node.get("because").and_then(Value::as_str) {
            self.line(&indent.others, &format!("because {because}"));
        }
        let remarks = remarks(node);
        let children = node.get("children").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let last = (children.len() + remarks.len()).saturating_sub(1);
        for (place, child) in children.iter().enumerate() {
            self.branch(child, &indent.child(place == last));
        }
        for (place, remark) in remarks.iter().enumerate() {
            self.line(&indent.child(children.len() + place == last).first, remark);
        }
    }
}

fn head(node: &Value) -> String {
    let id = field(node, "id");
    if let Some(line) = node.get("line") {
        return format!("{}: {}", place(line), text_of_line(line));
    }
    if let Some(missing) = node.get("missing").and_then(Value::as_str) {
        return format!("{id}: {missing}");
    }
    if node.get("above").is_some() {
        return format!("{id}, as above");
    }
    let event = node.get("event").unwrap_or(&Value::Null);
    let what = ["severity", "decision"].map(|name| field(event, name)).into_iter().find(|text| !text.is_empty());
    let (stream, what) = (field(node, "stream"), what.map(|what| format!(" {what}")).unwrap_or_default());
    format!("{stream} {id} {}{what} {}", time(node, "ts"), field(event, "summary"))
}

/// What of it is not told.
fn remarks(node: &Value) -> Vec<String> {
    let count = |name: &str| node.get(name).and_then(Value::as_u64).filter(|count| *count > 0);
    let unknown = node.get("unknown").and_then(Value::as_array).into_iter().flatten();
    let mut remarks: Vec<String> = unknown.filter_map(Value::as_str).map(str::to_owned).collect();
    remarks.extend(count("unnamed").map(|count| format!("and {count} more that were counted and are not named")));
    remarks.extend(count("left_out").map(|count| format!("and {count} more that are left out here")));
    remarks
}

/// The line as it stands there, without the ends of its lines.
fn text_of_line(line: &Value) -> String {
    let text = line.get("text").and_then(Value::as_str).unwrap_or_default();
    let more = if line.get("cut_at").is_some() { "…" } else { "" };
    let encoded = if line.get("base64").is_some() { " (not UTF-8: its bytes are in --json)" } else { "" };
    format!("{text}{more}{encoded}")
}

/// Where it was read, as one would look it up.
fn place(line: &Value) -> String {
    let source = field(line, "source");
    let Some(place) = line.get("read_at") else { return source };
    let of = |name: &str| field(place, name);
    match of("kind").as_str() {
        "file" => {
            let unpacked = if place.get("unpacked").and_then(Value::as_bool) == Some(true) { " unpacked" } else { "" };
            let inode = Some(of("inode")).filter(|inode| !inode.is_empty()).map(|inode| format!(" (inode {inode})"));
            format!("{}{} at byte {}{unpacked}", of("path"), inode.unwrap_or_default(), of("offset"))
        }
        "journal" => format!("{source} at {}", of("cursor")),
        "redis" => format!("{source}, entry {}", of("entry")),
        "syslog" => format!("{source} from {}", of("peer")),
        "http" => format!("{source} from {}, line {} of a request", of("peer"), of("line")),
        _ => source,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Value {
        let line = json!({
            "source": "file:/var/log/auth.log", "text": "Failed password for \u{1b}[2J\u{202e}root", "bytes": 30,
            "read_at": { "kind": "file", "path": "/var/log/auth.log", "inode": 7, "offset": 1234, "length": 30 },
        });
        json!({
            "complete": true, "extent": { "nodes": 4, "lines": 1, "left_out": 0, "missing": 1 },
            "tree": {
                "id": "9-0", "stream": "SOC_EVENTS", "ts": 0.0, "because": "Layer 4 judged it suspicious with 0.60",
                "event": { "severity": "HIGH", "summary": "41 failed logins" },
                "children": [{
                    "id": "8-0", "stream": "L4_OUT", "ts": 0.0, "because": "41 failed logins within 10 min", "unnamed": 9,
                    "event": { "decision": "suspicious", "summary": "41 failed logins" },
                    "children": [
                        { "id": "1-0", "stream": "L3_IN", "ts": 0.0, "line": line },
                        { "id": "2-0", "missing": "it is not in the store any more" },
                    ],
                }],
            },
        })
    }

    #[test]
    fn the_story_leads_from_the_event_to_each_line_and_says_what_it_lacks() {
        let text = story(&answer(), None);
        let expected = [
            "SOC_EVENTS 9-0 1970-01-01T00:00:00Z HIGH 41 failed logins",
            "because Layer 4 judged it suspicious with 0.60",
            "└─ L4_OUT 8-0 1970-01-01T00:00:00Z suspicious 41 failed logins",
            "   because 41 failed logins within 10 min",
            "   ├─ /var/log/auth.log (inode 7) at byte 1234: Failed password for \\u{1b}[2J\\u{202e}root",
            "   ├─ 2-0: it is not in the store any more",
            "   └─ and 9 more that were counted and are not named",
            "1 line, 1 not in the store any more",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_line_fits_the_terminal() {
        let text = story(&answer(), Some(40));
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.contains("   ├─ /var/log/auth.log"), "{text}");
    }

    #[test]
    fn an_answer_of_another_shape_is_told_without_a_panic() {
        for answer in [json!(null), json!({ "tree": 7 }), json!({ "tree": { "children": [null, { "line": 3 }] } })] {
            story(&answer, Some(0));
        }
    }
}
