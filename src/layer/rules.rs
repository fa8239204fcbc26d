//! What Layers 3 and 4 look for by this configuration.

use std::sync::{Arc, LazyLock};

use super::rule_files::{self, TOML, Wanted, YAML};
use crate::config::Config;
use crate::detect::catalog::Catalog;
use crate::detect::scenario::{ScenarioSet, builtin};
use crate::detect::sigma::RuleText;
use crate::detect::web::{WebText, builtin as web};

/// What comes with the daemon.
static BUILT_IN: LazyLock<Catalog> = LazyLock::new(|| {
    let rules = rule_files::read(&crate::config::L3::default()).map(|files| files.texts).unwrap_or_default();
    Catalog::of(&rules, &builtin::texts(), &web::texts())
});

/// What is looked for. That which comes with the daemon is read when it is first asked for: at most starts nobody does.
#[derive(Debug, Clone, Default)]
pub struct KnownRules(Option<Arc<Catalog>>);

impl KnownRules {
    /// By this configuration. Files that cannot be read are left out: who prepares the layers says so.
    pub fn of(config: &Config) -> Self {
        let (l3, l4) = (&config.l3, &config.l4);
        let is_built_in = l3.builtin_rules && l3.builtin_web && l4.builtin_scenarios && l3.enabled && l4.enabled;
        if is_built_in && l3.rules.is_empty() && l3.web.is_empty() && l4.scenarios.is_empty() {
            return Self(None);
        }
        let (mut rules, mut of_web) = (Vec::new(), Vec::new());
        if l3.enabled {
            rules = rule_files::read(l3).map(|files| files.texts).unwrap_or_default();
            let own = Wanted { key: "l3.web", endings: TOML, builtin: Vec::new(), paths: &l3.web }.read();
            of_web = if l3.builtin_web { web::texts() } else { Vec::new() };
            let own = own.map(|files| files.texts).unwrap_or_default();
            of_web.extend(own.iter().map(|text| WebText::new(&text.file, &text.yaml)));
        }
        Self(Some(Arc::new(Catalog::of(&rules, &of_many(config), &of_web))))
    }

    pub fn catalog(&self) -> &Catalog {
        match &self.0 {
            Some(catalog) => catalog,
            None => &BUILT_IN,
        }
    }
}

/// The scenarios by themselves, to ask what counts a line.
pub fn scenarios(config: &Config) -> ScenarioSet {
    let rules = rule_files::read(&config.l3).map(|files| files.texts).unwrap_or_default();
    ScenarioSet::compile(&of_many(config), &rules).0
}

fn of_many(config: &Config) -> Vec<RuleText> {
    if !config.l4.enabled {
        return Vec::new();
    }
    let builtin = if config.l4.builtin_scenarios { builtin::texts() } else { Vec::new() };
    let wanted = Wanted { key: "l4.scenarios", endings: YAML, builtin, paths: &config.l4.scenarios };
    wanted.read().map(|files| files.texts).unwrap_or_default()
}
