//! A set of Sigma rules, compiled once and shared.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use rsigma_eval::{Engine, EvaluationResult};
use rsigma_parser::{FilterRule, FilterRuleTarget, Level, LogSource, SigmaCollection, SigmaRule};

use super::fields::SigmaRecord;
use super::keywords::{Plain, Sought, are_plain, needed};
use super::logsource::Classes;
use super::patterns::Room;
use super::problem::Problem;
use super::sources::{Filed, by_source, compile};
use super::yaml;
use crate::detect::attack::technique_of_tag;
use crate::event::{Record, Rule, cut_name};

/// One rule file.
#[derive(Debug, Clone)]
pub struct RuleText {
    /// The file's path, for messages.
    pub file: String,
    pub yaml: String,
}

impl RuleText {
    /// Those that come with the daemon, of these names and texts.
    pub fn built_in(files: &[(&str, &str)]) -> Vec<Self> {
        let text = |(file, yaml): &(&str, &str)| Self { file: format!("built-in {file}"), yaml: (*yaml).to_owned() };
        files.iter().map(text).collect()
    }
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleMatch {
    pub rule: Rule,
    /// 0 to 1, after the rule's level.
    pub score: f64,
    /// ATT&CK techniques, as the rule's tags name them.
    pub techniques: Vec<String>,
}

/// Rules in groups of one log source and one kind of keywords each, so that a record is only compared with rules that are meant for it.
#[derive(Default)]
pub struct RuleSet {
    groups: Vec<Group>,
    /// The keywords without one of which no rule of a group matches.
    sought: Option<Sought>,
    /// By id, else by title: the file that a rule stands in.
    files: BTreeMap<String, String>,
}

struct Group {
    logsource: LogSource,
    engine: Engine,
    /// All of its keywords are plain.
    is_plain: bool,
    /// Each of its rules needs one of these keywords, and they are sought.
    needed: Option<Vec<String>>,
    is_sought: bool,
}

impl Group {
    fn evaluate(&self, view: &SigmaRecord<'_>) -> Vec<EvaluationResult> {
        if self.is_plain { self.engine.evaluate(&Plain(view)) } else { self.engine.evaluate(view) }
    }
}

impl RuleSet {
    /// Compiles all rules that can be; returns why not for every other one. Of two rules with the same id the later one
    /// counts, so that an operator's file replaces a rule that came with the daemon.
    pub fn compile(texts: &[RuleText]) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut rules: BTreeMap<String, (String, SigmaRule)> = BTreeMap::new();
        let mut filters = Vec::new();
        for text in texts {
            let collection = parse(text, &mut problems);
            for rule in collection.rules {
                let id = rule.id.clone().unwrap_or_else(|| format!("{}: {}", text.file, rule.title));
                rules.insert(id, (text.file.clone(), rule));
            }
            filters.extend(collection.filters.into_iter().map(|filter| (text.file.clone(), filter)));
        }
        let mut room = Room::default();
        let name = |rule: &SigmaRule| rule.id.clone().unwrap_or_else(|| rule.title.clone());
        let files = rules.values().map(|(file, rule)| (name(rule), file.clone())).collect();
        let mut set = Self { groups: groups(rules.into_values(), &mut room, &mut problems), sought: None, files };
        for (file, filter) in &filters {
            match room.take(&filter.detection) {
                Ok(()) => set.filter(file, filter, &mut problems),
                Err(reason) => problems.push(Problem::not_loaded(file, reason)),
            }
        }
        problems.sort();
        set.seek();
        (set, problems)
    }

    fn seek(&mut self) {
        let groups = self.groups.iter_mut().enumerate();
        let needed: Vec<_> = groups.filter_map(|(at, group)| Some((at, group.needed.take()?))).collect();
        self.sought = Sought::new(&needed);
        for (at, _) in needed.iter().filter(|_| self.sought.is_some()) {
            self.groups.get_mut(*at).into_iter().for_each(|group| group.is_sought = true);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.engine.rule_count()).sum()
    }

    /// The rules that match a record, highest score first, then by title. A function of the record alone.
    pub fn matches(&self, record: &Record) -> Vec<RuleMatch> {
        let classes = Classes::of(record);
        let view = SigmaRecord::new(record, &classes);
        let found = OnceCell::new();
        let mut matches: Vec<RuleMatch> = self
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| classes.fit(&group.logsource))
            .filter(|(at, group)| !group.is_sought || self.may_match(*at, &view, &found))
            .flat_map(|(_, group)| group.evaluate(&view))
            .map(|result| RuleMatch {
                score: score(result.header.level),
                techniques: result.header.tags.iter().filter_map(|tag| technique_of_tag(tag)).collect(),
                rule: self.rule(result.header.rule_id.unwrap_or_default(), result.header.rule_title),
            })
            .collect();
        let by_title = |left: &RuleMatch, right: &RuleMatch| left.rule.title.cmp(&right.rule.title);
        matches.sort_by(|left, right| right.score.total_cmp(&left.score).then_with(|| by_title(left, right)));
        matches
    }

    /// `false`: none of the keywords that the rules of this group need is there. `found`: whose are there.
    fn may_match(&self, at: usize, view: &SigmaRecord<'_>, found: &OnceCell<Option<Vec<usize>>>) -> bool {
        let found = found.get_or_init(|| self.sought.as_ref()?.owners_in(view));
        found.as_ref().is_none_or(|found| found.contains(&at))
    }

    fn rule(&self, id: String, title: String) -> Rule {
        let file = self.files.get(&id).or_else(|| self.files.get(&title)).cloned().unwrap_or_default();
        Rule { id: cut_name(id), title, file: cut_name(file) }
    }

    fn filter(&mut self, file: &str, filter: &FilterRule, problems: &mut Vec<Problem>) {
        let mut applied = false;
        for group in self.groups.iter_mut().filter(|group| concerns(filter, &group.engine)) {
            match group.engine.apply_filter(filter) {
                Ok(()) => {
                    applied = true;
                    group.is_plain &= are_plain(&filter.detection);
                }
                Err(error) => problems.push(Problem::not_loaded(file, error.to_string())),
            }
        }
        if !applied {
            let reason = format!("the filter `{}` names no rule that is loaded", filter.title);
            problems.push(Problem::not_loaded(file, reason));
        }
    }
}

fn concerns(filter: &FilterRule, engine: &Engine) -> bool {
    match &filter.rules {
        FilterRuleTarget::Any => true,
        FilterRuleTarget::Specific(names) => engine
            .rules()
            .iter()
            .any(|rule| names.iter().any(|name| rule.id.as_ref() == Some(name) || rule.title == *name)),
    }
}

/// The scores of the levels of rules.
pub const INFORMATIONAL: f64 = 0.1;
pub const LOW: f64 = 0.35;
pub const MEDIUM: f64 = 0.55;
pub const HIGH: f64 = 0.8;
pub const CRITICAL: f64 = 0.95;

/// The score of a rule's level; one without a level counts as medium.
fn score(level: Option<Level>) -> f64 {
    match level {
        Some(Level::Informational) => INFORMATIONAL,
        Some(Level::Low) => LOW,
        Some(Level::Medium) | None => MEDIUM,
        Some(Level::High) => HIGH,
        Some(Level::Critical) => CRITICAL,
    }
}

fn parse(text: &RuleText, problems: &mut Vec<Problem>) -> SigmaCollection {
    let mut problem = |reason: String| problems.push(Problem::not_loaded(&text.file, reason));
    let collection = match yaml::parse(&text.yaml) {
        Ok(collection) => collection,
        Err(error) => {
            problem(error);
            return SigmaCollection::new();
        }
    };
    collection.errors.iter().for_each(|error| problem(error.clone()));
    if collection.is_empty() && collection.errors.is_empty() {
        problem("the file holds no rule".to_owned());
    }
    collection
}

fn groups(rules: impl Iterator<Item = Filed>, room: &mut Room, problems: &mut Vec<Problem>) -> Vec<Group> {
    let of_source = by_source(rules, room, problems).into_iter();
    let mut groups = Vec::new();
    for (logsource, rules) in of_source {
        let (plain, others) = rules.into_iter().partition(|(_, rule)| are_plain(&rule.detection));
        for (is_plain, mut rules) in [(true, plain), (false, others)] {
            let engine = compile(&mut rules, problems);
            if engine.rule_count() > 0 {
                let needed: Option<Vec<_>> = rules.iter().map(|(_, rule)| needed(&rule.detection)).collect();
                let needed = needed.filter(|_| is_plain).map(|needed| needed.concat());
                groups.push(Group { logsource: logsource.clone(), engine, is_plain, needed, is_sought: false });
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Entity};

    fn rule(id: &str, title: &str, logsource: &str, detection: &str, rest: &str) -> RuleText {
        let yaml = format!(
            "title: {title}\nid: {id}\nlogsource:\n  {logsource}\ndetection:\n  selection:\n    {detection}\n  \
             condition: selection\n{rest}"
        );
        RuleText { file: format!("{id}.yml"), yaml }
    }

    fn web(status: &str) -> Record {
        Record {
            action: Action::HttpRequest,
            message: "GET /x.php".into(),
            fields: vec![("status".into(), status.into()), ("path".into(), "/x.php".into())],
            ..Record::default()
        }
    }

    #[test]
    fn a_match_carries_level_and_techniques_and_the_strongest_comes_first() {
        let (set, problems) = RuleSet::compile(&[
            rule("1", "Low", "category: webserver", "sc-status: 404", "level: low\ntags: [attack.t1595.003]\n"),
            rule("2", "High", "category: webserver", "cs-uri-stem|endswith: .php", "level: high\n"),
            rule("3", "Other source", "category: dns", "sc-status: 404", "level: high\n"),
        ]);
        assert_eq!(problems, []);
        let matches = set.matches(&web("404"));
        assert_eq!(matches.iter().map(|hit| hit.rule.title.as_str()).collect::<Vec<_>>(), ["High", "Low"]);
        assert_eq!((matches[0].score, matches[1].score), (0.8, 0.35));
        assert_eq!(matches[1].techniques, ["T1595.003"]);
        assert_eq!(set.matches(&web("200")).len(), 1);
    }

    #[test]
    fn keywords_are_looked_for_in_the_message() {
        let yaml = "title: K\nid: k\nlogsource:\n  product: linux\ndetection:\n  keywords:\n    - 'entered promiscuous mode'\n  \
                    condition: keywords\n";
        let (set, _) = RuleSet::compile(&[RuleText { file: "k.yml".into(), yaml: yaml.into() }]);
        let record = Record { message: "device eth0 entered promiscuous mode".into(), ..Record::default() };
        assert_eq!(set.matches(&record).len(), 1);
        assert!(set.matches(&Record::default()).is_empty());
    }

    #[test]
    fn a_rule_is_asked_when_one_of_its_keywords_stands_anywhere_in_any_case() {
        let keywords = |keywords: &str, condition: &str| RuleText {
            file: condition.to_owned(),
            yaml: format!(
                "title: {condition}\nlogsource: {{product: linux}}\ndetection:\n  a: {keywords}\n  b: [other]\n  condition: {condition}\n"
            ),
        };
        let (set, _) = RuleSet::compile(&[
            keywords("[Bad word, worse]", "a and not b"),
            keywords("[kelvin]", "1 of *"),
            keywords("[never]", "a or b"),
        ]);
        assert!(set.sought.is_some() && set.groups.iter().all(|group| group.is_sought));
        let titles = |message: &str, value: &str| -> Vec<String> {
            let fields = vec![("x".to_owned(), value.to_owned())];
            let hits = set.matches(&Record { message: message.to_owned(), fields, ..Record::default() });
            hits.into_iter().map(|hit| hit.rule.title).collect()
        };
        assert_eq!(titles("a BAD word", ""), ["a and not b"]);
        assert_eq!(titles("", "it is Worse"), ["a and not b"]);
        assert_eq!(titles("\u{212a}elvin", ""), ["1 of *"]);
        assert_eq!(titles("any other", "worse"), ["1 of *", "a or b"]);
        assert_eq!(titles("a bad", "word"), [""; 0]);
    }

    #[test]
    fn every_rule_that_is_not_loaded_is_named_with_its_reason_and_the_others_are_loaded() {
        let correlation = "title: C\ncorrelation:\n  type: event_count\n  rules: [good]\n  group-by: [user]\n  timespan: 1m\n  \
                           condition:\n    gte: 3\n";
        let (set, problems) = RuleSet::compile(&[
            rule("good", "Good", "product: linux", "a: b", ""),
            rule("regex", "Bad regex", "product: linux", "a|re: '('", ""),
            rule("modifier", "Bad modifier", "product: linux", "a|sounds_like: b", ""),
            rule("source", "Elsewhere", "product: amiga", "a: b", ""),
            RuleText { file: "yaml.yml".into(), yaml: "title: [".into() },
            RuleText { file: "empty.yml".into(), yaml: String::new() },
            RuleText { file: "correlation.yml".into(), yaml: correlation.into() },
        ]);
        let mut files: Vec<&str> = problems.iter().map(|problem| problem.file.as_str()).collect();
        files.dedup();
        assert_eq!(files, ["empty.yml", "modifier.yml", "regex.yml", "source.yml", "yaml.yml"]);
        assert!(problems.iter().all(|problem| !problem.reason.is_empty()));
        assert_eq!(set.len(), 2);
    }

    #[test]
    fn regular_expressions_that_would_take_all_memory_are_not_loaded_and_the_rules_beside_them_are() {
        let list: String = (0..40).map(|n| format!("\n      - '(a|b|c{n}){{200}}\\w{{100}}'")).collect();
        let (set, problems) = RuleSet::compile(&[
            rule("a", "Good", "product: linux", "a|re: '^x[0-9]{1,8}$'", ""),
            rule("b", "Bomb", "product: linux", &format!("a|re:{list}"), ""),
            rule("c", "Good too", "product: linux", "a|re|i: 'y+'", ""),
        ]);
        assert_eq!(set.len(), 2);
        assert!(problems.len() == 1 && problems[0].file == "b.yml", "{problems:?}");
        assert!(problems[0].reason.contains("MiB"), "{problems:?}");
    }

    #[test]
    fn an_operators_rule_replaces_the_one_with_the_same_id() {
        let ours = rule("same", "Ours", "product: linux", "user: eve", "");
        let theirs = rule("same", "Theirs", "product: linux", "user: eve", "");
        let (set, _) = RuleSet::compile(&[ours, theirs]);
        let record = Record { entity: Entity { user: Some("eve".into()), ..Entity::default() }, ..Record::default() };
        assert_eq!(set.matches(&record).iter().map(|hit| hit.rule.title.as_str()).collect::<Vec<_>>(), ["Theirs"]);
    }

    #[test]
    fn a_filter_excludes_what_it_describes() {
        let filter = "title: F\nlogsource:\n  product: linux\nfilter:\n  rules: [same]\n  selection:\n    user: eve\n  \
                      condition: not selection\n";
        let (set, problems) = RuleSet::compile(&[
            rule("same", "Any", "product: linux", "user|contains: e", ""),
            RuleText { file: "filter.yml".into(), yaml: filter.into() },
        ]);
        assert_eq!(problems, []);
        let by = |user: &str| Record {
            entity: Entity { user: Some(user.into()), ..Entity::default() },
            ..Record::default()
        };
        assert_eq!((set.matches(&by("eve")).len(), set.matches(&by("steve")).len()), (0, 1));
    }
}
