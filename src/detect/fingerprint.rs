//! Numbers that stand for what attackers write.

use std::cell::RefCell;

use crate::event::Timestamp;
use crate::limits::FINGERPRINTS_KEPT;

/// Items may be long and are written by attackers; equal fingerprints mean equal items.
pub fn fingerprint(item: &str) -> u64 {
    number_of(item.as_bytes())
}

/// The fingerprint of two fingerprints together.
pub fn paired(first: u64, second: u64) -> u64 {
    let mut both = [0; 16];
    let bytes = first.to_le_bytes().into_iter().chain(second.to_le_bytes());
    both.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    number_of(&both)
}

fn number_of(item: &[u8]) -> u64 {
    match Short::of(item) {
        Some(short) => LATELY.with_borrow_mut(|lately| lately.number_of(&short, item)),
        None => hashed(item),
    }
}

fn hashed(item: &[u8]) -> u64 {
    let hash = blake3::hash(item);
    hash.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

thread_local! {
    static LATELY: RefCell<Lately> = RefCell::new(Lately(vec![[0; WORDS + 1]; FINGERPRINTS_KEPT]));
}

/// The numbers of short items that came lately: those of hosts, programs and most users come again and again, and to compare an
/// item costs a tenth of what it costs to hash it. Each has one place, where the last one stands.
struct Lately(Vec<[u64; WORDS + 1]>);

const WORDS: usize = 7;

/// An item with its length, filled up with zeros.
struct Short([u64; WORDS]);

impl Short {
    fn of(item: &[u8]) -> Option<Self> {
        let mut bytes = [0; WORDS * 8];
        let (length, rest) = bytes.split_first_mut()?;
        *length = u8::try_from(item.len()).ok().filter(|length| *length > 0)?;
        rest.get_mut(..item.len())?.copy_from_slice(item);
        let mut words = [0; WORDS];
        let chunks = bytes.as_chunks::<8>().0;
        words.iter_mut().zip(chunks).for_each(|(word, chunk)| *word = u64::from_le_bytes(*chunk));
        Some(Self(words))
    }

    /// Whoever has two items stand in one place makes them be hashed, and no more.
    fn place(&self) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = self.0.iter().fold(0_u64, |mixed, word| (mixed ^ word).wrapping_mul(ODD).rotate_left(29));
        (mixed >> 32) as usize % FINGERPRINTS_KEPT
    }
}

impl Lately {
    fn number_of(&mut self, short: &Short, item: &[u8]) -> u64 {
        let Some([known @ .., number]) = self.0.get_mut(short.place()) else { return hashed(item) };
        if *known != short.0 {
            (*known, *number) = (short.0, hashed(item));
        }
        *number
    }
}

/// The name of an alarm about something that began then: nothing else has both.
pub fn alarm_id(about: u64, first: Timestamp) -> String {
    format!("{about:016x}-{}", first.millis())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_comes_again_has_the_number_that_it_is_hashed_to(items in prop::collection::vec("[ab\\x00]{0,3}|.{50,60}", 1..50)) {
            for item in items.iter().chain(&items) {
                prop_assert_eq!(fingerprint(item), hashed(item.as_bytes()), "{:?}", item);
            }
        }
    }

    #[test]
    fn two_together_have_the_number_of_their_bytes() {
        assert_eq!(paired(1, 2), hashed(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]));
        assert_ne!(paired(1, 2), paired(2, 1));
    }
}
