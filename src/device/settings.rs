//! A device's table of the configuration, read strictly: every wrong key is a finding, all of them at once.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::Finding;
use crate::layer::row::PreparedStage;
use crate::layer::stage::Stateful;

const ENABLED: &str = "enabled";

/// Whether the device runs; true where the table does not have the key.
///
/// # Errors
/// `enabled` is not a boolean.
pub fn enabled(table: &toml::Table) -> Result<bool, Finding> {
    let Some(value) = table.get(ENABLED) else { return Ok(true) };
    value.as_bool().ok_or_else(|| {
        Finding::new(ENABLED, format!("`{value}` is {}, not a boolean", value.type_str()), "write true or false")
    })
}

/// The device's own keys. `Settings` is `#[serde(default, deny_unknown_fields)]`, so that a key which is taken out for
/// being wrong leaves no hole that would be reported as well. `enabled` is not among them.
///
/// # Errors
/// One finding for each wrong key of the table, keys relative to it. Of several mistakes inside one value the first.
pub fn read<Settings>(table: &toml::Table) -> Result<Settings, Vec<Finding>>
where
    Settings: DeserializeOwned + Default,
{
    let mut rest = table.clone();
    let mut findings: Vec<Finding> = rest.remove(ENABLED).and_then(|_| enabled(table).err()).into_iter().collect();
    loop {
        let (key, finding) = match serde_path_to_error::deserialize(toml::Value::Table(rest.clone())) {
            Ok(settings) if findings.is_empty() => return Ok(settings),
            Ok(_) => break,
            Err(error) => wrong_key(&error),
        };
        findings.push(finding);
        if rest.remove(&key).is_none() {
            break;
        }
    }
    findings.sort();
    Err(findings)
}

/// What makes a device that needs nothing but its table.
///
/// # Errors
/// As [`read`].
pub fn factory<Settings, Device>(
    table: &toml::Table,
    make: fn(Settings) -> Device,
) -> Result<PreparedStage, Vec<Finding>>
where
    Settings: DeserializeOwned + Default + Clone + Send + Sync + 'static,
    Device: Stateful + 'static,
{
    let settings: Settings = read(table)?;
    Ok(PreparedStage::quiet(Arc::new(move || Box::new(make(settings.clone())))))
}

/// For a device without keys of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoSettings {}

/// The wrong key of the table, and the finding about it.
fn wrong_key(error: &serde_path_to_error::Error<toml::de::Error>) -> (String, Finding) {
    use serde_path_to_error::Segment;
    let key = match error.path().iter().next() {
        Some(Segment::Map { key }) => key.clone(),
        _ => String::new(),
    };
    let message = error.inner().message().trim();
    let (problem, remedy) = match message.split_once(", expected ") {
        Some((problem, expected)) => (problem.to_owned(), format!("expected {expected}")),
        None => (message.to_owned(), "the commented dsmil.toml has the keys of every device".to_owned()),
    };
    (key, Finding::new(error.path().to_string(), problem, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Example {
        window: Span,
        ports: u32,
        lists: Vec<String>,
    }

    impl Default for Example {
        fn default() -> Self {
            Self { window: Span::from_millis(1000), ports: 15, lists: Vec::new() }
        }
    }

    fn read_text(text: &str) -> Result<Example, Vec<Finding>> {
        read(&text.parse().unwrap())
    }

    #[test]
    fn an_empty_table_gives_the_defaults_and_runs() {
        assert_eq!(read_text("").unwrap(), Example::default());
        assert_eq!(enabled(&toml::Table::new()), Ok(true));
    }

    #[test]
    fn enabled_beside_the_own_keys_is_not_an_unknown_key() {
        assert_eq!(read_text("enabled = false\nports = 3").unwrap().ports, 3);
        assert_eq!(enabled(&"enabled = false".parse().unwrap()), Ok(false));
    }

    #[test]
    fn every_wrong_key_is_found_at_once() {
        let findings =
            read_text("enabled = 1\nwindow = \"soon\"\nprots = 1\nports = -1\nlists = [\"a\", 2]").unwrap_err();
        let keys: Vec<&str> = findings.iter().map(|finding| finding.key.as_str()).collect();
        assert_eq!(keys, ["enabled", "lists[1]", "ports", "prots", "window"], "{findings:#?}");
    }
}
