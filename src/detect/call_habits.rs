//! What a program usually asks of the kernel: which calls come after which, and which of them one process uses together.
//!
//! Two measures of a sequence, multiplied: how surprising each call is after the three before it, by counts of one to four calls in a
//! row that are interpolated as I. Witten and T. Bell have it (IEEE Trans. Information Theory 37, 1991); and how far its set of
//! calls is from the nearest set that was seen, by L. Dice (Ecology 26, 1945). The second sees what the program never does at all, the
//! first what it does in another order.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::acquainted::Learnt;
use crate::limits::{CALL_GRAMS_MAX, CALL_NAMES_MAX, CALL_SETS_MAX};

/// Calls in a row that are counted.
const ORDER: usize = 4;
/// Bits of a call in the key of a row.
const CALL_BITS: u32 = 9;
const _: () = assert!(1 << CALL_BITS == CALL_NAMES_MAX && CALL_NAMES_MAX == SET_WORDS * 64);
const SET_WORDS: usize = 8;
/// A call never counted anywhere is one of so many.
const CALLS_IMAGINABLE: f64 = 400.0;
/// What one call counts at most, in nats: one that was never seen must not outweigh a hundred others.
const SURPRISE_MAX: f64 = 5.0;
/// No sequence is so usual that less than this counts.
const SURPRISE_MIN: f64 = 1e-3;
const DISTANCE_MIN: f64 = 0.01;
/// Sequences learnt before one is judged.
const SEQUENCES_MIN: u32 = 100;
/// Calls of the shortest sequence that is judged.
const CALLS_MIN: usize = 8;
/// Calls named as new.
const NAMED_MAX: usize = 5;

type CallSet = [u64; SET_WORDS];

/// The calls of one program, or of one user.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CallHabits {
    /// Names by number; what comes when all numbers are given shares the last one.
    names: BTreeMap<String, u16>,
    /// How often each row of up to [`ORDER`] calls came.
    grams: BTreeMap<u64, u32>,
    /// After each row of fewer: how many calls came, and how many different ones.
    followers: BTreeMap<u64, (u32, u32)>,
    /// Each once, the newest last.
    sets: VecDeque<CallSet>,
    learnt: u32,
}

/// How unlike the usual one sequence is.
#[derive(Debug, Clone, PartialEq)]
pub struct Unlike {
    /// Logarithm of the product of the two measures: the more the more unlike, about -2 for what is usual.
    pub score: f64,
    /// Nats a call.
    pub surprise: f64,
    /// From the nearest set of calls, 0 to 1.
    pub distance: f64,
    /// Calls that never came before.
    pub new: Vec<String>,
}

impl Learnt for CallHabits {
    fn is_known(&self) -> bool {
        self.learnt >= SEQUENCES_MIN
    }
}

impl CallHabits {
    /// Takes in the calls of one process, in their order. Returns how unlike the earlier ones they are, once enough of them are known.
    pub fn see(&mut self, calls: &[String]) -> Option<Unlike> {
        let unlike = (self.is_known() && calls.len() >= CALLS_MIN).then(|| self.judge(calls));
        self.learn(calls);
        unlike
    }

    pub fn judge(&self, calls: &[String]) -> Unlike {
        let last = CALL_NAMES_MAX as u16 - 1;
        let numbers: Vec<u16> = calls.iter().map(|call| self.names.get(call).copied().unwrap_or(last)).collect();
        let surprise = rows(&numbers).map(|row| self.surprise(row)).sum::<f64>() / numbers.len().max(1) as f64;
        let set = set_of(&numbers);
        let distance = self.sets.iter().map(|known| dice(known, &set)).fold(1.0, f64::min);
        let score = surprise.max(SURPRISE_MIN).ln() + distance.max(DISTANCE_MIN).ln();
        let mut new: Vec<String> = calls.iter().filter(|call| !self.names.contains_key(*call)).cloned().collect();
        new.sort_unstable();
        new.dedup();
        new.truncate(NAMED_MAX);
        Unlike { score, surprise, distance, new }
    }

    pub fn learn(&mut self, calls: &[String]) {
        let numbers: Vec<u16> = calls.iter().map(|call| self.number(call)).collect();
        for row in rows(&numbers) {
            for from in 0..row.len() {
                let Some(gram) = row.get(from..) else { continue };
                let count = self.grams.entry(key(gram)).or_default();
                *count = count.saturating_add(1);
                let is_first = *count == 1;
                let (all, different) = self.followers.entry(key(before_last(gram))).or_default();
                *all = all.saturating_add(1);
                *different += u32::from(is_first);
            }
        }
        if self.grams.len() > CALL_GRAMS_MAX {
            self.fade();
        }
        let set = set_of(&numbers);
        if let Some(place) = self.sets.iter().position(|known| *known == set) {
            self.sets.remove(place);
        } else if self.sets.len() >= CALL_SETS_MAX {
            self.sets.pop_front();
        }
        self.sets.push_back(set);
        self.learnt = self.learnt.saturating_add(1);
    }

    fn number(&mut self, call: &str) -> u16 {
        if let Some(number) = self.names.get(call) {
            return *number;
        }
        let number = self.names.len() as u16;
        if usize::from(number) >= CALL_NAMES_MAX - 1 {
            return CALL_NAMES_MAX as u16 - 1;
        }
        self.names.insert(call.to_owned(), number);
        number
    }

    /// Of the last call of the row after those before it, in nats.
    fn surprise(&self, row: &[u16]) -> f64 {
        let mut chance = 1.0 / CALLS_IMAGINABLE;
        for from in (0..row.len()).rev() {
            let gram = row.get(from..).unwrap_or_default();
            let Some((all, different)) = self.followers.get(&key(before_last(gram))) else { break };
            let count = self.grams.get(&key(gram)).copied().unwrap_or(0);
            let (all, different) = (f64::from(*all), f64::from(*different));
            chance = (f64::from(count) + different * chance) / (all + different);
        }
        (-chance.ln()).min(SURPRISE_MAX)
    }

    /// Halves all counts until there is room: what came seldom goes first.
    fn fade(&mut self) {
        while self.grams.len() > CALL_GRAMS_MAX / 4 * 3 {
            self.grams.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
        self.followers.clear();
        for (gram, count) in &self.grams {
            let (all, different) = self.followers.entry(key_before_last(*gram)).or_default();
            *all = all.saturating_add(*count);
            *different += 1;
        }
    }
}

/// Each call with up to three before it.
fn rows(numbers: &[u16]) -> impl Iterator<Item = &[u16]> {
    (1..=numbers.len()).filter_map(|end| numbers.get(end.saturating_sub(ORDER)..end))
}

fn before_last(row: &[u16]) -> &[u16] {
    row.split_last().map_or(&[], |(_, before)| before)
}

/// The calls, and above them how many they are.
fn key(row: &[u16]) -> u64 {
    let calls = row.iter().fold(0, |key, call| key << CALL_BITS | u64::from(*call));
    (row.len() as u64) << (CALL_BITS * ORDER as u32) | calls
}

fn key_before_last(key: u64) -> u64 {
    let length = key >> (CALL_BITS * ORDER as u32);
    let calls = key & ((1 << (CALL_BITS * ORDER as u32)) - 1);
    length.saturating_sub(1) << (CALL_BITS * ORDER as u32) | calls >> CALL_BITS
}

fn set_of(numbers: &[u16]) -> CallSet {
    let mut set = CallSet::default();
    for number in numbers {
        if let Some(word) = set.get_mut(usize::from(*number) / 64) {
            *word |= 1 << (number % 64);
        }
    }
    set
}

/// 0 for the same, 1 for sets that share nothing.
fn dice(left: &CallSet, right: &CallSet) -> f64 {
    let count = |set: &CallSet| set.iter().map(|word| word.count_ones()).sum::<u32>();
    let shared: u32 = left.iter().zip(right).map(|(left, right)| (left & right).count_ones()).sum();
    1.0 - 2.0 * f64::from(shared) / f64::from((count(left) + count(right)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that waits, reads, writes, and now and then opens a file.
    fn usual(turn: usize) -> Vec<String> {
        let rounds = 3 + turn % 4;
        let mut calls: Vec<&str> = (0..rounds).flat_map(|_| ["epoll_wait", "read", "write"]).collect();
        if turn.is_multiple_of(3) {
            calls.extend(["openat", "fstat", "read", "close"]);
        }
        calls.into_iter().map(str::to_owned).collect()
    }

    fn learnt() -> CallHabits {
        let mut habits = CallHabits::default();
        (0..200).for_each(|turn| habits.learn(&usual(turn)));
        habits
    }

    fn calls(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_shell_out_of_a_server_is_less_usual_than_anything_that_the_server_does() {
        let habits = learnt();
        let worst = (0..50).map(|turn| habits.judge(&usual(turn)).score).fold(f64::MIN, f64::max);
        let shell = habits.judge(&calls(&["socket", "dup2", "dup2", "dup2", "execve", "brk", "openat", "read"]));
        assert!(shell.score > worst + 3.0, "{shell:?} {worst}");
        assert_eq!(shell.new, ["brk", "dup2", "execve", "socket"]);
    }

    #[test]
    fn the_same_calls_in_another_order_are_more_surprising() {
        let habits = learnt();
        let mut reversed = usual(3);
        reversed.reverse();
        let (own, other) = (habits.judge(&usual(3)), habits.judge(&reversed));
        assert!(own.distance == 0.0 && other.distance == 0.0);
        assert!(other.surprise > 2.0 * own.surprise, "{own:?} {other:?}");
    }

    #[test]
    fn nothing_is_judged_before_enough_is_known() {
        let mut habits = CallHabits::default();
        assert!((0..100).all(|turn| habits.see(&usual(turn)).is_none()));
        assert!(habits.see(&usual(1)).is_some());
        assert_eq!(habits.see(&calls(&["read"])), None, "too short to say anything");
    }

    #[test]
    fn chances_of_what_may_come_next_add_up_to_one() {
        let habits = learnt();
        let known: Vec<u16> = habits.names.values().copied().collect();
        let chance = |next: u16| (-habits.surprise(&[known[0], known[1], next])).exp();
        let all: f64 = known.iter().map(|next| chance(*next)).sum();
        // What was never seen there counts as one in 148, see SURPRISE_MAX.
        assert!((0.95..1.05).contains(&all), "{all}");
    }

    #[test]
    fn what_is_kept_is_bounded_whatever_comes() {
        let mut habits = CallHabits::default();
        for turn in 0..400_usize {
            let calls: Vec<String> = (0..200)
                .map(|place| (turn.wrapping_mul(7919) ^ (place * place * 31)).wrapping_mul(2_654_435_761) % 2000)
                .map(|call| call.to_string())
                .collect();
            habits.see(&calls);
        }
        assert!(habits.grams.len() <= CALL_GRAMS_MAX && habits.names.len() < CALL_NAMES_MAX);
        assert!(habits.sets.len() <= CALL_SETS_MAX && habits.followers.len() <= CALL_GRAMS_MAX);
        let totals: u32 = habits.followers.values().map(|(_, different)| different).sum();
        assert_eq!(totals as usize, habits.grams.len());
    }
}
