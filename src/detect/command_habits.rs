//! Whose hands are on the keyboard: the commands of a block against those that the user's blocks usually hold.
//!
//! One-class naive Bayes on the presence of commands. How often a command occurs within a block means little (commands
//! come in runs: edit, compile, run, edit …), so a block is the set of its commands.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::recent::{Recent, clip};

/// Commands remembered of one user.
const VOCABULARY_MAX: usize = 512;
/// A block counts half after this many more blocks.
const HALF_LIFE_BLOCKS: f64 = 200.0;
/// Pseudo-count of a command never seen.
const UNSEEN: f64 = 0.1;
/// Blocks learnt before a score means anything, and scored before one can be unusual.
pub const BLOCKS_MIN: u32 = 10;
const SCORED_MIN: u32 = 10;
/// Standard deviations above the user's own mean.
pub const UNUSUAL_DEVIATIONS: f64 = 4.0;
/// No user is so regular that less than this (in nats) is a deviation.
const DEVIATION_MIN: f64 = 0.15;
/// An unusual block is learnt with this weight only, so that an intruder does not become the habit at once.
const UNUSUAL_WEIGHT: f64 = 0.2;

/// In how many of the user's blocks each command occurred, fading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandModel {
    present: Recent<f64>,
    blocks: f64,
    learnt: u32,
}

impl Default for CommandModel {
    fn default() -> Self {
        Self { present: Recent::new(VOCABULARY_MAX), blocks: 0.0, learnt: 0 }
    }
}

impl CommandModel {
    /// Mean surprise of the different commands of a block, in nats: 0 for commands that every block holds.
    pub fn surprise(&self, block: &BTreeSet<String>) -> f64 {
        let surprise = |command: &String| {
            let present = self.present.get(command).copied().unwrap_or(0.0);
            -((present + UNSEEN) / (self.blocks + UNSEEN)).ln()
        };
        block.iter().map(surprise).sum::<f64>() / block.len().max(1) as f64
    }

    pub fn learn(&mut self, block: &BTreeSet<String>, weight: f64) {
        let fade = 0.5_f64.powf(1.0 / HALF_LIFE_BLOCKS);
        self.present.select_mut(|_| true).for_each(|(_, present)| *present *= fade);
        self.blocks = self.blocks * fade + weight;
        for command in block {
            *self.present.touch(command, || 0.0) += weight;
        }
        self.learnt = self.learnt.saturating_add(1);
    }

    pub fn is_ready(&self) -> bool {
        self.learnt >= BLOCKS_MIN
    }
}

/// A user's commands as they come: collected into blocks, judged, learnt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CommandHabits {
    model: CommandModel,
    block: BTreeSet<String>,
    in_block: u32,
    scored: u32,
    mean: f64,
    variance: f64,
}

/// A finished block unlike the user's others.
#[derive(Debug, Clone, PartialEq)]
pub struct Unusual {
    /// Standard deviations above the user's own mean.
    pub deviations: f64,
    /// The most surprising commands, at most three.
    pub commands: Vec<String>,
}

impl CommandHabits {
    /// Takes in one command. When it completes a block of `block_size` commands, the block is judged and learnt;
    /// returns it when it is unusual.
    pub fn see(&mut self, command: &str, block_size: u32) -> Option<Unusual> {
        self.block.insert(clip(command).to_owned());
        self.in_block += 1;
        if self.in_block < block_size {
            return None;
        }
        self.in_block = 0;
        let block = std::mem::take(&mut self.block);
        let unusual = self.judge(&block);
        self.model.learn(&block, if unusual.is_some() { UNUSUAL_WEIGHT } else { 1.0 });
        unusual
    }

    fn judge(&mut self, block: &BTreeSet<String>) -> Option<Unusual> {
        if !self.model.is_ready() {
            return None;
        }
        let surprise = self.model.surprise(block);
        let deviations = (surprise - self.mean) / self.variance.sqrt().max(DEVIATION_MIN);
        if self.scored >= SCORED_MIN && deviations >= UNUSUAL_DEVIATIONS {
            return Some(Unusual { deviations, commands: self.strangest(block) });
        }
        // Exponential mean and variance; the first blocks weigh as in a plain mean.
        self.scored = self.scored.saturating_add(1);
        let share = (1.0 / f64::from(self.scored)).max(1.0 / HALF_LIFE_BLOCKS);
        let difference = surprise - self.mean;
        self.mean += share * difference;
        self.variance = (1.0 - share) * (self.variance + share * difference * difference);
        None
    }

    fn strangest(&self, block: &BTreeSet<String>) -> Vec<String> {
        let present = |command: &String| self.model.present.get(command).copied().unwrap_or(0.0);
        let mut commands: Vec<&String> = block.iter().collect();
        commands.sort_by(|left, right| present(left).total_cmp(&present(right)));
        commands.into_iter().take(3).cloned().collect()
    }
}

/// The name of the program that a command line starts, with its verb where there is one: `git push`, `ls`.
pub fn command_name(command_line: &str) -> Option<String> {
    let mut words = command_line.split_ascii_whitespace().skip_while(|word| word.contains('=') || *word == "sudo");
    let program = words.next()?.rsplit('/').next()?;
    let verb = words
        .next()
        .filter(|word| word.len() <= 20 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
        .filter(|word| !word.starts_with('-'));
    let name: String = program.chars().take(40).collect();
    (!name.is_empty()).then(|| verb.map_or(name.clone(), |verb| format!("{name} {verb}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands of a user whose every block holds most of these, in changing order.
    fn routine(names: &[&str], turns: u32, habits: &mut CommandHabits) -> Vec<Unusual> {
        (0..turns)
            .filter_map(|turn| {
                let index = (turn.wrapping_mul(2_654_435_761) >> 7) as usize % names.len();
                habits.see(names[index], 50)
            })
            .collect()
    }

    const DEVELOPER: &[&str] =
        &["vim", "make", "git status", "git commit", "ls", "cd", "grep", "cat", "cargo test", "less", "man", "find"];
    const INTRUDER: &[&str] =
        &["id", "uname", "nmap", "wget", "chmod", "nc", "base64", "ls", "cat", "ps", "ss", "crontab"];

    #[test]
    fn another_hand_is_noticed_and_the_own_one_is_not() {
        let mut habits = CommandHabits::default();
        assert_eq!(routine(DEVELOPER, 3000, &mut habits), []);
        let unusual = routine(INTRUDER, 50, &mut habits);
        assert_eq!(unusual.len(), 1);
        assert!(!unusual[0].commands.contains(&"ls".to_owned()), "{unusual:?}");
        assert_eq!(routine(DEVELOPER, 500, &mut habits), []);
    }

    #[test]
    fn nothing_is_unusual_before_enough_is_known() {
        let mut habits = CommandHabits::default();
        routine(DEVELOPER, 500, &mut habits);
        assert_eq!(routine(INTRUDER, 50, &mut habits), []);
    }

    fn block(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_block_surprises_by_the_mean_of_its_commands_and_what_is_in_every_block_by_nothing() {
        let mut model = CommandModel::default();
        (0..10).for_each(|_| model.learn(&block(&["ls", "cd"]), 1.0));
        assert!(model.surprise(&block(&["ls", "cd"])).abs() < 1e-12);
        let alone = model.surprise(&block(&["nmap"]));
        assert!(alone > 4.0, "{alone}");
        assert!((model.surprise(&block(&["nmap", "ls"])) - alone / 2.0).abs() < 1e-12);
        assert!((model.surprise(&block(&["nmap", "ls", "cd", "nc"])) - alone / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_command_counts_half_after_its_half_life_and_so_do_the_blocks() {
        let mut model = CommandModel::default();
        model.learn(&block(&["make"]), 1.0);
        let (_, at_first) = (model.learn(&block(&["ls"]), 0.0), model.blocks);
        (1..HALF_LIFE_BLOCKS as usize).for_each(|_| model.learn(&block(&["ls"]), 0.0));
        assert!((model.present.get("make").unwrap() - 0.5).abs() < 1e-9);
        assert!((model.blocks - 0.5).abs() < 1e-9 && at_first > 0.99, "{}", model.blocks);
    }

    #[test]
    fn the_usual_surprise_is_known_by_its_mean_and_variance() {
        let mut habits = CommandHabits::default();
        let mut surprises = Vec::new();
        for turn in 0..60_usize {
            let pair = [DEVELOPER[turn % 5], DEVELOPER[5 + turn % 3]];
            assert_eq!(habits.see(pair[0], 2), None);
            if habits.model.is_ready() {
                surprises.push(habits.model.surprise(&block(&pair)));
            }
            assert_eq!(habits.see(pair[1], 2), None);
        }
        let count = surprises.len() as f64;
        let mean = surprises.iter().sum::<f64>() / count;
        let variance = surprises.iter().map(|surprise| (surprise - mean).powi(2)).sum::<f64>() / count;
        assert_eq!(habits.scored, 50);
        assert!((habits.mean - mean).abs() < 1e-9, "{} {mean}", habits.mean);
        assert!((habits.variance - variance).abs() < 1e-9 && variance > 0.0, "{} {variance}", habits.variance);
    }

    #[test]
    fn a_name_is_the_program_and_its_verb() {
        for (line, name) in [
            ("/usr/bin/git push origin main", "git push"),
            ("ls -la /root", "ls"),
            ("sudo DEBUG=1 systemctl restart x", "systemctl restart"),
            ("cat /etc/passwd", "cat"),
        ] {
            assert_eq!(command_name(line).as_deref(), Some(name));
        }
        assert_eq!(command_name("  "), None);
    }
}
