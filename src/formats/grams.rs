//! Which pairs of bytes a message has: a text of which one pair is missing is nowhere in it.

use std::cell::Cell;

use crate::limits;

/// Pairs that are told apart; a message of a few hundred bytes has a part of them.
const GRAMS: usize = 1024;
/// Pairs of a text that are looked at.
const PAIRS: usize = 4;

/// Texts of which a message must have one.
const NEEDS: usize = 4;
/// Pairs of such a text that are looked at.
const NEEDED_PAIRS: usize = 2;
/// Ends of fields that are remembered, and places from which nothing goes on.
const ENDS: usize = 64;
const DEAD_ENDS: usize = 128;
const NOWHERE: (u32, u32) = (u32::MAX, u32::MAX);

/// A message, with what has been found out about it so far.
#[derive(Debug)]
pub struct Text<'a> {
    pub text: &'a str,
    /// Steps of the search that are left, whichever templates are tried.
    steps: Cell<u32>,
    /// Which pairs it has, once somebody has asked.
    pairs: [Cell<bool>; GRAMS],
    is_paired: Cell<bool>,
    /// Which templates the nodes and the types of fields below are of.
    walked: Cell<usize>,
    ends: [Cell<Known>; ENDS],
    /// Nodes and places.
    dead_ends: [Cell<(u32, u32)>; DEAD_ENDS],
}

/// Where a field of some type that begins at a place ends.
#[derive(Debug, Clone, Copy)]
struct Known {
    at: u32,
    kind: u32,
    /// `u32::MAX`: none begins here.
    end: u32,
}

impl Known {
    const NOTHING: Self = Self { at: u32::MAX, kind: 0, end: 0 };
}

/// What a message must have to go on from some place of the templates: the rarest pairs of one of some texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    texts: [[u16; NEEDED_PAIRS]; NEEDS],
    count: u8,
    /// How rare the most frequent of them is.
    rarity: u8,
}

impl Needs {
    /// No message has it: nothing has been added.
    pub const NEVER: Self = Self { texts: [NONE; NEEDS], count: 0, rarity: u8::MAX };
    /// Every message has it.
    pub const NOTHING: Self = Self { texts: [[EMPTY; NEEDED_PAIRS], NONE, NONE, NONE], count: 1, rarity: 0 };

    /// A text in every message, and of it and what all messages need behind it the rarer.
    pub fn of(text: &[u8], behind: Self, rarity: impl Fn(u8) -> u8) -> Self {
        let mut pairs: Vec<(u8, u16)> =
            text.array_windows().map(|[left, right]| (rarity(*left) + rarity(*right), known(*left, *right))).collect();
        pairs.sort_unstable_by_key(|(rarity, _)| std::cmp::Reverse(*rarity));
        let mut own = Self::NOTHING;
        for (pair, (rarity, found)) in own.texts.iter_mut().take(1).flatten().zip(pairs) {
            *pair = found;
            own.rarity = own.rarity.saturating_add(rarity);
        }
        if behind.count > 0 && behind.rarity > own.rarity { behind } else { own }
    }

    /// What messages need that go one of two ways.
    pub fn or(mut self, other: Self) -> Self {
        for text in other.texts.iter().take(usize::from(other.count)) {
            if self.texts.iter().take(usize::from(self.count)).any(|known| known == text) {
                continue;
            }
            let Some(place) = self.texts.get_mut(usize::from(self.count)) else { return Self::NOTHING };
            *place = *text;
            self.count += 1;
        }
        Self { rarity: self.rarity.min(other.rarity), ..self }
    }
}

/// Some pairs of a text that is searched for; of a shorter text, fewer and the empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grams([u16; PAIRS]);

/// Stands for no pair: every message has it.
const EMPTY: u16 = 0;
/// Stands for what no message has.
const MISSING: u16 = 1;
const NONE: [u16; NEEDED_PAIRS] = [MISSING; NEEDED_PAIRS];

fn gram(left: u8, right: u8) -> u16 {
    ((u16::from(left) << 5) ^ u16::from(right)) % GRAMS as u16
}

/// A pair of a text of the templates. Those that cannot be told from the two constants are not looked at.
fn known(left: u8, right: u8) -> u16 {
    Some(gram(left, right)).filter(|gram| *gram != MISSING).unwrap_or(EMPTY)
}

impl Grams {
    /// The pairs of the rarest bytes.
    pub fn of(text: &[u8], rarity: impl Fn(u8) -> u8) -> Self {
        let mut pairs: Vec<[u8; 2]> = text.array_windows().copied().collect();
        pairs.sort_by_key(|[left, right]| std::cmp::Reverse(u16::from(rarity(*left)) + u16::from(rarity(*right))));
        let mut grams = [EMPTY; PAIRS];
        for (place, [left, right]) in grams.iter_mut().zip(pairs) {
            *place = known(left, right);
        }
        Self(grams)
    }
}

impl<'a> Text<'a> {
    pub fn new(text: &'a str) -> Self {
        Self::with_steps(text, limits::FORMAT_STEPS_MAX)
    }

    /// With so many steps for the search.
    pub fn with_steps(text: &'a str, steps: u32) -> Self {
        Self {
            text,
            steps: Cell::new(steps),
            pairs: [const { Cell::new(false) }; GRAMS],
            is_paired: Cell::new(false),
            walked: Cell::new(0),
            ends: [const { Cell::new(Known::NOTHING) }; ENDS],
            dead_ends: [const { Cell::new(NOWHERE) }; DEAD_ENDS],
        }
    }

    /// Forgets what has been found out by other templates than these.
    pub fn walk(&self, templates: usize) {
        if ![0, templates].contains(&self.walked.replace(templates)) {
            self.ends.iter().for_each(|place| place.set(Known::NOTHING));
            self.dead_ends.iter().for_each(|place| place.set(NOWHERE));
        }
    }

    /// Takes steps; `false`: none is left.
    pub fn spend(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX)));
        self.steps.get() > 0
    }

    fn pairs(&self) -> &[Cell<bool>; GRAMS] {
        if !self.is_paired.replace(true) {
            let set = |gram: u16, has| place(&self.pairs, gram).into_iter().for_each(|place| place.set(has));
            for [left, right] in self.text.as_bytes().array_windows() {
                set(gram(*left, *right), true);
            }
            set(EMPTY, true);
            set(MISSING, false);
        }
        &self.pairs
    }

    /// `false`: the text with these pairs is nowhere in the message.
    pub fn may_have(&self, grams: &Grams) -> bool {
        has_all(self.pairs(), &grams.0)
    }

    /// `false`: the message has none of the texts that it needs.
    pub fn may_meet(&self, needs: &Needs) -> bool {
        let pairs = self.pairs();
        // All are looked at: to guess which is the first costs more.
        needs.texts.iter().fold(false, |any, text| any | has_all(pairs, text))
    }

    /// Whether it is known that no reading goes on from this node at this place, however it was reached.
    pub fn is_dead_end(&self, node: u32, at: usize) -> bool {
        self.dead_ends.get((31 * node as usize + at) % DEAD_ENDS).is_some_and(|place| place.get() == (node, at as u32))
    }

    pub fn note_dead_end(&self, node: u32, at: usize) {
        if let Some(place) = self.dead_ends.get((31 * node as usize + at) % DEAD_ENDS) {
            // The message is shorter than 4 GiB.
            place.set((node, at as u32));
        }
    }

    /// Where the field of this type ends that begins here; several often begin at one place.
    pub fn end(&self, kind: u32, at: usize, end: impl FnOnce() -> Option<usize>) -> Option<usize> {
        let slot = self.ends.get((31 * kind as usize + at) % ENDS);
        let (Some(place), Ok(begin)) = (slot, u32::try_from(at)) else { return end() };
        let known = place.get();
        if (known.kind, known.at) == (kind, begin) {
            return Some(known.end as usize).filter(|_| known.end != u32::MAX);
        }
        let end = end();
        place.set(Known { at: begin, kind, end: end.and_then(|end| u32::try_from(end).ok()).unwrap_or(u32::MAX) });
        end
    }
}

fn has_all(pairs: &[Cell<bool>; GRAMS], grams: &[u16]) -> bool {
    grams.iter().fold(true, |all, gram| all & place(pairs, *gram).is_some_and(Cell::get))
}

/// Always there: the remainder spares the comparison with the length.
fn place(pairs: &[Cell<bool>; GRAMS], gram: u16) -> Option<&Cell<bool>> {
    pairs.get(usize::from(gram) % GRAMS)
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
