//! The live screen: actors, rates and the newest SOC events.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, List, Paragraph, Row, Table};
use ratatui::{DefaultTerminal, Frame};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::exit::EXIT_OK;
use super::tail::Events;
use super::{Client, ClientError, lines};
use crate::detect::deceptive::escaped;
use crate::event::Stream;
use crate::server::gateway::{ActorState, Status};

const KEYS_EVERY: Duration = Duration::from_millis(50);
const STATUS_EVERY: Duration = Duration::from_secs(1);
const EVENTS_SHOWN_MAX: usize = 200;

/// What is on the screen.
#[derive(Default)]
struct Screen {
    status: Status,
    /// Events committed to each stream, and in each of the last seconds.
    totals: BTreeMap<String, f64>,
    rates: BTreeMap<String, f64>,
    measured: Option<Instant>,
    /// The newest first.
    events: VecDeque<Value>,
    /// Why what is shown is old.
    error: Option<String>,
}

/// Runs until `q`, Escape or Ctrl-C; the terminal is as before then, also after an error or a panic.
///
/// # Errors
/// No daemon answers at the start, or the terminal cannot be used.
pub async fn top(client: &Client) -> Result<u8, ClientError> {
    let mut screen = Screen::default();
    screen.update(client).await?;
    let mut terminal = ratatui::try_init()?;
    let result = watch(client, &mut terminal, &mut screen).await;
    ratatui::restore();
    result.map(|()| EXIT_OK)
}

async fn watch(client: &Client, terminal: &mut DefaultTerminal, screen: &mut Screen) -> Result<(), ClientError> {
    let (mut keys, mut polls) = (interval(KEYS_EVERY), interval(STATUS_EVERY));
    keys.set_missed_tick_behavior(MissedTickBehavior::Skip);
    polls.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut live = Events::open(client, Stream::SocEvents, "", None).await.ok();
    loop {
        tokio::select! {
            _ = keys.tick() => {
                if quit_was_pressed()? {
                    return Ok(());
                }
                terminal.draw(|frame| screen.draw(frame))?;
            }
            _ = polls.tick() => {
                screen.error = screen.update(client).await.err().map(|error| error.to_string());
                if live.is_none() {
                    live = Events::open(client, Stream::SocEvents, "", None).await.ok();
                }
            }
            event = next(&mut live) => match event {
                Some(event) => screen.show(serde_json::from_str(&event.data).unwrap_or_default()),
                None => live = None,
            },
        }
    }
}

async fn next(live: &mut Option<Events>) -> Option<super::tail::SseEvent> {
    match live {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

fn quit_was_pressed() -> std::io::Result<bool> {
    while event::poll(Duration::ZERO)? {
        let TerminalEvent::Key(key) = event::read()? else { continue };
        let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if key.kind == KeyEventKind::Press && (interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Screen {
    async fn update(&mut self, client: &Client) -> Result<(), ClientError> {
        self.status = client.get("/api/v1/status").await?;
        let metrics = client.get_bytes("/metrics").await?;
        self.measure(&String::from_utf8_lossy(&metrics));
        Ok(())
    }

    fn measure(&mut self, metrics: &str) {
        let totals = events_by_stream(metrics);
        let now = Instant::now();
        if let Some(measured) = self.measured.replace(now) {
            let seconds = now.duration_since(measured).as_secs_f64().max(0.001);
            let rate = |(stream, total): (&String, &f64)| {
                let before = self.totals.get(stream).copied().unwrap_or_default();
                (stream.clone(), (total - before).max(0.0) / seconds)
            };
            self.rates = totals.iter().map(rate).collect();
        }
        self.totals = totals;
    }

    fn show(&mut self, event: Value) {
        self.events.push_front(event);
        self.events.truncate(EVENTS_SHOWN_MAX);
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let actors_height = u16::try_from(self.status.actors.len()).unwrap_or(u16::MAX).saturating_add(3);
        let [head, parts, events] =
            Layout::vertical([Constraint::Length(1), Constraint::Max(actors_height.max(10)), Constraint::Min(3)])
                .areas(frame.area());
        let [actors, rates] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(1)]).areas(parts);
        frame.render_widget(self.headline(), head);
        frame.render_widget(self.actors(), actors);
        frame.render_widget(self.rates(), rates);
        frame.render_widget(self.list(), events);
    }

    fn headline(&self) -> Paragraph<'_> {
        let (text, color) = match (&self.error, self.status.ready) {
            (Some(error), _) => (escaped(error).into_owned(), Color::Red),
            (None, true) => ("ready".to_owned(), Color::Green),
            (None, false) => (escaped(&self.status.reasons.join("; ")).into_owned(), Color::Red),
        };
        let name = format!("dsmild {} {} ", escaped(&self.status.instance), escaped(&self.status.version));
        Paragraph::new(Line::from_iter([name.bold(), text.fg(color), "  q quits".dim()]))
    }

    fn actors(&self) -> Table<'_> {
        let rows = self.status.actors.iter().map(|actor| {
            let color = match actor.state {
                ActorState::Up => Color::Green,
                ActorState::Restarting => Color::Yellow,
                ActorState::Failed => Color::Red,
                ActorState::Stopped => Color::DarkGray,
            };
            let remarks = escaped(&actor.remarks()).into_owned();
            let [restarts, lag] = [actor.restarts, actor.lag_events].map(|number| number.to_string());
            let cells = [escaped(&actor.name).into_owned(), actor.state.name().to_owned(), restarts, lag, remarks];
            Row::new(cells).style(Style::new().fg(color))
        });
        let widths = [16, 10, 8, 8].map(Constraint::Length).into_iter().chain([Constraint::Fill(1)]);
        Table::new(rows, widths)
            .header(Row::new(["actor", "state", "restarts", "lag", "last error"]).bold())
            .block(Block::bordered().title(" actors "))
    }

    fn rates(&self) -> List<'_> {
        let rate = |(stream, rate): (&String, &f64)| format!("{:<11} {rate:>9.1}/s", escaped(stream));
        List::new(self.rates.iter().map(rate)).block(Block::bordered().title(" events "))
    }

    fn list(&self) -> List<'_> {
        let rows = self.events.iter().map(|event| {
            let color = match lines::field(event, "severity").as_str() {
                "CRITICAL" => Color::Magenta,
                "HIGH" => Color::Red,
                "MEDIUM" => Color::Yellow,
                "LOW" => Color::Cyan,
                _ => Color::Gray,
            };
            lines::event(event).fg(color)
        });
        List::new(rows).block(Block::bordered().title(" SOC events "))
    }
}

/// The values of `dsmil_events_total` in Prometheus text.
fn events_by_stream(metrics: &str) -> BTreeMap<String, f64> {
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix("dsmil_events_total{stream=\"")?.split_once("\"} "))
        .filter_map(|(stream, total)| Some((stream.to_owned(), total.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;
    use crate::server::gateway::ActorStatus;

    #[test]
    fn the_screen_shows_actors_rates_and_events_without_their_control_characters() {
        let mut screen = Screen::default();
        screen.status.actors.push(ActorStatus {
            name: "fusion".into(),
            state: ActorState::Up,
            ..ActorStatus::default()
        });
        screen.rates.insert("L3_IN".into(), 12.0);
        screen.show(json!({ "id": "1-0", "severity": "HIGH", "summary": "evil \u{1b}[2J" }));
        let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let shown: String = terminal.backend().buffer().content().iter().map(ratatui::buffer::Cell::symbol).collect();
        for part in ["fusion", "L3_IN            12.0/s", "HIGH", "evil \\u{1b}[2J"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains('\u{1b}'));
    }

    #[test]
    fn rates_follow_from_two_measurements() {
        let mut screen = Screen::default();
        screen.measure("dsmil_events_total{stream=\"L3_IN\"} 5\n");
        assert!(screen.rates.is_empty());
        screen.measure("# TYPE dsmil_events_total counter\ndsmil_events_total{stream=\"L3_IN\"} 9\n");
        assert!(screen.rates["L3_IN"] > 0.0);
    }
}
