//! Names made by an algorithm: how unlike names that people register a name is.
//!
//! A logistic regression over hashed character n-grams and a few shapes (length, digits, vowels, runs), trained by
//! `tests/evaluate/dga_weights.rs` on popular names against names drawn from the generators that malware families use
//! (uniform letters, hexadecimal, alphabets of part of the letters, pronounceable syllables). The table is its weights.

use super::public_suffix::registrable;

/// Weights in units of [`WEIGHT_UNIT`], by hash of the feature.
static WEIGHTS: &[u8; TABLE_SIZE] = include_bytes!("dga_weights.bin");
pub const TABLE_SIZE: usize = 1 << 14;
/// Of the logit.
pub const WEIGHT_UNIT: f64 = 1.0 / 32.0;

/// Longest label of a domain name.
const LABEL_BYTES_MAX: usize = 63;
/// Names shorter than this are not judged: every combination of so few letters is registered.
const LABEL_BYTES_MIN: usize = 5;

/// How likely it is that an algorithm made the registrable part of this name: 0 to 1, about even odds at 0.5 if half of
/// all names were made so. 0 for what is no registrable name.
pub fn score(domain: &str) -> f64 {
    registrable_label(domain).map_or(0.0, score_label)
}

/// The same for the label alone: `example` of `www.example.co.uk`.
pub fn score_label(label: &str) -> f64 {
    // Punycode looks random and is not.
    if label.len() < LABEL_BYTES_MIN || label.starts_with("xn--") {
        return 0.0;
    }
    let mut sum = 0_i32;
    let mut count = 0_u32;
    features(label, |index| {
        sum += i32::from(WEIGHTS.get(index).copied().unwrap_or_default().cast_signed());
        count += 1;
    });
    sigmoid(f64::from(sum) * WEIGHT_UNIT)
}

pub fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// The label under which a name is registered: `example` of `www.example.co.uk`, `host` of `host.dyndns.org`.
pub fn registrable_label(domain: &str) -> Option<&str> {
    registrable(domain)?.split('.').next()
}

/// Indices into the table, one for each feature of the label; the same feature may come more than once.
pub fn features(label: &str, mut take: impl FnMut(usize)) {
    let lower = label.get(..label.len().min(LABEL_BYTES_MAX)).unwrap_or_default().to_ascii_lowercase();
    let mut framed = Vec::with_capacity(lower.len() + 2);
    framed.push(b'^');
    framed.extend_from_slice(lower.as_bytes());
    framed.push(b'$');
    for length in 1..=4 {
        for gram in framed.windows(length) {
            take(slot(length as u8, gram));
        }
    }
    for (kind, value) in shapes(lower.as_bytes()).into_iter().enumerate() {
        take(slot(b'a' + kind as u8, &[value]));
    }
}

fn is_vowel(byte: u8) -> bool {
    matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// Length, share of digits, of vowels among letters, of different characters, longest run of consonants, and changes
/// between digits and letters; all in coarse steps.
fn shapes(label: &[u8]) -> [u8; 6] {
    let share = |part: usize, of: usize| (part * 8).checked_div(of).unwrap_or(0) as u8;
    let letters = label.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let digits = label.iter().filter(|byte| byte.is_ascii_digit()).count();
    let vowels = label.iter().filter(|byte| is_vowel(**byte)).count();
    let different = (0..=u8::MAX).filter(|byte| label.contains(byte)).count();
    let mut run = 0_u8;
    let mut longest_run = 0_u8;
    for byte in label {
        run = if byte.is_ascii_alphabetic() && !is_vowel(*byte) { run + 1 } else { 0 };
        longest_run = longest_run.max(run);
    }
    let changes = label
        .iter()
        .zip(label.iter().skip(1))
        .filter(|(left, right)| left.is_ascii_digit() != right.is_ascii_digit())
        .count();
    [
        label.len().min(40) as u8,
        share(digits, label.len()),
        share(vowels, letters),
        share(different, label.len()),
        longest_run.min(8),
        changes.min(8) as u8,
    ]
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

    #[test]
    fn random_names_score_high_and_everyday_names_low() {
        for name in ["xqzvkwpjrtbn.com", "kq3v9zx7wj2p4hd.org", "a8f3e1c09b7d42aa.net", "qwjxkzvbptlm.ddns.net"] {
            assert!(score(name) > 0.9, "{name} {}", score(name));
        }
        for name in ["www.wikipedia.org", "example.com", "debian.org", "stackoverflow.com", "openstreetmap.org"] {
            assert!(score(name) < 0.5, "{name} {}", score(name));
        }
    }

    /// The weights were trained on these shapes, and mean nothing for others.
    #[test]
    fn the_shapes_of_a_name_are_those_that_the_weights_were_trained_on() {
        assert_eq!(shapes(b"banana42"), [8, 2, 4, 5, 1, 1]);
        assert_eq!(shapes(b"strengths"), [9, 0, 0, 6, 5, 0]);
        assert_eq!(shapes(b"a1b2c3d4e5f6"), [12, 4, 2, 8, 1, 8]);
        assert_eq!(shapes(b"bcdfghjklmnp-aeiouy"), [19, 0, 2, 8, 8, 0]);
        assert_eq!(shapes(b"12345"), [5, 8, 0, 8, 0, 0]);
    }

    #[test]
    fn the_features_of_a_name_are_its_grams_in_their_frame_and_its_shapes() {
        let indices = |label: &str| {
            let mut indices = Vec::new();
            features(label, |index| indices.push(index));
            indices
        };
        assert_eq!(indices("Ab").len(), 4 + 3 + 2 + 1 + 6, "of one to four letters of ^ab$, and the shapes");
        assert_eq!(indices("Ab"), indices("aB"));
        assert!(indices("ab").iter().all(|index| *index < TABLE_SIZE));
        assert_eq!(indices(&"ab".repeat(32)), indices(&format!("{}a", "ab".repeat(31))), "63 letters count");
    }

    #[test]
    fn only_the_registrable_part_is_judged() {
        assert_eq!(registrable_label("d111abcdef8.assets.example.co.uk"), Some("example"));
        assert_eq!(score("com"), 0.0);
        assert_eq!(score("xn--bcher-kva.example"), score("xn--bcher-kva.example"));
    }

    #[test]
    fn no_name_of_any_bytes_breaks_it() {
        for name in ["", ".", "..", "é.com", "\u{0}.com", &"a".repeat(300), &format!("{}.com", "é".repeat(63))] {
            assert!((0.0..=1.0).contains(&score(name)), "{name}");
        }
    }
}
