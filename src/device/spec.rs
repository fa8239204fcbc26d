//! What the daemon needs to know of a device, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{operator, settings};
use crate::config::Finding;
use crate::event::Interest;
use crate::layer::row::{PreparedStage, StageRow};
use crate::layer::silenced::silenced;

/// What the daemon needs to know of a device.
#[derive(Clone, Copy)]
pub struct DeviceSpec {
    /// 51 and up.
    pub number: u16,
    /// Name of its stage: `device-51`.
    pub stage: &'static str,
    /// SYSLOG_IDENTIFIER of its log lines.
    pub identifier: &'static str,
    pub reads: Interest,
    /// Reads its table of the configuration (see [`settings`]) and the files that it names. Returns what makes
    /// the stage, or all findings (their keys relative to the table).
    pub prepare: fn(&toml::Table) -> Result<PreparedStage, Vec<Finding>>,
}

impl DeviceSpec {
    /// Its row in the table of components.
    pub fn row(&self) -> StageRow {
        let spec = *self;
        silenced(StageRow {
            reads: operator::reads(spec.reads),
            writes: Interest::NONE.soc(spec.number),
            prepare: Arc::new(move |config| {
                let stale_after = config.shrink.clone().unwrap_or_default().stale_after.get();
                let prepared = spec.prepare_from(&config.device)?;
                Ok(prepared.map(|prepared| operator::with_operator(prepared, spec.reads, stale_after)))
            }),
            files: Arc::new(move |config| toml::Value::Table(spec.table(&config.device))),
        })
    }

    /// Its table of the configuration; without one it runs with its defaults.
    pub fn table(&self, tables: &BTreeMap<String, toml::Table>) -> toml::Table {
        tables.get(&self.number.to_string()).cloned().unwrap_or_default()
    }

    /// What its stage is made from, with warnings; `None` when it is disabled, and then the files that its table names may
    /// be absent.
    ///
    /// # Errors
    /// All findings, with keys from the top of the file: `device.57.window`.
    pub fn prepare_from(&self, tables: &BTreeMap<String, toml::Table>) -> Result<Option<PreparedStage>, Vec<Finding>> {
        let table = self.table(tables);
        if settings::enabled(&table) == Ok(false) {
            return Ok(None);
        }
        let whole = |finding: Finding| Finding { key: format!("device.{}.{}", self.number, finding.key), ..finding };
        match (self.prepare)(&table) {
            Ok(mut prepared) => {
                prepared.warnings = prepared.warnings.into_iter().map(whole).collect();
                Ok(Some(prepared))
            }
            Err(found) => Err(found.into_iter().map(whole).collect()),
        }
    }
}
