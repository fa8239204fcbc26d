//! All that is looked for, as a list: Sigma rules, scenarios, and patterns of web attacks.

use std::collections::{BTreeMap, BTreeSet};

use rsigma_parser::Level;
use serde::Serialize;

use super::attack::technique_of_tag;
use super::scenario::listed;
use super::sigma::{self, Needs, RuleText, needs_of};
use super::tactic::Tactic;
use super::web::{self, WebText};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A Sigma rule about one line.
    Rule,
    /// A Sigma correlation rule: what many lines mean together.
    Scenario,
    /// A pattern of an attack in a web request.
    Web,
}

/// One that is loaded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    pub kind: Kind,
    /// The rule's own; its title, or the name of a pattern, where it has none.
    pub id: String,
    pub title: String,
    /// What it is called in the `reasons` of an event.
    pub reason: String,
    pub file: String,
    pub level: &'static str,
    /// Of ATT&CK.
    pub techniques: Vec<String>,
    /// The tactics of these techniques, in the order in which an intrusion passes them.
    pub tactics: Vec<&'static str>,
    /// What a Sigma rule asks of a line. That no format fills a field of it is not known here: `never` has all that have no fixed
    /// meaning.
    #[serde(skip)]
    pub needs: Option<Needs>,
}

/// In the order of kinds, then of titles.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub listed: Vec<Listed>,
    pub names: Names,
}

/// By what a decision names the rules that it follows from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Titles of rules and names of patterns, which are the reasons of Layer 3.
    pub of_lines: BTreeSet<String>,
    /// Ids of scenarios.
    pub scenarios: BTreeSet<String>,
}

impl Catalog {
    /// Of the files; what cannot be read is said where it is loaded. Of two with the same id the later one counts.
    pub fn of(rules: &[RuleText], scenarios: &[RuleText], web: &[WebText]) -> Self {
        let mut by_id: BTreeMap<(Kind, String), Listed> = BTreeMap::new();
        let mut add = |listed: Listed| by_id.insert((listed.kind, listed.id.clone()), listed);
        for text in rules {
            let collection = sigma::parse(&text.yaml).unwrap_or_default();
            for rule in collection.rules {
                let techniques = rule.tags.iter().filter_map(|tag| technique_of_tag(tag)).collect();
                let needs = Some(needs_of(&text.file, &rule, &BTreeSet::new()));
                let id = rule.id.unwrap_or_else(|| rule.title.clone());
                let names = (rule.title.as_str(), rule.title.as_str());
                let listed = Listed::new(Kind::Rule, id, names, &text.file, (level(rule.level), techniques));
                add(Listed { needs, ..listed });
            }
        }
        for text in scenarios.iter().chain(rules) {
            for (scenario, of) in listed(text) {
                let names = (scenario.title.as_str(), scenario.reason.as_str());
                let more = scenario.spread.iter().flat_map(|it| &it.techniques);
                let more = more.chain(scenario.then.iter().flat_map(|it| &it.techniques)).cloned();
                let mut techniques = scenario.techniques.clone();
                techniques.extend(more);
                add(Listed::new(Kind::Scenario, scenario.id.clone(), names, &text.file, (level(of), techniques)));
            }
        }
        for text in web {
            for technique in web::listed(text) {
                let names = (technique.title.as_str(), technique.name.as_str());
                let techniques = vec![technique.attack.clone()];
                add(Listed::new(
                    Kind::Web,
                    technique.name.clone(),
                    names,
                    &text.file,
                    (technique.level.name(), techniques),
                ));
            }
        }
        let mut listed: Vec<Listed> = by_id.into_values().collect();
        listed.sort_by(|a, b| (a.kind, &a.title, &a.id).cmp(&(b.kind, &b.title, &b.id)));
        let names = Names::of(&listed);
        Self { listed, names }
    }
}

impl Names {
    fn of(listed: &[Listed]) -> Self {
        let of = |is_scenario: bool| listed.iter().filter(move |it| (it.kind == Kind::Scenario) == is_scenario);
        Self {
            of_lines: of(false).map(|it| it.reason.clone()).collect(),
            scenarios: of(true).map(|it| it.id.clone()).collect(),
        }
    }
}

impl Listed {
    fn new(
        kind: Kind,
        id: String,
        (title, reason): (&str, &str),
        file: &str,
        (level, mut techniques): (&'static str, Vec<String>),
    ) -> Self {
        techniques.sort();
        techniques.dedup();
        let tactics: BTreeSet<Tactic> = techniques.iter().filter_map(|technique| Tactic::of(technique)).collect();
        let tactics = tactics.into_iter().map(Tactic::name).collect();
        let [title, reason, file] = [title, reason, file].map(str::to_owned);
        Self { kind, id, title, reason, file, level, techniques, tactics, needs: None }
    }
}

/// One without a level counts as medium.
fn level(level: Option<Level>) -> &'static str {
    level.unwrap_or(Level::Medium).as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_scenarios_and_patterns_are_listed_with_what_they_are_called_and_the_later_of_one_id_counts() {
        let rule = |file: &str, title: &str| {
            let yaml = format!(
                "title: {title}\nid: one\nlevel: high\ntags: [attack.t1110.001, attack.t1059]\nlogsource: {{product: linux}}\n\
                 detection:\n  a: {{b: c}}\n  condition: a\n"
            );
            RuleText { file: file.to_owned(), yaml }
        };
        let scenario = "title: S\nid: own\ncorrelation:\n  type: event_count\n  rules: [x]\n  group-by: [source.ip]\n  timespan: 1m\n  \
                        condition: {gte: 2}\ntags: [attack.t1110]\ndsmil: {reason: guessing}\n";
        let scenario = RuleText { file: "s.yml".into(), yaml: scenario.into() };
        let web = "[[technique]]\nname = \"probe\"\ntitle = \"Probe\"\nattack = \"T1190\"\nlevel = \"low\"\n[[technique.pattern]]\nin = \"path\"\nany = [\"/x\"]\n";
        let web = WebText::new("w.toml", web);
        let broken = RuleText { file: "broken.yml".into(), yaml: "title: [".into() };
        let rules = [rule("a.yml", "Ours"), rule("b.yml", "Theirs"), broken];
        let catalog = Catalog::of(&rules, &[scenario], &[web]);
        let of = |it: &Listed| (it.title.clone(), it.reason.clone(), it.file.clone(), it.level);
        let said: Vec<_> = catalog.listed.iter().map(of).collect();
        let expected = [
            ("Theirs", "Theirs", "b.yml", "high"),
            ("S", "guessing", "s.yml", "medium"),
            ("Probe", "probe", "w.toml", "low"),
        ];
        assert_eq!(
            said,
            expected.map(|(title, reason, file, level)| (title.into(), reason.into(), file.into(), level))
        );
        assert_eq!(catalog.listed[0].tactics, ["execution", "credential-access"], "in their order");
        let names = catalog.names;
        assert_eq!(names.of_lines, ["Theirs", "probe"].map(str::to_owned).into());
        assert_eq!(names.scenarios, ["own".to_owned()].into());
    }
}
