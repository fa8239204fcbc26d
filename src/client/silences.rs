//! `dsmild silence`: what nothing is to be told of, for how long, and how often it came.

use std::io::{self, Write as _};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::connection::{Client, ClientError};
use super::exit::EXIT_OK;
use super::lines::{self, field};
use super::lists;
use super::output::Surface;
use super::subcommands::{SilenceCommand, Wanted};

const LIST: &str = "silences";

pub async fn silences(client: &Client, command: &SilenceCommand) -> Result<u8, ClientError> {
    let text = match command {
        SilenceCommand::List { state, json } => {
            let answer = lists::ask(client, LIST, *state).await?;
            let silences = lists::items(client, LIST, &answer)?;
            if *json { format!("{answer:#}\n") } else { table(silences, Surface::of_stdout().width) }
        }
        SilenceCommand::Add(wanted) => {
            let answer = client.post("/api/v1/silences", &body(wanted)?).await?;
            if wanted.json {
                format!("{answer:#}\n")
            } else {
                table(std::slice::from_ref(&answer), Surface::of_stdout().width)
            }
        }
        SilenceCommand::End { id, note, json } => {
            let path = format!("/api/v1/silences/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
            let answer = client.delete(&path, &json!({ "note": note })).await?;
            if *json {
                format!("{answer:#}\n")
            } else {
                table(std::slice::from_ref(&answer), Surface::of_stdout().width)
            }
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(EXIT_OK)
}

/// What the daemon is asked for; it says what is wrong with it.
fn body(wanted: &Wanted) -> Result<Value, ClientError> {
    let mut body = Map::new();
    let texts = [
        ("rule", &wanted.rule),
        ("network", &wanted.network),
        ("where", &wanted.filter),
        ("from", &wanted.from),
        ("until", &wanted.until),
        ("for", &wanted.span),
    ];
    for (name, text) in texts {
        body.extend(text.as_ref().map(|text| (name.to_owned(), Value::from(text.as_str()))));
    }
    if let Some(entity) = &wanted.entity {
        let Some((kind, value)) = entity.split_once(['=', ':']) else {
            let said = "--entity is KIND=VALUE, like user=backup; a kind is user, host, ip, src_ip, dst_ip, process, domain or file";
            return Err(ClientError::Arguments(said.to_owned()));
        };
        body.insert("entity".to_owned(), json!({ "kind": kind, "value": value }));
    }
    body.insert("comment".to_owned(), wanted.comment.as_str().into());
    Ok(Value::Object(body))
}

fn table(silences: &[Value], width: Option<usize>) -> String {
    let row = |silence: &Value| {
        let until = field(silence, "until");
        [
            field(silence, "id"),
            field(silence, "state"),
            if until.is_empty() { "no end".to_owned() } else { until },
            field(silence, "hits"),
            field(silence, "who"),
            what(silence),
            field(silence, "comment"),
        ]
    };
    let heads = ["SILENCE", "STATE", "UNTIL", "EVENTS", "BY", "WHAT", "COMMENT"];
    lines::list(LIST, width, heads, silences.iter().map(row))
}

fn what(silence: &Value) -> String {
    let of = |name: &str, key: &str| {
        let text = field(silence, key);
        (!text.is_empty()).then(|| format!("{name} {text}"))
    };
    let entity = silence.get("entity").filter(|entity| entity.is_object());
    let entity = entity.map(|entity| format!("{} {}", field(entity, "kind"), field(entity, "value")));
    let parts = [of("rule", "rule"), entity, of("network", "network"), of("where", "where")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_a_row_in_which_nothing_reaches_the_terminal_raw() {
        let silence = json!({ "id": "1-0", "state": "active", "until": "2026-11-18T02:00:00Z", "hits": 7, "who": "alice",
            "rule": "brute_force", "entity": { "kind": "user", "value": "bob\u{1b}[2J" }, "network": null,
            "where": null, "comment": "ours\u{202e}" });
        let text = table(std::slice::from_ref(&silence), None);
        assert!(text.contains("rule brute_force, user bob") && text.contains("alice"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(table(&[json!({ "id": "ours" })], None).contains("no end"));
        assert_eq!(table(&[], None), "no silences\n");
    }

    #[test]
    fn an_entity_is_a_kind_and_a_value_that_may_have_any_character() {
        let of = |entity: &str| body(&Wanted { entity: Some(entity.into()), ..Wanted::default() });
        assert_eq!(of("user=a=b").unwrap()["entity"], json!({ "kind": "user", "value": "a=b" }));
        assert_eq!(of("src_ip:2001:db8::7").unwrap()["entity"], json!({ "kind": "src_ip", "value": "2001:db8::7" }));
        assert!(of("bob").unwrap_err().to_string().contains("KIND=VALUE"));
    }
}
