//! Looks for different observations that together are what a pattern asks for.

use std::collections::HashSet;

use super::error::MatchError;
use super::observation::When;
use super::program::Instruction;
use crate::limits::STIX_COMBINATIONS_MAX;

/// One observation, and for which comparisons of the pattern it holds: bit n for those with number n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub when: When,
    pub holds: u64,
}

impl Seen {
    fn is_for(&self, observation: usize, between: &[(i64, i64)]) -> bool {
        self.holds >> observation & 1 == 1
            && between.iter().all(|(start, stop)| self.when.last >= *start && self.when.first < *stop)
    }
}

/// Times of what was taken since a `Begin`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    within: Option<i64>,
    not_before: i64,
    latest_first: i64,
    earliest_last: i64,
}

/// Where one attempt stands. Two that stand at the same place come to the same end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Attempt {
    next: usize,
    groups: Vec<Group>,
    /// Rounds that are left.
    rounds: Vec<u32>,
    /// How many of each observation are taken.
    taken: Vec<u32>,
    taking: Option<Taking>,
}

/// In the middle of a `Take`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Taking {
    left: u32,
    /// The observation that is looked at, and the most that may be taken of it.
    at: usize,
    most: u32,
}

/// # Errors
/// There are more combinations than are tried.
pub fn is_found(program: &[Instruction], seen: &[Seen]) -> Result<bool, MatchError> {
    if !is_possible(program, seen) {
        return Ok(false);
    }
    let start = Attempt { next: 0, groups: Vec::new(), rounds: Vec::new(), taken: vec![0; seen.len()], taking: None };
    let (mut open, mut tried) = (vec![start.clone()], HashSet::from([start]));
    while let Some(attempt) = open.pop() {
        let Some(instruction) = program.get(attempt.next) else { return Ok(true) };
        // The first of them is tried first.
        for next in follow(attempt, instruction, seen).into_iter().rev() {
            if !tried.contains(&next) {
                tried.insert(next.clone());
                open.push(next);
            }
        }
        if tried.len() > STIX_COMBINATIONS_MAX {
            return Err(MatchError::TooManyCombinations(STIX_COMBINATIONS_MAX));
        }
    }
    Ok(false)
}

/// Whether there are enough observations for each `Take` by itself, where it cannot be gone round.
fn is_possible(program: &[Instruction], seen: &[Seen]) -> bool {
    let has_choice = program.iter().any(|instruction| matches!(instruction, Instruction::Fork(_)));
    has_choice
        || program.iter().all(|instruction| match instruction {
            Instruction::Take { observation, times, between } => {
                let fitting = seen.iter().filter(|seen| seen.is_for(*observation, between));
                fitting.map(|seen| u64::from(seen.when.number)).sum::<u64>() >= u64::from(*times)
            }
            _ => true,
        })
}

/// What an attempt can become by one instruction.
fn follow(mut attempt: Attempt, instruction: &Instruction, seen: &[Seen]) -> Vec<Attempt> {
    match instruction {
        Instruction::Take { observation, times, between } => {
            let begin = Taking { left: *times, at: 0, most: u32::MAX };
            let taking = attempt.taking.unwrap_or(begin);
            return take(attempt, taking, seen.len(), |at| {
                seen.get(at).filter(|seen| seen.is_for(*observation, between)).map(|seen| seen.when)
            });
        }
        Instruction::Begin { within } => attempt.groups.push(Group {
            within: *within,
            not_before: i64::MIN,
            latest_first: i64::MIN,
            earliest_last: i64::MAX,
        }),
        Instruction::End => drop(attempt.groups.pop()),
        Instruction::Then => {
            if let Some(group) = attempt.groups.last_mut() {
                group.not_before = group.latest_first;
            }
        }
        Instruction::Count(times) => attempt.rounds.push(*times),
        Instruction::Again(first) => match attempt.rounds.pop() {
            Some(rounds) if rounds > 1 => {
                attempt.rounds.push(rounds - 1);
                attempt.next = *first;
                return vec![attempt];
            }
            _ => {}
        },
        Instruction::Jump(target) => {
            attempt.next = *target;
            return vec![attempt];
        }
        Instruction::Fork(targets) => {
            return targets.iter().map(|target| Attempt { next: *target, ..attempt.clone() }).collect();
        }
    }
    attempt.next += 1;
    vec![attempt]
}

/// Takes as many as fit of the next observation, or fewer, where what is left can still be enough.
fn take(
    mut attempt: Attempt,
    taking: Taking,
    observations: usize,
    fitting: impl Fn(usize) -> Option<When>,
) -> Vec<Attempt> {
    if taking.left == 0 {
        attempt.taking = None;
        attempt.next += 1;
        return vec![attempt];
    }
    let most = |at: usize| if at == taking.at { taking.most } else { u32::MAX };
    let mut available = (taking.at..observations).filter_map(|at| {
        let when = fitting(at).filter(|when| attempt.groups.iter().all(|group| group.with(*when).is_some()))?;
        let taken = attempt.taken.get(at).copied().unwrap_or_default();
        Some((at, when, most(at).min(taking.left).min(when.number.saturating_sub(taken))))
    });
    let Some((at, when, number)) = available.find(|(_, _, number)| *number > 0) else { return Vec::new() };
    let others: u64 = available.map(|(_, _, number)| u64::from(number)).sum();
    let mut next = Vec::new();
    if u64::from(number) + others >= u64::from(taking.left) {
        let mut with = attempt.clone();
        with.add(at, when, number);
        with.taking = Some(Taking { left: taking.left - number, at: at + 1, most: u32::MAX });
        next.push(with);
    }
    if u64::from(number - 1) + others >= u64::from(taking.left) {
        let (at, most) = if number > 1 { (at, number - 1) } else { (at + 1, u32::MAX) };
        attempt.taking = Some(Taking { left: taking.left, at, most });
        next.push(attempt);
    }
    next
}

impl Group {
    /// What it is with one more, if the times allow that.
    fn with(&self, when: When) -> Option<Self> {
        let latest_first = self.latest_first.max(when.first);
        let earliest_last = self.earliest_last.min(when.last);
        let is_near = self.within.is_none_or(|within| latest_first.saturating_sub(earliest_last) <= within);
        (is_near && when.last >= self.not_before).then(|| Self { latest_first, earliest_last, ..self.clone() })
    }
}

impl Attempt {
    fn add(&mut self, at: usize, when: When, number: u32) {
        if let Some(taken) = self.taken.get_mut(at) {
            *taken += number;
        }
        for group in &mut self.groups {
            if let Some(with) = group.with(when) {
                *group = with;
            }
        }
    }
}
