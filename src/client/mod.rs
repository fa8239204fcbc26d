//! The commands that talk to a running daemon: `status`, `sources`, `events`, `entity`, `rules hits`, `tail`, `explain`, `incidents`, `proposals`, `bans`, `silence`, `verify`, `top`.

mod anchors;
mod args;
mod bans;
mod columns;
mod connection;
mod entity;
mod events;
mod exit;
mod explain;
mod incidents;
mod lines;
mod lists;
mod output;
mod proposals;
mod rules;
mod silences;
mod subcommands;
mod table;
mod tail;
mod top;
mod verify;

use std::io::{self, Write};

use serde_json::Value;

pub use args::{ClientCommand, ConnectionArgs};
pub use connection::{Client, ClientError};
use exit::{EXIT_BAD, EXIT_OK};
use output::Surface;

use crate::config::Config;
use crate::server::gateway::{SourceState, SourceStatus, Status};

/// Runs a command to its end and returns the exit code of the process.
pub async fn run(command: &ClientCommand, config: &Config) -> u8 {
    let result = match command {
        ClientCommand::Verify { connection, file, json } => {
            verify::verify(connection, config, file.as_deref(), *json).await
        }
        ClientCommand::Status { connection, json } => {
            with(connection, config, async |client| status(client, *json).await).await
        }
        ClientCommand::Explain { connection, id, json } => {
            with(connection, config, async |client| explain::explain(client, *id, *json).await).await
        }
        ClientCommand::Events { connection, asked } => {
            with(connection, config, async |client| events::events(client, asked).await).await
        }
        ClientCommand::Entity { connection, kind, value, json } => {
            with(connection, config, async |client| entity::entity(client, kind, value, *json).await).await
        }
        ClientCommand::Tail { connection, stream, after, filter, last, json } => {
            let (filter, begin) = (filter.as_deref(), tail::Begin { after: *after, last: *last });
            with(connection, config, async |client| tail::tail(client, *stream, filter, begin, *json).await).await
        }
        ClientCommand::Sources { connection, json } => {
            with(connection, config, async |client| sources(client, *json).await).await
        }
        ClientCommand::Incidents { connection, command } => {
            with(connection, config, async |client| incidents::incidents(client, command).await).await
        }
        ClientCommand::Proposals { connection, command } => {
            with(connection, config, async |client| proposals::proposals(client, command).await).await
        }
        ClientCommand::Bans { connection, command } => {
            with(connection, config, async |client| bans::bans(client, command).await).await
        }
        ClientCommand::Silence { connection, command } => {
            with(connection, config, async |client| silences::silences(client, command).await).await
        }
        ClientCommand::Top { connection } => with(connection, config, top::top).await,
    };
    exit_code(result)
}

/// `dsmild rules hits`.
pub async fn rule_hits(connection: &ConnectionArgs, config: &Config, json: bool) -> u8 {
    exit_code(with(connection, config, async |client| rules::hits(client, json).await).await)
}

fn exit_code(result: Result<u8, ClientError>) -> u8 {
    match result {
        Ok(code) => code,
        // Whoever reads has read enough, as in `dsmild tail | head`.
        Err(ClientError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => EXIT_OK,
        Err(error) => {
            let _ = writeln!(io::stderr(), "dsmild: {error}");
            error.exit_code()
        }
    }
}

async fn with(
    connection: &ConnectionArgs,
    config: &Config,
    command: impl AsyncFnOnce(&Client) -> Result<u8, ClientError>,
) -> Result<u8, ClientError> {
    command(&Client::new(connection, config)?).await
}

/// The health table; [`EXIT_BAD`] when the daemon is not ready.
async fn status(client: &Client, json: bool) -> Result<u8, ClientError> {
    let answer: Value = client.get("/api/v1/status").await?;
    let status: Status =
        serde_json::from_value(answer.clone()).map_err(|error| client.bad_answer(&error.to_string()))?;
    if json {
        writeln!(io::stdout(), "{answer:#}")?;
    } else {
        io::stdout().write_all(lines::status_table(&status, Surface::of_stdout().width).as_bytes())?;
    }
    Ok(if status.ready { EXIT_OK } else { EXIT_BAD })
}

/// What is read; [`EXIT_BAD`] when a source is down.
async fn sources(client: &Client, json: bool) -> Result<u8, ClientError> {
    let answer: Value = client.get("/api/v1/sources").await?;
    let list = answer.get("sources").cloned().ok_or_else(|| client.bad_answer("no `sources`"))?;
    let sources: Vec<SourceStatus> =
        serde_json::from_value(list).map_err(|error| client.bad_answer(&error.to_string()))?;
    let text = if json { format!("{answer:#}\n") } else { lines::source_table(&sources, Surface::of_stdout().width) };
    io::stdout().write_all(text.as_bytes())?;
    let is_down = sources.iter().any(|source| source.state == SourceState::Down);
    Ok(if is_down { EXIT_BAD } else { EXIT_OK })
}

#[cfg(test)]
mod tests;
