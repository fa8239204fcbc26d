//! An event of Windows, or of Sysmon for Linux, as one line of XML: `Event.System.EventID`, `Event.EventData.NAME`.

use super::super::time::LogTime;
use super::layer::{Inside, Layer};
use super::stamp;
use crate::event::Record;
use crate::limits;

/// Elements within each other; an event has four.
const DEPTH_MAX: usize = 8;

pub(super) fn read(text: &str) -> Option<Layer> {
    if !(text.starts_with("<Event>") || text.starts_with("<Event ")) {
        return None;
    }
    let mut record = Record { message: text.to_owned(), ..Record::default() };
    let mut path: Vec<&str> = Vec::new();
    let mut named: Option<String> = None;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        value(&path, named.as_deref(), before, &mut record);
        let (tag, behind) = after.split_once('>')?;
        rest = behind;
        if tag.starts_with('/') {
            path.pop()?;
            named = None;
        } else if !tag.starts_with(['?', '!']) {
            let is_closed = tag.ends_with('/');
            let (name, attributes) =
                tag.trim_end_matches('/').split_once(' ').unwrap_or((tag.trim_end_matches('/'), ""));
            if path.len() >= DEPTH_MAX {
                return None;
            }
            path.push(name);
            named = attribute_fields(&path, attributes, &mut record);
            if is_closed {
                path.pop();
                named = None;
            }
        }
        if path.is_empty() {
            break;
        }
    }
    record.entity.host = record.field("Event.System.Computer").map(str::to_owned);
    let time = record.field("Event.System.TimeCreated.SystemTime").and_then(stamp::iso);
    let time = time.map_or(LogTime::Absent, |(time, _)| time);
    Some(Layer::new(time, record, Inside::Text))
}

/// The text of an element; one with a name goes by it, as the data of an event do.
fn value(path: &[&str], named: Option<&str>, text: &str, record: &mut Record) {
    let text = text.trim();
    if text.is_empty() || path.len() < 2 {
        return;
    }
    let (last, parents) = match path.split_last() {
        Some((last, parents)) => (named.unwrap_or(last), parents),
        None => return,
    };
    let key = format!("{}.{last}", parents.join("."));
    if key.len() <= limits::KEY_BYTES_MAX {
        record.push(key, unescaped(text));
    }
}

/// `SystemTime='…'` is a field of its element; `Name` of data is the name of their text.
fn attribute_fields(path: &[&str], attributes: &str, record: &mut Record) -> Option<String> {
    let mut named = None;
    let mut rest = attributes.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, behind) = after.get(1..)?.split_once(quote)?;
        if path.last() == Some(&"Data") && name == "Name" {
            named = Some(unescaped(value));
        } else if !name.starts_with("xmlns") {
            record.push(format!("{}.{name}", path.join(".")), unescaped(value));
        }
        rest = behind.trim_start();
    }
    named
}

fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    // The ampersand last, so that nothing is decoded twice.
    let known = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&#34;", "\"")];
    known.iter().fold(text.to_owned(), |text, (name, plain)| text.replace(name, plain)).replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "<Event xmlns='http://x'><System><Provider Name='Microsoft-Windows-Sysmon' Guid='{5}'/>\
        <EventID>1</EventID><TimeCreated SystemTime='2026-05-21T17:10:28.123Z'/><Computer>srv01</Computer></System>\
        <EventData><Data Name='Image'>C:\\a &lt;b&gt;.exe</Data><Data Name='User'>eve</Data><Data Name='Empty'/></EventData></Event>";

    #[test]
    fn elements_and_named_data_are_fields() {
        let Layer { time, record, .. } = read(EVENT).unwrap();
        assert!(matches!(time, LogTime::Instant(_)));
        assert_eq!(record.entity.host.as_deref(), Some("srv01"));
        for (name, value) in [
            ("Event.System.EventID", "1"),
            ("Event.System.Provider.Name", "Microsoft-Windows-Sysmon"),
            ("Event.EventData.Image", "C:\\a <b>.exe"),
            ("Event.EventData.User", "eve"),
        ] {
            assert_eq!(record.field(name), Some(value));
        }
    }

    #[test]
    fn data_cannot_open_an_element() {
        let forged = EVENT.replace("eve", "eve&lt;/Data&gt;&lt;Data Name='User'&gt;root");
        assert_eq!(
            read(&forged).unwrap().record.field("Event.EventData.User"),
            Some("eve</Data><Data Name='User'>root")
        );
        assert_eq!(read("<Event ").map(|layer| layer.record.fields.len()), None);
        assert_eq!(read("<Eventful>"), None);
        assert_eq!(read(&"<Event>".repeat(100)), None);
    }
}
