//! Lines whose fields are known by name: which formats speak of them.

use super::file::{Format, Record};
use crate::hash_map::HashMap;

/// The records of all formats, found by a key that a line must have.
#[derive(Debug, Default)]
pub struct Records {
    entries: Vec<Entry>,
    by_key: HashMap<String, Vec<usize>>,
}

/// A record of a format, both by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub format: usize,
    pub record: usize,
}

impl Records {
    pub fn new(formats: &[Format]) -> Self {
        let mut entries = Vec::new();
        let mut keys = Vec::new();
        let mut uses: HashMap<&str, usize> = HashMap::default();
        for (format, records) in formats.iter().map(|format| &format.records).enumerate() {
            for (record, conditions) in records.iter().enumerate() {
                entries.push(Entry { format, record });
                let own: Vec<&str> = conditions.keys().collect();
                for key in &own {
                    *uses.entry(key).or_default() += 1;
                }
                keys.push(own);
            }
        }
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::default();
        for (index, own) in keys.iter().enumerate() {
            // The key that fewest records share is looked for, so that a line meets few that it does not fit.
            if let Some(key) = own.iter().min_by_key(|key| uses.get(**key)) {
                by_key.entry((*key).to_owned()).or_default().push(index);
            }
        }
        Self { entries, by_key }
    }

    /// The records that the fields fit: those that are no fallback first, then those of formats that speak for the program,
    /// then the ones with most conditions. What a line names its program by is often a key of its own (`app`, `service`), so
    /// the fields alone decide whether a record fits.
    pub fn fitting(&self, formats: &[Format], fields: &[(String, String)], program: Option<&str>) -> Vec<Entry> {
        let mut found = Vec::new();
        if self.entries.is_empty() {
            return Vec::new();
        }
        for index in fields.iter().filter_map(|(key, _)| self.by_key.get(key)).flatten() {
            let Some(entry) = self.entries.get(*index) else { continue };
            let Some(format) = formats.get(entry.format) else { continue };
            let Some(record) = format.records.get(entry.record) else { continue };
            if record.fits(fields) {
                let is_own = program.is_some_and(|program| format.programs.iter().any(|known| known.fits(program)));
                let conditions = record.has.len() + record.when.len();
                found.push((record.is_fallback, !is_own, std::cmp::Reverse(conditions), *entry));
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|(_, _, _, entry)| entry).collect()
    }
}

impl Record {
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.has.iter().chain(self.when.iter().map(|(key, _)| key)).map(String::as_str)
    }

    fn fits(&self, fields: &[(String, String)]) -> bool {
        self.has.iter().all(|key| get(fields, key).is_some())
            && self.when.iter().all(|(key, values)| {
                get(fields, key).is_some_and(|value| values.iter().any(|allowed| allowed == value))
            })
    }
}

/// The value of the first field of this name.
pub fn get<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
