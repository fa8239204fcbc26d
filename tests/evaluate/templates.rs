//! Templates mined from two thousand lines each of loghub, against those that people found in them.
//!
//! Grouping accuracy as loghub defines it (J. Zhu and others, ICSE-SEIP 2019): a line counts only if the lines of its template are exactly those
//! of its true one. Every log under `loghub` that comes with its `…_structured.csv` is measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dsmild::detect::log_templates::{LogTemplates, Mined};

use crate::data;
use crate::table::{Bound, figure};

fn logs() -> Vec<PathBuf> {
    let folders = fs::read_dir(data("loghub")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let mut logs: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with("_structured.csv")).collect();
    logs.sort();
    logs
}

/// The message and the true template of each line.
fn lines(path: &Path) -> Vec<(String, String)> {
    let mut reader = csv_lines(&fs::read_to_string(path).unwrap());
    let header = reader.remove(0);
    let column = |name: &str| header.iter().position(|it| it == name).unwrap();
    let (message, truth) = (column("Content"), column("EventId"));
    reader.into_iter().map(|row| (row[message].clone(), row[truth].clone())).collect()
}

fn csv_lines(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !is_quoted => {}
            c => cell.push(c),
        }
    }
    rows
}

fn accuracy(lines: &[(String, String)]) -> (f64, usize, usize) {
    let mut miner = LogTemplates::new(10_000);
    let mined: Vec<Mined> = lines.iter().map(|(message, _)| miner.see(message)).collect();
    miner.settle();
    let mut is: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut should: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, ((_, truth), mined)) in lines.iter().zip(mined).enumerate() {
        let (Mined::Known(template) | Mined::New(template)) = mined else { continue };
        is.entry(miner.of(template)).or_default().push(at);
        should.entry(truth).or_default().push(at);
    }
    let right = should.values().filter(|group| is.values().any(|mined| mined == *group));
    (right.map(Vec::len).sum::<usize>() as f64 / lines.len() as f64, is.len(), should.len())
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn mined_templates_group_lines_as_people_do() {
    let mut all = Vec::new();
    for log in logs() {
        let lines = lines(&log);
        let (accuracy, mined, true_ones) = accuracy(&lines);
        let name = log.file_name().unwrap().to_string_lossy().into_owned();
        let name = name.split('_').next().unwrap();
        eprintln!(
            "templates: {name}: grouping accuracy {accuracy:.3} of {} lines, {mined} templates ({true_ones} true)",
            lines.len()
        );
        all.push(accuracy);
    }
    let mean = all.iter().sum::<f64>() / all.len().max(1) as f64;
    figure("loghub", "templates mined: grouping accuracy", mean, Bound::AtLeast(0.93));
}
