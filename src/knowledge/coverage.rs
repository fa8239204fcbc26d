//! `dsmild formats coverage`: which of a user's own lines have a template, and what the others look like.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::envelope::envelope;
use super::exit::EXIT_INPUT;
use crate::formats::{Library, Line};
use crate::limits;

/// Lines of one program and shape.
struct Shape {
    lines: u64,
    example: String,
}

#[derive(Default)]
struct Counts {
    lines: u64,
    understood: u64,
    ambiguous: u64,
    formats: BTreeMap<String, u64>,
    shapes: BTreeMap<(String, String), Shape>,
    /// Lines whose shape there was no room for.
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
        let key = (read.program.unwrap_or_else(|| "-".to_owned()), masked(&read.message));
        if let Some(shape) = self.shapes.get_mut(&key) {
            shape.lines += 1;
        } else if self.shapes.len() < limits::FORMAT_SHAPES_MAX {
            self.shapes.insert(key, Shape { lines: 1, example: line.to_owned() });
        } else {
            self.beyond += 1;
        }
    }

    fn print(&self, top: usize, out: &mut impl Write) -> io::Result<()> {
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
        let mut shapes: Vec<_> = self.shapes.iter().collect();
        shapes.sort_by(|left, right| right.1.lines.cmp(&left.1.lines).then_with(|| left.0.cmp(right.0)));
        if !shapes.is_empty() {
            writeln!(out, "\nmost frequent without a template:")?;
        }
        for ((program, shape), counted) in shapes.iter().take(top) {
            writeln!(out, "{:>9}  {program}: {shape}\n           e.g. {}", counted.lines, counted.example)?;
        }
        if self.beyond > 0 {
            writeln!(out, "{} more lines of shapes that there was no room for", self.beyond)?;
        }
        Ok(())
    }
}

/// A message without what differs from line to line: numbers, addresses, quoted texts, hex.
fn masked(message: &str) -> String {
    let mut shape = String::new();
    for word in message.split_whitespace().take(32) {
        if !shape.is_empty() {
            shape.push(' ');
        }
        let core = word.trim_matches(|c: char| c.is_ascii_punctuation());
        let digits = core.chars().filter(char::is_ascii_digit).count();
        let is_hex = core.len() >= 8 && core.chars().all(|c| c.is_ascii_hexdigit());
        if digits == 0 && !is_hex {
            shape.push_str(word);
        } else if core.parse::<std::net::IpAddr>().is_ok() {
            shape.push_str(&word.replace(core, "<ip>"));
        } else if core.chars().all(|c| c.is_ascii_digit()) {
            shape.push_str(&word.replace(core, "<number>"));
        } else if is_hex {
            shape.push_str(&word.replace(core, "<hex>"));
        } else {
            let mut in_number = false;
            for c in word.chars() {
                let is_digit = c.is_ascii_digit();
                if is_digit && !in_number {
                    shape.push('#');
                } else if !is_digit {
                    shape.push(c);
                }
                in_number = is_digit;
            }
        }
    }
    shape
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
        let first =
            text.find("        3  exampled: bye <number>\n           e.g. Jan  2 03:04:05 web exampled[1]: bye 1\n");
        let second = text.find("        1  exampled: what\n");
        assert!(first.is_some() && first < second, "{text}");
        assert!(!shown(1).contains("exampled: what"));
        let missing = coverage(&library, &[PathBuf::from("/nonexistent/x")], 1, &mut Vec::new()).unwrap();
        assert_eq!(missing, EXIT_INPUT);
    }

    #[test]
    fn shapes_beyond_the_room_are_counted() {
        let library = Library::new(&[]).0;
        let mut counts = Counts::default();
        let word = |mut number: usize| {
            let mut word = String::new();
            while number > 0 {
                word.push(char::from(b'g' + (number % 16) as u8));
                number /= 16;
            }
            word
        };
        (1..=limits::FORMAT_SHAPES_MAX + 3).for_each(|number| counts.line(&library, &word(number)));
        assert_eq!((counts.shapes.len(), counts.beyond), (limits::FORMAT_SHAPES_MAX, 3));
        counts.line(&library, &word(1));
        assert_eq!(counts.beyond, 3, "a shape that is known needs no room");
        let mut out = Vec::new();
        counts.print(0, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().ends_with("3 more lines of shapes that there was no room for\n"));
    }

    #[test]
    fn a_word_is_masked_only_where_it_is_a_value() {
        assert_eq!(masked("deadbeef cafe 1234567 a1b22c 10.0.0.1, (7)"), "<hex> cafe <number> a#b#c <ip>, (<number>)");
    }

    #[test]
    fn lines_that_differ_in_values_alone_have_one_shape() {
        let shape = "Failed from <ip> port <number>, key <hex> job-#";
        assert_eq!(masked("Failed from 192.0.2.1 port 22, key deadbeef01 job-12"), shape);
        assert_eq!(masked("Failed from 2001:db8::1 port 4711, key 00ff00ff job-7"), shape);
    }
}
