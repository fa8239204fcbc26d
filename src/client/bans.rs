//! `dsmild bans`: who is blocked now.

use std::io::{self, Write as _};

use serde_json::Value;

use super::connection::{Client, ClientError};
use super::exit::EXIT_OK;
use super::lines::{self, field};
use super::lists;
use super::output::Surface;
use super::subcommands::BansCommand;

const LIST: &str = "bans";

pub async fn bans(client: &Client, command: &BansCommand) -> Result<u8, ClientError> {
    let BansCommand::List { plain, json } = command;
    let answer = client.get("/api/v1/bans").await?;
    let bans = lists::items(client, LIST, &answer)?;
    let text = match (json, plain) {
        (true, _) => format!("{answer:#}\n"),
        (false, true) => bans.iter().map(|ban| field(ban, "target") + "\n").collect(),
        (false, false) => table(bans, Surface::of_stdout().width),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(EXIT_OK)
}

fn table(bans: &[Value], width: Option<usize>) -> String {
    let rows = bans.iter().map(|ban| ["target", "since", "ends", "id"].map(|key| field(ban, key)));
    lines::list(LIST, width, ["BLOCKED", "SINCE", "UNTIL", "PROPOSAL"], rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_blocked_is_shown_with_until_when_and_why() {
        let ban = json!({"target": "203.0.113.7", "id": "9-0", "since": "2026-01-01T00:00:00Z", "ends": "2026-01-01T01:00:00Z\u{1b}[2J"});
        let text = table(&[ban], None);
        assert!(text.contains("203.0.113.7") && text.contains("9-0") && text.contains("01:00:00Z"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(table(&[], None), "no bans\n");
    }
}
