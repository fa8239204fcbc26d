//! One event as one line. Pure.

use super::{Config, Format};
use crate::detect::deceptive::escaped_json;
use crate::event::{Body, Event, Soc, stream, wire};
use crate::layer::one_line;

/// None for an event that the configuration leaves out.
pub fn line(event: &Event, config: &Config) -> Option<String> {
    let json = || escaped_json(&wire::to_text(event)).into_owned();
    let Body::Soc(soc) = &event.body else { return Some(json()) };
    if soc.severity < config.min_severity {
        return None;
    }
    Some(match config.format {
        Format::Json => json(),
        Format::Text => text(event, soc),
    })
}

/// One SOC event for a person.
fn text(event: &Event, soc: &Soc) -> String {
    let who = if soc.producer() == stream::FUSION {
        format!("layer {}", soc.src_layer)
    } else {
        format!("device {}", soc.src_device)
    };
    let flags = if soc.flags.is_empty() { String::new() } else { format!("  [{}]", soc.flags.join(" ")) };
    format!(
        "{}  {:8}  {:8}  {:9}  {}{flags}",
        event.ts(),
        soc.severity.name(),
        soc.category.name(),
        who,
        one_line(&soc.summary)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, Severity, Stream, Times, Timestamp};

    fn event(severity: Severity, summary: &str) -> Event {
        let soc = Soc { severity, summary: summary.into(), src_layer: "3".into(), ..Soc::default() };
        let id = EventId::new(7, 1);
        let body = Body::Soc(Box::new(soc));
        Event { id, stream: Stream::SocEvents, times: Times::at(Timestamp::from_millis(1500)), root: id, body }
    }

    #[test]
    fn a_line_of_json_is_the_event_as_everybody_else_sees_it() {
        let high = event(Severity::High, "two\nlines\u{202e}");
        let line = line(&high, &Config::default()).unwrap();
        assert!(!line.contains(['\n', '\u{202e}']), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), wire::to_json(&high));
    }

    #[test]
    fn what_is_below_the_severity_is_left_out_and_text_stays_on_its_line() {
        let config = Config::for_a_person();
        assert_eq!(line(&event(Severity::Info, "x"), &config), None);
        let text = line(&event(Severity::Low, "two\nlines\u{1b}[2J"), &config).unwrap();
        assert!(text.contains("LOW") && text.contains("two") && !text.contains(['\n', '\u{1b}']), "{text}");
    }
}
