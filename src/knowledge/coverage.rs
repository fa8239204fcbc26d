//! `dsmild formats coverage`: which of a user's own lines have a template, and what the others look like.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::envelope::envelope;
use super::exit::EXIT_INPUT;
use crate::detect::log_templates::{LogTemplates, Mined};
use crate::formats::{Library, Line};
use crate::limits;

/// Lines of one program that have no template: those that are mined of them, with the first line of each.
struct Mine {
    templates: LogTemplates,
    examples: BTreeMap<u32, String>,
}

#[derive(Default)]
struct Counts {
    lines: u64,
    understood: u64,
    ambiguous: u64,
    formats: BTreeMap<String, u64>,
    /// By program.
    mined: BTreeMap<String, Mine>,
    /// Lines whose template there was no room for.
    beyond: u64,
}

pub fn coverage(library: &Library, files: &[PathBuf], top: usize, out: &mut impl Write) -> io::Result<u8> {
    let mut counts = Counts::default();
    for file in files {
        if let Err(error) = read(file, |line| counts.line(library, line)) {
            eprintln!("dsmild: {}: cannot be read ({error})", file.display());
            return Ok(EXIT_INPUT);
        }
    }
    counts.print(top, out)?;
    Ok(0)
}

fn read(file: &Path, mut each: impl FnMut(&str)) -> io::Result<()> {
    let mut reader: Box<dyn BufRead> =
        if file == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(BufReader::new(File::open(file)?)) };
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(limits::LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
    }
}

impl Counts {
    fn line(&mut self, library: &Library, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        self.lines += 1;
        let read = envelope(line);
        let asked = Line { program: read.program.as_deref(), message: &read.message, fields: &read.fields };
        if let Some(understood) = library.understand(asked).understood {
            self.understood += 1;
            self.ambiguous += u64::from(understood.is_ambiguous);
            *self.formats.entry(understood.format.name.clone()).or_default() += 1;
            return;
        }
        self.mine(read.program.unwrap_or_else(|| "-".to_owned()), &read.message, line);
    }

    fn mine(&mut self, program: String, message: &str, line: &str) {
        if self.mined.len() >= limits::FORMAT_PROGRAMS_MAX && !self.mined.contains_key(&program) {
            self.beyond += 1;
            return;
        }
        let fresh = || Mine { templates: LogTemplates::new(limits::LOG_TEMPLATES_MAX), examples: BTreeMap::new() };
        let mine = self.mined.entry(program).or_insert_with(fresh);
        match mine.templates.see(message) {
            Mined::New(template) => drop(mine.examples.insert(template, line.to_owned())),
            Mined::Known(_) => {}
            Mined::Beyond => self.beyond += 1,
        }
    }

    /// Each template with how many lines have it and the first of them, the most frequent first.
    fn templates(&mut self) -> Vec<(u64, &str, String, &str)> {
        let mut all = Vec::new();
        for (program, Mine { templates, examples }) in &mut self.mined {
            templates.settle();
            let mut first: BTreeMap<u32, &str> = BTreeMap::new();
            for (template, line) in examples.iter() {
                first.entry(templates.of(*template)).or_insert(line);
            }
            let shown =
                templates.all().map(|(at, text, lines)| (lines, program.as_str(), text, first.get(&at).copied()));
            all.extend(shown.map(|(lines, program, text, line)| (lines, program, text, line.unwrap_or_default())));
        }
        all.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| (left.1, &left.2).cmp(&(right.1, &right.2))));
        all
    }

    fn print(&mut self, top: usize, out: &mut impl Write) -> io::Result<()> {
        let percent = |part: u64| if self.lines == 0 { 0.0 } else { 100.0 * part as f64 / self.lines as f64 };
        writeln!(out, "{} lines, {} ({:.1} %) have a template", self.lines, self.understood, percent(self.understood))?;
        if self.ambiguous > 0 {
            writeln!(out, "{} of them are ambiguous", self.ambiguous)?;
        }
        let mut formats: Vec<_> = self.formats.iter().collect();
        formats.sort_by(|left, right| right.1.cmp(left.1).then_with(|| left.0.cmp(right.0)));
        for (format, lines) in formats {
            writeln!(out, "{lines:>9}  {format}")?;
        }
        let templates = self.templates();
        if !templates.is_empty() {
            writeln!(out, "\nmost frequent without a template:")?;
        }
        for (lines, program, template, example) in templates.iter().take(top) {
            writeln!(out, "{lines:>9}  {program}: {template}\n           e.g. {example}")?;
        }
        if self.beyond > 0 {
            writeln!(out, "{} more lines of templates that there was no room for", self.beyond)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "name = \"exampled\"\nabout = \"x\"\nprograms = [\"exampled\"]\n[[message]]\nis = \"hello \
                          {user:word}\"\naction = \"login\"\noutcome = \"success\"\n[[message.sample]]\nline = \"hello a\"\n\
                          fields = { user = \"a\" }\n";

    #[test]
    fn what_has_no_template_is_shown_by_its_shape_the_most_frequent_first() {
        use crate::formats::FormatText;
        let (library, problems) =
            Library::new(&[FormatText { file: "x.toml".into(), toml: FORMAT.into(), is_tried: false }]);
        assert!(problems.is_empty(), "{problems:?}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let tagged = |message: &str| format!("Jan  2 03:04:05 web exampled[1]: {message}\n");
        let lines = ["hello alice", "bye 1", "hello bob", "bye 2", "what", "hello c", "bye 3"].map(tagged).concat();
        std::fs::write(file.path(), format!("\n{lines}\n   \n")).unwrap();
        let shown = |top| {
            let mut out = Vec::new();
            assert_eq!(coverage(&library, &[file.path().to_owned()], top, &mut out).unwrap(), 0);
            String::from_utf8(out).unwrap()
        };
        let text = shown(10);
        assert!(text.starts_with("7 lines, 3 (42.9 %) have a template\n        3  exampled\n"), "{text}");
        let first = text.find("        3  exampled: bye <*>\n           e.g. Jan  2 03:04:05 web exampled[1]: bye 1\n");
        let second = text.find("        1  exampled: what\n");
        assert!(first.is_some() && first < second, "{text}");
        assert!(!shown(1).contains("exampled: what"));
        let missing = coverage(&library, &[PathBuf::from("/nonexistent/x")], 1, &mut Vec::new()).unwrap();
        assert_eq!(missing, EXIT_INPUT);
    }

    #[test]
    fn programs_and_templates_beyond_the_room_are_counted() {
        let mut counts = Counts::default();
        let word =
            |number: usize| -> String { number.to_string().bytes().map(|digit| char::from(digit + 50)).collect() };
        for number in 0..limits::LOG_TEMPLATES_MAX + 3 {
            let message = [word(number), word(number / 3), word(number * 7)].join(" ");
            counts.mine("a".to_owned(), &message, &message);
        }
        assert_eq!(counts.beyond, 3);
        counts.mine("a".to_owned(), "b b b", "b b b");
        assert_eq!(counts.beyond, 3, "one that is known needs no room");
        (1..limits::FORMAT_PROGRAMS_MAX + 2).for_each(|number| counts.mine(word(number), "x", "x"));
        assert_eq!((counts.mined.len(), counts.beyond), (limits::FORMAT_PROGRAMS_MAX, 5));
        let mut out = Vec::new();
        counts.print(0, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().ends_with("5 more lines of templates that there was no room for\n"));
    }

    #[test]
    fn lines_that_differ_in_values_alone_have_one_template_and_its_first_line_is_shown() {
        let mut counts = Counts::default();
        for user in ["ann", "bob", "cyn", "dan", "eve", "fay"] {
            let message = format!("user {user} from 192.0.2.1 left");
            counts.mine("gate".to_owned(), &message, &message);
        }
        let expected = (6, "gate", "user <*> from <*> left".to_owned(), "user ann from 192.0.2.1 left");
        assert_eq!(counts.templates(), [expected]);
    }
}
