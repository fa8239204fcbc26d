//! `dsmild rules`: what each loaded rule needs, and whether anything here ever gives it.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::exit::EXIT_CONFIG;
use crate::config::L3;
use crate::detect::sigma::{Needs, needs};
use crate::formats::Library;
use crate::layer::rule_files;

/// Prints a line for each rule; a rule that can never match comes with the reason.
///
/// # Errors
/// Writing fails.
pub fn list(config: &L3, library: &Library, out: &mut impl Write) -> io::Result<u8> {
    let files = match rule_files::read(config) {
        Ok(files) => files,
        Err(findings) => {
            findings.iter().for_each(|finding| eprintln!("dsmild: {finding}"));
            return Ok(EXIT_CONFIG);
        }
    };
    let filled = filled(library);
    let rules = needs(&files.texts, &filled);
    let (mut never, mut partly) = (0, 0);
    for rule in &rules {
        never += usize::from(!rule.is_possible);
        partly += usize::from(rule.is_possible && !rule.never.is_empty());
        writeln!(out, "{}: {} ({}): {}", rule.file, rule.title, rule.source, verdict(rule))?;
    }
    writeln!(
        out,
        "{} rules: {} can match, {partly} of them need a field that no format fills; {never} never match",
        rules.len(),
        rules.len() - never
    )?;
    Ok(0)
}

fn verdict(rule: &Needs) -> String {
    let listed = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if !rule.is_possible {
        return "never matches: no format and no action here is of this log source".to_owned();
    }
    let needs = if rule.fields.is_empty() { "the words of the line".to_owned() } else { listed(&rule.fields) };
    if rule.never.is_empty() {
        return format!("needs {needs}");
    }
    format!("needs {needs}; no format fills {}: only a line with a key of that name has it", listed(&rule.never))
}

/// Every name that a format gives to a part of a line, or that a line must have for a format to speak of it.
fn filled(library: &Library) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for format in library.formats() {
        for message in &format.messages {
            names.extend(message.map.iter().map(|(name, _)| name.as_str()));
            names.extend(message.meaning.set.iter().map(|(name, _)| name.as_str()));
        }
        for record in &format.records {
            names.extend(record.map.iter().flat_map(|(name, paths)| paths.iter().chain([name])).map(String::as_str));
            names.extend(record.meaning.set.iter().map(|(name, _)| name.as_str()));
            names.extend(record.has.iter().chain(record.when.iter().map(|(key, _)| key)).map(String::as_str));
        }
    }
    names.extend(library.field_names());
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::built_in;

    #[test]
    fn every_rule_that_comes_with_the_daemon_gets_what_it_needs() {
        let mut out = Vec::new();
        assert_eq!(list(&L3::default(), built_in().library(), &mut out).unwrap(), 0);
        let text = String::from_utf8(out).unwrap();
        let (rules, summary) = text.trim_end().rsplit_once('\n').unwrap();
        assert!(rules.lines().count() > 10, "{text}");
        assert!(!rules.contains("no format fills") && summary.ends_with("0 never match"), "{text}");
    }
}
