//! Several inputs, each in its own order, as one sequence in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The believed time of the next line of every input that has one. The caller takes the [`earliest`](Self::earliest), and offers
/// that input's next line before it takes another. Equal times go by the inputs' numbers.
///
/// An input keeps its own order whatever its times say. The sequence is that of the largest time each input has shown so
/// far, which needs not be remembered: a line that is older than the one before it goes first in any case, because all
/// that is left elsewhere is not older than the last one taken. So a reader that starts again in the middle goes on
/// exactly as if it had never stopped.
#[derive(Debug)]
pub struct Merge<Time> {
    heads: BinaryHeap<Reverse<(Time, usize)>>,
}

impl<Time: Ord> Default for Merge<Time> {
    fn default() -> Self {
        Self { heads: BinaryHeap::new() }
    }
}

impl<Time: Ord> Merge<Time> {
    pub fn offer(&mut self, input: usize, time: Time) {
        self.heads.push(Reverse((time, input)));
    }

    /// The input whose line is next; it has to be offered again.
    pub fn earliest(&mut self) -> Option<usize> {
        self.heads.pop().map(|Reverse((_, input))| input)
    }

    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Timestamp;

    /// Times of the lines of each input in, (input, line) out.
    fn merged(inputs: &[Vec<u64>]) -> Vec<(usize, usize)> {
        let (mut merge, mut order, mut taken) = (Merge::default(), Vec::new(), vec![0; inputs.len()]);
        let offer = |merge: &mut Merge<Timestamp>, input: usize, line: usize| {
            if let Some(time) = inputs[input].get(line) {
                merge.offer(input, Timestamp::from_millis(*time));
            }
        };
        (0..inputs.len()).for_each(|input| offer(&mut merge, input, 0));
        while let Some(input) = merge.earliest() {
            order.push((input, taken[input]));
            taken[input] += 1;
            offer(&mut merge, input, taken[input]);
        }
        order
    }

    #[test]
    fn lines_of_two_inputs_are_in_order_of_time_and_each_input_keeps_its_own() {
        let order = merged(&[vec![1, 9, 3], vec![2, 9, 10]]);
        assert_eq!(order, [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (1, 2)]);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_largest_time_each_input_has_shown(
            inputs in prop::collection::vec(prop::collection::vec(0_u64..12, 0..12), 1..5),
        ) {
            let mut expected = Vec::new();
            for (input, times) in inputs.iter().enumerate() {
                let largest = |line: usize| times[..=line].iter().max().copied();
                expected.extend((0..times.len()).map(|line| (largest(line), input, line)));
            }
            expected.sort();
            let expected: Vec<_> = expected.into_iter().map(|(_, input, line)| (input, line)).collect();
            prop_assert_eq!(merged(&inputs), expected);
        }
    }
}
