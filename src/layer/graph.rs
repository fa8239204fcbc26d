//! Which stage reads which stage's output: put in order, and refused when a stage would, through others, read its own.

use crate::event::Interest;

/// A stage's name, what it reads and what it writes.
pub type Node = (&'static str, Interest, Interest);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these stages read each other's output in a circle: {}", .0.join(", "))]
pub struct Cycle(pub Vec<&'static str>);

/// The stages so that each comes after all that it reads from, otherwise as given.
///
/// # Errors
/// Some stages read each other in a circle.
pub fn ordered(mut stages: Vec<Node>) -> Result<Vec<Node>, Cycle> {
    let mut order: Vec<Node> = Vec::with_capacity(stages.len());
    while !stages.is_empty() {
        let next = stages.iter().position(|(_, reads, _)| !stages.iter().any(|(.., writes)| writes.overlaps(*reads)));
        match next {
            Some(index) => order.push(stages.remove(index)),
            None => return Err(Cycle(stages.iter().map(|(name, ..)| *name).collect())),
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_comes_after_all_that_it_reads_from() {
        let (a, b, c) = (Interest::NONE.soc(51), Interest::NONE.soc(52), Interest::NONE.soc(53));
        let stages = vec![("last", a.soc(52), c), ("middle", a, b), ("first", Interest::NONE, a)];
        let names: Vec<_> = ordered(stages).unwrap().iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, ["first", "middle", "last"]);
    }

    #[test]
    fn a_circle_is_refused_by_name() {
        let (a, b) = (Interest::NONE.soc(51), Interest::NONE.soc(52));
        assert_eq!(ordered(vec![("x", a, b), ("y", b, a)]), Err(Cycle(vec!["x", "y"])));
    }
}
