//! Rules by their log source, each source compiled by itself, so that a record is only compared with rules that are meant for it.

use std::collections::BTreeMap;

use rsigma_eval::Engine;
use rsigma_parser::{LogSource, SigmaRule};

use super::logsource::{can_fit, shown};
use super::patterns::Room;
use super::problem::Problem;

/// A rule with the file that it stands in.
pub type Filed = (String, SigmaRule);

/// What identifies a source: product, category and service.
type Source = (Option<String>, Option<String>, Option<String>);

/// In the order of the sources. A rule whose regular expressions there is no room for is left out and named among the problems; one
/// that no event here is of the source of is named alone.
pub fn by_source(
    rules: impl Iterator<Item = Filed>,
    room: &mut Room,
    problems: &mut Vec<Problem>,
) -> Vec<(LogSource, Vec<Filed>)> {
    let mut by_source: BTreeMap<Source, Vec<Filed>> = BTreeMap::new();
    for (file, rule) in rules {
        if let Err(reason) = room.take(&rule.detection) {
            problems.push(Problem::not_loaded(&file, reason));
            continue;
        }
        if !can_fit(&rule.logsource) {
            let reason = format!("no event here is of its log source ({})", shown(&rule.logsource));
            problems.push(Problem { file: file.clone(), reason, is_loaded: true });
        }
        let LogSource { product, category, service, .. } = &rule.logsource;
        by_source.entry((product.clone(), category.clone(), service.clone())).or_default().push((file, rule));
    }
    let logsource = |(product, category, service)| LogSource { product, category, service, ..LogSource::default() };
    by_source.into_iter().map(|(source, rules)| (logsource(source), rules)).collect()
}

/// All that can be compiled; the others are taken out and named among the problems.
pub fn compile(rules: &mut Vec<Filed>, problems: &mut Vec<Problem>) -> Engine {
    let mut engine = Engine::new();
    let failed: BTreeMap<usize, String> = engine
        .add_rules(rules.iter().map(|(_, rule)| rule))
        .into_iter()
        .map(|(at, error)| (at, error.to_string()))
        .collect();
    let mut places = 0..;
    rules.retain(|(file, _)| match places.next().and_then(|place| failed.get(&place)) {
        Some(error) => {
            problems.push(Problem::not_loaded(file, error.clone()));
            false
        }
        None => true,
    });
    engine
}
