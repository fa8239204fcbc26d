//! The CrowdSec hub's tests of its parsers: program, user, source address.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dsmild::event::Format;
use dsmild::parse::parse;

use crate::replayed::{Decided, decisions};
use crate::table::{Goal, Table};
use crate::{address, data};

const CORPUS: &str = "crowdsec-hub";

/// What a hub test asserts of one line: `program`, `source_ip`, `user`.
type Asserted = BTreeMap<String, String>;

struct Test {
    name: String,
    line: String,
    asserted: Asserted,
}

/// `results["s01-parse"]["who/what"][3].Evt.Meta["source_ip"] == "192.0.2.1"`, of lines that were parsed.
fn asserts(text: &str) -> BTreeMap<(String, usize), Asserted> {
    let mut found: BTreeMap<(String, usize), Asserted> = BTreeMap::new();
    for line in text.lines() {
        let Some((parser, rest)) =
            line.strip_prefix("results[\"s01-parse\"][\"").and_then(|rest| rest.split_once("\"]["))
        else {
            continue;
        };
        let Some((index, rest)) = rest.split_once("].") else { continue };
        let key = (parser.to_owned(), index.parse().unwrap());
        if let Some(success) = rest.strip_prefix("Success == ") {
            found.entry(key).or_default().insert("success".into(), success.to_owned());
        } else if let Some((place, value)) = rest.split_once(" == ")
            && let Some(name) = place.strip_prefix("Evt.").and_then(|place| place.strip_suffix("\"]"))
            && let Ok(value) = serde_json::from_str(value)
        {
            found.entry(key).or_default().insert(name.replace("[\"", "."), value);
        }
    }
    found.retain(|_, asserted| asserted.get("success").is_some_and(|success| success == "true"));
    found
}

fn tests() -> Vec<Test> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(data("crowdsec-hub/.tests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.iter().filter(|path| path.join("parser.assert").exists()).flat_map(|folder| of_folder(folder)).collect()
}

fn of_folder(folder: &Path) -> Vec<Test> {
    let asserts = asserts(&fs::read_to_string(folder.join("parser.assert")).unwrap());
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let log = files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).min();
    let Some(log) = log.map(|log| String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned()) else {
        return Vec::new();
    };
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let test = |asserted: Asserted| {
        let message = asserted.get("Parsed.message").filter(|message| !message.is_empty())?;
        let line = log.lines().find(|line| line.contains(message.trim()))?.to_owned();
        Some(Test { name: name.clone(), line, asserted })
    };
    asserts.into_values().filter_map(test).collect()
}

impl Test {
    /// The hub believes what any proxy was told; an address that a client can choose is none for us.
    fn source(&self) -> Option<String> {
        let source = address(self.asserted.get("Meta.source_ip")?).filter(|ip| self.line.contains(ip.as_str()))?;
        let is_told = self.line.contains("X-Forwarded-For") || self.line.contains(&format!(",{source}\""));
        (!is_told).then_some(source)
    }

    fn user(&self) -> Option<&str> {
        let user = ["Meta.target_user", "Meta.username", "Meta.user"].iter().find_map(|key| self.asserted.get(*key))?;
        let user = user.trim_matches('\'');
        Some(user).filter(|user| !matches!(*user, "" | "undefined") && self.line.contains(user))
    }

    /// Only syslog lines name their program; for other files the reader is told.
    fn program(&self) -> Option<&str> {
        let program = self.asserted.get("Parsed.program").filter(|_| self.asserted.contains_key("Parsed.logsource"))?;
        Some(program.as_str()).filter(|program| self.line.contains(&format!(" {program}")))
    }
}

pub fn measure(table: &mut Table) {
    let tests = tests();
    let lines: Vec<&str> = tests.iter().map(|test| test.line.as_str()).collect();
    let judged: Vec<(Test, Decided)> =
        decisions(&lines).into_iter().zip(tests).map(|(decided, test)| (test, decided)).collect();
    let show = |(test, decided): &(Test, Decided)| {
        let claimed = (decided.entity("user"), decided.entity("src_ip"));
        format!("{}: {claimed:?} of {:?}: {:.600}", test.name, (test.user(), test.source()), test.line)
    };
    let with = |has: fn(&Test) -> bool| judged.iter().filter(|(test, _)| has(test)).collect::<Vec<_>>();
    let sources = with(|test| test.source().is_some());
    let right = |(test, decided): &&(Test, Decided)| decided.entity("src_ip") == test.source().as_deref();
    let claims_other = |judged: &&(Test, Decided)| judged.1.entity("src_ip").is_some() && !right(judged);
    table.share((CORPUS, "source address", Goal::AtLeast(0.97)), &sources, right, |judged| show(judged));
    table.none((CORPUS, "wrong source address"), &sources, claims_other, |judged| show(judged));
    let users = with(|test| test.user().is_some());
    let user = |(test, decided): &&(Test, Decided)| decided.entity("user") == test.user();
    table.share((CORPUS, "user", Goal::Shown), &users, user, |judged| show(judged));
    let programs = with(|test| test.program().is_some());
    let program = |(test, _): &&(Test, Decided)| {
        parse(test.line.as_bytes(), Format::Auto, &[]).record.program.as_deref() == test.program()
    };
    table.share((CORPUS, "program", Goal::AtLeast(1.0)), &programs, program, |judged| show(judged));
}
