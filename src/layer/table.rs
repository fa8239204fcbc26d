//! The table of layers.

use std::path::PathBuf;
use std::sync::Arc;

use super::row::{PreparedStage, StageRow};
use super::rules::KnownRules;
use super::silenced::silenced;
use super::{fusion, l3, l4, rule_files};
use crate::config::Config;
use crate::event::stream::FUSION;
use crate::event::{Interest, Stream};

pub const FUSION_IDENTIFIER: &str = "dsmil-soc-router";

/// One line of the table of layers.
pub struct LayerSpec {
    /// In status, metrics and messages.
    pub name: &'static str,
    /// SYSLOG_IDENTIFIER of its log lines.
    pub identifier: &'static str,
    /// Keys and sections of the configuration that it is made from.
    pub sections: &'static [&'static str],
    pub stage: StageRow,
}

/// Every layer.
pub fn layers() -> [LayerSpec; 3] {
    let fusion = LayerSpec {
        name: "fusion",
        identifier: FUSION_IDENTIFIER,
        // It counts how often each rule matches, for which it has to know them.
        sections: &[
            "fusion",
            "shrink.stale_after",
            "silence",
            "l3.rules",
            "l3.builtin_rules",
            "l3.web",
            "l3.builtin_web",
            "l4.scenarios",
            "l4.builtin_scenarios",
        ],
        stage: fusion(),
    };
    [
        LayerSpec { name: "l3", identifier: "dsmil-l3", sections: &["l3"], stage: l3() },
        LayerSpec {
            name: "l4",
            identifier: "dsmil-l4",
            sections: &["l4", "l3.rules", "l3.builtin_rules"],
            stage: l4(),
        },
        fusion,
    ]
}

fn l3() -> StageRow {
    let prepare = |config: &Config| config.l3.enabled.then(|| l3::prepare(&config.l3)).transpose();
    let files = |config: &Config| paths(config.l3.rules.iter().chain(&config.l3.web));
    StageRow {
        reads: Interest::NONE.stream(Stream::L3In),
        writes: Interest::NONE.stream(Stream::L3Out),
        prepare: Arc::new(prepare),
        files: Arc::new(files),
    }
}

fn l4() -> StageRow {
    let prepare = |config: &Config| {
        if !config.l4.enabled {
            return Ok(None);
        }
        let rules = rule_files::read(&config.l3)?;
        l4::prepare(&config.l4, &rules.texts).map(Some)
    };
    let files = |config: &Config| paths(config.l4.scenarios.iter().chain(&config.l3.rules));
    StageRow {
        reads: l4::READS,
        writes: Interest::NONE.stream(Stream::L4Out),
        prepare: Arc::new(prepare),
        files: Arc::new(files),
    }
}

fn paths<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> toml::Value {
    paths.map(|path| toml::Value::String(path.display().to_string())).collect::<Vec<_>>().into()
}

fn fusion() -> StageRow {
    let prepare =
        |config: &Config| fusion::prepare(&config.fusion, config.shrink.as_ref(), KnownRules::of(config)).make;
    let files = |config: &Config| paths(config.l3.rules.iter().chain(&config.l3.web).chain(&config.l4.scenarios));
    silenced(StageRow {
        reads: fusion::READS,
        writes: Interest::NONE.soc(FUSION),
        prepare: Arc::new(move |config| Ok(config.fusion.enabled.then(|| PreparedStage::quiet(prepare(config))))),
        files: Arc::new(files),
    })
}
