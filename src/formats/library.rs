//! All formats together, compiled.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::file::{Diagnostic, Format, Message, Program, Record, read};
use super::reading::Readings;
use super::records::{self, Entry, Records};
use super::tree::{Builder, Tree};
use super::understood::{Collected, Understood, says};

/// The text of one file of formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatText {
    pub file: String,
    pub toml: String,
}

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
    /// For each set of formats that speak for the same programs.
    trees: Vec<Trees>,
    programs: HashMap<String, usize>,
    /// The longest first.
    prefixes: Vec<(String, usize)>,
    any: Trees,
    untagged: Trees,
    /// Of formats with a record that holds free text, by number.
    own: BTreeMap<usize, Trees>,
    records: Records,
}

/// The templates of a set of formats.
#[derive(Debug, Default)]
pub(super) struct Trees {
    main: Tree,
    /// Asked where nothing else fits.
    fallback: Tree,
}

/// What the library says of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    pub understood: Option<Understood<'a>>,
    /// All messages of the library that the line fits, as format and message.
    pub fitting: Vec<(usize, usize)>,
    /// All records that it fits.
    pub records: Vec<Entry>,
    /// The budget ended before all readings were found: who wrote what cannot be told.
    pub is_exhausted: bool,
}

impl Library {
    /// Compiles what can be read; a broken file is left out and told of, its neighbours stay.
    pub fn new(texts: &[FormatText]) -> (Self, Vec<Diagnostic>) {
        let mut formats: Vec<Format> = Vec::new();
        let mut diagnostics = Vec::new();
        for text in texts {
            match read(&text.file, &text.toml) {
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
        let mut library = Self::default();
        for (index, format) in formats.iter().enumerate() {
            library.owners.extend((0..format.messages.len()).map(|message| (index, message)));
        }
        library.records = Records::new(&formats);
        library.formats = formats;
        library.any = library.tree(&library.indices(|format| format.programs.contains(&Program::Any)));
        library.untagged = library.tree(&library.indices(|format| format.untagged));
        for (index, format) in library.formats.iter().enumerate() {
            if format.records.iter().any(|record| record.message.is_some()) {
                library.own.insert(index, library.tree(&[index]));
            }
        }
        library.by_program();
        library
    }

    /// One tree for each set of formats that some program has.
    fn by_program(&mut self) {
        let mut names = Vec::new();
        let mut prefixes = Vec::new();
        for program in self.formats.iter().flat_map(|format| &format.programs) {
            match program {
                Program::Exact(name) => names.push(name.clone()),
                Program::Prefix(prefix) => prefixes.push(prefix.clone()),
                Program::Any => {}
            }
        }
        let mut trees: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        for name in names {
            let index = self.tree_for(&name, &mut trees);
            self.programs.insert(name, index);
        }
        prefixes.sort_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
        prefixes.dedup();
        for prefix in prefixes {
            let index = self.tree_for(&prefix, &mut trees);
            self.prefixes.push((prefix, index));
        }
    }

    fn tree_for(&mut self, program: &str, trees: &mut BTreeMap<Vec<usize>, usize>) -> usize {
        let formats = self.indices(|format| format.programs.iter().any(|known| known.fits(program)));
        if let Some(index) = trees.get(&formats) {
            return *index;
        }
        self.trees.push(self.tree(&formats));
        trees.insert(formats, self.trees.len() - 1);
        self.trees.len() - 1
    }

    fn indices(&self, is_meant: impl Fn(&Format) -> bool) -> Vec<usize> {
        self.formats.iter().enumerate().filter(|(_, format)| is_meant(format)).map(|(index, _)| index).collect()
    }

    fn tree(&self, formats: &[usize]) -> Trees {
        let (mut main, mut fallback) = (Builder::default(), Builder::default());
        for (owner, (format, message)) in (0_u32..).zip(&self.owners) {
            if formats.contains(format)
                && let Some(message) = self.message(*format, *message)
            {
                let builder = if message.is_fallback { &mut fallback } else { &mut main };
                for expansion in message.templates.iter().flat_map(|template| &template.expansions) {
                    builder.add(expansion, owner);
                }
            }
        }
        Trees { main: main.build(), fallback: fallback.build() }
    }

    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    pub fn message(&self, format: usize, message: usize) -> Option<&Message> {
        self.formats.get(format)?.messages.get(message)
    }

    pub fn record(&self, entry: Entry) -> Option<&Record> {
        self.formats.get(entry.format)?.records.get(entry.record)
    }

    fn program_tree(&self, program: &str) -> Option<&Trees> {
        let known = self.programs.get(program).copied();
        let index = known.or_else(|| {
            self.prefixes.iter().find(|(prefix, _)| program.starts_with(prefix.as_str())).map(|(_, index)| *index)
        })?;
        self.trees.get(index)
    }

    /// What the line says. Its program's own formats are asked first, then those of any program, then those for lines
    /// whose program nobody knows.
    pub fn understand<'a>(&'a self, line: Line<'a>) -> Answer<'a> {
        let mut answer = Answer { understood: None, fitting: Vec::new(), records: Vec::new(), is_exhausted: false };
        if !line.fields.is_empty() {
            self.by_fields(line, &mut answer);
        }
        for (tree, is_fallback) in self.trees(line.program) {
            if answer.understood.is_some() || answer.is_exhausted {
                break;
            }
            self.by_message(tree, is_fallback, line.message, &mut answer);
        }
        answer
    }

    /// In the order in which they are asked.
    pub(super) fn trees(&self, program: Option<&str>) -> impl Iterator<Item = (&Tree, bool)> {
        let own = program.and_then(|program| self.program_tree(program));
        let untagged = own.is_none().then_some(&self.untagged);
        let all = [own, Some(&self.any), untagged].into_iter().flatten();
        let main = all.clone().map(|trees| (&trees.main, false));
        main.chain(all.map(|trees| (&trees.fallback, true))).filter(|(tree, _)| !tree.is_empty())
    }

    /// The formats that are asked about a program's messages.
    pub fn asked(&self, program: Option<&str>) -> impl Iterator<Item = &Format> {
        let is_known = program.is_some_and(|program| self.program_tree(program).is_some());
        self.formats.iter().filter(move |format| {
            let is_own = program.is_some_and(|program| format.programs.iter().any(|known| known.fits(program)));
            is_own || format.programs.contains(&Program::Any) || (format.untagged && !is_known)
        })
    }

    pub(super) fn owner(&self, number: u32) -> Option<(usize, usize)> {
        self.owners.get(number as usize).copied()
    }

    fn by_message<'a>(&'a self, tree: &'a Tree, is_fallback: bool, message: &'a str, answer: &mut Answer<'a>) {
        let readings = if is_fallback { Readings::of_first_owner(tree, message) } else { Readings::of(tree, message) };
        answer.is_exhausted |= readings.is_exhausted;
        answer.fitting = readings.owners.iter().filter_map(|owner| self.owner(*owner)).collect();
        answer.understood = self.understood(tree, &readings, message);
    }

    fn understood<'a>(&'a self, tree: &'a Tree, readings: &Readings, text: &'a str) -> Option<Understood<'a>> {
        let end = tree.end(readings.best.as_ref()?.end)?;
        let (format, index) = self.owner(end.owner)?;
        let (format, message) = (self.formats.get(format)?, self.message(format, index)?);
        let collected = Collected::of_message(tree, readings, text, &message.map)?;
        let understood = collected.finish(format, &message.meaning, &[], readings.is_exhausted);
        Some(Understood { message: Some(index), ..understood })
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
        let inner = text.zip(self.own.get(&entry.format)).and_then(|(text, trees)| {
            let readings = Readings::of(&trees.main, text);
            answer.is_exhausted |= readings.is_exhausted;
            self.understood(&trees.main, &readings, text)
                .or_else(|| self.understood(&trees.fallback, &Readings::of_first_owner(&trees.fallback, text), text))
        });
        let mut understood = collected.finish(format, &record.meaning, line.fields, answer.is_exhausted);
        if let Some(inner) = inner {
            understood.merge(inner);
        }
        answer.understood = Some(Understood { record: Some(entry.record), ..understood });
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
