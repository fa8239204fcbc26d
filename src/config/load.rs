//! Finds the configuration file, merges the environment over it, and returns a checked [`Config`] or every finding.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use toml::Table;

use super::read::{Override, read};
use super::{Config, Finding, check, redact};
use crate::{limits, named_files};

/// Read when neither an argument nor `$DSMIL_CONFIG` names a file.
pub const SYSTEM_FILE: &str = "/etc/dsmil/dsmil.toml";

/// Variables with the prefix that mean something else.
const NOT_OVERRIDES: [&str; 2] = ["DSMIL_CONFIG", "DSMIL_DATA"];

/// Where a configuration came from; displayed before each finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceName {
    File(PathBuf),
    BuiltIn,
}

impl fmt::Display for SourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::BuiltIn => formatter.write_str("built-in defaults"),
        }
    }
}

/// A configuration without findings.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub source: SourceName,
    /// Worth a line in the log; nothing is wrong for certain.
    pub warnings: Vec<String>,
}

/// Everything that is wrong, one line each: `FILE: key.path: what is wrong, what would be right`.
#[derive(Debug)]
pub struct ConfigError {
    pub source: SourceName,
    /// At least one.
    pub findings: Vec<Finding>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{}: {finding}", self.source)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Loads `path`, else `$DSMIL_CONFIG`, else [`SYSTEM_FILE`] where it exists, else the built-in defaults; variables
/// `DSMIL_<SECTION>__<KEY>` win over each.
///
/// # Errors
/// Every finding at once, whether a file that cannot be read, a mistake of syntax, a key or a relation between keys.
pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigError> {
    load_with(path, &|_| Vec::new())
}

/// Like [`load`], with findings of parts that check their own tables, such as the devices. They are asked even when
/// there are other findings already, with defaults in the place of what could not be read.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: Option<&Path>, extra: &dyn Fn(&Config) -> Vec<Finding>) -> Result<Loaded, ConfigError> {
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    load_from(path, Path::new(SYSTEM_FILE), &variables, extra)
}

fn load_from(
    path: Option<&Path>,
    system_file: &Path,
    variables: &[(OsString, OsString)],
    extra: &dyn Fn(&Config) -> Vec<Finding>,
) -> Result<Loaded, ConfigError> {
    let source = locate(path, system_file, variables);
    let fail = |findings| ConfigError { source: source.clone(), findings };
    let table = match &source {
        SourceName::File(path) => table_of(path).map_err(|finding| fail(vec![finding]))?,
        SourceName::BuiltIn => Table::new(),
    };
    let (overrides, warnings, mut findings) = overrides(variables);
    let tree = merge(table, &overrides).map_err(|finding| fail(vec![finding]))?;
    let reading = read(tree, &overrides);
    findings.extend(reading.findings);
    findings.extend(check::check(&reading.config, &reading.broken));
    findings.extend(extra(&reading.config));
    if findings.is_empty() {
        let mut config = reading.config;
        config.respond.host = host_name();
        return Ok(Loaded { config, source, warnings });
    }
    findings.truncate(limits::CONFIG_FINDINGS_MAX);
    for finding in &mut findings {
        name_variable(finding, &overrides);
    }
    Err(fail(findings))
}

/// As the kernel has it; no other part of the configuration comes from the machine.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn locate(path: Option<&Path>, system_file: &Path, variables: &[(OsString, OsString)]) -> SourceName {
    let named = variables.iter().find(|(name, value)| name == "DSMIL_CONFIG" && !value.is_empty());
    match (path, named) {
        (Some(path), _) => SourceName::File(path.to_owned()),
        (None, Some((_, value))) => SourceName::File(PathBuf::from(value)),
        // A file that exists and cannot be read is a finding, never a reason to run on defaults.
        (None, None) if !is_absent(system_file) => SourceName::File(system_file.to_owned()),
        (None, None) => SourceName::BuiltIn,
    }
}

fn is_absent(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Reads and parses one file. The message of a syntax error names the place and does not show the line, which may hold
/// a secret.
fn table_of(path: &Path) -> Result<Table, Finding> {
    let text = text_of(path)?;
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let problem = format!("is not TOML ({})", redact(error.message()).replace('\n', ", "));
        Finding::new(format!("line {line}, column {column}"), problem, "correct the line; other findings follow then")
    })
}

fn text_of(path: &Path) -> Result<String, Finding> {
    let unreadable = |error: std::io::Error| {
        Finding::new("", format!("cannot be read ({error})"), "name a readable file with -c or DSMIL_CONFIG")
    };
    let file = named_files::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.len() > limits::CONFIG_BYTES_MAX {
        let remedy = format!("a configuration has at most {} bytes", limits::CONFIG_BYTES_MAX);
        return Err(Finding::new("", "is too long for a configuration", remedy));
    }
    named_files::whole(file, limits::CONFIG_BYTES_MAX).and_then(named_files::utf_8).map_err(unreadable)
}

/// The variables that set a key, warnings on those that look as if they should, findings on those that cannot be read.
fn overrides(variables: &[(OsString, OsString)]) -> (Vec<Override>, Vec<String>, Vec<Finding>) {
    let (mut overrides, mut warnings, mut findings) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("DSMIL_")) else { continue };
        if NOT_OVERRIDES.contains(&name) {
            continue;
        }
        let key = key_of(name);
        match (key, value.to_str()) {
            (None, _) => warnings.push(format!(
                "the variable {name} sets nothing: between section and key belong two underscores, as in DSMIL_HTTP__LISTEN"
            )),
            (Some(key), None) => {
                findings.push(Finding::new(key, format!("is not UTF-8 (set by {name})"), "set it to a text"));
            }
            (Some(key), Some(text)) => {
                overrides.push(Override { variable: name.to_owned(), key, text: text.to_owned() });
            }
        }
    }
    overrides.sort_by(|left, right| left.key.cmp(&right.key));
    (overrides, warnings, findings)
}

/// `DSMIL_REDIS__STREAMS__L3_OUT` is `redis.streams.L3_OUT`: the names of streams stay as they are.
fn key_of(variable: &str) -> Option<String> {
    let steps: Vec<&str> = variable.strip_prefix("DSMIL_")?.split("__").collect();
    let plain = |step: &&str| {
        !step.is_empty() && step.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    };
    if steps.len() < 2 || !steps.iter().all(plain) {
        return None;
    }
    let mut key = String::new();
    for step in steps {
        let stream = key == "redis.streams";
        if !key.is_empty() {
            key.push('.');
        }
        key.push_str(&if stream { step.to_owned() } else { step.to_lowercase() });
    }
    Some(key)
}

fn merge(table: Table, overrides: &[Override]) -> Result<Table, Finding> {
    let mut figment = Figment::from(Serialized::defaults(table));
    for source in overrides {
        // As figment reads its own variables: numbers, booleans, lists and tables where they look like it.
        let value: figment::value::Value = match source.text.parse() {
            Ok(value) => value,
            Err(never) => match never {},
        };
        figment = figment.merge(Serialized::default(&source.key, value));
    }
    figment.extract().map_err(|error| {
        let key = error.path.join(".");
        Finding::new(key, redact(&error.kind.to_string()), "write a text, number, boolean, list or table")
    })
}

fn name_variable(finding: &mut Finding, overrides: &[Override]) {
    let inside = |key: &str, outer: &str| {
        key.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    if let Some(source) = overrides.iter().find(|source| inside(&finding.key, &source.key)) {
        finding.problem.push_str(&format!(" (set by {})", source.variable));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads the text as the system's file under these variables.
    fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dsmil.toml");
        std::fs::write(&file, text).unwrap();
        load_from(None, &file, &set(variables), &|_| Vec::new())
    }

    fn set(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn the_argument_wins_over_the_variable_and_the_variable_over_the_system_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("[daemon]\ninstance = \"{name}\"")).unwrap();
            path
        };
        let (argument, variable, system) = (file("argument"), file("variable"), file("system"));
        let named = set(&[("DSMIL_CONFIG", variable.to_str().unwrap())]);
        let instance = |path: Option<&Path>, system: &Path, variables: &[(OsString, OsString)]| {
            load_from(path, system, variables, &|_| Vec::new()).unwrap().config.daemon.instance
        };
        assert_eq!(instance(Some(&argument), &system, &named), "argument");
        assert_eq!(instance(None, &system, &named), "variable");
        assert_eq!(instance(None, &system, &[]), "system");
        assert_eq!(instance(None, &system, &set(&[("DSMIL_CONFIG", "")])), "system");
        let absent = load_from(None, &folder.path().join("absent"), &[], &|_| Vec::new()).unwrap();
        let mut defaults = Config::default();
        defaults.respond.host = host_name();
        assert!(defaults.respond.host.is_some());
        assert_eq!((absent.source, absent.config), (SourceName::BuiltIn, defaults));
    }

    #[test]
    fn a_file_that_was_named_and_cannot_be_read_is_a_finding_and_never_the_defaults() {
        let error = load_from(Some(Path::new("/nowhere/x.toml")), Path::new("/nowhere"), &[], &|_| Vec::new());
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("/nowhere/x.toml: cannot be read (No such file"), "{text}");
    }

    #[test]
    fn a_mistake_of_syntax_names_line_and_column_and_not_the_line() {
        let text = load_text("[redis]\nurl = \"redis://:hunter2@h\" oops\n", &[]).unwrap_err().to_string();
        assert!(text.contains("dsmil.toml: line 2, column 28: is not TOML"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn variables_win_over_the_file_and_reach_every_depth() {
        let variables = [
            ("DSMIL_DAEMON__INSTANCE", "42"),
            ("DSMIL_HTTP__LISTEN", "127.0.0.1:1"),
            ("DSMIL_FUSION__INCLUDE_BENIGN", "true"),
            ("DSMIL_REDIS__URL", "redis://h"),
            ("DSMIL_REDIS__STREAMS__L3_OUT", "off"),
            ("DSMIL_SUPERVISOR__BACKOFF__MAX", "1m"),
            ("DSMIL_INTAKE__FILE", "[{path=\"/var/log/auth.log\"}]"),
            ("DSMIL_DEVICE__57__ENABLED", "false"),
            ("DSMIL_DATA", "/data"),
        ];
        let loaded = load_text("[http]\nlisten = \"127.0.0.1:2\"\n[l3]\nenabled = false", &variables).unwrap();
        let config = loaded.config;
        assert_eq!(loaded.warnings, [""; 0]);
        assert_eq!(config.daemon.instance, "42");
        assert_eq!(config.http.listen.port(), 1);
        assert!(config.fusion.include_benign && !config.l3.enabled);
        let redis = config.redis.unwrap();
        assert_eq!(
            (redis.url.as_str(), redis.role(crate::event::Stream::L3Out)),
            ("redis://h", super::super::StreamRole::Off)
        );
        assert_eq!(config.supervisor.backoff.max, super::super::Span::from_millis(60_000));
        assert_eq!(config.intake.file[0].path, Path::new("/var/log/auth.log"));
        assert_eq!(config.device["57"]["enabled"].as_bool(), Some(false));
    }

    #[test]
    fn findings_of_every_kind_come_at_once_and_name_the_variable_at_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, "[store]\nmax_size = \"1MiB\"\n[l3]\nenabld = true\n").unwrap();
        let extra = |_: &Config| vec![Finding::new("device.57.x", "is not a key that exists", "remove it")];
        let variables = set(&[("DSMIL_SHRINK__TIMEOUT", "9s"), ("DSMIL_HTTP__LISTEN", "nowhere")]);
        let error = load_from(Some(&file), Path::new("/nowhere"), &variables, &extra).unwrap_err();
        let shown = error.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 5, "{shown}");
        for expected in [
            "c.toml: http.listen: is not an address with a port (set by DSMIL_HTTP__LISTEN), write one like",
            "c.toml: shrink.timeout: 9s is not shorter than shrink.every = 1s (set by DSMIL_SHRINK__TIMEOUT), ",
            "c.toml: store.max_size: ",
            "c.toml: l3.enabld: is not a key that exists, did you mean `enabled`?",
            "c.toml: device.57.x: ",
        ] {
            assert!(lines.iter().any(|line| line.contains(expected)), "{expected} in {shown}");
        }
    }

    #[test]
    fn a_variable_with_one_underscore_is_warned_about() {
        let loaded = load_text("", &[("DSMIL_HTTP_LISTEN", "127.0.0.1:1")]).unwrap();
        assert!(loaded.warnings[0].contains("DSMIL_HTTP_LISTEN"), "{:?}", loaded.warnings);
    }
}
