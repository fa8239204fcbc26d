//! The recorded cases beside the data, by their own checker.

use std::process::Command;

use crate::data;
use crate::replayed::daemon;
use crate::table::{Goal, Table};

const CORPUS: &str = "cases";

pub fn measure(table: &mut Table) {
    let folder = data("..").join("cases");
    let checker = folder.join("check_cases.py");
    if !checker.exists() {
        eprintln!("no cases in {}: left out", folder.display());
        return;
    }
    let done = Command::new("python3").arg(checker).arg("--bin").arg(daemon()).arg(&folder).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    for (scope, metric, goal) in [("core", "scope core", 1.0), ("wide", "scope wide", 0.9)] {
        let mark = format!(", {scope}] ");
        let cases: Vec<&str> = text.lines().filter(|line| line.contains(&mark)).collect();
        let holds = |line: &&str| line.ends_with(&format!("{mark}pass"));
        table.share((CORPUS, metric, Goal::AtLeast(goal)), &cases, holds, |line| (*line).to_owned());
    }
}
