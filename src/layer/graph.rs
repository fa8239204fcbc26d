//! Who reads whose output: put in order, and refused when somebody would read, round a corner, its own.

use super::stage::StageSpec;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these stages read each other's output in a circle: {}", .0.join(", "))]
pub struct Cycle(pub Vec<String>);

/// The stages so that each comes after all that it reads from, otherwise as given.
///
/// # Errors
/// Some stages read each other in a circle.
pub fn ordered(mut stages: Vec<StageSpec>) -> Result<Vec<StageSpec>, Cycle> {
    let mut order: Vec<StageSpec> = Vec::with_capacity(stages.len());
    while !stages.is_empty() {
        let next = stages.iter().position(|stage| !stages.iter().any(|other| other.writes.overlaps(stage.reads)));
        match next {
            Some(index) => order.push(stages.remove(index)),
            None => return Err(Cycle(stages.iter().map(|stage| stage.name.to_owned()).collect())),
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Interest;
    use crate::layer::stage::testing;

    fn stage(name: &'static str, reads: Interest, writes: Interest) -> StageSpec {
        StageSpec { reads, writes, ..testing::echo(name) }
    }

    #[test]
    fn a_reader_comes_after_all_that_it_reads_from() {
        let (a, b, c) = (Interest::NONE.soc(51), Interest::NONE.soc(52), Interest::NONE.soc(53));
        let stages = vec![stage("last", a.soc(52), c), stage("middle", a, b), stage("first", Interest::NONE, a)];
        let names: Vec<_> = ordered(stages).unwrap().iter().map(|stage| stage.name).collect();
        assert_eq!(names, ["first", "middle", "last"]);
    }

    #[test]
    fn a_circle_is_refused_by_name() {
        let (a, b) = (Interest::NONE.soc(51), Interest::NONE.soc(52));
        let error = ordered(vec![stage("x", a, b), stage("y", b, a)]).err().unwrap();
        assert_eq!(error, Cycle(vec!["x".into(), "y".into()]));
    }
}
