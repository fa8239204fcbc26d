//! What can come next at a place of the templates, so that most ways on are ruled out by one look at the message.
//!
//! Bytes are told apart as far as templates do: letters each, marks that are used alike together.

use super::kind::Kind;

/// A set of classes of bytes; the end of the message is one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begins(u64);

pub const CLASSES: usize = 64;
const AT_END: u8 = 63;

/// The class of each byte.
static CLASS: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "in a constant, where it would not compile")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = class(byte);
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

const fn class(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => byte - b'a',
        b'A'..=b'Z' => 26 + byte - b'A',
        b'0'..=b'9' => 52,
        b' ' => 53,
        b'[' | b'(' | b'{' | b'<' => 54,
        b'"' | b'\'' | b'`' => 55,
        b':' => 56,
        b'=' => 57,
        b'/' | b'\\' => 58,
        b'-' | b'+' | b'.' | b'_' => 59,
        b',' | b';' | b'|' => 60,
        b']' | b')' | b'}' | b'>' => 61,
        _ => 62,
    }
}

impl Begins {
    pub const NOTHING: Self = Self(0);
    pub const END: Self = Self(1 << AT_END);
    pub const ANYTHING: Self = Self(u64::MAX);

    /// The class of one byte.
    pub fn with(byte: u8) -> Self {
        Self(1 << CLASS.get(usize::from(byte)).copied().unwrap_or_default())
    }

    /// The class of the byte at this place.
    pub fn at(message: &[u8], at: usize) -> Self {
        message.get(at).map_or(Self::END, |byte| Self::with(*byte))
    }

    /// What a field itself can begin with.
    pub fn of(kind: &Kind) -> Self {
        (0..=u8::MAX).filter(|byte| kind.may_begin(*byte)).map(Self::with).fold(Self::NOTHING, Self::or)
    }

    /// What it can begin with where this is what the field itself can: where it may be empty, also what follows, `behind`.
    pub fn before(self, kind: &Kind, behind: Self) -> Self {
        if kind.lengths().0 == 0 { self.or(behind) } else { self }
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn has(self, class: Self) -> bool {
        self.0 & class.0 != 0
    }

    /// Every class alone, in the order of its number.
    pub fn classes() -> impl Iterator<Item = Self> {
        (0..CLASSES).map(|class| Self(1 << class))
    }

    /// Of a class alone.
    pub fn number(self) -> usize {
        self.0.trailing_zeros() as usize
    }
}

/// What two bytes that follow each other can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair(pub Begins, pub Begins);

impl Pair {
    pub const NOTHING: Self = Self(Begins::NOTHING, Begins::NOTHING);
    pub const END: Self = Self(Begins::END, Begins::END);

    /// The start of a text, and `behind` it.
    pub fn of(text: &[u8], behind: Self) -> Self {
        match *text {
            [] => behind,
            [first] => Self(Begins::with(first), behind.0),
            [first, second, ..] => Self(Begins::with(first), Begins::with(second)),
        }
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0), self.1.or(other.1))
    }

    /// Whether what stands at this place can be these.
    pub fn fits(self, message: &[u8], at: usize) -> bool {
        self.0.has(Begins::at(message, at)) && self.1.has(Begins::at(message, at + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_field_can_begin_with_is_never_ruled_out() {
        for kind in ["ip", "host", "int", "time", "quoted", "text", "rest", "path", "space", "kv", "json"] {
            let kind = Kind::named(kind, None).unwrap();
            let begins = Begins::of(&kind).before(&kind, Begins::with(b'!'));
            for byte in 0..=u8::MAX {
                assert!(!kind.may_begin(byte) || begins.has(Begins::with(byte)), "{kind:?} {byte}");
            }
        }
        let before = |kind: Kind, behind: Begins| Begins::of(&kind).before(&kind, behind);
        let rest = before(Kind::Rest, Begins::END);
        assert!(rest.has(Begins::END));
        assert!(!before(Kind::Text, Begins::END).has(Begins::END), "text is not empty");
    }

    #[test]
    fn each_class_is_found_by_its_number() {
        assert!(Begins::classes().enumerate().all(|(number, class)| class.number() == number));
        let all = (0..=u8::MAX).map(Begins::with).fold(Begins::END, Begins::or);
        assert!(Begins::classes().all(|class| all.has(class)));
    }
}
