//! The figures of the logs of others, beside those to reach. `DSMIL_EVAL_FAILURES=FILE` takes the lines that fail, by kind;
//! `DSMIL_EVAL_BIN=FILE` is another daemon to measure.

use std::fmt::Write;
use std::fs;

use crate::{cases, crowdsec, fail2ban, loghub, wazuh};

/// One figure.
pub struct Row {
    pub corpus: &'static str,
    pub metric: &'static str,
    pub reached: usize,
    pub of: usize,
    pub goal: Goal,
}

pub enum Goal {
    /// A share of all.
    AtLeast(f64),
    /// A number that must be zero.
    None,
    /// For comparison.
    Shown,
}

impl Row {
    fn is_reached(&self) -> bool {
        match self.goal {
            Goal::AtLeast(share) => self.of > 0 && self.reached as f64 >= share * self.of as f64,
            Goal::None => self.of > 0 && self.reached == 0,
            Goal::Shown => true,
        }
    }
}

/// Figures, and the lines that lower them.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    failures: String,
}

impl Table {
    pub fn row(&mut self, corpus: &'static str, metric: &'static str, reached: usize, of: usize, goal: Goal) {
        self.rows.push(Row { corpus, metric, reached, of, goal });
    }

    /// Of `lines`, those that do not hold are failures of this kind.
    pub fn share<T>(
        &mut self,
        (corpus, metric, goal): (&'static str, &'static str, Goal),
        lines: &[T],
        holds: impl Fn(&T) -> bool,
        show: impl Fn(&T) -> String,
    ) {
        let failing: Vec<&T> = lines.iter().filter(|line| !holds(line)).collect();
        self.row(corpus, metric, lines.len() - failing.len(), lines.len(), goal);
        self.list(corpus, metric, failing.into_iter().map(show));
    }

    /// Of `lines`, those that hold are failures of this kind, of which there must be none.
    pub fn none<T>(
        &mut self,
        (corpus, metric): (&'static str, &'static str),
        lines: &[T],
        holds: impl Fn(&T) -> bool,
        show: impl Fn(&T) -> String,
    ) {
        let failing: Vec<&T> = lines.iter().filter(|line| holds(line)).collect();
        self.row(corpus, metric, failing.len(), lines.len(), Goal::None);
        self.list(corpus, metric, failing.into_iter().map(show));
    }

    pub fn list(&mut self, corpus: &str, metric: &str, failing: impl Iterator<Item = String>) {
        for line in failing {
            let _ = writeln!(self.failures, "[{corpus}, {metric}] {line}");
        }
    }

    /// Prints it, writes down what lowers the figures, and fails where one is not reached.
    pub fn finish(&self) {
        self.print();
        if let Some(file) = std::env::var_os("DSMIL_EVAL_FAILURES") {
            fs::write(file, &self.failures).unwrap();
        }
        let missed: Vec<&str> = self.rows.iter().filter(|row| !row.is_reached()).map(|row| row.metric).collect();
        assert!(missed.is_empty(), "not reached: {missed:?}");
    }

    fn print(&self) {
        eprintln!("| corpus | metric | is | to reach | |\n|---|---|---|---|---|");
        for row in &self.rows {
            let share = row.reached as f64 / row.of.max(1) as f64;
            let (is, goal) = match row.goal {
                Goal::AtLeast(goal) => (format!("{share:.3} ({} of {})", row.reached, row.of), format!("{goal:.2}")),
                Goal::None => (format!("{} (of {})", row.reached, row.of), "none".to_owned()),
                Goal::Shown => (format!("{share:.3} ({} of {})", row.reached, row.of), String::new()),
            };
            let mark = if row.is_reached() { "" } else { "not reached" };
            eprintln!("| {} | {} | {is} | {goal} | {mark} |", row.corpus, row.metric);
        }
    }
}

/// What a figure has to be.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Prints a figure of a model as a row of the table, and fails where it is not what it has to be.
pub fn figure(corpus: &str, metric: &str, is: f64, bound: Bound) {
    let (goal, is_reached) = match bound {
        Bound::AtLeast(goal) => (goal, is >= goal),
        Bound::AtMost(goal) => (goal, is <= goal),
    };
    let mark = if is_reached { "" } else { "not reached" };
    eprintln!("| {corpus} | {metric} | {is:.3} | {goal} | {mark} |");
    assert!(is_reached, "{corpus}, {metric}: {is}, to reach {bound:?}");
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn what_the_logs_of_others_say_is_understood() {
    let mut table = Table::default();
    fail2ban::measure(&mut table);
    crowdsec::measure(&mut table);
    wazuh::measure(&mut table);
    loghub::measure(&mut table);
    cases::measure(&mut table);
    table.finish();
}
