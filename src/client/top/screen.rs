//! What is on the screen, and how it is laid out on a terminal of any size. Everything that the daemon says is untrusted.

use std::collections::{BTreeMap, VecDeque};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, List, Paragraph, Row, Table};
use serde_json::Value;
use tokio::time::Instant;

use super::keys::Key;
use super::parts::parts;
use crate::client::lines;
use crate::detect::deceptive::escaped;
use crate::event::{EventId, ShrinkState};
use crate::limits::EVENTS_SHOWN_MAX;
use crate::server::gateway::Status;

/// Of the lines of the screen, this part is at most for the table of the parts.
const PARTS_SHARE: u16 = 3;
/// With so many columns there is room for what the status says of the last error.
const WIDE: u16 = 110;

#[derive(Default)]
pub struct Screen {
    pub status: Status,
    /// Events committed to each stream, and in each of the last seconds.
    totals: BTreeMap<String, f64>,
    rates: BTreeMap<String, f64>,
    measured: Option<Instant>,
    /// The newest first.
    events: VecDeque<Value>,
    /// Why what is shown is old.
    pub error: Option<String>,
    /// Keys move in the table of parts, not among the events.
    is_in_parts: bool,
    /// The first line that is shown of each.
    first_part: usize,
    first_event: usize,
    /// Lines that each had room for.
    part_lines: usize,
    event_lines: usize,
}

impl Screen {
    pub fn measure(&mut self, metrics: &str) {
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

    /// Who has scrolled to something goes on looking at it.
    pub fn show(&mut self, event: Value) {
        self.events.push_front(event);
        self.events.truncate(EVENTS_SHOWN_MAX);
        if self.first_event > 0 {
            self.first_event += 1;
        }
    }

    pub fn newest(&self) -> Option<EventId> {
        self.events.front()?.get("id")?.as_str()?.parse().ok()
    }

    pub fn press(&mut self, key: Key) {
        let (first, lines, all) = match self.is_in_parts {
            true => (&mut self.first_part, self.part_lines, parts(&self.status).len()),
            false => (&mut self.first_event, self.event_lines, self.events.len()),
        };
        let page = i64::try_from(lines.max(2) - 1).unwrap_or(1);
        let by = |lines: i64| first.saturating_add_signed(isize::try_from(lines).unwrap_or_default());
        *first = match key {
            Key::By(lines) => by(lines),
            Key::Pages(pages) => by(pages.saturating_mul(page)),
            Key::First => 0,
            Key::Last => all,
            Key::Other | Key::Quit => *first,
        }
        .min(all.saturating_sub(lines));
        if key == Key::Other {
            self.is_in_parts = !self.is_in_parts;
        }
    }

    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let all = u16::try_from(parts(&self.status).len()).unwrap_or(u16::MAX);
        let most = (area.height / PARTS_SHARE).max(5);
        let heights = [
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(all.saturating_add(3).min(most)),
            Constraint::Min(3),
            Constraint::Length(1),
        ];
        let [head, rates, operator, parts_area, events_area, help] = Layout::vertical(heights).areas(area);
        self.part_lines = usize::from(parts_area.height.saturating_sub(3));
        self.event_lines = usize::from(events_area.height.saturating_sub(2));
        self.first_part = self.first_part.min(usize::from(all).saturating_sub(self.part_lines));
        self.first_event = self.first_event.min(self.events.len().saturating_sub(self.event_lines));
        frame.render_widget(self.headline(), head);
        frame.render_widget(self.rates(), rates);
        frame.render_widget(self.operator(), operator);
        frame.render_widget(self.parts(parts_area), parts_area);
        frame.render_widget(self.list(), events_area);
        frame.render_widget(Paragraph::new("q quits  ↑↓ PgUp PgDn Home End scroll  Tab the other list").dim(), help);
    }

    fn headline(&self) -> Paragraph<'_> {
        let (text, color) = match (&self.error, self.status.ready) {
            (Some(error), _) => (escaped(error).into_owned(), Color::Red),
            (None, true) if self.status.warnings.is_empty() => ("ready".to_owned(), Color::Green),
            (None, true) => (format!("ready, but {}", escaped(&self.status.warnings.join("; "))), Color::Yellow),
            (None, false) => (format!("NOT READY: {}", escaped(&self.status.reasons.join("; "))), Color::Red),
        };
        let name = format!("dsmild {} {} ", escaped(&self.status.instance), escaped(&self.status.version));
        Paragraph::new(Line::from_iter([name.bold(), text.fg(color)]))
    }

    /// Of streams that nothing comes to, nothing is said.
    fn rates(&self) -> Paragraph<'_> {
        let comes = self.rates.iter().filter(|(stream, rate)| **rate > 0.0 || *stream == "SOC_EVENTS");
        let rates: Vec<String> = comes.map(|(stream, rate)| format!("{} {rate:.1}/s", escaped(stream))).collect();
        Paragraph::new(rates.join("  "))
    }

    fn operator(&self) -> Paragraph<'_> {
        let shrink = &self.status.shrink;
        let (state, color) = match shrink.state {
            ShrinkState::Fresh => ("fresh", Color::Green),
            ShrinkState::Stale => ("stale", Color::Yellow),
            ShrinkState::Down => ("down", Color::DarkGray),
        };
        let age = shrink.age_s.map(|age| format!(" {age:.0}s old")).unwrap_or_default();
        let values = shrink.values.iter().map(|(name, value)| format!("  {} {value:.2}", escaped(name)));
        let values: String = values.collect();
        let store = &self.status.store;
        let [bytes, max] = [store.bytes, store.max_bytes].map(bytesize::ByteSize::b);
        let store = format!("store {bytes} of {max}  SHRINK ");
        Paragraph::new(Line::from_iter([Span::raw(store), state.fg(color), Span::raw(age), Span::raw(values)]))
    }

    fn parts(&self, area: Rect) -> Table<'static> {
        let is_wide = area.width >= WIDE;
        let all = parts(&self.status);
        let title = format!(" parts{} ", place(self.first_part, self.part_lines, all.len()));
        let rows = all.into_iter().skip(self.first_part).map(|part| {
            let [name, remarks] = [&part.name, &part.remarks].map(|text| escaped(text).into_owned());
            let cells = [part.kind.to_owned(), name, part.state.to_owned(), part.lag, part.pace, remarks];
            Row::new(cells).style(Style::new().fg(part.color))
        });
        let widths = match is_wide {
            true => [6, 40, 10, 9, 11].map(Constraint::Length),
            false => [6, 22, 10, 8, 11].map(Constraint::Length),
        };
        let widths = widths.into_iter().chain([Constraint::Fill(1)]);
        Table::new(rows, widths)
            .header(Row::new(["", "name", "state", "lag", "pace", "last error"]).bold())
            .block(framed(title, self.is_in_parts))
    }

    fn list(&self) -> List<'_> {
        let rows = self.events.iter().skip(self.first_event).take(self.event_lines).map(|event| {
            let color = match lines::field(event, "severity").as_str() {
                "CRITICAL" => Color::Magenta,
                "HIGH" => Color::Red,
                "MEDIUM" => Color::Yellow,
                "LOW" => Color::Cyan,
                _ => Color::Gray,
            };
            lines::brief(event).fg(color)
        });
        let title =
            format!(" SOC events, the newest first{} ", place(self.first_event, self.event_lines, self.events.len()));
        List::new(rows).block(framed(title, !self.is_in_parts))
    }
}

/// Which lines are shown, where it is not all of them.
fn place(first: usize, lines: usize, all: usize) -> String {
    if all <= lines { String::new() } else { format!(", {} to {} of {all}", first + 1, (first + lines).min(all)) }
}

/// Keys move in the one with the thick frame.
fn framed(title: String, is_chosen: bool) -> Block<'static> {
    let block = Block::bordered().title(title);
    if is_chosen { block.border_type(ratatui::widgets::BorderType::Thick) } else { block }
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
    use crate::server::gateway::{ActorState, ActorStatus, SourceState, SourceStatus};

    fn drawn(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let cells: Vec<&str> =
            terminal.backend().buffer().content().iter().map(ratatui::buffer::Cell::symbol).collect();
        cells.chunks(usize::from(width)).map(<[&str]>::concat).collect()
    }

    fn with_parts(count: usize) -> Screen {
        let mut screen = Screen::default();
        for number in 0..count {
            let name = format!("device-{number}");
            screen.status.actors.push(ActorStatus { name, state: ActorState::Up, ..ActorStatus::default() });
        }
        let down = SourceStatus {
            name: "file:/var/log/auth.log".into(),
            state: SourceState::Down,
            last_error: Some("no such file \u{1b}[2J".into()),
            ..SourceStatus::default()
        };
        screen.status.sources.push(down);
        screen.rates.insert("L3_IN".into(), 12.0);
        screen
    }

    #[test]
    fn the_screen_shows_parts_rates_and_events_without_their_control_characters() {
        let mut screen = with_parts(3);
        screen.show(json!({ "id": "1-0", "severity": "HIGH", "summary": "evil \u{1b}[2J" }));
        let shown = drawn(&mut screen, 120, 30).concat();
        for part in ["device-0", "L3_IN 12.0/s", "HIGH", "evil \\u{1b}[2J", "no such file", "SHRINK down", "store "] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains('\u{1b}'));
    }

    #[test]
    fn what_is_wrong_stands_first_and_events_have_most_of_a_small_terminal() {
        for (width, height) in [(80, 24), (200, 60), (40, 12), (20, 6), (1, 1)] {
            let mut screen = with_parts(25);
            (0..100).for_each(|n| screen.show(json!({ "id": format!("{n}-0"), "severity": "LOW", "summary": "x" })));
            let lines = drawn(&mut screen, width, height);
            if height < 24 {
                continue;
            }
            let events = lines.iter().filter(|line| line.contains("01-01 00:00:00 LOW")).count();
            assert!(events >= usize::from(height) / 3, "{width}x{height}: {lines:#?}");
            let first = lines.iter().position(|line| line.contains("file:/var")).unwrap();
            assert!(lines.iter().position(|line| line.contains("device-0")).is_none_or(|place| first < place));
        }
    }

    #[test]
    fn who_has_scrolled_to_an_event_goes_on_looking_at_it_and_nobody_scrolls_beyond_the_last() {
        let mut screen = with_parts(25);
        (0..100).for_each(|n| screen.show(json!({ "id": format!("{n}-0"), "severity": "LOW", "summary": "x" })));
        let first = |screen: &mut Screen| {
            let lines = drawn(screen, 80, 24);
            lines.into_iter().find(|line| line.contains("01-01 00:00:00 LOW")).unwrap()
        };
        assert!(first(&mut screen).contains("id=99-0"));
        screen.press(Key::By(10));
        assert!(first(&mut screen).contains("id=89-0"));
        screen.show(json!({ "id": "100-0", "severity": "LOW", "summary": "x" }));
        assert!(first(&mut screen).contains("id=89-0"));
        screen.press(Key::Last);
        let lines = drawn(&mut screen, 80, 24);
        assert!(lines.iter().any(|line| line.contains("id=0-0")), "{lines:#?}");
        screen.press(Key::Pages(3));
        assert_eq!(drawn(&mut screen, 80, 24), lines);
        screen.press(Key::First);
        assert!(first(&mut screen).contains("id=100-0"));
        screen.press(Key::Other);
        screen.press(Key::Last);
        assert!(drawn(&mut screen, 80, 24).iter().any(|line| line.contains("device-24")));
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
