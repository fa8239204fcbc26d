//! What the daemon lists, all of it or what is in one state.

use clap::ValueEnum;
use serde_json::Value;

use super::connection::{Client, ClientError};

/// The answer with the list of this name; says so where something is missing.
pub async fn ask(client: &Client, name: &str, state: Option<impl ValueEnum>) -> Result<Value, ClientError> {
    let state = state.and_then(|state| state.to_possible_value());
    let query = state.map_or_else(String::new, |state| format!("?state={}", state.get_name()));
    let answer: Value = client.get(&format!("/api/v1/{name}{query}")).await?;
    if answer.get("complete") == Some(&Value::Bool(false)) {
        eprintln!(
            "dsmild: the log is still being read after the start: newer {name} are missing, ask again in a moment"
        );
    }
    Ok(answer)
}

/// What is listed in it.
pub fn items<'a>(client: &Client, name: &str, answer: &'a Value) -> Result<&'a [Value], ClientError> {
    let items = answer.get(name).and_then(Value::as_array).map(Vec::as_slice);
    items.ok_or_else(|| client.bad_answer(&format!("no `{name}`")))
}
