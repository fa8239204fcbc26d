//! Wazuh's rule tests of Linux programs: what matters, and what does not.

use std::collections::BTreeMap;
use std::fs;

use crate::replayed::{Decided, decisions};
use crate::table::{Goal, Table};
use crate::{addresses, data};

const CORPUS: &str = "wazuh";

/// Files about appliances, clouds, other systems and Wazuh itself.
const ELSEWHERE: &[&str] = &[
    "amazon",
    "api",
    "aws",
    "azure",
    "checkpoint",
    "cisco",
    "ciscat",
    "cloudflare",
    "docker",
    "eset",
    "exchange",
    "f5_",
    "fireeye",
    "fortigate",
    "fortiauth",
    "fortiddos",
    "fortimail",
    "gcp",
    "github",
    "huawei",
    "junos",
    "macos",
    "mcafee",
    "ms_",
    "office365",
    "oscap",
    "ossec",
    "owlh",
    "palo",
    "panda",
    "pfsense",
    "pix",
    "sca",
    "sonicwall",
    "sophos",
    "symantec",
    "sysmon",
    "test_",
    "user",
    "vuln",
    "vpn_concentrator",
    "vmware",
    "win",
    "rootcheck",
    "netscreen",
    "netscaler",
    "qualys",
    "imperva",
    "trend",
    "virustotal",
];

struct Test {
    file: String,
    level: u8,
    line: String,
}

/// `log 1 pass = LINE`, with the `alert = LEVEL` that follows.
fn tests() -> Vec<Test> {
    let folder = fs::read_dir(data("wazuh")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        folder.filter(|path| path.extension().is_some_and(|extension| extension == "ini")).collect();
    paths.sort();
    let mut tests = Vec::new();
    for path in paths {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        if ELSEWHERE.iter().any(|name| file.to_ascii_lowercase().starts_with(name)) {
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let mut lines: Vec<&str> = Vec::new();
        for line in text.lines() {
            if line.starts_with('[') {
                lines.clear();
            } else if let Some((key, value)) = line.split_once('=') {
                let mut words = key.split_ascii_whitespace();
                match (words.next(), words.nth(1)) {
                    (Some("log"), Some("pass")) => lines.push(value.strip_prefix(' ').unwrap_or(value)),
                    (Some("alert"), None) => {
                        let Ok(level) = value.trim().parse() else { continue };
                        let test = |line: &str| Test { file: file.clone(), level, line: line.to_owned() };
                        tests.extend(lines.drain(..).map(test));
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(tests.len() > 60, "only {} tests read", tests.len());
    tests
}

/// The address of the line, if there is but one.
fn only_address(line: &str) -> Option<String> {
    let found = addresses(line);
    found.iter().next().filter(|_| found.len() == 1).cloned()
}

/// The lines of level 0 to 3.
pub fn harmless() -> Vec<String> {
    harmless_by_file().into_values().flatten().collect()
}

/// The same by the file that they stand in.
pub fn harmless_by_file() -> BTreeMap<String, Vec<String>> {
    let mut by_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for test in tests().into_iter().filter(|test| test.level <= 3) {
        by_file.entry(test.file).or_default().push(test.line);
    }
    by_file
}

pub fn measure(table: &mut Table) {
    let tests = tests();
    let lines: Vec<&str> = tests.iter().map(|test| test.line.as_str()).collect();
    let decided = decisions(&lines);
    let judged: Vec<(Test, Decided)> = tests.into_iter().zip(decided).collect();
    let show = |(test, decided): &(Test, Decided)| {
        let source = decided.entity("src_ip");
        format!("{} {}: {:?} {source:?}: {}", test.file, test.level, decided.reasons, test.line)
    };
    let (relevant, other): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(test, _)| test.level >= 5);
    let quiet: Vec<_> = other.into_iter().filter(|(test, _)| test.level <= 3).collect();
    let noticed = |(_, decided): &(Test, Decided)| decided.is_noticed();
    table.share((CORPUS, "Linux, level 5 and up recognised", Goal::AtLeast(0.85)), &relevant, noticed, show);
    let left_alone = |judged: &(Test, Decided)| !noticed(judged) && judged.1.verdict == "benign";
    table.share((CORPUS, "Linux, level 0 to 3 left alone", Goal::AtLeast(0.95)), &quiet, left_alone, show);
    let no_failure = |(_, decided): &(Test, Decided)| !decided.is_failure() && decided.verdict == "benign";
    table.share((CORPUS, "Linux, level 0 to 3 no failure", Goal::Shown), &quiet, no_failure, show);
    let one: Vec<_> = relevant.into_iter().filter(|(test, _)| only_address(&test.line).is_some()).collect();
    let right = |(test, decided): &(Test, Decided)| decided.entity("src_ip") == only_address(&test.line).as_deref();
    table.share((CORPUS, "Linux, source address", Goal::AtLeast(0.97)), &one, right, show);
}
