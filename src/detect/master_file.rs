//! Records of a DNS master file (RFC 1035, section 5): words, comments, quotes, and parentheses over several lines. What
//! the words mean is left to who reads them.

use crate::limits::ZONE_RECORD_LINES_MAX;

/// Words of a record that are kept: owner, time to live, class, type and the first of its data are five.
const WORDS_MAX: usize = 5;

#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// On which it begins, from 1.
    pub line: u32,
    /// It begins with a blank: its owner is that of the record before it.
    pub has_owner_before: bool,
    /// The first [`WORDS_MAX`], without quotes.
    pub words: Vec<&'a str>,
}

/// Lines that are no record.
#[derive(Debug, PartialEq, Eq)]
pub struct Damaged {
    pub line: u32,
    pub text: String,
}

/// Every record of the file in order; empty lines and comments are none.
pub fn records(content: &str) -> impl Iterator<Item = Result<Record<'_>, Damaged>> {
    let mut lines = content.lines().zip(1..);
    std::iter::from_fn(move || {
        loop {
            let (text, line) = lines.next()?;
            let mut words = Words::default();
            words.add(text);
            let mut last = line;
            while words.is_open && !words.is_odd && last - line < ZONE_RECORD_LINES_MAX {
                let Some((text, number)) = lines.next() else { break };
                words.add(text);
                last = number;
            }
            if words.is_open || words.is_odd {
                let text = format!("a parenthesis has no counterpart in the lines {line} to {last}");
                return Some(Err(Damaged { line, text }));
            }
            if !words.list.is_empty() {
                let has_owner_before = text.starts_with([' ', '\t']);
                return Some(Ok(Record { line, has_owner_before, words: words.list }));
            }
        }
    })
}

#[derive(Default)]
struct Words<'a> {
    list: Vec<&'a str>,
    /// The record goes on in the next line.
    is_open: bool,
    /// A parenthesis is opened twice, or closed and was not open.
    is_odd: bool,
}

impl<'a> Words<'a> {
    fn add(&mut self, line: &'a str) {
        let mut rest = line.trim_ascii_start();
        while let Some(first) = rest.chars().next()
            && first != ';'
        {
            let (word, behind) = match first {
                '(' | ')' => {
                    let opens = first == '(';
                    self.is_odd |= opens == self.is_open;
                    self.is_open = opens;
                    ("", rest.get(1..))
                }
                '"' => {
                    let (word, behind) = cut(rest.get(1..).unwrap_or_default(), |letter| letter == '"');
                    (word, behind.get(1..))
                }
                _ => {
                    let ends = |letter: char| letter.is_ascii_whitespace() || matches!(letter, ';' | '(' | ')' | '"');
                    let (word, behind) = cut(rest, ends);
                    (word, Some(behind))
                }
            };
            if !word.is_empty() && self.list.len() < WORDS_MAX {
                self.list.push(word);
            }
            rest = behind.unwrap_or_default().trim_ascii_start();
        }
    }
}

/// The text before and from the first character that ends it and has no backslash in front.
fn cut(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    let mut is_escaped = false;
    let end = text.char_indices().find(|(_, letter)| {
        let found = !is_escaped && ends(*letter);
        is_escaped = !is_escaped && *letter == '\\';
        found
    });
    text.split_at_checked(end.map_or(text.len(), |(at, _)| at)).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Vec<(u32, String)> {
        let shown = |record: Result<Record<'_>, Damaged>| match record {
            Ok(record) => (record.line, record.words.join("|")),
            Err(damaged) => (damaged.line, damaged.text),
        };
        records(content).map(shown).collect()
    }

    #[test]
    fn a_record_in_parentheses_is_one_however_many_lines_it_has() {
        let records = read("@ IN SOA ns. hm. (\n 1 ; serial )\n 2\n )\n\n; nothing\nx\tTXT\t\"a ; ( \\\" b\" ; why\n");
        assert_eq!(records, [(1, "@|IN|SOA|ns.|hm.".to_owned()), (7, "x|TXT|a ; ( \\\" b".to_owned())]);
    }

    #[test]
    fn a_parenthesis_without_counterpart_costs_a_bounded_number_of_lines() {
        let open = format!("a TXT ( x\n{}", "b A 192.0.2.1\n".repeat(100));
        let records = read(&open);
        assert_eq!(records.len(), 1 + 100 - ZONE_RECORD_LINES_MAX as usize);
        assert!(records[0].1.contains("parenthesis"), "{records:?}");
        assert_eq!(read("a CNAME . )\nb CNAME .\n").len(), 2);
        assert_eq!(read("a TXT (").len(), 1);
    }
}
