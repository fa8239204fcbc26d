//! Several inputs, each in its own order, as one sequence in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::Timestamp;

/// The next line of every input that has one. The caller takes the [`earliest`](Self::earliest), and offers that
/// input's next line before it takes another.
///
/// An input keeps its own order whatever its times say: its key is the largest time it has shown so far. Equal keys go by
/// the inputs' numbers. An input that starts again in the middle without that maximum still gives the same sequence:
/// all that is left elsewhere has a key not below the last one taken, and the input that was taken from last goes on first
/// either way.
#[derive(Debug, Default)]
pub struct Merge {
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

impl Merge {
    /// `key`: the largest time that this input has shown, its next line included.
    pub fn offer(&mut self, input: usize, key: Timestamp) {
        self.heads.push(Reverse((key, input)));
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

    /// Times of the lines of each input in, (input, line) out; starts afresh, without the maxima, before each of `restarts`.
    fn merged(inputs: &[Vec<u64>], restarts: &[usize]) -> Vec<(usize, usize)> {
        let mut order = Vec::new();
        let mut taken = vec![0; inputs.len()];
        loop {
            let mut merge = Merge::default();
            let mut newest = vec![Timestamp::ZERO; inputs.len()];
            let offer = |merge: &mut Merge, newest: &mut Vec<Timestamp>, taken: &[usize], input: usize| {
                if let Some(time) = inputs[input].get(taken[input]) {
                    newest[input] = newest[input].max(Timestamp::from_millis(*time));
                    merge.offer(input, newest[input]);
                }
            };
            (0..inputs.len()).for_each(|input| offer(&mut merge, &mut newest, &taken, input));
            while let Some(input) = merge.earliest() {
                order.push((input, taken[input]));
                taken[input] += 1;
                if restarts.contains(&order.len()) {
                    break;
                }
                offer(&mut merge, &mut newest, &taken, input);
            }
            if order.len() == inputs.iter().map(Vec::len).sum::<usize>() {
                return order;
            }
        }
    }

    #[test]
    fn lines_of_two_inputs_are_in_order_of_time_and_each_input_keeps_its_own() {
        let order = merged(&[vec![1, 9, 3], vec![2, 9, 10]], &[]);
        assert_eq!(order, [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (1, 2)]);
    }

    proptest! {
        #[test]
        fn starting_again_in_the_middle_does_not_change_the_order(
            inputs in prop::collection::vec(prop::collection::vec(0_u64..12, 0..12), 1..5),
            restarts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            prop_assert_eq!(merged(&inputs, &restarts), merged(&inputs, &[]));
        }
    }
}
