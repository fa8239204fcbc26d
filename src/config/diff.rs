//! What a reload has to do: which components are touched by the difference of two configurations, and how.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use super::{Config, redact};

/// A section, or a key alone, that a component reads; and what a change of it means for the component. Of several that
/// contain a changed key the longest counts.
pub type Key = (Cow<'static, str>, Effect);

/// What happens to the component. In order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing: it does not read this key of the section.
    Ignored,
    /// It keeps running and takes the new values over.
    TakenOver,
    /// It starts, stops, or stops and starts again, from the new values.
    Restarts,
    /// The running process keeps the old values: stores cannot be swapped under it.
    NextStart,
}

/// One component with the keys that changed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Index of the component among those that were asked for.
    pub place: usize,
    pub name: &'static str,
    pub effect: Effect,
    /// Dotted keys, sorted; a list (`intake.file`) is one key.
    pub keys: Vec<String>,
    /// One line for the log, without secrets.
    pub summary: String,
}

/// What the difference means for each of `components`, each effect once; empty when nothing changed. Sees the
/// configuration alone, not the files that it names.
pub fn diff(old: &Config, new: &Config, components: &[(&'static str, &[Key])]) -> Vec<Change> {
    let (old, new) = (leaves(old), leaves(new));
    let mut touched: BTreeMap<(usize, Effect), BTreeSet<&String>> = BTreeMap::new();
    for key in old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)) {
        for (place, (_, keys)) in components.iter().enumerate() {
            if let Some(effect) = effect(keys, key) {
                touched.entry((place, effect)).or_default().insert(key);
            }
        }
    }
    let changes = touched.into_iter().filter_map(|((place, effect), keys)| {
        let name = components.get(place)?.0;
        let summary = summary(name, effect, &keys, &old, &new);
        Some(Change { place, name, effect, summary, keys: keys.into_iter().cloned().collect() })
    });
    changes.collect()
}

/// What a change of this key means for who reads `keys`.
fn effect(keys: &[Key], changed: &str) -> Option<Effect> {
    let contains =
        |outer: &str| changed.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let longest = keys.iter().filter(|(key, _)| contains(key)).max_by_key(|(key, _)| key.len());
    longest.map(|(_, effect)| *effect).filter(|effect| *effect != Effect::Ignored)
}

/// Every value by its dotted key. Empty tables are values, so that a section that appears is seen.
fn leaves(config: &Config) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    if let Ok(tree) = Value::try_from(config) {
        collect(String::new(), tree, &mut leaves);
    }
    leaves
}

fn collect(key: String, value: Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (name, value) in table {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                collect(key, value, leaves);
            }
        }
        value => {
            leaves.insert(key, value);
        }
    }
}

type Leaves = BTreeMap<String, Value>;

fn summary(name: &str, effect: Effect, keys: &BTreeSet<&String>, old: &Leaves, new: &Leaves) -> String {
    let effect = match effect {
        Effect::Ignored => "ignores",
        Effect::TakenOver => "goes on with",
        Effect::Restarts => "restarts with",
        Effect::NextStart => "keeps the old value until the next start of the daemon:",
    };
    let keys: Vec<String> =
        keys.iter().map(|key| format!("{key} {} -> {}", shown(old.get(*key)), shown(new.get(*key)))).collect();
    format!("{name} {effect} {}", keys.join(", "))
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "(none)".to_owned(),
        Some(Value::Array(list)) => format!("({} entries)", list.len()),
        Some(value) => redact(&value.to_string()),
    }
}

/// Every dotted key of the commented file, for the test that each is read by somebody.
#[cfg(test)]
pub fn keys_of(tree: Value) -> Vec<String> {
    let mut leaves = Leaves::new();
    collect(String::new(), tree, &mut leaves);
    leaves.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config::documented::full;

    fn changes(old: &Config, new: &Config) -> Vec<(&'static str, Effect)> {
        let store = [("store".into(), Effect::NextStart), ("store.retention".into(), Effect::TakenOver)];
        let shrink = [("shrink".into(), Effect::Restarts)];
        let fusion = [("fusion".into(), Effect::Restarts), ("shrink.stale_after".into(), Effect::Restarts)];
        let reader = [("redis".into(), Effect::Restarts), ("redis.maxlen".into(), Effect::Ignored)];
        let device = [("device.53".into(), Effect::Restarts)];
        let components: [(&str, &[Key]); 5] =
            [("store", &store), ("shrink", &shrink), ("fusion", &fusion), ("reader", &reader), ("device-53", &device)];
        diff(old, new, &components).into_iter().map(|change| (change.name, change.effect)).collect()
    }

    #[test]
    fn equal_configurations_touch_nothing() {
        assert_eq!(changes(&full(), &full()), []);
    }

    #[test]
    fn who_takes_values_over_is_not_restarted_and_who_is_untouched_is_not_mentioned() {
        let mut new = full();
        new.store.retention = crate::config::Span::from_millis(1000);
        new.shrink = None;
        let expected = [("store", Effect::TakenOver), ("shrink", Effect::Restarts), ("fusion", Effect::Restarts)];
        assert_eq!(changes(&full(), &new), expected);
    }

    #[test]
    fn a_key_of_a_section_may_mean_something_else_than_the_section() {
        let mut new = full();
        new.redis.as_mut().unwrap().maxlen += 1;
        assert_eq!(changes(&full(), &new), []);
        new.store.path = "/elsewhere".into();
        assert_eq!(changes(&full(), &new), [("store", Effect::NextStart)]);
    }

    #[test]
    fn a_section_without_keys_is_seen_to_appear() {
        let mut new = Config::default();
        new.device.insert("53".to_owned(), toml::Table::new());
        assert_eq!(changes(&Config::default(), &new), [("device-53", Effect::Restarts)]);
    }

    #[test]
    fn a_change_is_reported_in_one_line() {
        let mut new = full();
        new.store.retention = crate::config::Span::from_millis(1000);
        let keys = [("store".into(), Effect::TakenOver)];
        let changes = diff(&full(), &new, &[("store", &keys)]);
        assert_eq!(changes[0].summary, "store goes on with store.retention \"1day\" -> \"1s\"");
    }
}
