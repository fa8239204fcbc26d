//! Collects what does not hold between values that each fit by themselves.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{Finding, secret};
use crate::limits;

pub struct Judge<'a> {
    broken: &'a BTreeSet<String>,
    findings: Vec<Finding>,
}

impl<'a> Judge<'a> {
    /// `broken` names keys whose value is not what the operator wrote: a relation with one of them is not judged.
    pub fn new(broken: &'a BTreeSet<String>) -> Self {
        Self { broken, findings: Vec::new() }
    }

    pub fn findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Whether a value whose key meets the condition is not what the operator wrote.
    pub fn is_broken(&self, condition: impl Fn(&str) -> bool) -> bool {
        self.broken.iter().any(|key| condition(key))
    }

    /// The first of `keys` is at fault unless `holds`; the others are what it was compared with.
    pub fn expect(&mut self, holds: bool, keys: &[&str], problem: impl Into<String>, remedy: impl Into<String>) {
        let known = keys.iter().all(|key| !self.broken.contains(*key));
        if let (false, true, Some(key)) = (holds, known, keys.first()) {
            self.findings.push(Finding::new(*key, problem, remedy));
        }
    }

    /// A short word that ends up in labels and keys.
    pub fn expect_name(&mut self, key: &str, name: &str) {
        let holds = name.len() <= limits::NAME_BYTES_MAX && !name.chars().any(|c| c.is_control() || c.is_whitespace());
        let remedy = format!("at most {} bytes without blanks", limits::NAME_BYTES_MAX);
        self.expect(holds, &[key], format!("`{}` is not a name", name.escape_debug()), remedy);
    }

    pub fn expect_path(&mut self, key: &str, path: &Path) {
        self.expect(!path.as_os_str().is_empty(), &[key], "is empty", "name a file");
    }

    /// A URL of one of the schemes, with a host unless it names a socket, without a password.
    pub fn expect_url(&mut self, key: &str, url: &str, schemes: &[&str], secret_goes: &str) {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let known = schemes.contains(&scheme);
        let remedy = format!("write {}://…", schemes.join("://… or "));
        self.expect(known, &[key], format!("`{}` is not a URL that works here", secret::redact(url)), remedy);
        let host = secret::authority(url).unwrap_or_default().rsplit('@').next().unwrap_or_default();
        let named = !host.is_empty() || scheme.ends_with("+unix");
        self.expect(!known || named, &[key], "names no host", format!("write {scheme}://HOST…"));
        self.expect(!secret::has_password(url), &[key], "carries a secret", secret_goes);
    }
}

/// The path without `.` and doubled separators, so that two spellings of one file are seen to be the same.
pub fn plain(path: &Path) -> PathBuf {
    path.components().filter(|component| !matches!(component, Component::CurDir)).collect()
}
