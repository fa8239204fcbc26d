//! What the model of algorithmic names looks at in a name.

use std::collections::BTreeSet;
use std::sync::LazyLock;

pub const TABLE_SIZE: usize = 1 << 15;
/// Longest label of a domain name.
const LABEL_BYTES_MAX: usize = 63;
const GRAM_BYTES_MAX: usize = 4;
/// Words in a name that are looked for.
const WORD_BYTES_MIN: usize = 3;
const WORD_BYTES_MAX: usize = 12;

static WORDS: LazyLock<BTreeSet<&'static [u8]>> = LazyLock::new(|| {
    let lines = include_str!("dga_words.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(str::as_bytes).collect()
});

/// Indices into the table, one for each feature of the label below this suffix; the same feature may come more than once.
pub fn features(label: &str, suffix: &str, mut take: impl FnMut(usize)) {
    let lower = label.get(..label.len().min(LABEL_BYTES_MAX)).unwrap_or_default().to_ascii_lowercase();
    let lower = lower.as_bytes();
    let mut framed = Vec::with_capacity(lower.len() + 2);
    framed.push(b'^');
    framed.extend_from_slice(lower);
    framed.push(b'$');
    for length in 1..=GRAM_BYTES_MAX {
        for gram in framed.windows(length) {
            take(slot(length as u8, gram));
        }
    }
    let length = lower.len().min(40) as u8;
    for (kind, values) in (b'a'..).zip(shapes(lower)) {
        take(slot(kind, &values));
    }
    take(slot(b'S', suffix.as_bytes()));
    take(slot(b'T', &[suffix.as_bytes(), &[b'/', length / 4]].concat()));
    let (outside, words) = in_words(lower);
    let covered = share(lower.len() - outside, lower.len());
    let hyphens = lower.iter().filter(|byte| **byte == b'-').count().min(4) as u8;
    let (few, outside) = (words.min(7) as u8, outside as u8);
    take(slot(b'W', &[covered]));
    take(slot(b'X', &[few, covered]));
    take(slot(b'Y', &[few, outside.min(6), hyphens]));
    take(slot(b'Z', &[few, outside.min(4), length / 3]));
    take(slot(b'V', &[suffix.as_bytes(), &[b'/', few, outside.min(2)]].concat()));
}

fn is_vowel(byte: u8) -> bool {
    matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// In eighths.
fn share(part: usize, of: usize) -> u8 {
    (part * 8).checked_div(of).unwrap_or(0) as u8
}

/// The longest run of bytes that are so.
fn longest_run(label: &[u8], is: impl Fn(u8) -> bool) -> u8 {
    label.split(|byte| !is(*byte)).map(<[u8]>::len).max().unwrap_or(0).min(8) as u8
}

fn changes(label: &[u8], is: impl Fn(u8) -> bool) -> usize {
    label.iter().zip(label.iter().skip(1)).filter(|(left, right)| is(**left) != is(**right)).count()
}

/// Length, share of digits, of vowels among letters, of different characters, runs, and changes between kinds; alone and with the length, all in
/// coarse steps.
fn shapes(label: &[u8]) -> [Vec<u8>; 11] {
    let letters = label.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let vowels = share(label.iter().filter(|byte| is_vowel(**byte)).count(), letters);
    let digits = share(label.iter().filter(|byte| byte.is_ascii_digit()).count(), label.len());
    let different = (0..=u8::MAX).filter(|byte| label.contains(byte)).count();
    let consonants = longest_run(label, |byte| byte.is_ascii_alphabetic() && !is_vowel(byte));
    let turns = share(changes(label, is_vowel), label.len());
    let length = label.len().min(40) as u8;
    [
        vec![length],
        vec![digits],
        vec![vowels],
        vec![share(different, label.len())],
        vec![consonants],
        vec![changes(label, |byte| byte.is_ascii_digit()).min(8) as u8],
        vec![length / 2, vowels],
        vec![length / 2, digits],
        vec![length / 2, different.min(20) as u8],
        vec![turns, length / 2],
        vec![longest_run(label, is_vowel).min(6), consonants],
    ]
}

/// The label as common words: how few letters have to stay outside them, and how few words that takes.
fn in_words(label: &[u8]) -> (usize, usize) {
    let mut best = vec![(0_usize, 0_usize)];
    for end in 1..=label.len() {
        let (outside, words) = best.last().copied().unwrap_or_default();
        let mut least = (outside + 1, words);
        for length in WORD_BYTES_MIN..=end.min(WORD_BYTES_MAX) {
            let is_word = label.get(end - length..end).is_some_and(|word| WORDS.contains(word));
            if let Some((outside, words)) = best.get(end - length).filter(|_| is_word) {
                least = least.min((*outside, words + 1));
            }
        }
        best.push(least);
    }
    best.last().copied().unwrap_or_default()
}

/// FNV-1a, folded to the table.
fn slot(kind: u8, bytes: &[u8]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(&kind).chain(bytes) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    }
    (hash ^ hash >> 32) as usize % TABLE_SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weights were trained on these shapes, and mean nothing for others.
    #[test]
    fn the_shapes_of_a_name_are_those_that_the_weights_were_trained_on() {
        let of = |label: &[u8]| shapes(label).concat();
        assert_eq!(of(b"banana42"), [8, 2, 4, 5, 1, 1, 4, 4, 4, 2, 4, 5, 6, 4, 1, 1]);
        assert_eq!(of(b"12345"), [5, 8, 0, 8, 0, 0, 2, 0, 2, 8, 2, 5, 0, 2, 0, 0]);
        assert_eq!(of(b""), [0; 16]);
    }

    #[test]
    fn the_features_of_a_name_are_its_grams_in_their_frame_its_shapes_its_suffix_and_its_words() {
        let indices = |label: &str, suffix: &str| {
            let mut indices = Vec::new();
            features(label, suffix, |index| indices.push(index));
            indices
        };
        assert_eq!(indices("Ab", "com").len(), 4 + 3 + 2 + 1 + 11 + 2 + 5);
        assert_eq!(indices("Ab", "com"), indices("aB", "com"));
        assert_ne!(indices("ab", "com"), indices("ab", "net"));
        assert!(indices("ab", "com").iter().all(|index| *index < TABLE_SIZE));
        assert_eq!(indices(&"ab".repeat(32), "x"), indices(&format!("{}a", "ab".repeat(31)), "x"), "63 letters count");
    }

    #[test]
    fn a_name_is_as_few_words_with_as_little_between_as_can_be() {
        assert_eq!(in_words(b"together"), (0, 1), "and not to, get, her");
        assert_eq!(in_words(b"pressure-message"), (1, 2));
        assert_eq!(in_words(b"xqzvk"), (5, 0));
        assert_eq!(in_words(b""), (0, 0));
    }
}
