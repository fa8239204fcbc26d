//! Which pairs of bytes a message has: a text of which one pair is missing is nowhere in it.

use std::cell::OnceCell;

/// Bits of the set; a message of a few hundred bytes fills a part of it.
const BITS: usize = 1024;
const WORDS: usize = BITS / 64;
/// Pairs of a text that are looked at.
const PAIRS: usize = 4;

/// A message, and its pairs once somebody asks for them.
#[derive(Debug)]
pub struct Text<'a> {
    pub text: &'a str,
    pairs: OnceCell<[u64; WORDS]>,
}

/// Some pairs of a text that is searched for; of a shorter text, fewer and the empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grams([u16; PAIRS]);

/// Stands for no pair: every message has it.
const EMPTY: u16 = 0;

fn gram(left: u8, right: u8) -> u16 {
    ((u16::from(left) << 5) ^ u16::from(right)) & (BITS as u16 - 1)
}

impl Grams {
    /// The pairs of the rarest bytes.
    pub fn of(text: &[u8], rarity: impl Fn(u8) -> u8) -> Self {
        let mut pairs: Vec<[u8; 2]> = text.array_windows().copied().collect();
        pairs.sort_by_key(|[left, right]| std::cmp::Reverse(u16::from(rarity(*left)) + u16::from(rarity(*right))));
        let mut grams = [EMPTY; PAIRS];
        for (place, [left, right]) in grams.iter_mut().zip(pairs) {
            *place = gram(left, right);
        }
        Self(grams)
    }
}

impl<'a> Text<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, pairs: OnceCell::new() }
    }

    /// `false`: the text with these pairs is nowhere in the message.
    pub fn may_have(&self, grams: &Grams) -> bool {
        let pairs = self.pairs.get_or_init(|| {
            let mut pairs = [0; WORDS];
            pairs[0] |= 1 << EMPTY;
            for [left, right] in self.text.as_bytes().array_windows() {
                let gram = gram(*left, *right);
                if let Some(word) = pairs.get_mut(usize::from(gram / 64)) {
                    *word |= 1_u64 << (gram % 64);
                }
            }
            pairs
        });
        grams.0.iter().all(|gram| pairs.get(usize::from(gram / 64)).is_some_and(|word| word >> (gram % 64) & 1 == 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_stands_in_the_message_is_never_ruled_out() {
        let message = "Failed password for root from 192.0.2.1 port 22 é";
        let text = Text::new(message);
        for start in 0..message.len() {
            for end in start..=message.len() {
                let grams = Grams::of(&message.as_bytes()[start..end], |byte| byte % 7);
                assert!(text.may_have(&grams), "{start}..{end}");
            }
        }
        assert!(!text.may_have(&Grams::of(b" (xyz)", |_| 0)));
    }
}
