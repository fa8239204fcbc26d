//! The syntax of templates: literal text, `{name:type}`, `{?optional}`, `{one|or|another}`.

use std::collections::BTreeSet;

use super::kind::Kind;
use crate::limits;

/// A template as it is written.
pub type Sequence = Vec<Part>;

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Text(String),
    Field(Field),
    /// The parts of which one is there. An optional part has an empty one among them.
    Either(Vec<Sequence>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// `None`: matched and dropped.
    pub name: Option<Box<str>>,
    pub kind: Kind,
}

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct SyntaxError {
    /// In characters from the template's start, the first is 1.
    pub column: usize,
    pub problem: String,
}

/// Adds the names of all fields.
pub fn names(parts: &[Part], to: &mut BTreeSet<String>) {
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Field(field) => to.extend(field.name.as_deref().map(str::to_owned)),
            Part::Either(all) => all.iter().for_each(|parts| names(parts, to)),
        }
    }
}

/// Reads a template.
///
/// # Errors
/// The text is no template.
pub fn read(text: &str) -> Result<Sequence, SyntaxError> {
    let mut reader = Reader { text, at: 0 };
    let parts = reader.sequence(0)?;
    if parts.is_empty() { reader.fail("a template cannot be empty") } else { Ok(parts) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, SyntaxError> {
        let column = self.text.get(..self.at).unwrap_or(self.text).chars().count() + 1;
        Err(SyntaxError { column, problem: problem.into() })
    }

    /// Up to the end of the template, or within braces up to `|` or `}`, which are left to the caller.
    fn sequence(&mut self, depth: usize) -> Result<Sequence, SyntaxError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        while let Some(next) = self.rest().chars().next() {
            let inside = depth > 0;
            match next {
                '{' => {
                    if let Some(part) = self.braces(depth)? {
                        if !text.is_empty() {
                            parts.push(Part::Text(std::mem::take(&mut text)));
                        }
                        parts.push(part);
                    } else {
                        text.push('{');
                        self.at += 2;
                    }
                }
                '}' | '|' if inside => break,
                '}' if self.rest().starts_with("}}") => {
                    text.push('}');
                    self.at += 2;
                }
                '}' => return self.fail("`}` closes nothing; the character itself is written `}}`"),
                other => {
                    text.push(other);
                    self.at += other.len_utf8();
                }
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(parts)
    }

    /// What begins with a brace; `None` for `{{`, which is the character itself unless an alternative begins so.
    fn braces(&mut self, depth: usize) -> Result<Option<Part>, SyntaxError> {
        if self.rest().starts_with("{{") {
            let start = self.at;
            let group = self.group(depth).ok();
            if group.is_none() {
                self.at = start;
            }
            return Ok(group);
        }
        match self.field()? {
            Some(field) => Ok(Some(Part::Field(field))),
            None => self.group(depth).map(Some),
        }
    }

    /// `{name:type}` or `{name:type(arguments)}`.
    fn field(&mut self) -> Result<Option<Field>, SyntaxError> {
        let inner = self.rest().strip_prefix('{').unwrap_or_default();
        let Some((name, after)) = inner.split_once(':').filter(|(name, _)| is_name(name)) else { return Ok(None) };
        let length = after.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len());
        let (kind, after) = after.split_at_checked(length).unwrap_or_default();
        let (arguments, after) = match after.strip_prefix('(') {
            Some(inner) => match inner.split_once(")}") {
                Some((arguments, after)) => (Some(arguments), after),
                None => return Ok(None),
            },
            None => match after.strip_prefix('}') {
                Some(after) => (None, after),
                None => return Ok(None),
            },
        };
        match Kind::named(kind, arguments) {
            Ok(kind) => {
                self.at = self.text.len() - after.len();
                let name = Some(name).filter(|name| *name != "_").map(Box::from);
                Ok(Some(Field { name, kind }))
            }
            Err(problem) => {
                self.at += 1 + name.len() + 1;
                self.fail(problem)
            }
        }
    }

    /// `{?may be absent}`, `{?one|or another|or none}`, `{one|or another}`.
    fn group(&mut self, depth: usize) -> Result<Part, SyntaxError> {
        if depth >= limits::FORMAT_NESTING_MAX {
            return self.fail(format!("braces are nested deeper than {}", limits::FORMAT_NESTING_MAX));
        }
        let start = self.at;
        let optional = self.rest().starts_with("{?");
        self.at += if optional { 2 } else { 1 };
        let mut parts = if optional { vec![Vec::new()] } else { Vec::new() };
        loop {
            parts.push(self.sequence(depth + 1)?);
            match self.rest().chars().next() {
                Some('|') => self.at += 1,
                Some(_) => break,
                None => {
                    self.at = start;
                    return self.fail("this `{` is never closed; the character itself is written `{{`");
                }
            }
        }
        self.at += 1;
        if parts.len() < 2 {
            self.at = start;
            return self.fail(
                "expected `{name:type}` (name of lower-case letters, digits, `_` and `.`), `{?optional}` or `{one|another}`",
            );
        }
        Ok(Part::Either(parts))
    }
}

/// Names of fields: lower-case letters, digits, `_` and `.`.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= limits::KEY_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    fn field(name: &str, kind: Kind) -> Part {
        Part::Field(Field { name: (name != "_").then(|| name.into()), kind })
    }

    #[test]
    fn fields_optional_parts_and_alternatives_are_read() {
        let parts = read("for {?invalid user }{user:text} {from|of} {src_ip:ip}{?: {_:word}}").unwrap();
        let expected = vec![
            text("for "),
            Part::Either(vec![vec![], vec![text("invalid user ")]]),
            field("user", Kind::Text),
            text(" "),
            Part::Either(vec![vec![text("from")], vec![text("of")]]),
            text(" "),
            field("src_ip", Kind::Ip),
            Part::Either(vec![vec![], vec![text(": "), field("_", Kind::Word)]]),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn doubled_braces_are_the_character_and_an_alternative_may_begin_with_a_field() {
        assert_eq!(read("{{x}} {a:int}").unwrap(), vec![text("{x} "), field("a", Kind::Int)]);
        let either = Part::Either(vec![vec![field("src_ip", Kind::Ip)], vec![text("-")]]);
        assert_eq!(read("{{src_ip:ip}|-}").unwrap(), vec![either.clone()]);
        assert_eq!(read("{{src_ip:ip}|-} x").unwrap(), vec![either, text(" x")]);
    }

    #[test]
    fn mistakes_are_reported_with_their_column() {
        for (template, column, part) in [
            ("user {name:wurd}", 12, "`wurd`"),
            ("a } b", 3, "closes nothing"),
            ("a {?b", 3, "never closed"),
            ("é {Name:word}", 3, "expected `{name:type}`"),
            ("{?a{?b{?c{?d}}}}", 10, "deeper than"),
            ("{x:one}", 4, "one("),
            ("", 1, "empty"),
        ] {
            let error = read(template).unwrap_err();
            assert_eq!(error.column, column, "{template}: {error}");
            assert!(error.problem.contains(part), "{template}: {error}");
        }
    }
}
