//! The table of layers.

use std::sync::Arc;

use super::row::{PreparedStage, StageRow};
use super::{fusion, l3, l4};
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
        sections: &["fusion", "shrink.stale_after"],
        stage: fusion(),
    };
    [
        LayerSpec { name: "l3", identifier: "dsmil-l3", sections: &["l3"], stage: l3() },
        LayerSpec { name: "l4", identifier: "dsmil-l4", sections: &["l4"], stage: l4() },
        fusion,
    ]
}

fn l3() -> StageRow {
    let prepare = |config: &Config| {
        let prepared = config.l3.enabled.then(|| l3::prepare(&config.l3)).transpose()?;
        Ok(prepared.map(|prepared| PreparedStage { make: prepared.spec.make, warnings: prepared.warnings }))
    };
    let files = |config: &Config| {
        let paths = config.l3.rules.iter().map(|path| toml::Value::String(path.display().to_string()));
        paths.collect::<Vec<_>>().into()
    };
    StageRow {
        reads: Interest::NONE.stream(Stream::L3In),
        writes: Interest::NONE.stream(Stream::L3Out),
        prepare: Arc::new(prepare),
        files: Arc::new(files),
    }
}

fn l4() -> StageRow {
    StageRow {
        reads: l4::READS,
        writes: Interest::NONE.stream(Stream::L4Out),
        prepare: Arc::new(|config| Ok(config.l4.enabled.then(|| PreparedStage::quiet(l4::prepare(&config.l4).make)))),
        files: no_files(),
    }
}

fn fusion() -> StageRow {
    let prepare = |config: &Config| fusion::prepare(&config.fusion, config.shrink.as_ref()).make;
    StageRow {
        reads: fusion::READS,
        writes: Interest::NONE.soc(FUSION),
        prepare: Arc::new(move |config| Ok(config.fusion.enabled.then(|| PreparedStage::quiet(prepare(config))))),
        files: no_files(),
    }
}

fn no_files() -> Arc<dyn Fn(&Config) -> toml::Value + Send + Sync> {
    Arc::new(|_| toml::Value::Array(Vec::new()))
}
