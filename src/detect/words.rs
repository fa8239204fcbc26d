//! Words in a text, all of them in one pass over it.

use std::ops::Range;

use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::{Builder, DFA};
use aho_corasick::{Anchored, BuildError};

/// In any case of ASCII.
pub struct Words(DFA);

impl Words {
    /// # Errors
    /// They are too many for an automaton.
    pub fn new<'word>(words: impl IntoIterator<Item = &'word str>) -> Result<Self, BuildError> {
        let words: Vec<String> = words.into_iter().map(str::to_ascii_lowercase).collect();
        let automaton = Builder::new().ascii_case_insensitive(true).prefilter(false).build(&words)?;
        Ok(Self(automaton))
    }

    /// Whether one stands there.
    pub fn is_any_in(&self, text: &str) -> bool {
        self.is_any_of(text.bytes())
    }

    /// The same of a text that is told byte by byte.
    pub fn is_any_of(&self, text: impl IntoIterator<Item = u8>) -> bool {
        let Self(automaton) = self;
        let Ok(mut state) = automaton.start_state(Anchored::No) else { return false };
        text.into_iter().any(|byte| {
            state = automaton.next_state(Anchored::No, state, byte);
            automaton.is_match(state)
        })
    }

    /// Each place where one stands, also within another, by where it ends: which word, and from where to where. Walks the automaton by
    /// itself: iterators over overlapping matches keep all of their state between two bytes, which takes longer than the step.
    pub fn each(&self, text: &str, mut found: impl FnMut(usize, Range<usize>)) {
        let Self(automaton) = self;
        let Ok(mut state) = automaton.start_state(Anchored::No) else { return };
        for (end, byte) in (1..).zip(text.bytes()) {
            state = automaton.next_state(Anchored::No, state, byte);
            if automaton.is_match(state) {
                for index in 0..automaton.match_len(state) {
                    let word = automaton.match_pattern(state, index);
                    found(word.as_usize(), end - automaton.pattern_len(word)..end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_in_any_case_also_within_another() {
        let words = Words::new(["he", "she", "hers", "Ä"]).unwrap();
        let mut found = Vec::new();
        words.each("uSHErs Ä ä", |word, range| found.push((word, range)));
        assert_eq!(found, [(1, 1..4), (0, 2..4), (2, 2..6), (3, 7..9)]);
        Words::new([]).unwrap().each("x", |_, _| panic!("there is none"));
    }

    #[test]
    fn a_word_is_found_wherever_in_a_text_of_any_length_it_stands() {
        let words = Words::new(["<|", "Prior", "export", "ß-key"]).unwrap();
        for (length, word) in (0..90).flat_map(|length| ["<|", "pRIOR", "EXPORT", "ß-KEY"].map(|word| (length, word)))
        {
            let (before, after) = ("Pri or ".repeat(length), "expor".repeat(90 - length));
            assert!(!words.is_any_in(&before) && !words.is_any_in(&after), "{before}{after}");
            let mut found = Vec::new();
            words.each(&[&*before, word, &after].concat(), |_, range| found.push(range.start));
            assert_eq!(found, [before.len()]);
        }
    }
}
