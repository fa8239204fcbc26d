//! Samples that stand beside a scenario: lines, and what they are to lead to.

use std::collections::BTreeMap;

use rsigma_parser::Timespan;
use serde::Deserialize;

use super::file;
use crate::detect::sigma::{self, RuleText};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    lines: Vec<String>,
    /// All lines so often, with `{n}` as the number of the turn.
    #[serde(default = "once")]
    repeat: u32,
    /// Between two lines.
    #[serde(default = "second")]
    every: String,
    expect: Expected,
}

fn once() -> u32 {
    1
}

fn second() -> String {
    "1s".to_owned()
}

/// What the lines are to lead to: so many alarms of this scenario, the first of them with these normal fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Expected {
    pub alerts: usize,
    #[serde(flatten)]
    pub fields: BTreeMap<String, String>,
}

/// One sample, its lines written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub file: String,
    pub scenario: String,
    /// Reasons that the scenario's alarms have.
    pub reasons: Vec<String>,
    pub name: String,
    pub lines: Vec<String>,
    pub every_seconds: u64,
    pub expected: Expected,
}

/// Lines of one sample.
const LINES_MAX: usize = 10_000;

/// The samples of all scenarios that can be read.
///
/// # Errors
/// What of a file is no sample, with the file and the scenario.
pub fn samples(texts: &[RuleText]) -> Result<Vec<Sample>, Vec<String>> {
    let (mut found, mut mistakes) = (Vec::new(), Vec::new());
    for text in texts {
        let Ok(collection) = sigma::parse(&text.yaml) else { continue };
        for rule in &collection.correlations {
            let Some(value) = rule.custom_attributes.get("samples") else { continue };
            let Ok((scenario, _)) = file::scenario(rule) else { continue };
            let mut reasons = vec![scenario.reason.clone()];
            reasons.extend(scenario.spread.as_ref().map(|spread| spread.reason.clone()));
            let read = Vec::<Written>::deserialize(value.clone()).map_err(|error| error.to_string());
            let written_out =
                read.and_then(|all| all.into_iter().map(|it| it.sample(text, &rule.title, &reasons)).collect());
            match written_out {
                Ok(samples) => found.extend::<Vec<Sample>>(samples),
                Err(problem) => mistakes.push(format!("{}: `{}`: samples: {problem}", text.file, rule.title)),
            }
        }
    }
    if mistakes.is_empty() { Ok(found) } else { Err(mistakes) }
}

impl Written {
    fn sample(self, text: &RuleText, title: &str, reasons: &[String]) -> Result<Sample, String> {
        let every = Timespan::parse(&self.every).map_err(|error| error.to_string())?;
        let turn = |n: u32| self.lines.iter().map(move |line| line.replace("{n}", &n.to_string()));
        let lines: Vec<String> = (1..=self.repeat).flat_map(turn).take(LINES_MAX).collect();
        Ok(Sample {
            file: text.file.clone(),
            scenario: title.to_owned(),
            reasons: reasons.to_vec(),
            name: self.name.clone(),
            lines,
            every_seconds: every.seconds,
            expected: self.expect,
        })
    }
}
