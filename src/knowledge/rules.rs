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
    let names = library.field_names();
    let filled = filled(library, &names);
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
pub fn filled<'a>(library: &'a Library, fields: &'a BTreeSet<String>) -> BTreeSet<&'a str> {
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
    names.extend(fields.iter().map(String::as_str));
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
        assert!(!rules.contains("no format fills") && !rules.contains("never matches"), "{text}");
        assert!(summary.contains("0 of them need a field") && summary.ends_with("0 never match"), "{text}");
    }

    #[test]
    fn a_rule_that_never_matches_and_one_whose_field_nothing_fills_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        for (name, source, field) in [
            ("a", "category: webserver", "sc-status: 404"),
            ("b", "category: webserver", "moood: bad"),
            ("c", "product: amiga", "sc-status: 404"),
        ] {
            let rule = format!(
                "title: {name}\nlogsource: {{{source}}}\ndetection:\n  a:\n    {field}\n  condition: a\nlevel: low\n"
            );
            std::fs::write(folder.path().join(format!("{name}.yml")), rule).unwrap();
        }
        let config = L3 { builtin_rules: false, rules: vec![folder.path().to_owned()], ..L3::default() };
        let mut out = Vec::new();
        assert_eq!(list(&config, built_in().library(), &mut out).unwrap(), 0);
        let text = String::from_utf8(out).unwrap();
        let ends = [
            "needs sc-status",
            "needs moood; no format fills moood: only a line with a key of that name has it",
            "never matches: no format and no action here is of this log source",
            "3 rules: 2 can match, 1 of them need a field that no format fills; 1 never match",
        ];
        assert_eq!(text.lines().count(), ends.len(), "{text}");
        assert!(text.lines().zip(ends).all(|(line, end)| line.ends_with(end)), "{text}");
    }
}
