//! Standard output as the commands that print events share it.

use std::io::{self, IsTerminal, Write};

use ratatui::crossterm::terminal;
use tokio::io::Interest;
use tokio::net::unix::pipe;

use super::ClientError;
use crate::detect::deceptive::{escaped_json, is_deceptive};
use crate::query::Filter;

/// ENXIO: a pipe without a reader cannot be opened for writing.
const NO_READER: i32 = 6;
/// A longer filter is not repeated in an error.
const SHOWN_CHARS: usize = 160;

/// Resolves when nobody reads standard output any more, as in `dsmild tail | head -1`: a write would show it as well, but
/// the next event may be long in coming. Never for what is no pipe.
pub async fn reader_gone() {
    // Opened anew, so that waiting for it changes nothing for those who write. Only a pipe can be.
    let is_gone = match pipe::OpenOptions::new().open_sender("/proc/self/fd/1") {
        Ok(out) => out.ready(Interest::ERROR).await.is_ok(),
        Err(error) => error.raw_os_error() == Some(NO_READER),
    };
    if !is_gone {
        std::future::pending::<()>().await;
    }
}

/// One event as one line of JSON, or as `text` says.
pub fn print_event(json: Option<&str>, text: impl FnOnce() -> String) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match json {
        Some(json) => writeln!(out, "{}", escaped_json(json)),
        None => writeln!(out, "{}", text()),
    }
}

/// What standard output can show.
#[derive(Debug, Clone, Copy)]
pub struct Surface {
    /// Columns of the terminal; `None` where it is no terminal.
    pub width: Option<usize>,
    pub has_colours: bool,
}

impl Surface {
    pub fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let width = || terminal::size().ok().map(|(columns, _)| usize::from(columns)).filter(|width| *width > 0);
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width: is_terminal.then(width).flatten(), has_colours: is_terminal && !unwanted }
    }
}

/// # Errors
/// The filter cannot be read: its text follows with a mark at the place.
pub fn check_filter(filter: Option<&str>) -> Result<(), ClientError> {
    let Some(text) = filter else { return Ok(()) };
    text.parse::<Filter>().map(|_| ()).map_err(|error| {
        let can_be_shown = text.chars().count() <= SHOWN_CHARS && !text.chars().any(is_deceptive);
        let place = format!("\n    {text}\n    {:>column$}", "^", column = error.column);
        ClientError::Arguments(format!("--where: {error}{}", if can_be_shown { place.as_str() } else { "" }))
    })
}
