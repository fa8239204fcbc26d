//! What rules look at, and which of it nothing here ever fills.

use std::collections::BTreeSet;

use rsigma_parser::{Detection, LogSource, SigmaRule};

use super::fields::TAXONOMY;
use super::logsource::can_fit;
use super::rules::RuleText;
use super::{event_log, logsource, yaml};

/// One rule, by what it asks of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    pub file: String,
    pub title: String,
    /// Product, category and service, as far as the rule names them.
    pub source: String,
    /// `false`: no record is ever of its log source.
    pub is_possible: bool,
    /// The fields that it compares, by name.
    pub fields: BTreeSet<String>,
    /// Those of them that no format fills. A line that carries a key of that name itself has it all the same.
    pub never: BTreeSet<String>,
}

/// Of all rules that can be read. `filled`: every name that a format gives to a part of a line.
pub fn needs(texts: &[RuleText], filled: &BTreeSet<&str>) -> Vec<Needs> {
    let mut all = Vec::new();
    for text in texts {
        let Ok(collection) = yaml::parse(&text.yaml) else { continue };
        all.extend(collection.rules.iter().map(|rule| needs_of(&text.file, rule, filled)));
    }
    all.sort();
    all
}

/// Of one rule.
pub fn needs_of(file: &str, rule: &SigmaRule, filled: &BTreeSet<&str>) -> Needs {
    let mut fields = BTreeSet::new();
    rule.detection.named.values().for_each(|detection| add_fields(detection, &mut fields));
    // An event of the event log brings its own names, which only its maker knows.
    let is_open = is_of_event_log(&rule.logsource);
    let is_filled = |name: &&String| is_open || TAXONOMY.contains(&name.as_str()) || filled.contains(name.as_str());
    let never = fields.iter().filter(|name| !is_filled(name)).cloned().collect();
    Needs {
        file: file.to_owned(),
        title: rule.title.clone(),
        source: logsource::shown(&rule.logsource),
        is_possible: can_fit(&rule.logsource),
        fields,
        never,
    }
}

fn is_of_event_log(source: &LogSource) -> bool {
    let is_windows = source.product.as_deref().is_some_and(|product| product.eq_ignore_ascii_case("windows"));
    is_windows
        || source.service.as_deref() == Some("sysmon")
        || source.category.as_deref().is_some_and(|name| event_log::categories().any(|known| known == name))
}

fn add_fields(detection: &Detection, fields: &mut BTreeSet<String>) {
    match detection {
        Detection::AllOf(items) => fields.extend(items.iter().filter_map(|item| item.field.name.clone())),
        Detection::AnyOf(inner) | Detection::And(inner) => inner.iter().for_each(|it| add_fields(it, fields)),
        Detection::ArrayMatch { field, .. } => {
            fields.insert(field.clone());
        }
        Detection::Conditional { named, .. } => named.values().for_each(|it| add_fields(it, fields)),
        Detection::Keywords(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_what_it_needs_and_what_nothing_fills() {
        let yaml = "title: T\nlogsource: {category: webserver}\ndetection:\n  a:\n    sc-status: 404\n    jail: x\n  b:\n    - \
                    mood: bad\n    - cs-method: GET\n  condition: a and b\n";
        let text = |source: &str| RuleText { file: "t.yml".into(), yaml: yaml.replace("category: webserver", source) };
        let filled = BTreeSet::from(["jail"]);
        let found = needs(&[text("category: webserver")], &filled).remove(0);
        assert_eq!(found.fields.into_iter().collect::<Vec<_>>(), ["cs-method", "jail", "mood", "sc-status"]);
        assert_eq!(found.never.into_iter().collect::<Vec<_>>(), ["mood"]);
        assert!(found.is_possible);
        assert!(!needs(&[text("product: amiga")], &filled).remove(0).is_possible);
        assert_eq!(needs(&[text("product: windows, service: security")], &filled).remove(0).never, BTreeSet::new());
    }
}
