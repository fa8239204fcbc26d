//! The field lists of Redis stream entries.

use std::borrow::Cow;
use std::io;

use serde::Serialize;

use super::{Body, Event, wire};

/// Fields of a Redis stream entry. Decisions are plain strings with the lists as JSON; every SOC value is JSON.
#[derive(Debug)]
pub enum Fields<'event> {
    /// Of a line, which is text already.
    Plain(wire::RawFields<'event>),
    Written {
        /// Names and values as JSON, each name after [`NAME`] and each value after [`VALUE`].
        text: String,
        every_value_is_json: bool,
    },
}

/// Marks of where a name and where a value begins. JSON has no control characters but blanks: in texts they are escaped.
const NAME: u8 = 0x1e;
const VALUE: u8 = 0x1f;

impl<'event> Fields<'event> {
    pub fn of(event: &'event Event) -> Self {
        if let Body::Raw(raw) = &event.body {
            return Self::Plain(wire::raw_fields(event, raw));
        }
        let mut text = Vec::with_capacity(TEXT_EXPECTED);
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, Members { depth: 0 });
        // These shapes have string keys and are written to memory, so they always serialise, to UTF-8.
        let written = wire::form(event).serialize(&mut serializer);
        debug_assert!(written.is_ok(), "{written:?}");
        let text = String::from_utf8(text).unwrap_or_default();
        Self::Written { text, every_value_is_json: matches!(event.body, Body::Soc(_)) }
    }

    /// Names and values, in order.
    pub fn list(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        let (text, json) = match self {
            Self::Plain(fields) => {
                return fields.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(&**value))).collect();
            }
            Self::Written { text, every_value_is_json } => (text, *every_value_is_json),
        };
        let value = |value| if json { Cow::Borrowed(value) } else { plain(value) };
        members(text).map(|(name, text)| (plain(name), value(text))).collect()
    }
}

/// Names and values between their marks, which take turns.
fn members(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut marks = memchr::memchr2_iter(NAME, VALUE, text.as_bytes());
    let mut begin = marks.next();
    std::iter::from_fn(move || {
        let (name, value) = (begin? + 1, marks.next()?);
        begin = marks.next();
        Some((text.get(name..value)?, text.get(value + 1..begin.unwrap_or(text.len()))?))
    })
}

/// Text as it is, nothing for null, everything else as JSON.
fn plain(json: &str) -> Cow<'_, str> {
    match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => Cow::Borrowed(text),
        Some(_) => Cow::Owned(serde_json::from_str(json).unwrap_or_default()),
        None if json == "null" => Cow::Borrowed(""),
        None => Cow::Borrowed(json),
    }
}

/// Writes JSON, but of the outermost object only its members, apart from each other.
struct Members {
    depth: usize,
}

impl Members {
    fn write<W: io::Write + ?Sized>(&self, writer: &mut W, outermost: Option<u8>, inner: &str) -> io::Result<()> {
        match outermost {
            Some(mark) if self.depth == 1 => writer.write_all(&[mark]),
            None if self.depth == 1 => Ok(()),
            _ => writer.write_all(inner.as_bytes()),
        }
    }
}

impl serde_json::ser::Formatter for Members {
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.write(writer, None, "{")
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.write(writer, Some(NAME), if first { "" } else { "," })
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.write(writer, Some(VALUE), ":")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.write(writer, None, "}")?;
        self.depth -= 1;
        Ok(())
    }
}

/// Bytes; most decisions are shorter.
const TEXT_EXPECTED: usize = 640;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::event::{Decision, EventId, Format, Raw, Soc, Stream, Times, Timestamp, wire};

    fn event(stream: Stream, body: Body) -> Event {
        let id = EventId::new(8, 0);
        Event { id, stream, times: Times::at(Timestamp::from_millis(7)), root: id, body }
    }

    #[test]
    fn every_field_of_a_soc_event_in_redis_is_json() {
        let soc = Soc { summary: "brute force \"quoted\"\n".into(), flags: vec!["X".into()], ..Soc::default() };
        for (key, value) in Fields::of(&event(Stream::SocEvents, Body::Soc(Box::new(soc)))).list() {
            assert!(serde_json::from_str::<Value>(&value).is_ok(), "{key}={value}");
        }
    }

    #[test]
    fn a_decision_in_redis_is_plain_strings_with_json_lists() {
        let decision = Decision::benign("sigma".into(), 15, "ops".into(), EventId::new(7, 1));
        let event = event(Stream::L3Out, Body::Decision(Box::new(decision.clone())));
        let fields = Fields::of(&event);
        let fields: BTreeMap<_, _> = fields.list().into_iter().collect();
        assert_eq!(fields["decision"], "benign");
        assert_eq!(fields["input_ref"], "7-1");
        assert_eq!(fields["reasons"], "[]");
        assert_eq!(
            wire::decision_from_json(Stream::L3Out, wire::to_json(&event)).unwrap(),
            (event.ts().as_claimed(), decision)
        );
    }

    #[test]
    fn fields_of_a_line_are_what_its_json_says_whatever_its_texts_contain() {
        let odd = "a\"b\\c{,:}\u{1e}\u{1f}\n\u{202e} \u{e9}";
        let attributes = vec![(odd.to_owned(), odd.to_owned()), ("null".to_owned(), "null".to_owned())];
        let payload = bytes::Bytes::from(format!("{odd}\"").into_bytes());
        let raw =
            Raw::new(odd.into(), String::new().into(), Format::Auto, payload, attributes, crate::parse::built_in());
        let event = event(Stream::L3In, Body::Raw(raw));
        let fields = Fields::of(&event);
        let listed: BTreeMap<_, _> = fields.list().into_iter().collect();
        let json = wire::to_json(&event);
        let object = json.as_object().unwrap();
        assert_eq!(listed.len(), object.len());
        for (name, value) in object {
            let expected = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(listed[name.as_str()], expected, "{name:?}");
        }
    }
}
