//! The live screen: how every part is, what comes and how fast, the operator's state, and the newest SOC events.

mod keys;
mod parts;
mod screen;

use std::io::IsTerminal;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent};
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use self::keys::Key;
use self::screen::Screen;
use super::exit::EXIT_OK;
use super::tail::Events;
use super::{Client, ClientError};
use crate::event::{EventId, Stream};
use crate::limits::EVENTS_SHOWN_MAX;

const KEYS_EVERY: Duration = Duration::from_millis(50);
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Runs until `q`, Escape or Ctrl-C; the terminal is as before then, also after an error or a panic.
///
/// # Errors
/// No daemon answers at the start, or the terminal cannot be used.
pub async fn top(client: &Client) -> Result<u8, ClientError> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let text = "top needs a terminal; `dsmild status` and `dsmild events` print the same once";
        return Err(ClientError::Arguments(text.to_owned()));
    }
    let mut screen = Screen::default();
    update(client, &mut screen).await?;
    let newest: Value = client.get(&format!("/api/v1/events?count={EVENTS_SHOWN_MAX}")).await?;
    newest
        .get("events")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .rev()
        .for_each(|event| screen.show(event.clone()));
    let mut terminal = ratatui::try_init()?;
    let result = watch(client, &mut terminal, &mut screen).await;
    ratatui::restore();
    result.map(|()| EXIT_OK)
}

async fn watch(client: &Client, terminal: &mut DefaultTerminal, screen: &mut Screen) -> Result<(), ClientError> {
    let (mut keys, mut polls) = (interval(KEYS_EVERY), interval(STATUS_EVERY));
    keys.set_missed_tick_behavior(MissedTickBehavior::Skip);
    polls.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut live = follow(client, screen.newest()).await;
    loop {
        tokio::select! {
            _ = keys.tick() => {
                if pressed(screen)? {
                    return Ok(());
                }
                terminal.draw(|frame| screen.draw(frame))?;
            }
            _ = polls.tick() => {
                screen.error = update(client, screen).await.err().map(|error| error.to_string());
                if live.is_none() {
                    live = follow(client, screen.newest()).await;
                }
            }
            event = next(&mut live) => match event {
                Some(event) if event.kind.is_empty() => {
                    screen.show(serde_json::from_str(&event.data).unwrap_or_default());
                }
                // Such as that some are gone already.
                Some(_) => {}
                None => live = None,
            },
        }
    }
}

/// Behind the last event that is shown: none is missing after a restart of the daemon.
async fn follow(client: &Client, after: Option<EventId>) -> Option<Events> {
    let after = after.map(|id| id.to_string());
    Events::open(client, Stream::SocEvents, "", after.as_deref()).await.ok()
}

async fn next(live: &mut Option<Events>) -> Option<super::tail::SseEvent> {
    match live {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn update(client: &Client, screen: &mut Screen) -> Result<(), ClientError> {
    screen.status = client.get("/api/v1/status").await?;
    let metrics = client.get_bytes("/metrics").await?;
    screen.measure(&String::from_utf8_lossy(&metrics));
    Ok(())
}

/// Whether it is to end.
fn pressed(screen: &mut Screen) -> std::io::Result<bool> {
    while event::poll(Duration::ZERO)? {
        let TerminalEvent::Key(key) = event::read()? else { continue };
        match Key::of(key) {
            Some(Key::Quit) => return Ok(true),
            Some(key) => screen.press(key),
            None => {}
        }
    }
    Ok(false)
}
