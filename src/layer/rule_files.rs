//! Reads the files of rules, scenarios and patterns from disk. The only part of Layers 3 and 4 that does IO, at preparation alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{Finding, L3};
use crate::detect::sigma::{Problem, RuleText};
use crate::{limits, named_files};

/// Name and text of each rule that comes with the daemon, listed by the build script.
const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Of the files of rules in the configuration.
pub const RULES: &str = "l3.rules";

pub struct RuleFiles {
    pub texts: Vec<RuleText>,
    /// Files that the configuration names itself, rather than their folder.
    named: BTreeSet<String>,
}

impl RuleFiles {
    /// What an operator should know. A bad rule in a folder is a warning, since packs written for all products hold some that are
    /// not for this one; a bad rule in a file that the configuration names itself is an error. `key` is that of the files.
    ///
    /// # Errors
    /// A named file has a bad rule.
    pub fn judge(&self, key: &str, problems: Vec<Problem>) -> Result<Vec<Finding>, Vec<Finding>> {
        let is_error = |problem: &Problem| !problem.is_loaded && self.named.contains(&problem.file);
        let (errors, warnings): (Vec<_>, Vec<_>) = problems.into_iter().partition(is_error);
        let findings = |problems: Vec<Problem>| problems.iter().map(|problem| finding(key, problem)).collect();
        if errors.is_empty() { Ok(findings(warnings)) } else { Err(findings(errors)) }
    }
}

/// How the names of files end that hold rules or scenarios.
pub const YAML: &[&str] = &["yml", "yaml"];
/// And those that hold patterns of web attacks.
pub const TOML: &[&str] = &["toml"];

/// What is read: rules that come with the daemon, and the paths under a key of the configuration.
pub struct Wanted<'a> {
    pub key: &'static str,
    /// How the names of the files in a folder end.
    pub endings: &'static [&'static str],
    pub builtin: Vec<RuleText>,
    pub paths: &'a [PathBuf],
}

/// The rules of Layer 3.
///
/// # Errors
/// A path cannot be read or holds no rule file.
pub fn read(config: &L3) -> Result<RuleFiles, Vec<Finding>> {
    let builtin = if config.builtin_rules { RuleText::built_in(BUILTIN) } else { Vec::new() };
    Wanted { key: RULES, endings: YAML, builtin, paths: &config.rules }.read()
}

impl Wanted<'_> {
    /// The built-in rules, then those of every configured path, folders in the order of their file names.
    ///
    /// # Errors
    /// A path cannot be read or holds no rule file.
    pub fn read(self) -> Result<RuleFiles, Vec<Finding>> {
        let mut files = RuleFiles { texts: self.builtin, named: BTreeSet::new() };
        let mut findings = Vec::new();
        for (index, path) in self.paths.iter().enumerate() {
            if let Err(problem) = read_path(path, self.endings, &mut files) {
                let key = format!("{}[{index}]", self.key);
                let ending = self.endings.first().copied().unwrap_or_default();
                let right = format!("name a readable .{ending} file, or a folder of them");
                findings.push(Finding::new(key, problem, right));
            }
        }
        if findings.is_empty() { Ok(files) } else { Err(findings) }
    }
}

/// The problem of a rule as `check` and the log show it.
fn finding(key: &str, problem: &Problem) -> Finding {
    Finding::new(key, format!("{}: {}", problem.file, problem.reason), "correct or remove the rule")
}

fn read_path(path: &Path, endings: &[&str], files: &mut RuleFiles) -> Result<(), String> {
    let unreadable = |path: &Path, error: &std::io::Error| format!("{} cannot be read ({error})", path.display());
    let found = named_files::listed(path, endings, limits::RULE_FILES_MAX).map_err(|error| unreadable(path, &error))?;
    if found.is_empty() {
        return Err(format!("{} holds no .{} file", path.display(), endings.join(" or .")));
    }
    if files.texts.len() + found.len() > limits::RULE_FILES_MAX {
        return Err(format!("{} brings the rule files above {}", path.display(), limits::RULE_FILES_MAX));
    }
    if found.iter().any(|file| file == path) {
        files.named.insert(path.display().to_string());
    }
    for file in found {
        let yaml = named_files::text(&file, limits::RULE_FILE_BYTES_MAX).map_err(|error| unreadable(&file, &error))?;
        files.texts.push(RuleText { file: file.display().to_string(), yaml });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::sigma::RuleSet;

    #[test]
    fn every_rule_that_comes_with_the_daemon_is_built_in_and_complete() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules");
        let on_disk = named_files::listed(&folder, YAML, limits::RULE_FILES_MAX).unwrap();
        assert_eq!(on_disk.len(), BUILTIN.len());
        let texts = read(&L3::default()).unwrap().texts;
        let (rules, problems) = RuleSet::compile(&texts);
        assert_eq!((rules.len(), problems), (BUILTIN.len(), Vec::new()));
        for text in texts {
            for key in ["title:", "id:", "status:", "logsource:", "detection:", "level:", "attack.t", "falsepositives:"]
            {
                assert!(text.yaml.contains(key), "{} has no {key}", text.file);
            }
        }
    }

    #[test]
    fn a_folder_without_rules_is_a_finding_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let config = L3 { rules: vec![folder.path().to_owned()], ..L3::default() };
        assert_eq!(read(&config).err().unwrap()[0].key, "l3.rules[0]");
    }
}
