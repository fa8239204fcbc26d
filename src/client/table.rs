//! SOC events as rows of a table that fits the terminal. Everything in them is untrusted.

use serde_json::Value;

use super::columns::{columns, fitted};
use super::lines::{field, text_of};
use super::output::Surface;
use crate::event::Timestamp;

const TIME: usize = 20;
const SEVERITY: usize = 8;
const FROM: usize = 5;
const WHO_MIN: usize = 12;
const WHO_MAX: usize = 40;
const ID: usize = 18;
/// From this width on, and where there is none, ids are shown: `dsmild explain` asks for one.
const ID_FROM: usize = 120;

pub struct Table {
    surface: Surface,
    has_ids: bool,
    who: usize,
}

impl Table {
    pub fn new(surface: Surface) -> Self {
        let has_ids = surface.width.is_none_or(|width| width >= ID_FROM);
        let who = surface.width.map_or(WHO_MAX, |width| (width / 4).clamp(WHO_MIN, WHO_MAX));
        Self { surface, has_ids, who }
    }

    pub fn head(&self) -> String {
        self.line("ID", "TIME", "SEVERITY", "FROM", "WHO", "SUMMARY")
    }

    pub fn row(&self, event: &Value) -> String {
        let layer = field(event, "src_layer");
        let device = event.get("src_device").and_then(Value::as_u64).filter(|device| *device > 0);
        let from = device.map_or_else(|| format!("L{layer}"), |device| format!("L{layer}/{device}"));
        let [id, severity, mut summary] = ["id", "severity", "summary"].map(|name| field(event, name));
        if event.get("silence_id").is_some_and(Value::is_string) {
            summary.insert_str(0, "[silenced] ");
        }
        self.line(&id, &time(event), &severity, &from, &who(event), &summary)
    }

    fn line(&self, id: &str, time: &str, severity: &str, from: &str, who: &str, summary: &str) -> String {
        let mut line = String::new();
        let mut left = self.surface.width;
        let mut cell = |text: &str, width: usize, colour: &str| {
            let width = left.map_or(width, |left| width.min(left));
            let text = fitted(text, width);
            let padding = " ".repeat(width.saturating_sub(columns(&text)));
            let (colour, end) = if colour.is_empty() || text.is_empty() { ("", "") } else { (colour, "\u{1b}[0m") };
            line.push_str(&format!("{colour}{text}{end}{padding}  "));
            left = left.map(|left| left.saturating_sub(width + 2));
        };
        if self.has_ids {
            cell(id, ID, "");
        }
        cell(time, TIME, "");
        cell(severity, SEVERITY, if self.surface.has_colours { colour(severity) } else { "" });
        cell(from, FROM, "");
        cell(who, self.who, "");
        match left {
            Some(left) => line.push_str(&fitted(summary, left)),
            None => line.push_str(summary),
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// A word beside it always says the same.
fn colour(severity: &str) -> &'static str {
    match severity {
        "CRITICAL" => "\u{1b}[1;31m",
        "HIGH" => "\u{1b}[31m",
        "MEDIUM" => "\u{1b}[33m",
        "LOW" => "\u{1b}[36m",
        _ => "",
    }
}

fn time(event: &Value) -> String {
    let seconds = event.get("ts").and_then(Value::as_f64).map(f64::floor);
    seconds.and_then(Timestamp::from_seconds).map_or_else(String::new, |time| time.to_string())
}

/// The user and where from and where to; what else the event is about where it names neither.
fn who(event: &Value) -> String {
    let part = |name: &str| event.get("entity").and_then(|entity| entity.get(name)).map(text_of).unwrap_or_default();
    let first = |names: &[&str]| names.iter().map(|name| part(name)).find(|text| !text.is_empty());
    let parts = [first(&["user"]), first(&["src_ip"]), first(&["dst_ip", "host"])];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() { first(&["domain", "process", "file"]).unwrap_or_default() } else { known.join(" ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(summary: &str) -> Value {
        json!({ "id": "1763856000123-4", "ts": 1_763_856_000.9, "severity": "HIGH", "src_layer": "8", "src_device": 57,
            "summary": summary, "entity": { "user": "root", "src_ip": "203.0.113.7", "host": "atlas" } })
    }

    fn table(width: Option<usize>, has_colours: bool) -> Table {
        Table::new(Surface { width, has_colours })
    }

    #[test]
    fn a_row_fits_the_terminal_whatever_is_in_it() {
        for summary in ["short", &"long ".repeat(100), &"宽".repeat(200), "a\u{301}\u{202e}\n\x1b[2J"] {
            for width in [1, 30, 60, 80, 120, 200] {
                let row = table(Some(width), false).row(&event(summary));
                assert!(columns(&row) <= width, "{width}: {row}");
                assert!(!row.chars().any(crate::detect::deceptive::is_deceptive), "{row:?}");
            }
        }
    }

    #[test]
    fn what_is_no_terminal_gets_ids_whole_summaries_and_no_colours() {
        let summary = "word ".repeat(50);
        let row = table(None, false).row(&event(&summary));
        assert!(
            row.starts_with("1763856000123-4     2025-11-23T00:00:00Z  HIGH      L8/57  root 203.0.113.7 atlas"),
            "{row}"
        );
        assert!(row.ends_with(summary.trim_end()), "{row}");
        assert_eq!(table(None, false).head().find("SEVERITY"), row.find("HIGH"));
    }

    #[test]
    fn what_is_silenced_is_shown_as_that() {
        let mut silenced = event("x");
        silenced["silence_id"] = "1-0".into();
        assert!(table(None, false).row(&silenced).ends_with("  [silenced] x"));
        assert!(!table(None, false).row(&event("x")).contains("silenced"));
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        let coloured = table(Some(80), true).row(&event("x"));
        assert!(coloured.contains("\u{1b}[31mHIGH\u{1b}[0m"), "{coloured:?}");
        let plain = coloured.replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
        assert_eq!(plain, table(Some(80), false).row(&event("x")));
    }
}
