//! Known messages, found by the words they must contain: one pass over the line for all of them.

use aho_corasick::BuildError;

use super::words::Words;

/// A message that means something. All words in lower case.
#[derive(Debug, Clone, Copy)]
pub struct Phrase<Meaning: 'static> {
    /// Each must occur, the first on word boundaries; the first is the one searched for, so it is the rarest.
    pub all: &'static [&'static str],
    /// None may occur.
    pub none: &'static [&'static str],
    /// Programs that log it; empty: any. A line that names no program counts as from any.
    pub programs: &'static [&'static str],
    pub meaning: Meaning,
}

/// One of these stands in every message that is one of the phrases: of each its longest part, which stands in the fewest others.
pub fn needed_words<Meaning>(table: &'static [Phrase<Meaning>]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|phrase| phrase.all.iter().max_by_key(|part| part.len()).copied().unwrap_or_default())
}

fn first_words<Meaning>(table: &'static [Phrase<Meaning>]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|phrase| phrase.all.first().copied().unwrap_or_default())
}

/// A table of phrases, ready to match.
pub struct Phrases<Meaning: 'static> {
    table: &'static [Phrase<Meaning>],
    first_words: Words,
}

impl<Meaning> Phrases<Meaning> {
    /// # Errors
    /// The table is too large for an automaton.
    pub fn new(table: &'static [Phrase<Meaning>]) -> Result<Self, BuildError> {
        Ok(Self { table, first_words: Words::new(first_words(table))? })
    }

    /// The meaning of the first phrase of the table that this message of this program is.
    pub fn find(&self, program: Option<&str>, message: &str) -> Option<&'static Meaning> {
        let mut lower = None;
        let mut best = usize::MAX;
        self.first_words.each(message, |index, place| {
            if index >= best || !on_word_boundaries(message, place.start, place.end) {
                return;
            }
            let Some(phrase) = self.table.get(index) else { return };
            let lower = lower.get_or_insert_with(|| message.to_ascii_lowercase());
            if logged_by(phrase.programs, program)
                && phrase.all.iter().all(|word| lower.contains(word))
                && !phrase.none.iter().any(|word| lower.contains(word))
            {
                best = index;
            }
        });
        self.table.get(best).map(|phrase| &phrase.meaning)
    }
}

fn logged_by(programs: &[&str], program: Option<&str>) -> bool {
    programs.is_empty() || program.is_none_or(|program| programs.contains(&program))
}

/// Whether the range is not part of a longer word; a boundary of punctuation is one by itself.
pub fn on_word_boundaries(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let word = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| is_word(*byte));
    let joins = |inside: Option<usize>, outside: Option<usize>| word(inside) && word(outside);
    !joins(Some(start), start.checked_sub(1)) && !joins(end.checked_sub(1), Some(end))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: &[Phrase<u8>] = &[
        Phrase { all: &["door open", "now"], none: &["not"], programs: &["house"], meaning: 1 },
        Phrase { all: &["door"], none: &[], programs: &[], meaning: 2 },
    ];

    #[test]
    fn the_first_phrase_whose_words_and_program_fit_is_meant() {
        let phrases = Phrases::new(TABLE).unwrap();
        assert_eq!(phrases.find(Some("house"), "The DOOR OPEN now"), Some(&1));
        assert_eq!(phrases.find(None, "now door open"), Some(&1));
        assert_eq!(phrases.find(Some("car"), "door open now"), Some(&2));
        assert_eq!(phrases.find(Some("house"), "door open not now"), Some(&2));
        assert_eq!(phrases.find(Some("house"), "indoor, doors, door_2"), None);
    }
}
