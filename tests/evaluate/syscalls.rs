//! System calls of processes against ADFA-LD, which has traces of a server in use and under six kinds of attack.

use std::fs;

use dsmild::detect::call_habits::CallHabits;

use crate::data;
use crate::network::auroc;
use crate::table::{Bound, figure};

fn traces(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(data("adfa-ld").join(name)).unwrap();
    let calls = |line: &str| line.rsplit('\t').next().unwrap().split_whitespace().map(str::to_owned).collect();
    text.lines().map(calls).collect()
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn traces_under_attack_are_less_usual_than_others() {
    let mut habits = CallHabits::default();
    traces("train.tsv").iter().for_each(|calls| habits.learn(calls));
    let score = |name: &str| traces(name).iter().map(|calls| habits.judge(calls).score).collect::<Vec<f64>>();
    let (normal, attack) = (score("normal.tsv"), score("attack.tsv"));
    let half = |scores: &[f64], which: usize| scores.iter().skip(which).step_by(2).copied().collect::<Vec<f64>>();
    let halves = [0, 1].map(|which| auroc(&half(&attack, which), &half(&normal, which)));
    let all = auroc(&attack, &normal);
    eprintln!(
        "syscalls: halves {halves:.4?}, where stide reaches 0.829; {} traces learnt, {} normal, {} of attacks",
        traces("train.tsv").len(),
        normal.len(),
        attack.len()
    );
    figure("ADFA-LD", "sequences of system calls: AUROC", all, Bound::AtLeast(0.86));
}
