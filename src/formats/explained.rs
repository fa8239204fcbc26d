//! Which bytes of a message are which field.

use super::grams::Text;
use super::library::{Library, Line};

/// The most specific reading of a message, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained<'a> {
    /// The templates of the message that it fits.
    pub templates: Vec<&'a str>,
    /// Name, begin, end and text of each field; dropped ones are called `_`.
    pub bytes: Vec<(&'a str, u32, u32, &'a str)>,
    /// How many messages of the library it fits.
    pub readings: usize,
    /// Names of the fields that readings disagree in.
    pub disagreed: Vec<&'static str>,
}

impl Library {
    /// As [`Library::understand`] reads the message, with the places of its fields.
    pub fn explain<'a>(&'a self, line: Line<'a>) -> Option<Explained<'a>> {
        let text = Text::new(line.message);
        self.starts(line.program).find_map(|start| {
            let readings = self.readings(start, &text);
            let best = readings.best.as_ref()?;
            let (format, message) = self.owner(best.owner)?;
            let templates = self.message(format, message)?.templates.iter().map(|it| it.text.as_str()).collect();
            let bytes = best.spans.iter().map(|span| {
                let name = start.0.field(span.field).and_then(|field| field.name.as_deref());
                (name.unwrap_or("_"), span.start, span.end, span.of(line.message))
            });
            Some(Explained {
                templates,
                bytes: bytes.collect(),
                readings: readings.owners.len(),
                disagreed: readings.disagreed.iter().map(|identity| identity.name()).collect(),
            })
        })
    }
}
