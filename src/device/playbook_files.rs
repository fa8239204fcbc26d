//! The site's own playbooks for device 58: CACAO 2.0 files, checked before they are used.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::Finding;
use crate::detect::cacao;
use crate::limits::PLAYBOOK_BYTES_MAX;
use crate::named_files;

/// The playbooks in these files, in their order.
///
/// # Errors
/// Everything that is wrong with any of them, at the key of its file.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Value>, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut playbooks = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let problem = |text: &str| {
            let problem = format!("the playbook {} cannot be used: {text}", path.display());
            Finding::new(format!("playbooks[{index}]"), problem, "expected a whole CACAO 2.0 playbook")
        };
        match read(path) {
            Ok(playbook) => {
                findings.extend(cacao::problems(&playbook).iter().map(|text| problem(text)));
                playbooks.push(playbook);
            }
            Err(text) => findings.push(problem(&text)),
        }
    }
    if findings.is_empty() { Ok(playbooks) } else { Err(findings) }
}

fn read(path: &Path) -> Result<Value, String> {
    let text = named_files::text(path, PLAYBOOK_BYTES_MAX).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("it is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_broken_file_is_a_finding_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken.json");
        fs::write(&broken, "{\"type\":").unwrap();
        let findings = load(&[folder.path().join("missing.json"), broken]).unwrap_err();
        let keys: Vec<&str> = findings.iter().map(|finding| finding.key.as_str()).collect();
        assert_eq!(keys, ["playbooks[0]", "playbooks[1]"]);
        assert!(findings[1].problem.contains("not JSON"), "{findings:#?}");
    }
}
