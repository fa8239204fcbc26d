//! All formats together, compiled.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::file::{Diagnostic, Format, FormatText, Message, Program, Record, read};
use super::grams::Text;
use super::meaning::{Action, Outcome, OutcomeRule};
use super::reading::Readings;
use super::records::{self, Entry, Records};
use super::set::{Compiled, Set, Start};
use super::template;
use super::understood::{Collected, Understood};
use super::value::says;
use crate::hash_map::HashMap;

/// What a line is after its envelope.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub program: Option<&'a str>,
    pub message: &'a str,
    /// What the envelope has read into named fields.
    pub fields: &'a [(String, String)],
}

/// Formats that can be asked.
#[derive(Debug, Default)]
pub struct Library {
    formats: Vec<Format>,
    /// The format and the message of each owner of a template.
    owners: Vec<(usize, usize)>,
    sets: Vec<Set>,
    programs: HashMap<String, SetId>,
    /// By their first byte, the longest first.
    prefixes: BTreeMap<Option<u8>, Vec<(String, SetId)>>,
    any: SetId,
    untagged: SetId,
    /// Of formats with a record that holds free text, by number.
    own: BTreeMap<usize, SetId>,
    records: Records,
}

/// Index of a set.
type SetId = usize;

/// What the library says of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    pub understood: Option<Understood<'a>>,
    /// All messages of the library that the line fits, as format and message.
    pub fitting: Vec<(usize, usize)>,
    /// All records that it fits.
    pub records: Vec<Entry>,
    /// The budget ended before all readings were found: who wrote what is not known.
    pub is_exhausted: bool,
}

impl Library {
    /// Compiles what can be read; a broken file is left out and reported, its neighbours stay.
    pub fn new(texts: &[FormatText]) -> (Self, Vec<Diagnostic>) {
        let mut formats: Vec<Format> = Vec::new();
        let mut diagnostics = Vec::new();
        for text in texts {
            match read(text) {
                // A later file takes the place of an earlier one of the same name: an operator's of ours.
                Ok(format) => match formats.iter_mut().find(|other| other.name == format.name) {
                    Some(other) => *other = format,
                    None => formats.push(format),
                },
                Err(found) => diagnostics.extend(found),
            }
        }
        (Self::of(formats), diagnostics)
    }

    fn of(formats: Vec<Format>) -> Self {
        let mut library = Self { records: Records::new(&formats), ..Self::default() };
        for (index, format) in formats.iter().enumerate() {
            library.owners.extend((0..format.messages.len()).map(|message| (index, message)));
        }
        library.formats = formats;
        let mut sets = Sets::default();
        library.any = sets.of(library.indices(|format| format.programs.contains(&Program::Any)));
        library.untagged = sets.of(library.indices(|format| format.untagged));
        let own = library.indices(|format| format.records.iter().any(|record| record.message.is_some()));
        library.own = own.into_iter().map(|index| (index, sets.of(vec![index]))).collect();
        library.by_program(&mut sets);
        library.sets = sets.all;
        library
    }

    /// One set for all formats that some program has.
    fn by_program(&mut self, sets: &mut Sets) {
        let mut exact: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut prefixed: Vec<(&str, usize)> = Vec::new();
        for (index, format) in self.formats.iter().enumerate() {
            for program in &format.programs {
                match program {
                    Program::Exact(name) => exact.entry(name).or_default().push(index),
                    Program::Prefix(prefix) => prefixed.push((prefix, index)),
                    Program::Any => {}
                }
            }
        }
        let mut for_program = |program: &str| {
            let alike = prefixed.iter().filter(|(prefix, _)| program.starts_with(prefix)).map(|(_, index)| *index);
            let all: BTreeSet<usize> = exact.get(program).into_iter().flatten().copied().chain(alike).collect();
            sets.of(Vec::from_iter(all))
        };
        let programs = exact.keys().map(|name| ((*name).to_owned(), for_program(name))).collect();
        let mut prefixes: Vec<&str> = prefixed.iter().map(|(prefix, _)| *prefix).collect();
        prefixes.sort_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
        prefixes.dedup();
        let mut by_first: BTreeMap<Option<u8>, Vec<(String, SetId)>> = BTreeMap::new();
        for prefix in prefixes {
            by_first.entry(prefix.bytes().next()).or_default().push((prefix.to_owned(), for_program(prefix)));
        }
        (self.programs, self.prefixes) = (programs, by_first);
    }

    fn indices(&self, is_meant: impl Fn(&Format) -> bool) -> Vec<usize> {
        self.formats.iter().enumerate().filter(|(_, format)| is_meant(format)).map(|(index, _)| index).collect()
    }

    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// The names of all fields of all templates.
    pub fn field_names(&self) -> BTreeSet<String> {
        let templates = self.formats.iter().flat_map(|format| &format.messages).flat_map(|message| &message.templates);
        let mut names = BTreeSet::new();
        for parts in templates.filter_map(|it| template::read(&it.text).ok()) {
            template::names(&parts, &mut names);
        }
        names
    }

    pub fn message(&self, format: usize, message: usize) -> Option<&Message> {
        self.formats.get(format)?.messages.get(message)
    }

    pub fn record(&self, entry: Entry) -> Option<&Record> {
        self.formats.get(entry.format)?.records.get(entry.record)
    }

    /// Whether a format is for this program in particular.
    pub fn knows(&self, program: &str) -> bool {
        self.program(program).is_some()
    }

    fn program(&self, program: &str) -> Option<SetId> {
        let known = self.programs.get(program).copied();
        known.or_else(|| {
            let alike = self.prefixes.get(&program.bytes().next())?;
            alike.iter().find(|(prefix, _)| program.starts_with(prefix.as_str())).map(|(_, set)| *set)
        })
    }

    /// What the line says. Its program's own formats are asked first, then those of any program, then those for lines
    /// whose program nobody knows.
    pub fn understand<'a>(&'a self, line: Line<'a>) -> Answer<'a> {
        let mut answer = Answer { understood: None, fitting: Vec::new(), records: Vec::new(), is_exhausted: false };
        if !line.fields.is_empty() {
            self.by_fields(line, &mut answer);
        }
        let text = Text::new(line.message);
        // What is not asked is not compiled.
        let mut starts = self.starts(line.program);
        while answer.understood.is_none()
            && !answer.is_exhausted
            && let Some(start) = starts.next()
        {
            self.by_message(start, &text, &mut answer);
        }
        answer
    }

    /// In the order in which they are asked.
    pub(super) fn starts(&self, program: Option<&str>) -> impl Iterator<Item = Start<'_>> {
        let own = program.and_then(|program| self.program(program));
        let untagged = own.is_none().then_some(self.untagged);
        let all = [own, Some(self.any), untagged];
        let compiled = move || all.into_iter().flatten().filter_map(|set| self.compiled(set));
        compiled().filter_map(Compiled::main).chain(compiled().filter_map(Compiled::fallback))
    }

    fn compiled(&self, set: SetId) -> Option<&Compiled> {
        Some(self.sets.get(set)?.compiled(&self.formats, &self.owners))
    }

    /// Whether a format is asked about a program's messages.
    pub fn asks(&self, format: &Format, program: Option<&str>) -> bool {
        let is_own = program.is_some_and(|program| format.programs.iter().any(|known| known.fits(program)));
        let is_known = program.is_some_and(|program| self.knows(program));
        is_own || format.programs.contains(&Program::Any) || (format.untagged && !is_known)
    }

    pub(super) fn owner(&self, number: u32) -> Option<(usize, usize)> {
        self.owners.get(number as usize).copied()
    }

    fn by_message<'a>(&'a self, start: Start<'a>, message: &Text<'a>, answer: &mut Answer<'a>) {
        let readings = self.readings(start, message);
        answer.is_exhausted |= readings.is_exhausted;
        answer.fitting = readings.owners.iter().filter_map(|owner| self.owner(*owner)).collect();
        answer.understood = self.understood(start, &readings, message.text);
    }

    pub(super) fn readings(&self, (tree, start, is_fallback): Start<'_>, message: &Text<'_>) -> Readings {
        match is_fallback {
            true => Readings::of_first_owner(tree, start, message, &|one, other| self.are_rivals(one, other)),
            false => Readings::of(tree, start, message),
        }
    }

    /// Whether two entries are of one file and say that different things happened: what says the same is the same words, read more loosely.
    fn are_rivals(&self, one: u32, other: u32) -> bool {
        let Some(((file, one), (beside, other))) = self.owner(one).zip(self.owner(other)) else { return false };
        let meaning = |message| self.message(file, message).map(|message| &message.meaning);
        let Some((one, other)) = meaning(one).zip(meaning(other)).filter(|_| file == beside) else { return false };
        let outcomes = [&one.outcome, &other.outcome];
        let is_either = |outcome| outcomes.contains(&&OutcomeRule::Always(outcome));
        one.action != other.action || (is_either(Outcome::Success) && is_either(Outcome::Failure))
    }

    fn understood<'a>(&'a self, (tree, ..): Start<'a>, readings: &Readings, text: &'a str) -> Option<Understood<'a>> {
        let (format, index) = self.owner(readings.best.as_ref()?.owner)?;
        let (format, message) = (self.formats.get(format)?, self.message(format, index)?);
        let collected = Collected::of_message(tree, readings, text, &message.map)?;
        let understood = collected.finish(format, &message.meaning, &[], readings.is_exhausted);
        Some(self.doubted(Understood { message: Some(index), ..understood }, readings))
    }

    /// What the program says means one thing, which the samples of the formats show. Where readings differ in it, somebody has put the
    /// program's words into a name: then whoever may have failed to log in has, and nobody succeeded.
    fn doubted<'a>(&self, mut understood: Understood<'a>, readings: &Readings) -> Understood<'a> {
        let owners = readings.owners.iter().filter_map(|owner| self.owner(*owner));
        for other in owners.filter_map(|(format, message)| Some(&self.message(format, message)?.meaning)) {
            if let OutcomeRule::Always(outcome) = other.outcome
                && outcome != understood.outcome
            {
                let is_failure = [outcome, understood.outcome].contains(&Outcome::Failure);
                understood.outcome = if is_failure { Outcome::Failure } else { Outcome::Unknown };
                understood.is_ambiguous = true;
            }
            if other.action == Action::Login && understood.action != Action::Login {
                understood.action = Action::Login;
                understood.is_ambiguous = true;
            }
        }
        understood
    }

    fn by_fields<'a>(&'a self, line: Line<'a>, answer: &mut Answer<'a>) {
        answer.records = self.records.fitting(&self.formats, line.fields, line.program);
        let Some(entry) = answer.records.first() else { return };
        let (Some(format), Some(record)) = (self.formats.get(entry.format), self.record(*entry)) else { return };
        let mut collected = Collected::default();
        for (name, paths) in &record.map {
            let value = paths.iter().find_map(|path| records::get(line.fields, path).filter(|value| says(name, value)));
            if let Some(value) = value {
                collected.add_mapped(name, Cow::Borrowed(value));
            }
        }
        let text = record.message.as_ref().and_then(|name| records::get(line.fields, name));
        let inner = text.zip(self.own.get(&entry.format)).and_then(|(text, set)| {
            let (searched, compiled) = (Text::new(text), self.compiled(*set)?);
            let main = compiled.main().map(|start| (start, self.readings(start, &searched)));
            answer.is_exhausted |= main.as_ref().is_some_and(|(_, readings)| readings.is_exhausted);
            let understood = main.and_then(|(start, readings)| self.understood(start, &readings, text));
            understood.or_else(|| {
                let start = compiled.fallback()?;
                self.understood(start, &self.readings(start, &searched), text)
            })
        });
        let mut understood = collected.finish(format, &record.meaning, line.fields, answer.is_exhausted);
        if let Some(inner) = inner {
            understood.merge(inner);
        }
        answer.understood = Some(Understood { record: Some(entry.record), ..understood });
    }
}

/// Equal sets are one.
#[derive(Default)]
struct Sets {
    all: Vec<Set>,
    numbers: BTreeMap<Vec<usize>, SetId>,
}

impl Sets {
    fn of(&mut self, formats: Vec<usize>) -> SetId {
        *self.numbers.entry(formats).or_insert_with_key(|formats| {
            self.all.push(Set::of(formats.clone()));
            self.all.len() - 1
        })
    }
}
impl<'a> Understood<'a> {
    /// Adds what the free text of a record says; what it means wins, the record's own fields stay.
    fn merge(&mut self, inner: Understood<'a>) {
        for (name, value) in inner.fields {
            if self.field(&name).is_none() {
                self.fields.push((name, value));
            }
        }
        self.message = inner.message;
        self.action = inner.action;
        self.outcome = inner.outcome;
        self.severity = inner.severity.or(self.severity);
        self.is_ambiguous |= inner.is_ambiguous;
    }
}

impl Program {
    /// A program that is meant; `None`: any.
    pub fn example(&self) -> Option<String> {
        match self {
            Self::Exact(name) | Self::Prefix(name) => Some(name.clone()),
            Self::Any => None,
        }
    }

    pub fn fits(&self, program: &str) -> bool {
        match self {
            Self::Exact(name) => name == program,
            Self::Prefix(prefix) => program.starts_with(prefix.as_str()),
            Self::Any => false,
        }
    }
}
