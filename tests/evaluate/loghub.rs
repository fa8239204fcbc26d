//! Two thousand lines of a Linux server and of OpenSSH, with the templates that people found in them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::replayed::{Decided, daemon, decisions};
use crate::table::{Goal, Table};
use crate::{addresses, data};

const CORPUS: &str = "loghub";

/// All lines of both. Each by itself is no attack; of the many failures in them together Layer 4 tells.
pub fn lines() -> Vec<String> {
    let read = |log: &str| String::from_utf8_lossy(&fs::read(data("loghub").join(log)).unwrap()).into_owned();
    let texts = ["Linux/Linux_2k.log", "OpenSSH/OpenSSH_2k.log"].map(read);
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty());
    lines.map(str::to_owned).collect()
}

pub fn measure(table: &mut Table) {
    for (log, template, wrong) in [
        ("Linux/Linux_2k.log", "Linux lines with a template", "Linux, wrong user or address"),
        ("OpenSSH/OpenSSH_2k.log", "OpenSSH lines with a template", "OpenSSH, wrong user or address"),
    ] {
        let path = data("loghub").join(log);
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let (understood, report) = coverage(&path);
        table.row(CORPUS, template, understood, lines.len(), Goal::AtLeast(0.98));
        table.list(CORPUS, template, report.into_iter());
        let judged: Vec<(&str, Decided)> = lines.iter().copied().zip(decisions(&lines)).collect();
        let show = |(line, decided): &(&str, Decided)| {
            format!("user {:?}, source {:?}: {line}", decided.entity("user"), decided.entity("src_ip"))
        };
        table.none((CORPUS, wrong), &judged, |(line, decided)| is_wrong(line, decided), show);
    }
}

/// What `dsmild formats coverage` says: the number of lines with a template, and what the others look like.
fn coverage(path: &Path) -> (usize, Vec<String>) {
    let done = Command::new(daemon()).args(["formats", "coverage"]).arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let first = text.lines().next().unwrap_or_default();
    let understood = first.split_ascii_whitespace().nth(2).and_then(|word| word.parse().ok()).unwrap_or_default();
    let rest = text.split_once("most frequent without a template:").map_or("", |(_, rest)| rest);
    (understood, rest.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// Whether the user is not one that the line names as such, or the address not the only one of the line.
fn is_wrong(line: &str, decided: &Decided) -> bool {
    let found = addresses(line);
    let wrong_source = decided.entity("src_ip").is_some_and(|source| found.len() != 1 || !found.contains(source));
    let named = |user: &str| {
        ["user ", "user=", "for ", "LOGIN ", "ROOT ", "(", "by "]
            .iter()
            .any(|mark| line.match_indices(mark).any(|(at, _)| line[at + mark.len()..].trim_start().starts_with(user)))
            || (user == "root" && line.contains("ROOT LOGIN"))
    };
    wrong_source || decided.entity("user").is_some_and(|user| !named(user))
}
