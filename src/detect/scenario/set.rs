//! All scenarios, and the base rules that tell which lines they count.

use std::collections::BTreeMap;

use rsigma_parser::{CorrelationRule, SigmaRule};

use super::file;
use super::model::{Masks, Places, Scenario};
use crate::detect::sigma::{self, NormalRules, Problem, RuleText};
use crate::event::Record;
use crate::limits;

/// Meanings of a line that are told by one number.
const BITS: usize = u64::BITS as usize;

/// What a base rule's line means to a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Comes after it: an alarm of its own.
    Follows,
    /// Takes back what is like it.
    Cancels,
    /// Is counted; the place of the rule among the scenario's.
    Counts(u64),
}

/// Compiled once and shared.
#[derive(Default)]
pub struct ScenarioSet {
    rules: NormalRules,
    pub(super) scenarios: Vec<Scenario>,
    /// How many different groups and items they have.
    pub(super) sizes: Places,
    /// By base rule, the places of what its line means among all meanings.
    uses: BTreeMap<usize, Vec<usize>>,
    /// A scenario and what a line can mean to it; in the order in which that is gone through.
    meanings: Vec<(usize, Role)>,
}

/// Everything that was read, before rules are looked for by name.
#[derive(Default)]
struct Read {
    rules: Vec<(String, SigmaRule)>,
    /// Name, id and title of each rule, and its place.
    names: BTreeMap<String, usize>,
    correlations: BTreeMap<String, (String, CorrelationRule)>,
}

impl ScenarioSet {
    /// Compiles all that can be; returns why not for every other one. Of two with the same id the later one counts. `rules` are
    /// read for base rules alone.
    pub fn compile(texts: &[RuleText], rules: &[RuleText]) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut read = Read::default();
        for text in texts {
            read.add(text, &mut problems, true);
        }
        for text in rules {
            // What is wrong with them, Layer 3 has said; and they take no name from a rule that scenarios were written for.
            read.add(text, &mut Vec::new(), false);
        }
        let mut set = Self::default();
        let mut all_uses = Vec::new();
        for (file, rule) in read.correlations.values() {
            let compiled = file::scenario(rule).and_then(|(scenario, extension)| {
                let uses = read.uses(rule, &extension)?;
                Ok((Scenario { file: file.clone(), ..scenario }, uses))
            });
            match compiled {
                Ok(_) if set.scenarios.len() >= limits::SCENARIOS_MAX => {
                    let problem = format!("`{}` is one more than {} scenarios", rule.title, limits::SCENARIOS_MAX);
                    problems.push(Problem::not_loaded(file, problem));
                }
                Ok((scenario, uses)) => {
                    let index = set.scenarios.len();
                    all_uses.extend(uses.into_iter().map(|(rule, role)| (rule, (index, role))));
                    set.scenarios.push(scenario);
                }
                Err(reason) => problems.push(Problem::not_loaded(file, format!("`{}`: {reason}", rule.title))),
            }
        }
        set.share_memory();
        set.find_places();
        set.order(&all_uses);
        let placed = read.rules.into_iter().enumerate().map(|(place, (file, rule))| (place, file, rule));
        let used = placed.filter(|(place, ..)| set.uses.contains_key(place)).collect();
        set.rules = NormalRules::compile(used, &mut problems);
        problems.sort();
        (set, problems)
    }

    /// What follows goes before what is taken back, that before what is counted. Each line then only marks what it means.
    fn order(&mut self, uses: &[(usize, (usize, Role))]) {
        self.meanings = uses.iter().map(|(_, meaning)| *meaning).collect();
        self.meanings.sort_unstable_by_key(|(scenario, role)| (*role, *scenario));
        self.meanings.dedup();
        let key = |(scenario, role): (usize, Role)| (role, scenario);
        for (rule, meaning) in uses {
            if let Ok(place) = self.meanings.binary_search_by_key(&key(*meaning), |known| key(*known)) {
                self.uses.entry(*rule).or_default().push(place);
            }
        }
    }

    /// However many scenarios there are, their memory together is bounded, and none can take that of another.
    fn share_memory(&mut self) {
        let groups_max = limits::SCENARIO_GROUPS_MAX.min(limits::SCENARIO_GROUPS_ALL_MAX / self.scenarios.len().max(1));
        for (index, scenario) in self.scenarios.iter_mut().enumerate() {
            scenario.groups_max = groups_max;
            scenario.is_sketched = index < limits::SCENARIO_SKETCHES_MAX;
        }
    }

    /// What two scenarios group by or differ by in the same way is looked up once in a line.
    fn find_places(&mut self) {
        let (mut groups, mut items): (Vec<(Vec<String>, Masks)>, Vec<String>) = (Vec::new(), Vec::new());
        for scenario in &mut self.scenarios {
            let group = place(&mut groups, (scenario.group_by.clone(), scenario.masks));
            let item = place(&mut items, scenario.item().to_owned());
            scenario.places = Places { group, item };
        }
        self.sizes = Places { group: groups.len(), item: items.len() };
    }

    /// The scenarios that the line means something to, each once in a role, in their order.
    pub(super) fn concerned(&self, record: &Record) -> Vec<(usize, Role)> {
        let hits = self.rules.hits(record);
        if hits.is_empty() {
            return Vec::new();
        }
        // One bit for each meaning: nearly all of them are none of this line.
        let mut meant = vec![0_u64; self.meanings.len().div_ceil(BITS)];
        for place in hits.iter().filter_map(|hit| self.uses.get(hit)).flatten() {
            if let Some(bits) = meant.get_mut(place / BITS) {
                *bits |= 1 << (place % BITS);
            }
        }
        let count = meant.iter().map(|bits| bits.count_ones() as usize).sum();
        let mut concerned = Vec::with_capacity(count);
        for (mut bits, meanings) in meant.into_iter().zip(self.meanings.chunks(BITS)) {
            while bits != 0 {
                concerned.extend(meanings.get(bits.trailing_zeros() as usize));
                bits &= bits - 1;
            }
        }
        concerned
    }

    /// The same with the scenarios themselves.
    pub fn roles(&self, record: &Record) -> Vec<(&Scenario, Role)> {
        self.concerned(record)
            .into_iter()
            .filter_map(|(index, role)| Some((self.scenarios.get(index)?, role)))
            .collect()
    }

    pub(super) fn named(&self, id: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.id == id || scenario.name.as_deref() == Some(id))
    }

    pub fn count(&self) -> usize {
        self.scenarios.len()
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.iter()
    }
}

impl Read {
    /// Of two rules with the same name the later one counts, if it `replaces`.
    fn add(&mut self, text: &RuleText, problems: &mut Vec<Problem>, replaces: bool) {
        let collection = match sigma::parse(&text.yaml) {
            Ok(collection) => collection,
            Err(error) => {
                problems.push(Problem::not_loaded(&text.file, error));
                return;
            }
        };
        problems.extend(collection.errors.iter().map(|error| Problem::not_loaded(&text.file, error.clone())));
        for rule in collection.rules {
            let names = [rule.name.clone(), rule.id.clone(), Some(rule.title.clone())];
            for name in names.into_iter().flatten() {
                let place = self.names.entry(name).or_insert(self.rules.len());
                if replaces {
                    *place = self.rules.len();
                }
            }
            self.rules.push((text.file.clone(), rule));
        }
        for rule in collection.correlations {
            let id = rule.id.clone().unwrap_or_else(|| rule.title.clone());
            self.correlations.insert(id, (text.file.clone(), rule));
        }
    }

    fn uses(&self, rule: &CorrelationRule, extension: &file::Extension) -> Result<Vec<(usize, Role)>, String> {
        let place = |name: &String| {
            self.names
                .get(name)
                .copied()
                .ok_or_else(|| format!("there is no rule `{name}` in the files that were read"))
        };
        let mut uses = Vec::new();
        for (step, name) in (0..).zip(&rule.rules) {
            uses.push((place(name)?, Role::Counts(step)));
        }
        if uses.is_empty() {
            return Err("it names no rules".to_owned());
        }
        if let Some(followed) = &extension.followed_by {
            uses.push((place(&followed.rule)?, Role::Follows));
        }
        if let Some(name) = &extension.cancelled_by {
            uses.push((place(name)?, Role::Cancels));
        }
        Ok(uses)
    }
}

/// Where it stands; at the end, if it is not there yet.
fn place<Item: PartialEq>(known: &mut Vec<Item>, item: Item) -> usize {
    known.iter().position(|other| *other == item).unwrap_or_else(|| {
        known.push(item);
        known.len() - 1
    })
}
