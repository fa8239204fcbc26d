//! What is looked for by the configuration that holds, and what a line would match of it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::{Value, json};

use super::rules::filled;
use crate::config::{Config, Finding};
use crate::detect::catalog::{Catalog, Kind, Listed};
use crate::detect::deceptive::escaped;
use crate::detect::scenario::{Role, ScenarioSet};
use crate::event::{Body, Decision, Event, EventId, Format, Raw, Stream, Times, Timestamp};
use crate::layer::rules::{self, KnownRules};
use crate::layer::stage::{Outbox, StageFactory};
use crate::parse::Parser;

/// Of the keys of files of rules in the configuration.
const KEYS: [&str; 3] = ["l3.rules", "l3.web", "l4.scenarios"];

pub struct LoadedRules {
    known: KnownRules,
    never: OnceLock<Vec<Vec<String>>>,
    /// What of the files is not loaded, or never matches, and why.
    pub problems: Vec<String>,
    config: Config,
    parser: Arc<Parser>,
    /// Makes Layer 3 as it runs; `None` where it does not.
    l3: Option<StageFactory>,
    /// Compiled when somebody asks what a line is counted by.
    scenarios: OnceLock<ScenarioSet>,
}

/// What a line comes to.
#[derive(Debug, Serialize)]
pub struct Tried<'a> {
    /// As it was understood.
    pub understood: Value,
    /// What Layer 3 decides; null where it does not run.
    pub decision: Option<Value>,
    /// The rules and patterns that match.
    pub rules: Vec<&'a Listed>,
    /// The scenarios that the line means something to.
    pub scenarios: Vec<Counted<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Counted<'a> {
    #[serde(flatten)]
    pub listed: &'a Listed,
    /// It is counted, comes after what was counted, or takes it back.
    pub role: &'static str,
    /// How many lines, or values, are enough.
    pub threshold: usize,
    /// Seconds that the scenario looks back.
    pub timespan_s: f64,
}

impl LoadedRules {
    /// `warnings` are what was found when the stages were prepared.
    pub fn new(config: &Config, parser: Arc<Parser>, l3: Option<StageFactory>, warnings: &[Finding]) -> Self {
        let is_of_rules = |warning: &&Finding| KEYS.iter().any(|key| warning.key.starts_with(key));
        Self {
            known: KnownRules::of(config),
            never: OnceLock::new(),
            problems: warnings.iter().filter(is_of_rules).map(ToString::to_string).collect(),
            config: config.clone(),
            parser,
            l3,
            scenarios: OnceLock::new(),
        }
    }

    pub fn catalog(&self) -> &Catalog {
        self.known.catalog()
    }

    /// Of each in the catalog: the fields that it compares and no format fills. Found when somebody asks.
    pub fn never(&self) -> &[Vec<String>] {
        self.never.get_or_init(|| {
            let names = self.parser.library().field_names();
            let filled = filled(self.parser.library(), &names);
            let never = |listed: &Listed| -> Vec<String> {
                let needs = listed.needs.iter().flat_map(|needs| &needs.never);
                needs.filter(|name| !filled.contains(name.as_str())).cloned().collect()
            };
            self.catalog().listed.iter().map(never).collect()
        })
    }

    /// What this line would match, had it just come. It is not stored, and counted by nothing.
    pub fn try_line(&self, line: &str) -> Tried<'_> {
        let payload = bytes::Bytes::copy_from_slice(line.as_bytes());
        let raw = Raw::new("test".into(), "".into(), Format::Auto, payload, Vec::new(), Arc::clone(&self.parser) as _);
        let record = raw.record().clone();
        let understood = json!({
            "program": record.program,
            "action": record.action.name(),
            "outcome": record.outcome,
            "entity": record.entity,
            "message": record.message,
        });
        let roles = self.scenarios().roles(&record);
        let decision = self.l3.as_ref().and_then(|make| decide(make, raw));
        let reasons: BTreeSet<&str> =
            decision.iter().flat_map(|decision| decision.reasons.iter().map(String::as_str)).collect();
        let is_of_line = |listed: &&Listed| listed.kind != Kind::Scenario && reasons.contains(listed.reason.as_str());
        let scenarios = roles.into_iter().filter_map(|(scenario, role)| {
            let mut listed = self.catalog().listed.iter();
            let listed = listed.find(|it| it.kind == Kind::Scenario && it.id == scenario.id)?;
            let role = match role {
                Role::Counts(_) => "counted",
                Role::Follows => "comes after it",
                Role::Cancels => "takes it back",
            };
            Some(Counted { listed, role, threshold: scenario.at, timespan_s: scenario.timespan.as_secs_f64() })
        });
        Tried {
            rules: self.catalog().listed.iter().filter(is_of_line).collect(),
            scenarios: scenarios.collect(),
            decision: decision.map(|decision| {
                json!({ "decision": decision.verdict, "score": decision.score, "reasons": decision.reasons, "attack": decision.attack })
            }),
            understood,
        }
    }

    fn scenarios(&self) -> &ScenarioSet {
        self.scenarios.get_or_init(|| rules::scenarios(&self.config))
    }
}

/// What a line comes to, for people.
///
/// # Errors
/// Writing fails.
pub fn print(tried: &Tried<'_>, out: &mut impl Write) -> io::Result<u8> {
    writeln!(out, "understood  {}", escaped(&tried.understood.to_string()))?;
    if let Some(decision) = &tried.decision {
        writeln!(out, "decision    {}", escaped(&decision.to_string()))?;
    }
    for listed in &tried.rules {
        writeln!(out, "matches     {} ({}, {})", escaped(&listed.title), listed.level, escaped(&listed.file))?;
    }
    for Counted { listed, role, threshold, timespan_s } in &tried.scenarios {
        let (title, file) = (escaped(&listed.title), escaped(&listed.file));
        writeln!(out, "{role:<11} {title} ({threshold} within {timespan_s} s, {file})")?;
    }
    if tried.rules.is_empty() && tried.scenarios.is_empty() {
        writeln!(out, "no rule matches it, and no scenario counts it")?;
    }
    Ok(0)
}

fn decide(make: &StageFactory, raw: Raw) -> Option<Decision> {
    let id = EventId::new(1, 0);
    let times = Times::at(Timestamp::from_millis(1));
    let event = Event { id, stream: Stream::L3In, times, root: id, body: Body::Raw(raw) };
    let mut out = Outbox::default();
    out.begin(&event);
    make().step(&event, &mut out);
    out.take().into_iter().find_map(|draft| match draft.body {
        Body::Decision(decision) => Some(*decision),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::l3;
    use crate::parse::built_in;

    fn loaded(config: &Config) -> LoadedRules {
        let l3 = l3::prepare(&config.l3).unwrap();
        LoadedRules::new(config, built_in(), Some(l3.make), &l3.warnings)
    }

    #[test]
    fn a_line_is_told_what_it_matches_and_by_what_it_is_counted() {
        let loaded = loaded(&Config::default());
        let failed = loaded.try_line("Nov 10 10:00:00 h sshd[4]: Failed password for root from 192.0.2.1 port 4 ssh2");
        assert_eq!(failed.understood["entity"]["src_ip"], "192.0.2.1");
        assert!(failed.scenarios.iter().any(|it| it.role == "counted" && it.threshold > 1), "{failed:?}");
        let shadow = "Nov 10 10:00:00 h sudo: eve : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow";
        let shadow = loaded.try_line(shadow);
        assert!(!shadow.rules.is_empty() && shadow.decision.unwrap()["decision"] == "malicious");
        let nothing = loaded.try_line("");
        assert!(nothing.rules.is_empty() && nothing.scenarios.is_empty());
    }

    #[test]
    fn what_is_never_filled_and_what_is_not_loaded_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let rule = "title: Own\nlogsource: {category: webserver}\ndetection:\n  a: {moood: bad, sc-status: 404}\n  condition: a\n";
        std::fs::write(folder.path().join("own.yml"), rule).unwrap();
        std::fs::write(folder.path().join("broken.yml"), "title: [").unwrap();
        let mut config = Config::default();
        config.l3.rules = vec![folder.path().to_owned()];
        let loaded = loaded(&config);
        let own = loaded.catalog().listed.iter().position(|listed| listed.title == "Own").unwrap();
        assert_eq!(loaded.never()[own], ["moood"]);
        assert!(loaded.never().iter().enumerate().all(|(place, never)| place == own || never.is_empty()));
        assert!(loaded.problems.len() == 1 && loaded.problems[0].contains("broken.yml"), "{:?}", loaded.problems);
    }
}
