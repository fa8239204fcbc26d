//! Actors, sources and outlets as lines of one table: what is wrong stands first. Pure.

use ratatui::style::Color;

use crate::server::gateway::{ActorState, ActorStatus, OutletStatus, SourceState, SourceStatus, Status};

/// One line. Its texts are not yet made safe for a terminal.
pub struct Part {
    pub kind: &'static str,
    pub name: String,
    pub state: &'static str,
    /// Events that it has not handled, or seconds that it is behind.
    pub lag: String,
    /// Restarts, or events a second.
    pub pace: String,
    pub remarks: String,
    pub color: Color,
    is_wrong: bool,
}

pub fn parts(status: &Status) -> Vec<Part> {
    let actors = status.actors.iter().map(of_actor);
    let sources = status.sources.iter().map(of_source);
    let mut parts: Vec<Part> = actors.chain(sources).chain(status.outlets.iter().map(of_outlet)).collect();
    parts.sort_by_key(|part| !part.is_wrong);
    parts
}

fn of_actor(actor: &ActorStatus) -> Part {
    let color = match actor.state {
        ActorState::Up => Color::Green,
        ActorState::Restarting => Color::Yellow,
        ActorState::Failed => Color::Red,
        ActorState::Stopped => Color::DarkGray,
    };
    let restarts = if actor.restarts == 0 { String::new() } else { format!("{} restarts", actor.restarts) };
    Part {
        kind: "actor",
        name: actor.name.clone(),
        state: actor.state.name(),
        lag: actor.lag_events.to_string(),
        pace: restarts,
        remarks: actor.remarks(),
        color,
        is_wrong: actor.state != ActorState::Up,
    }
}

fn of_source(source: &SourceStatus) -> Part {
    let color = match source.state {
        SourceState::Up => Color::Green,
        SourceState::Waiting => Color::DarkGray,
        SourceState::Down => Color::Red,
    };
    Part {
        kind: "source",
        name: source.name.clone(),
        state: source.state.name(),
        lag: source.lag_s.map(|lag| format!("{lag:.1}s")).unwrap_or_default(),
        pace: format!("{:.1}/s", source.rate),
        remarks: source.last_error.clone().unwrap_or_default(),
        color,
        is_wrong: source.state == SourceState::Down,
    }
}

fn of_outlet(outlet: &OutletStatus) -> Part {
    let (state, color) = if outlet.up { ("up", Color::Green) } else { ("down", Color::Red) };
    Part {
        kind: "outlet",
        name: outlet.name.clone(),
        state,
        lag: outlet.lag_events.to_string(),
        pace: String::new(),
        remarks: outlet.last_error.clone().or_else(|| outlet.progress.clone()).unwrap_or_default(),
        color,
        is_wrong: !outlet.up,
    }
}
