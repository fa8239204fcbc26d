//! Whose hands are on the keyboard: command habits against public command histories.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use dsmild::detect::command_habits::CommandModel;

use crate::data;
use crate::network::auroc;
use crate::table::{Bound, figure};

const BLOCK: usize = 100;

fn blocks(commands: &[String]) -> Vec<BTreeSet<String>> {
    commands.chunks_exact(BLOCK).map(|block| block.iter().cloned().collect()).collect()
}

/// One-class: each user's model learns from the first half of the user's own history, nothing from anybody else.
#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn another_users_commands_are_told_from_the_own() {
    let mut files: Vec<PathBuf> =
        fs::read_dir(data("purdue-shell/PU")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let users: Vec<Vec<String>> = files
        .iter()
        .map(|file| {
            let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        })
        .collect();
    let (mut all_own, mut all_others, mut areas) = (Vec::new(), Vec::new(), Vec::new());
    for (number, user) in users.iter().enumerate() {
        let (first, second) = user.split_at(user.len() / 2);
        let mut model = CommandModel::default();
        blocks(first).iter().for_each(|block| model.learn(block, 1.0));
        let score =
            |commands: &[String]| blocks(commands).iter().map(|block| model.surprise(block)).collect::<Vec<_>>();
        let own = score(second);
        let others: Vec<f64> = users
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number)
            .flat_map(|(_, other)| score(other))
            .collect();
        areas.push(auroc(&others, &own));
        all_own.extend(own);
        all_others.extend(others);
    }
    let mean = areas.iter().sum::<f64>() / areas.len() as f64;
    let pooled = auroc(&all_others, &all_own);
    println!("users {areas:.4?}; one-class naive Bayes on counts reaches 0.947");
    figure("Purdue", "commands of a shell, blocks of 100: AUROC", mean.min(pooled), Bound::AtLeast(0.947));
}
