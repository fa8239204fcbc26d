//! Answers of the daemon as text for a terminal. Everything in them is untrusted.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

use super::columns;
use crate::detect::deceptive::escaped;
use crate::event::Timestamp;
use crate::server::gateway::{ActorStatus, FeedStatus, OutletStatus, SourceState, SourceStatus, Status};

/// Longest summary or payload on a line.
const TEXT_CHARS_MAX: usize = 300;

/// `width` is that of the terminal, here and below; `None` where it is none.
pub fn status_table(status: &Status, width: Option<usize>) -> String {
    let mut text = format!("{}\n", sentence(status));
    for reason in &status.reasons {
        let _ = writeln!(text, "  {}", escaped(reason));
    }
    for warning in &status.warnings {
        let _ = writeln!(text, "  warning: {}", escaped(warning));
    }
    let rows = status.actors.iter().map(actor_row);
    table(&mut text, width, ["ACTOR", "STATE", "RESTARTS", "LAG", "LAST ERROR"], rows);
    table(&mut text, width, SOURCE_HEADS, status.sources.iter().map(source_row));
    table(&mut text, width, ["OUTLET", "STATE", "", "LAG", "LAST ERROR"], status.outlets.iter().map(outlet_row));
    let store = &status.store;
    let last = store.last_id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let [bytes, max] = [store.bytes, store.max_bytes].map(bytesize::ByteSize::b);
    let _ = writeln!(text, "\nstore   {bytes} of {max}, newest event {last}");
    let age = status.shrink.age_s.map_or_else(|| "never seen".to_owned(), |age| format!("{} old", duration(age)));
    let _ = writeln!(text, "shrink  {}, {age}", format!("{:?}", status.shrink.state).to_lowercase());
    let _ = writeln!(text, "respond mode {}", status.respond.name());
    let path = status.config.path.as_deref().unwrap_or("built-in defaults");
    let reload = status.config.last_reload.as_deref().unwrap_or("none");
    let _ = writeln!(
        text,
        "config  {}, loaded {}, last reload: {}",
        escaped(path),
        escaped(&status.config.loaded_at),
        escaped(reload)
    );
    text
}

/// How the daemon is, as one would say it.
fn sentence(status: &Status) -> String {
    let state = if status.ready { "ready" } else { "NOT READY" };
    let (instance, version) = (escaped(&status.instance), escaped(&status.version));
    let down = status.sources.iter().filter(|source| source.state == SourceState::Down).count();
    let sources = match (status.sources.len(), down) {
        (0, _) => "nothing is read".to_owned(),
        (1, 0) => "its one source is read".to_owned(),
        (all, 0) => format!("all {all} sources are read"),
        (all, down) => format!("{down} of {all} sources NOT read"),
    };
    let behind = status.outlets.iter().filter(|outlet| !outlet.up).map(|outlet| {
        let lag = outlet.lag_events;
        format!("{} is DOWN with {lag} events waiting", escaped(&outlet.name))
    });
    let outlets: Vec<String> = behind.collect();
    let outlets = if outlets.is_empty() { String::new() } else { format!("; {}", outlets.join("; ")) };
    format!("{instance} is {state}: {sources}{outlets} (dsmild {version}, up {})", duration(status.uptime_s))
}

/// All sources and nothing else.
pub fn source_table(sources: &[SourceStatus], width: Option<usize>) -> String {
    list("sources", width, SOURCE_HEADS, sources.iter().map(source_row))
}

/// A table that stands by itself, or that there are none of these.
pub fn list<const N: usize>(
    of: &str,
    width: Option<usize>,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut text = String::new();
    table(&mut text, width, heads, rows);
    if text.is_empty() { format!("no {of}\n") } else { text.trim_start().to_owned() }
}

const SOURCE_HEADS: [&str; 7] = ["SOURCE", "STATE", "EVENTS", "LAST", "RATE", "LAG", "LAST ERROR"];

fn actor_row(actor: &ActorStatus) -> [String; 5] {
    let mark = if actor.critical { "*" } else { "" };
    [
        format!("{}{mark}", actor.name),
        actor.state.name().to_owned(),
        actor.restarts.to_string(),
        actor.lag_events.to_string(),
        actor.remarks(),
    ]
}

fn source_row(source: &SourceStatus) -> [String; 7] {
    if let Some(feed) = &source.feed {
        return feed_row(source, feed);
    }
    [
        source.name.clone(),
        source.state.name().to_owned(),
        source.events.to_string(),
        source.last_event.clone().unwrap_or_default(),
        format!("{:.1}/s", source.rate),
        source.lag_s.map(duration).unwrap_or_default(),
        source.last_error.clone().unwrap_or_default(),
    ]
}

/// Of a list that is fetched: its indicators, when it came, and how long ago the server last confirmed it.
fn feed_row(source: &SourceStatus, feed: &FeedStatus) -> [String; 7] {
    let confirmed = feed.confirmed.as_ref().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let age = confirmed.map(|time| jiff::Timestamp::now().duration_since(time).as_secs_f64().max(0.0));
    [
        source.name.clone(),
        source.state.name().to_owned(),
        feed.entries.to_string(),
        feed.fetched.clone().unwrap_or_default(),
        String::new(),
        age.map(duration).unwrap_or_default(),
        source.last_error.clone().unwrap_or_default(),
    ]
}

fn outlet_row(outlet: &OutletStatus) -> [String; 5] {
    [
        outlet.name.clone(),
        up_or_down(outlet.up),
        String::new(),
        outlet.lag_events.to_string(),
        outlet.last_error.clone().unwrap_or_default(),
    ]
}

fn up_or_down(up: bool) -> String {
    if up { "up" } else { "down" }.to_owned()
}

fn duration(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    if whole < 10 {
        format!("{seconds:.1}s")
    } else {
        humantime::format_duration(std::time::Duration::from_secs(whole)).to_string()
    }
}

/// With an empty line before it; nothing at all when there are no rows.
fn table<const N: usize>(
    text: &mut String,
    width: Option<usize>,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let rows: Vec<[String; N]> = rows.map(|row| row.map(|cell| shortened(&cell))).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n{}", columns::table(heads, &rows, width));
    }
}

/// One event of a stream on one line.
pub fn event(event: &Value) -> String {
    let ts = time(event, "ts");
    let mut line = format!("{} {ts} ", field(event, "id"));
    if event.get("payload").is_some() {
        let _ = write!(line, "{} {}", field(event, "source"), field(event, "payload"));
    } else if event.get("severity").is_some() {
        let _ = write!(line, "{:<8} {:<8} ", field(event, "severity"), field(event, "category"));
        let _ = write!(line, "{} {:.2} {}", field(event, "src_device"), score(event), field(event, "summary"));
        describe(&mut line, event);
    } else if event.get("decision").is_some() {
        let _ = write!(line, "{:<10} {:.2} {}", field(event, "decision"), score(event), field(event, "model"));
        describe(&mut line, event);
    } else {
        let _ = write!(line, "{} {}", field(event, "values"), field(event, "failure"));
    }
    line.trim_end().to_owned()
}

/// A SOC event on one line that may be short: what it says comes first, its id last.
pub fn brief(event: &Value) -> String {
    let ts = time(event, "ts");
    let ts = ts.get(5..19).unwrap_or(&ts).replace('T', " ");
    let (severity, summary) = (field(event, "severity"), field(event, "summary"));
    let mut line = format!("{ts} {severity:<8} {:>2} {summary}", field(event, "src_device"));
    describe(&mut line, event);
    let _ = write!(line, " id={}", field(event, "id"));
    line
}

fn describe(line: &mut String, event: &Value) {
    for (key, value) in event.get("entity").and_then(Value::as_object).into_iter().flatten() {
        let _ = write!(line, " {}={}", escaped(key), text_of(value));
    }
    for key in ["flags", "attack", "reasons"] {
        if event.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            let _ = write!(line, " {key}={}", field(event, key));
        }
    }
}

fn score(event: &Value) -> f64 {
    event.get("score").and_then(Value::as_f64).unwrap_or_default()
}

/// Epoch seconds as RFC 3339.
pub fn time(event: &Value, name: &str) -> String {
    event.get(name).and_then(Value::as_f64).and_then(Timestamp::from_seconds).unwrap_or_default().to_string()
}

pub fn field(event: &Value, name: &str) -> String {
    event.get(name).map(text_of).unwrap_or_default()
}

pub fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => shortened(text),
        other => shortened(&other.to_string()),
    }
}

fn shortened(text: &str) -> String {
    let text: Cow<'_, str> = escaped(text);
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::server::gateway::ActorState;

    #[test]
    fn an_event_is_one_line_and_cannot_move_the_cursor() {
        let soc = json!({ "id": "1-0", "ts": 0.0, "severity": "HIGH", "category": "AUTH", "src_device": 52, "score": 0.8,
            "summary": "evil\n\x1b[2J", "entity": { "user": "a\rb" }, "reasons": ["r1"], "flags": [] });
        assert_eq!(
            event(&soc),
            "1-0 1970-01-01T00:00:00Z HIGH     AUTH     52 0.80 evil\\n\\u{1b}[2J user=a\\rb reasons=[\"r1\"]"
        );
    }

    #[test]
    fn a_brief_line_begins_with_when_how_bad_and_what() {
        let soc = json!({ "id": "1-0", "ts": 1_763_856_000.123, "severity": "HIGH", "src_device": 52, "summary": "evil\n", "entity": { "user": "a" } });
        assert_eq!(brief(&soc), "11-23 00:00:00 HIGH     52 evil\\n user=a id=1-0");
    }

    #[test]
    fn the_first_sentence_says_what_is_read_and_who_is_behind() {
        let source = |state: SourceState| SourceStatus { state, ..SourceStatus::default() };
        let outlet =
            |name: &str, up: bool| OutletStatus { name: name.into(), up, lag_events: 7, ..OutletStatus::default() };
        let said = |sources: &[SourceState], outlets: &[(&str, bool)]| {
            let sources = sources.iter().copied().map(source).collect();
            let outlets = outlets.iter().map(|(name, up)| outlet(name, *up)).collect();
            sentence(&Status { instance: "atlas".into(), ready: true, sources, outlets, ..Status::default() })
        };
        use SourceState::{Down, Up, Waiting};
        assert!(
            said(&[Up, Waiting], &[("mirror", true)]).starts_with("atlas is ready: all 2 sources are read (dsmild")
        );
        assert!(said(&[Up, Down], &[]).contains("1 of 2 sources NOT read"));
        assert!(said(&[Up], &[("loki", false)]).contains("one source is read; loki is DOWN with 7 events waiting"));
        assert!(said(&[], &[]).contains("nothing is read"));
    }

    #[test]
    fn the_table_names_every_actor_and_why_the_daemon_is_not_ready() {
        let mut status = Status { reasons: vec!["actor l3 is failed".into()], ..Status::default() };
        status.actors.push(ActorStatus {
            name: "l3".into(),
            state: ActorState::Failed,
            critical: true,
            refused_outputs: 3,
            last_error: Some("boom\nboom".into()),
            ..ActorStatus::default()
        });
        let text = status_table(&status, None);
        for part in ["NOT READY", "actor l3 is failed", "l3*    failed  0         0    boom\\nboom; 3 outputs refused"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
