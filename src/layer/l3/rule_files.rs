//! Reads rule files from disk. The only part of Layer 3 that does IO, at preparation alone.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::{self, Finding};
use crate::detect::sigma::{Problem, RuleText};
use crate::limits;

/// The rules that come with the daemon.
const BUILTIN: &[(&str, &str)] = &[
    ("account_created.yml", include_str!("../../../config/rules/account_created.yml")),
    ("account_made_administrator.yml", include_str!("../../../config/rules/account_made_administrator.yml")),
    ("download_piped_to_shell.yml", include_str!("../../../config/rules/download_piped_to_shell.yml")),
    ("kubernetes_anonymous_request.yml", include_str!("../../../config/rules/kubernetes_anonymous_request.yml")),
    ("kubernetes_pod_command.yml", include_str!("../../../config/rules/kubernetes_pod_command.yml")),
    ("log_destroyed.yml", include_str!("../../../config/rules/log_destroyed.yml")),
    ("log_reported_cleared.yml", include_str!("../../../config/rules/log_reported_cleared.yml")),
    ("logging_stopped.yml", include_str!("../../../config/rules/logging_stopped.yml")),
    ("login_of_root_by_password.yml", include_str!("../../../config/rules/login_of_root_by_password.yml")),
    ("packet_capture.yml", include_str!("../../../config/rules/packet_capture.yml")),
    ("reverse_shell.yml", include_str!("../../../config/rules/reverse_shell.yml")),
    ("shadow_file_read.yml", include_str!("../../../config/rules/shadow_file_read.yml")),
    ("ssh_key_planted.yml", include_str!("../../../config/rules/ssh_key_planted.yml")),
    ("sudo_refused.yml", include_str!("../../../config/rules/sudo_refused.yml")),
    ("web_secrets_probed.yml", include_str!("../../../config/rules/web_secrets_probed.yml")),
];

pub struct RuleFiles {
    pub texts: Vec<RuleText>,
    /// Files that the configuration names itself, rather than their folder.
    named: BTreeSet<String>,
}

impl RuleFiles {
    pub fn is_named(&self, file: &str) -> bool {
        self.named.contains(file)
    }
}

/// What is read: rules that come with the daemon, and the paths under a key of the configuration.
pub struct Wanted<'a> {
    pub key: &'static str,
    pub builtin: Vec<RuleText>,
    pub paths: &'a [PathBuf],
}

/// The rules of Layer 3.
///
/// # Errors
/// A path cannot be read or holds no rule file.
pub fn read(config: &config::L3) -> Result<RuleFiles, Vec<Finding>> {
    let text = |(file, yaml): &(&str, &str)| RuleText { file: format!("built-in {file}"), yaml: (*yaml).to_owned() };
    let builtin = if config.builtin_rules { BUILTIN.iter().map(text).collect() } else { Vec::new() };
    Wanted { key: "l3.rules", builtin, paths: &config.rules }.read()
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
            if let Err(problem) = read_path(path, &mut files) {
                let key = format!("{}[{index}]", self.key);
                let right = "name a readable .yml file of Sigma rules, or a folder of them";
                findings.push(Finding::new(key, problem, right));
            }
        }
        if findings.is_empty() { Ok(files) } else { Err(findings) }
    }
}

/// The problem of a rule as `check` and the log show it.
pub fn finding(key: &str, problem: &Problem) -> Finding {
    Finding::new(key, format!("{}: {}", problem.file, problem.reason), "correct or remove the rule")
}

fn read_path(path: &Path, files: &mut RuleFiles) -> Result<(), String> {
    let kind = fs::metadata(path).map_err(|error| format!("{} cannot be read ({error})", path.display()))?;
    let mut found = Vec::new();
    if kind.is_dir() {
        collect(path, &mut found)?;
        found.sort();
    } else {
        files.named.insert(path.display().to_string());
        found.push(path.to_owned());
    }
    if found.is_empty() {
        return Err(format!("{} holds no .yml file", path.display()));
    }
    if files.texts.len() + found.len() > limits::RULE_FILES_MAX {
        return Err(format!("{} brings the rule files above {}", path.display(), limits::RULE_FILES_MAX));
    }
    for file in found {
        let yaml = read_text(&file).map_err(|error| format!("{} cannot be read ({error})", file.display()))?;
        files.texts.push(RuleText { file: file.display().to_string(), yaml });
    }
    Ok(())
}

/// Links below the configured folder are not followed, so that no loop is possible.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read ({error})", folder.display());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        let is_rule = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if kind.is_dir() {
            collect(&path, found)?;
        } else if is_rule && kind.is_file() {
            found.push(path);
        }
        if found.len() > limits::RULE_FILES_MAX {
            return Err(format!("{} holds more than {} rule files", folder.display(), limits::RULE_FILES_MAX));
        }
    }
    Ok(())
}

fn read_text(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    fs::File::open(file)?.take(limits::RULE_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limits::RULE_FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("larger than {} bytes", limits::RULE_FILE_BYTES_MAX)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::sigma::RuleSet;

    #[test]
    fn every_rule_that_comes_with_the_daemon_is_built_in_and_complete() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules");
        let mut on_disk = Vec::new();
        collect(&folder, &mut on_disk).unwrap();
        assert_eq!(on_disk.len(), BUILTIN.len());
        let texts = read(&config::L3::default()).unwrap().texts;
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
    fn links_in_a_rule_folder_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        fs::write(folder.path().join("a.yml"), "").unwrap();
        let mut found = Vec::new();
        collect(folder.path(), &mut found).unwrap();
        assert_eq!(found, [folder.path().join("a.yml")]);
    }

    #[test]
    fn a_folder_without_rules_is_a_finding_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let config = config::L3 { rules: vec![folder.path().to_owned()], ..config::L3::default() };
        assert_eq!(read(&config).err().unwrap()[0].key, "l3.rules[0]");
    }
}
