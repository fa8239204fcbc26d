//! Which files, keys and buffers a machine may measure: a list as `sha256sum` prints it, or a runtime policy of Keylime.

use std::collections::{BTreeMap, BTreeSet};

use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::boot_digest::Bank;
use super::ima_log::Measurement;
use crate::event::hex;
use crate::limits::{EXCLUDED_FILES_BYTES_MAX, EXCLUDED_FILES_MAX};

/// Bytes of the digests that are of any use: MD5 can be forged.
const DIGEST_BYTES: [usize; 5] = [20, 28, 32, 48, 64];
/// What a key begins with, and what other buffers that the kernel measures do not: a sequence of DER with its length in two bytes.
const KEY_BEGIN: [u8; 2] = [0x30, 0x82];

/// Digests that each path may have, and what is not judged.
#[derive(Debug, Clone, Default)]
pub struct AllowedFiles {
    digests: Digests,
    excluded: RegexSet,
    keyrings: Digests,
    ignored_keyrings: BTreeSet<String>,
    buffers: Digests,
}

type Digests = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    Yes,
    /// It is listed with other digests.
    Changed,
    /// It is not listed.
    Unlisted,
    /// The policy says not to judge it.
    Excluded,
}

#[derive(Deserialize)]
struct Policy {
    #[serde(alias = "hashes")]
    digests: Digests,
    excludes: Option<Vec<String>>,
    keyrings: Option<Digests>,
    #[serde(rename = "ima-buf")]
    buffers: Option<Digests>,
    ima: Option<PolicyForIma>,
}

#[derive(Deserialize)]
struct PolicyForIma {
    ignored_keyrings: Option<BTreeSet<String>>,
}

impl AllowedFiles {
    /// # Errors
    /// Why the text is neither such a policy nor such a list, with the line where that applies.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') { Self::from_policy(text) } else { Self::from_list(text) }
    }

    fn from_policy(text: &str) -> Result<Self, String> {
        let policy: Policy = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let excludes = policy.excludes.unwrap_or_default();
        if excludes.len() > EXCLUDED_FILES_MAX {
            return Err(format!("`excludes` has more than {EXCLUDED_FILES_MAX} patterns"));
        }
        let anchored = excludes.iter().filter(|pattern| !pattern.is_empty()).map(|pattern| format!("^(?:{pattern})"));
        let excluded = RegexSetBuilder::new(anchored).size_limit(EXCLUDED_FILES_BYTES_MAX).build();
        Ok(Self {
            digests: checked(policy.digests)?,
            excluded: excluded.map_err(|error| format!("a pattern of `excludes` cannot be used: {error}"))?,
            keyrings: checked(policy.keyrings.unwrap_or_default())?,
            ignored_keyrings: policy.ima.and_then(|ima| ima.ignored_keyrings).unwrap_or_default(),
            buffers: checked(policy.buffers.unwrap_or_default())?,
        })
    }

    fn from_list(text: &str) -> Result<Self, String> {
        let mut digests = Digests::new();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        for (number, line) in lines {
            let wrong = |problem: &str| format!("line {} {problem}", number + 1);
            let (digest, path) = line.split_once([' ', '\t']).ok_or_else(|| wrong("is not a digest and a path"))?;
            let path = path.trim_start_matches([' ', '*', '\t']);
            let path =
                if digest.starts_with('\\') { path.replace("\\n", "\n").replace("\\\\", "\\") } else { path.into() };
            let digest = digest_of(digest.trim_start_matches('\\')).ok_or_else(|| wrong("has no digest to be used"))?;
            digests.entry(key(&path).to_owned()).or_default().insert(digest);
        }
        Ok(Self { digests, ..Self::default() })
    }

    /// `file_digest` as in [`Measurement::file_digest`].
    pub fn judge(&self, path: &str, file_digest: &str) -> Allowed {
        if self.excluded.is_match(path) { Allowed::Excluded } else { judged(self.digests.get(key(path)), file_digest) }
    }

    /// The same for an entry of any kind: a key is judged by its keyring, another buffer by its name.
    pub fn judge_entry(&self, entry: &Measurement) -> Allowed {
        let name = entry.path.as_str();
        match entry.buffer() {
            None => self.judge(name, &entry.file_digest),
            Some(buffer) if buffer.starts_with(&KEY_BEGIN) => {
                let is_ignored = ["*", name].iter().any(|keyring| self.ignored_keyrings.contains(*keyring));
                if is_ignored { Allowed::Excluded } else { judged(self.keyrings.get(key(name)), &entry.file_digest) }
            }
            Some(_) => judged(self.buffers.get(key(name)), &entry.file_digest),
        }
    }
}

/// A digest of an algorithm that is not known is nobody's.
fn judged(allowed: Option<&BTreeSet<String>>, digest: &str) -> Allowed {
    let Some(allowed) = allowed else { return Allowed::Unlisted };
    let (algorithm, value) = digest.rsplit_once(':').unwrap_or(("", digest));
    let bank = Bank::ALL.into_iter().find(|bank| algorithm.rsplit(':').next() == Some(bank.name()));
    let is_sound = digest_of(value).is_some_and(|value| {
        allowed.contains(&value) && bank.is_none_or(|bank| bank.size() * 2 == value.len()) && algorithm != "unknown"
    });
    if is_sound { Allowed::Yes } else { Allowed::Changed }
}

/// Lists have paths from the top of a folder as well.
fn key(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path).trim_start_matches('/')
}

fn checked(digests: Digests) -> Result<Digests, String> {
    let mut all = Digests::new();
    for (path, digests) in digests {
        for digest in digests {
            let digest = digest_of(&digest).ok_or_else(|| {
                format!("`{}` of {} is not a digest to be used", digest.escape_debug(), path.escape_debug())
            })?;
            all.entry(key(&path).to_owned()).or_default().insert(digest);
        }
    }
    Ok(all)
}

/// In lower case; `None` where it is not hexadecimal, or of a length that no algorithm in use has.
fn digest_of(text: &str) -> Option<String> {
    let bytes = hex::decode(text)?;
    DIGEST_BYTES.contains(&bytes.len()).then(|| hex::encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::super::ima_log::measurement;
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn sha256(value: &str) -> String {
        format!("sha256:{value}")
    }

    #[test]
    fn files_are_judged_by_a_list() {
        let list = AllowedFiles::parse(&format!("# made by hand\n{}  bin/x\n{B} */bin/y\n", A.to_uppercase())).unwrap();
        assert_eq!(list.judge("/bin/x", &sha256(A)), Allowed::Yes);
        assert_eq!(list.judge("/bin/y", &sha256(A)), Allowed::Changed);
        assert_eq!(list.judge("/bin/z", &sha256(A)), Allowed::Unlisted);
        assert_eq!(list.judge("/bin/x", &format!("sha512:{A}")), Allowed::Changed, "of another algorithm");
        assert_eq!(list.judge("/bin/x", &format!("unknown:{A}")), Allowed::Changed);
        assert_eq!(
            AllowedFiles::parse(&format!("{A}  boot_aggregate")).unwrap().judge("boot_aggregate", &sha256(A)),
            Allowed::Yes
        );
    }

    #[test]
    fn a_policy_has_exclusions_that_begin_where_the_path_does() {
        let policy = format!(r#"{{"digests": {{"/bin/x": ["{A}", "{B}"]}}, "excludes": ["/tmp/.*", ""]}}"#);
        let policy = AllowedFiles::parse(&policy).unwrap();
        assert_eq!(policy.judge("/bin/x", &sha256(B)), Allowed::Yes);
        assert_eq!(policy.judge("/tmp/a", &sha256(B)), Allowed::Excluded);
        assert_eq!(policy.judge("/srv/tmp/a", &sha256(B)), Allowed::Unlisted);
        let older = AllowedFiles::parse(&format!(r#"{{"hashes": {{"/bin/x": ["{A}"]}}}}"#)).unwrap();
        assert_eq!(older.judge("/bin/x", &sha256(A)), Allowed::Yes);
    }

    #[test]
    fn keys_are_judged_by_their_keyring_and_other_buffers_by_their_name() {
        let entry = |name: &str, buffer: &str| {
            let line = format!("10 {} ima-buf {} {name} {buffer}", "1".repeat(40), sha256(A));
            measurement(&line).unwrap()
        };
        let policy = |ignored: &str| {
            let text = format!(
                r#"{{"digests": {{}}, "keyrings": {{".ima": ["{A}"]}}, "ima-buf": {{"kexec-cmdline": ["{A}"]}}, "ima": {{"ignored_keyrings": [{ignored}]}}}}"#
            );
            AllowedFiles::parse(&text).unwrap()
        };
        let listed = policy("");
        assert_eq!(listed.judge_entry(&entry(".ima", "3082aa")), Allowed::Yes);
        assert_eq!(listed.judge_entry(&entry(".evm", "3082aa")), Allowed::Unlisted);
        assert_eq!(policy("\".evm\"").judge_entry(&entry(".evm", "3082aa")), Allowed::Excluded);
        assert_eq!(policy("\"*\"").judge_entry(&entry(".evm", "3082aa")), Allowed::Excluded);
        assert_eq!(listed.judge_entry(&entry("kexec-cmdline", "726f")), Allowed::Yes);
        assert_eq!(listed.judge_entry(&entry("selinux-state", "726f")), Allowed::Unlisted);
    }

    #[test]
    fn what_cannot_be_judged_by_is_refused_with_the_reason() {
        assert!(AllowedFiles::parse("no-digest").unwrap_err().contains("line 1"));
        assert!(AllowedFiles::parse(&format!("{A}  x\n{}  md5", "a".repeat(32))).unwrap_err().contains("line 2"));
        for (policy, says) in [
            ("{".to_owned(), "EOF"),
            (r#"{"digests": {"/x": ["00ff"]}}"#.to_owned(), "`00ff` of /x"),
            (r#"{"digests": {}, "excludes": ["("]}"#.to_owned(), "excludes"),
            (r#"{"payload": "e30="}"#.to_owned(), "digests"),
            (format!(r#"{{"digests": {{}}, "excludes": {:?}}}"#, vec!["x"; EXCLUDED_FILES_MAX + 1]), "more than"),
        ] {
            let problem = AllowedFiles::parse(&policy).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
