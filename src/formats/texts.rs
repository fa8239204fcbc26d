//! The texts of which a field of the type `one` is one.

use std::hash::{Hash, Hasher};

/// Several texts, and which of them stands at the start of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Texts {
    /// The first byte of each: most texts are ruled out by it, and all of them lie together.
    firsts: Box<[u8]>,
    /// Sorted by the first byte, then the longest first, so that one that begins another does not hide it.
    all: Box<[Box<str>]>,
}

/// What begins alike is most often the same, and the texts of one field can be hundreds.
impl Hash for Texts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.firsts.hash(state);
    }
}

impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<T: IntoIterator<Item = &'a str>>(texts: T) -> Self {
        let mut all: Vec<Box<str>> = texts.into_iter().map(Box::from).collect();
        let order = |text: &str| (text.bytes().next(), std::cmp::Reverse(text.len()));
        all.sort_by(|left, right| order(left).cmp(&order(right)).then_with(|| left.cmp(right)));
        all.dedup();
        Self { firsts: all.iter().filter_map(|text| text.bytes().next()).collect(), all: all.into() }
    }
}

impl Texts {
    /// The length of the longest that stands here.
    pub fn end(&self, message: &[u8]) -> Option<usize> {
        let first = message.first()?;
        let start = memchr::memchr(*first, &self.firsts)?;
        let alike = self.firsts.iter().zip(&self.all).skip(start).take_while(|(byte, _)| *byte == first);
        alike.map(|(_, text)| text).find(|text| message.starts_with(text.as_bytes())).map(|text| text.len())
    }

    pub fn may_begin(&self, byte: u8) -> bool {
        self.firsts.contains(&byte)
    }

    /// The least and the most bytes that one has.
    pub fn lengths(&self) -> (usize, usize) {
        let lengths = self.all.iter().map(|text| text.len());
        (lengths.clone().min().unwrap_or(0), lengths.max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_that_stands_there_is_found() {
        let texts: Texts = ["a", "b", "ab", "abc", "é", "a"].into_iter().collect();
        let ends = ["abd", "abcd", "ad", "bc", "c", "", "é!"].map(|message| texts.end(message.as_bytes()));
        assert_eq!(ends, [Some(2), Some(3), Some(1), Some(1), None, None, Some(2)]);
        assert_eq!(texts.lengths(), (1, 3));
    }
}
