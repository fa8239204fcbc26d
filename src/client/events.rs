//! `dsmild events`: SOC events that pass a filter, of the hot store and of the archive.

use std::io::{self, Write};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::args::EventsArgs;
use super::exit::EXIT_OK;
use super::lines::field;
use super::output::{Surface, check_filter, print_event, reader_gone};
use super::table::Table;
use super::{Client, ClientError};
use crate::limits;

/// # Errors
/// No daemon is there, it refuses, or nothing can be written.
pub async fn events(client: &Client, args: &EventsArgs) -> Result<u8, ClientError> {
    check_filter(args.filter.as_deref())?;
    tokio::select! {
        ended = ask(client, args) => ended,
        () = reader_gone() => Ok(EXIT_OK),
    }
}

/// Page after page: one that has looked through much has fewer events than were asked for, and says where to go on.
async fn ask(client: &Client, args: &EventsArgs) -> Result<u8, ClientError> {
    let table = Table::new(Surface::of_stdout());
    let (mut left, mut after) = (args.count, None);
    let (mut found, mut archive) = (false, None);
    while left > 0 {
        let mut page: Value = client.get(&path(args, left, after.as_deref())).await?;
        let Some(Value::Array(events)) = page.get_mut("events").map(Value::take) else {
            return Err(client.bad_answer("no `events`"));
        };
        for event in events.iter().take(left) {
            if !args.json && !found {
                print_event(None, || table.head())?;
            }
            found = true;
            let json = args.json.then(|| event.to_string());
            print_event(json.as_deref(), || table.row(event))?;
        }
        left = left.saturating_sub(events.len());
        archive = page.get_mut("archive").map(Value::take).or(archive);
        let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if next.is_some() && next == after {
            return Err(client.bad_answer("the next page is the one before"));
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    if !found && !args.json {
        writeln!(io::stderr(), "dsmild: no event passes")?;
    }
    if let Some(missing) = archive.as_ref().and_then(not_searched) {
        writeln!(io::stderr(), "dsmild: {missing}")?;
    }
    Ok(EXIT_OK)
}

/// What is missing because the archive could not be asked.
fn not_searched(archive: &Value) -> Option<String> {
    let is_missing = archive.get("searched") == Some(&Value::Bool(false));
    is_missing.then(|| format!("events older than the hot store are missing: {}", field(archive, "why")))
}

fn path(args: &EventsArgs, left: usize, after: Option<&str>) -> String {
    let order = if args.oldest { "oldest" } else { "newest" };
    let mut path = format!("/api/v1/events?order={order}&count={}", left.min(limits::HTTP_PAGE_EVENTS_MAX));
    let given = [("where", &args.filter), ("since", &args.since), ("until", &args.until)];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    for (name, value) in given.chain(after.map(|after| ("after", after))) {
        path.push_str(&parameter(name, value));
    }
    path
}

/// One more parameter of a query.
pub fn parameter(name: &str, value: &str) -> String {
    format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
}
