//! One file of formats: from TOML to checked templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::expand::{Expansion, expand};
use super::log_source::LogSource;
use super::meaning::{Action, Meaning, Outcome, OutcomeRule, Pattern, Severity, SeverityRule};
use super::raw;
use super::template;
use crate::limits;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    pub text: String,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// What one program or family of programs logs.
#[derive(Debug, Clone, PartialEq)]
pub struct Format {
    pub file: String,
    pub name: String,
    pub about: String,
    pub programs: Vec<Program>,
    /// Also tried on lines that name no program, or one that no format knows.
    pub untagged: bool,
    pub logsource: LogSource,
    pub messages: Vec<Message>,
    pub records: Vec<Record>,
}

/// As a syslog tag or a process name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    Exact(String),
    Prefix(String),
    Any,
}

/// Messages with one meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub line: usize,
    pub templates: Vec<Template>,
    /// Ours, and the keys of `kv` and `json` fields that say it.
    pub map: Vec<(String, Vec<String>)>,
    pub meaning: Meaning,
    /// Asked only where nothing else fits; of several, the first that fits counts.
    pub is_fallback: bool,
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub text: String,
    pub line: usize,
}

impl Template {
    /// What it stands for; nothing for one that was complained of when the file was read.
    pub fn expansions(&self) -> Vec<Expansion> {
        template::read(&self.text).ok().and_then(|parts| expand(&parts).ok()).unwrap_or_default()
    }
}

/// Lines whose fields are known by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub line: usize,
    pub has: Vec<String>,
    pub when: Vec<(String, Vec<String>)>,
    pub map: Vec<(String, Vec<String>)>,
    /// The field that holds free text.
    pub message: Option<String>,
    pub meaning: Meaning,
    /// As in [`Message`].
    pub is_fallback: bool,
    pub samples: Vec<Sample>,
}

/// A line, and what it means.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub line: usize,
    pub input: Input,
    pub program: Option<String>,
    pub action: Option<Action>,
    pub outcome: Option<Outcome>,
    pub ambiguous: bool,
    pub fields: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The message after its envelope.
    Message(String),
    /// The whole line.
    Whole(String),
}

/// The text of one file of formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatText {
    /// Its name in diagnostics.
    pub file: String,
    pub toml: String,
    /// It comes with the daemon: tests have tried its templates, which takes a third of the time that reading them does, and its
    /// samples, which are left out.
    pub is_tried: bool,
}

/// Reads a file's text.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(text: &FormatText) -> Result<Format, Vec<Diagnostic>> {
    let lines = memchr::memchr_iter(b'\n', text.toml.as_bytes()).collect();
    let mut reader = Reader { file: &text.file, text: &text.toml, is_tried: text.is_tried, lines, found: Vec::new() };
    let raw: raw::File = match toml::from_str(&text.toml) {
        Ok(raw) => raw,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            reader.complain(at, error.message().to_owned());
            return Err(reader.found);
        }
    };
    let format = reader.format(raw);
    if reader.found.is_empty() { Ok(format) } else { Err(reader.found) }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    is_tried: bool,
    /// Where each line ends.
    lines: Vec<usize>,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|end| *end < at) + 1
    }

    fn complain(&mut self, at: usize, text: String) {
        let line = self.line(at);
        self.found.push(Diagnostic { file: self.file.to_owned(), line, text });
    }

    fn good<T>(&mut self, at: usize, result: Result<T, String>) -> Option<T> {
        result.map_err(|text| self.complain(at, text)).ok()
    }

    fn format(&mut self, raw: raw::File) -> Format {
        let programs: Vec<Program> = raw.programs.iter().map(|name| Program::read(name)).collect();
        if programs.is_empty() && !raw.untagged {
            self.complain(0, "`programs` is empty, and `untagged` is not true: no line would ever be tried".to_owned());
        }
        if raw.message.is_empty() && raw.record.is_empty() {
            self.complain(0, "neither a [[message]] nor a [[record]]".to_owned());
        }
        let messages = raw.message.into_iter().map(|message| self.message(message)).collect();
        let records = raw.record.into_iter().map(|record| self.record(record)).collect();
        Format {
            file: self.file.to_owned(),
            name: raw.name,
            about: raw.about,
            programs,
            untagged: raw.untagged,
            logsource: log_source(raw.logsource),
            messages,
            records,
        }
    }

    fn message(&mut self, raw: raw::Message) -> Message {
        let span = raw.is.span();
        let mut from = span.start;
        let mut templates = Vec::new();
        for text in raw.is.into_inner().into_vec() {
            // In a list, the template itself is looked for; one with escapes of TOML is not found, which costs the column.
            let verbatim = self.text.get(from..span.end).and_then(|source| source.find(&text)).map(|at| from + at);
            let at = verbatim.unwrap_or(from);
            from = verbatim.map_or(from, |at| at + text.len());
            self.try_template(at, &text);
            templates.push(Template { line: self.line(at), text });
        }
        Message {
            line: self.line(span.start),
            templates,
            map: self.map(span.start, raw.map),
            meaning: self.meaning(span.start, raw.meaning),
            is_fallback: raw.fallback,
            samples: self.samples(span.start, raw.sample),
        }
    }

    fn try_template(&mut self, at: usize, text: &str) {
        if self.is_tried {
            return;
        }
        if text.len() > limits::FORMAT_TEMPLATE_BYTES_MAX {
            self.complain(at, format!("a template is longer than {} bytes", limits::FORMAT_TEMPLATE_BYTES_MAX));
            return;
        }
        let parts = template::read(text).map_err(|error| error.to_string());
        if let Err(problem) = parts.and_then(|parts| expand(&parts)) {
            self.complain(at, format!("template `{text}`: {problem}"));
        }
    }

    fn record(&mut self, raw: raw::Record) -> Record {
        let at = raw.meaning.action.span().start;
        if raw.has.is_empty() && raw.when.is_empty() {
            self.complain(at, "a [[record]] needs `has` or `when`, or it would fit every line".to_owned());
        }
        let when = raw.when.into_iter().map(|(key, values)| (key, values.into_vec())).collect();
        Record {
            line: self.line(at),
            has: raw.has,
            when,
            map: self.map(at, raw.map),
            message: raw.message,
            meaning: self.meaning(at, raw.meaning),
            is_fallback: raw.fallback,
            samples: self.samples(at, raw.sample),
        }
    }

    fn map(&mut self, at: usize, raw: BTreeMap<String, raw::Texts>) -> Vec<(String, Vec<String>)> {
        for name in raw.keys().filter(|name| !template::is_name(name)) {
            self.complain(
                at,
                format!("`{name}` in `map` is no name of a field: lower-case letters, digits, `_` and `.`"),
            );
        }
        raw.into_iter().map(|(name, paths)| (name, paths.into_vec())).collect()
    }

    fn meaning(&mut self, at: usize, raw: raw::Meaning) -> Meaning {
        let action_at = raw.action.span().start;
        let action = self.good(action_at, Action::named(raw.action.get_ref())).unwrap_or(Action::Other);
        let outcome = match raw.outcome {
            raw::Outcome::Name(name) => OutcomeRule::Always(self.good(at, Outcome::named(&name)).unwrap_or_default()),
            raw::Outcome::By(by) => OutcomeRule::By {
                field: by.by,
                success: by.success.into_vec().iter().map(|text| Pattern::read(text)).collect(),
                failure: by.failure.into_vec().iter().map(|text| Pattern::read(text)).collect(),
            },
        };
        let severity = raw.severity.and_then(|severity| self.severity(at, severity));
        if severity.is_some() && action != Action::Alert {
            self.complain(at, "`severity` is for action = \"alert\" only".to_owned());
        }
        let set = raw.set.into_iter().map(|(name, value)| (name, value.into_text())).collect();
        Meaning { action, outcome, set, severity }
    }

    fn severity(&mut self, at: usize, raw: raw::Severity) -> Option<SeverityRule> {
        match raw {
            raw::Severity::Name(name) => self.good(at, Severity::named(&name)).map(SeverityRule::Always),
            raw::Severity::From(from) => {
                let mut values = Vec::new();
                for (value, name) in from.values {
                    values.push((value, self.good(at, Severity::named(&name))?));
                }
                Some(SeverityRule::From { field: from.from, values })
            }
        }
    }

    fn samples(&mut self, around: usize, raw: Vec<raw::Sample>) -> Vec<Sample> {
        if self.is_tried {
            return Vec::new();
        }
        raw.into_iter().filter_map(|sample| self.sample(around, sample)).collect()
    }

    fn sample(&mut self, around: usize, raw: raw::Sample) -> Option<Sample> {
        let (at, input) = match (raw.line, raw.raw) {
            (Some(line), None) => (line.span().start, Input::Message(line.into_inner())),
            (None, Some(raw)) => (raw.span().start, Input::Whole(raw.into_inner())),
            (line, raw) => {
                let at = line.or(raw).map_or(around, |text| text.span().start);
                self.complain(at, "a sample has either `line` (the message) or `raw` (the whole line)".to_owned());
                return None;
            }
        };
        let action = raw.action.and_then(|name| self.good(at, Action::named(&name)));
        let outcome = raw.outcome.and_then(|name| self.good(at, Outcome::named(&name)));
        let fields = raw.fields.into_iter().map(|(name, value)| (name, value.into_text())).collect();
        Some(Sample {
            line: self.line(at),
            input,
            program: raw.program,
            action,
            outcome,
            ambiguous: raw.ambiguous,
            fields,
        })
    }
}

fn log_source(raw: raw::LogSource) -> LogSource {
    let shared = |name: Option<String>| name.map(Arc::from);
    LogSource { product: shared(raw.product), category: shared(raw.category), service: shared(raw.service) }
}

impl Program {
    fn read(name: &str) -> Self {
        match name.strip_suffix('*') {
            Some("") => Self::Any,
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(name.to_owned()),
        }
    }
}
