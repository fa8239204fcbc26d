//! What a line says, in named fields.

use std::borrow::Cow;

use super::address;
use super::field::Field;
use super::file::{Format, Program};
use super::keys::Keys;
use super::kind::Kind;
use super::meaning::{Action, Meaning, Outcome, Severity};
use super::names::{Identities, identity};
use super::reading::Readings;
use super::records;
use super::tree::Tree;
use super::value::{self, says};

/// The fields of a line: ours, and its value.
pub use super::value::Fields;

/// A line that a format speaks of.
#[derive(Debug, Clone, PartialEq)]
pub struct Understood<'a> {
    pub format: &'a Format,
    /// Which of the format's messages, and which of its records.
    pub message: Option<usize>,
    pub record: Option<usize>,
    pub action: Action,
    pub outcome: Outcome,
    pub severity: Option<Severity>,
    pub fields: Fields<'a>,
    /// Somebody could have written a part of the line that reads like the program's own words: what the readings disagree
    /// in is left out.
    pub is_ambiguous: bool,
}

impl Understood<'_> {
    pub fn field(&self, name: &str) -> Option<&str> {
        get(&self.fields, name)
    }

    /// The words are like those of a program, but none that is known wrote them.
    pub fn is_guess(&self) -> bool {
        let message = self.message.and_then(|index| self.format.messages.get(index));
        message.is_some_and(|message| message.is_fallback) && self.format.programs.contains(&Program::Any)
    }
}

/// Blanks round a name say nothing of who it is, and quotes round a whole one are the program's.
fn bare_name(name: Cow<'_, str>) -> Cow<'_, str> {
    let trimmed = name.trim();
    let mut quoted = ['"', '\''].into_iter().filter_map(|quote| trimmed.strip_prefix(quote)?.strip_suffix(quote));
    let bare = quoted.next().filter(|inner| !inner.is_empty()).unwrap_or(trimmed);
    if bare.len() == name.len() { name } else { Cow::Owned(bare.to_owned()) }
}

/// The value of a field.
pub fn get<'f>(fields: &'f Fields<'_>, name: &str) -> Option<&'f str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
}

/// Fields that are being collected. What is said first counts.
#[derive(Debug, Default)]
pub struct Collected<'a> {
    pub fields: Fields<'a>,
    pub disagreed: Identities,
}

impl<'a> Collected<'a> {
    /// The fields of the best reading, without those that readings disagree in.
    pub fn of_message(
        tree: &'a Tree,
        readings: &Readings,
        message: &'a str,
        map: &'a [(String, Vec<String>)],
    ) -> Option<Self> {
        let best = readings.best.as_ref()?;
        let fields = Vec::with_capacity(best.spans.len() + 2);
        let mut collected = Self { fields, disagreed: readings.disagreed };
        if readings.is_exhausted {
            collected.disagreed = Identities::ALL;
        }
        let mut tail = Vec::new();
        for span in &best.spans {
            let Some(Field { name, class }) = tree.field(span.field) else { continue };
            match class.kind {
                Kind::Pairs => tail = value::pairs(span.of(message)),
                Kind::Json => tail = value::object(span.of(message)),
                _ => {
                    if let Some(name) = name {
                        value::values(name, &class.kind, span.of(message), |name, value| collected.add(name, value));
                    }
                }
            }
        }
        collected.pairs(tail, map);
        Some(collected)
    }

    fn is_disputed(&self, name: &str) -> bool {
        !self.disagreed.is_empty() && identity(name).is_some_and(|identity| self.disagreed.has(identity))
    }

    /// Keeps a field that says something. `-` and `?` are how programs write that they do not know.
    pub fn add(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        let is_user = matches!(name.as_ref(), "user" | "target_user");
        let value = if is_user { bare_name(value) } else { value };
        if says(&name, &value) && !self.is_disputed(&name) && get(&self.fields, &name).is_none() {
            self.fields.push((name, value));
        }
    }

    /// Pairs by our names, then by their own. A key that stands twice with different values was written by two hands: who
    /// acted is not taken from it.
    fn pairs(&mut self, pairs: Fields<'a>, map: &'a [(String, Vec<String>)]) {
        if pairs.is_empty() {
            return;
        }
        let keys = Keys::of(&pairs);
        for (name, wanted) in map {
            let Some((key, value)) = wanted.iter().find_map(|key| Some((key, keys.value(&pairs, key, name)?))) else {
                continue;
            };
            if keys.is_disputed(key) {
                identity(name).into_iter().for_each(|identity| self.disagreed.insert(identity));
            } else {
                self.add_mapped(name, value);
            }
        }
        for identity in keys.disputed(&pairs).filter_map(identity) {
            self.disagreed.insert(identity);
        }
        let mut is_known = vec![false; pairs.len()];
        for first in self.fields.iter().filter_map(|(name, _)| keys.first(name)) {
            if let Some(place) = is_known.get_mut(first) {
                *place = true;
            }
        }
        let firsts = keys.into_firsts();
        for ((name, value), first) in pairs.into_iter().zip(firsts) {
            let Some(is_known) = is_known.get_mut(first) else { continue };
            if !*is_known && says(&name, &value) && !self.is_disputed(&name) {
                *is_known = true;
                self.fields.push((name, value));
            }
        }
    }

    /// A value that a program filled in under a name of its own. `src_ip` is an address or nothing; `src` may also have a
    /// port or be the name of a host.
    pub fn add_mapped(&mut self, name: &'a str, value: Cow<'a, str>) {
        let (ip_name, port_name, host_name) = match name {
            "src_ip" | "src" => ("src_ip", "src_port", "src_host"),
            "dst_ip" | "dst" => ("dst_ip", "dst_port", "dst_host"),
            _ => return self.add(Cow::Borrowed(name), value),
        };
        // What ends the sentence or the item of a list, and the root of a name, are no part of it.
        let value = match value.strip_suffix(['.', ',']) {
            Some(bare) => Cow::Owned(bare.to_owned()),
            None => value,
        };
        let bytes = value.as_bytes();
        if let Some((ip, _)) = address::ip(bytes).filter(|(_, end)| *end == bytes.len()) {
            self.add(ip_name.into(), Cow::Owned(ip.to_string()));
        } else if name == ip_name {
            // A name or a list is no address.
        } else if let Some((ip, port, _)) = address::ip_port(bytes).filter(|(_, _, end)| *end == bytes.len()) {
            self.add(ip_name.into(), Cow::Owned(ip.to_string()));
            self.add(port_name.into(), Cow::Owned(port.to_string()));
        } else if super::strict::end(&Kind::Host, &value, 0) == Some(value.len()) {
            self.add(host_name.into(), value);
        }
    }

    /// With what the format says of all such lines.
    /// `raw` are the line's own fields, which rules may name as well as ours.
    pub fn finish(
        mut self,
        format: &'a Format,
        meaning: &'a Meaning,
        raw: &[(String, String)],
        is_exhausted: bool,
    ) -> Understood<'a> {
        for (name, value) in &meaning.set {
            self.add(Cow::Borrowed(name), Cow::Borrowed(value));
        }
        let value = |name: &str| get(&self.fields, name).or_else(|| records::get(raw, name));
        let outcome = meaning.outcome.of(value);
        let severity = meaning.severity.as_ref().and_then(|rule| rule.of(value));
        Understood {
            format,
            message: None,
            record: None,
            action: meaning.action,
            outcome,
            severity,
            is_ambiguous: is_exhausted || !self.disagreed.is_empty(),
            fields: self.fields,
        }
    }
}
