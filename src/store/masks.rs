//! Which rows are read, as the SELECTs ask for it. Pure.

use crate::event::{Interest, Stream, stream};

/// An interest as the bit masks that the SELECTs test rows against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Masks {
    /// Bit 3: `L3_IN`; bit 4: `L4_IN`.
    pub raw: i64,
    /// Bit 3: `L3_OUT`; bit 4: `L4_OUT`; bit 8: some of `SOC_EVENTS`.
    pub outputs: i64,
    /// Bit `n`: SOC events of producer `50 + n`.
    pub producers: i64,
    /// Bit 0: `SHRINK`; bit 1: `TICK`.
    pub control: i64,
}

impl From<Interest> for Masks {
    fn from(interest: Interest) -> Self {
        let bit = |stream, bit: u32| i64::from(interest.overlaps(Interest::of(stream, 0))) << bit;
        let producers = (0..=stream::DEVICE_MAX - stream::FUSION)
            .filter(|n| interest.overlaps(Interest::of(Stream::SocEvents, stream::FUSION + n)))
            .fold(0, |mask, n| mask | 1 << n);
        Self {
            raw: bit(Stream::L3In, 3) | bit(Stream::L4In, 4),
            outputs: bit(Stream::L3Out, 3) | bit(Stream::L4Out, 4) | i64::from(producers != 0) << 8,
            producers,
            control: bit(Stream::Shrink, 0) | bit(Stream::Tick, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_masks_let_exactly_the_interest_through(bits in vec(0..64_usize, 0..6), producer in 50..=105_u16) {
            let interest = Stream::ALL
                .into_iter()
                .filter(|stream| *stream != Stream::SocEvents && bits.contains(&(*stream as usize)))
                .fold(Interest::NONE, Interest::stream);
            let interest = bits.iter().filter(|bit| **bit >= 8).fold(interest, |all, bit| all.soc(42 + *bit as u16));
            let masks = Masks::from(interest);
            let covers = |stream| interest.overlaps(Interest::of(stream, producer));
            prop_assert_eq!(masks.raw >> 3 & 1 == 1, covers(Stream::L3In));
            prop_assert_eq!(masks.raw >> 4 & 1 == 1, covers(Stream::L4In));
            prop_assert_eq!(masks.outputs >> 3 & 1 == 1, covers(Stream::L3Out));
            prop_assert_eq!(masks.outputs >> 4 & 1 == 1, covers(Stream::L4Out));
            let soc = masks.outputs >> 8 & 1 == 1 && masks.producers >> (producer - 50) & 1 == 1;
            prop_assert_eq!(soc, covers(Stream::SocEvents));
            prop_assert_eq!(masks.control & 1 == 1, covers(Stream::Shrink));
            prop_assert_eq!(masks.control >> 1 & 1 == 1, covers(Stream::Tick));
        }
    }
}
