//! Rules about the normal fields, which what counts lines asks of every line.

use std::collections::BTreeMap;
use std::sync::Arc;

use rsigma_eval::Engine;
use rsigma_parser::{LogSource, SigmaRule};

use super::fields::SigmaRecord;
use super::gate::Gate;
use super::logsource::Classes;
use super::normal::{self, Kind};
use super::only::{ACTION, OUTCOME, Only, exceptions};
use super::patterns::Room;
use super::problem::Problem;
use super::sources::{by_source, compile};
use crate::event::Record;
use crate::hash_map::HashMap;

/// By the kind of a line, what is to be asked of it. Compiled once and shared.
#[derive(Default)]
pub struct NormalRules {
    of_kind: HashMap<Kind, Vec<Part>>,
    /// Of a line of no certain kind.
    all: Vec<Part>,
}

/// Rules of one log source.
#[derive(Clone)]
struct Part {
    logsource: Arc<LogSource>,
    /// The places of rules that every line of this kind and log source matches.
    decided: Vec<usize>,
    /// Those that most lines cannot match, each by itself.
    gated: Vec<Arc<Gated>>,
    /// Those that most lines match.
    excepted: Vec<Arc<Excepted>>,
    /// Those that ask for more.
    rest: Option<Arc<Engine>>,
}

/// A rule that is asked only about what its gate lets through.
struct Gated {
    place: usize,
    gate: Gate,
    engine: Engine,
}

/// A rule that every line of this kind and log source matches, but for exceptions. It costs several times as much to ask for what
/// matches as for what does not, for the engine then looks for it again to name it.
struct Excepted {
    place: usize,
    exceptions: Engine,
}

/// A rule with its place among all, which is what it is called by here.
struct Placed {
    place: usize,
    rule: SigmaRule,
    only: Only,
    gated: Option<Arc<Gated>>,
    excepted: Option<Arc<Excepted>>,
}

impl NormalRules {
    /// Each rule with its place and the file that it stands in. What is wrong with one is added to the problems; the others are compiled.
    pub fn compile(rules: Vec<(usize, String, SigmaRule)>, problems: &mut Vec<Problem>) -> Self {
        let named = |(place, file, rule): (usize, _, _)| (file, SigmaRule { id: Some(place.to_string()), ..rule });
        let mut set = Self::default();
        for (logsource, mut rules) in by_source(rules.into_iter().map(named), &mut Room::default(), problems) {
            let (logsource, all) = (Arc::new(logsource), Arc::new(compile(&mut rules, problems)));
            let rules: Vec<Placed> = rules.into_iter().filter_map(|(_, rule)| Placed::of(rule)).collect();
            set.all.push(Part::asking(&logsource, Some(Arc::clone(&all))));
            // Many kinds are asked the same.
            let mut engines = BTreeMap::from([(rules.iter().map(|rule| rule.place).collect(), all)]);
            for kind in normal::kinds() {
                let allowed = rules.iter().filter(|rule| rule.only.allows(kind));
                let (decided, asked): (Vec<&Placed>, Vec<&Placed>) = allowed.partition(|rule| rule.only.is_all);
                set.of_kind.entry(kind).or_default().extend(part(&logsource, &decided, &asked, &mut engines));
            }
        }
        set
    }

    /// The places of the rules that match.
    pub fn hits(&self, record: &Record) -> Vec<usize> {
        let parts = match normal::kind(record) {
            Some(kind) => self.of_kind.get(&kind),
            None => Some(&self.all),
        };
        let Some(parts) = parts.filter(|parts| !parts.is_empty()) else { return Vec::new() };
        let classes = Classes::of(record);
        let view = SigmaRecord::normal(record, &classes);
        let mut hits = Vec::new();
        for part in parts.iter().filter(|part| classes.fit(&part.logsource)) {
            hits.extend(&part.decided);
            let excepted = part.excepted.iter().filter(|rule| rule.exceptions.evaluate(&view).is_empty());
            hits.extend(excepted.map(|rule| rule.place));
            let let_through = part.gated.iter().filter(|rule| rule.gate.may_match(&view));
            hits.extend(let_through.filter(|rule| !rule.engine.evaluate(&view).is_empty()).map(|rule| rule.place));
            if let Some(engine) = &part.rest {
                let found = engine.evaluate(&view).into_iter();
                hits.extend(found.filter_map(|result| place_of(&result.header.rule_id?)));
            }
        }
        hits
    }
}

/// By the places of its rules.
type Engines = BTreeMap<Vec<usize>, Arc<Engine>>;

/// Nothing, where there is no rule.
fn part(logsource: &Arc<LogSource>, decided: &[&Placed], asked: &[&Placed], engines: &mut Engines) -> Option<Part> {
    if decided.is_empty() && asked.is_empty() {
        return None;
    }
    let open = || asked.iter().filter(|rule| rule.excepted.is_none() && rule.gated.is_none());
    let key: Vec<usize> = open().map(|rule| rule.place).collect();
    let compile = || Arc::new(engine(open().map(|rule| &rule.rule)));
    let rest = (!key.is_empty()).then(|| Arc::clone(engines.entry(key).or_insert_with(compile)));
    Some(Part {
        decided: decided.iter().map(|rule| rule.place).collect(),
        excepted: asked.iter().filter_map(|rule| rule.excepted.clone()).collect(),
        gated: asked.iter().filter(|rule| rule.excepted.is_none()).filter_map(|rule| rule.gated.clone()).collect(),
        ..Part::asking(logsource, rest)
    })
}

impl Part {
    fn asking(logsource: &Arc<LogSource>, rest: Option<Arc<Engine>>) -> Self {
        let (decided, gated, excepted) = Default::default();
        Self { logsource: Arc::clone(logsource), decided, gated, excepted, rest }
    }
}

impl Placed {
    fn of(rule: SigmaRule) -> Option<Self> {
        let (place, only) = (place_of(rule.id.as_deref()?)?, Only::of(&rule));
        // By these, rules are told apart already.
        let gate = Gate::of(&rule, &[ACTION, OUTCOME]);
        let gated = gate.map(|gate| Arc::new(Gated { place, gate, engine: engine([&rule].into_iter()) }));
        let excepted = exceptions(&rule.detection).map(|condition| {
            let mut rule = rule.clone();
            rule.detection.conditions = vec![condition];
            Arc::new(Excepted { place, exceptions: engine([&rule].into_iter()) })
        });
        Some(Self { place, rule, only, gated, excepted })
    }
}

/// Of rules that can be compiled.
fn engine<'rule>(rules: impl Iterator<Item = &'rule SigmaRule>) -> Engine {
    let mut engine = Engine::new();
    engine.add_rules(rules);
    engine
}

fn place_of(id: &str) -> Option<usize> {
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::yaml;
    use super::*;
    use crate::event::Action;

    const DETECTIONS: [&str; 14] = [
        "a: {event.action: login}, condition: a",
        "a: {event.action: login, event.outcome: failure}, condition: a",
        "a: {event.action: [login, request], event.outcome: null}, condition: a",
        "a: {event.action: login}, b: {user.name: x}, condition: a and not b",
        "a: {user.name: x}, condition: a",
        "a: {event.action: other}, condition: a",
        "a: {event.outcome: success}, b: {event.action: session}, condition: a or b",
        "a: {event.action: null}, condition: a",
        "a: {event.outcome: unknown}, condition: not a",
        "a: {event.action: login}, b: {user.name|startswith: x}, c: {user.name|endswith: y}, condition: a and not b and not c",
        "a: {event.action: login}, b: {user.name: [x, y]}, condition: a and b",
        "a: {event.action: login, user.name: x}, b: {user.name: null}, condition: a and not b",
        "a: {event.action: login}, b: {event.outcome: failure}, condition: a and not (b and a)",
        "a: {user.name|startswith: x}, b: {user.name|endswith: y}, condition: a or b",
    ];
    const SOURCES: [&str; 3] = ["category: authentication", "product: linux", "service: cron"];

    fn rules() -> Vec<(usize, String, SigmaRule)> {
        let texts = DETECTIONS.iter().flat_map(|detection| SOURCES.map(|source| (source, detection)));
        let yaml = texts
            .map(|(source, detection)| format!("{{title: T, logsource: {{{source}}}, detection: {{{detection}}}}}"));
        yaml.enumerate()
            .map(|(place, yaml)| (place, String::new(), yaml::parse(&yaml).unwrap().rules.remove(0)))
            .collect()
    }

    proptest! {
        #[test]
        fn a_line_of_any_kind_matches_what_it_matches_when_every_rule_is_asked(
            action in prop::sample::select(vec![Action::Login, Action::Session, Action::HttpRequest, Action::Other]),
            outcome in prop::option::of(any::<bool>()),
            user in prop::option::of("[xyX]{1,2}"),
            own in prop::collection::vec(("(x\\.)?event\\.(action|outcome)", "login|failure|unknown|other"), 0..3),
            program in prop::option::of("CRON|sshd"),
        ) {
            let mut record = Record { action, outcome, fields: own, program, ..Record::default() };
            record.entity.user = user;
            let mut problems = Vec::new();
            let mut hits = NormalRules::compile(rules(), &mut problems).hits(&record);
            hits.sort_unstable();
            prop_assert!(problems.is_empty(), "{problems:?}");
            let classes = Classes::of(&record);
            let view = SigmaRecord::normal(&record, &classes);
            let alone = |rule: &SigmaRule| {
                let mut engine = Engine::new();
                engine.add_rule(rule).unwrap();
                classes.fit(&rule.logsource) && !engine.evaluate(&view).is_empty()
            };
            let expected: Vec<usize> = rules().iter().filter(|(.., rule)| alone(rule)).map(|(place, ..)| *place).collect();
            prop_assert_eq!(hits, expected);
        }
    }
}
