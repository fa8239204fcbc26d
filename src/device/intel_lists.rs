//! The files of device 54: reads lists of indicators and allow lists into one set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Finding;
use crate::detect::allow_list::AllowList;
use crate::detect::indicator_list::{Problem, read_allowed, read_indicators};
use crate::detect::indicators::Indicators;
use crate::limits::INDICATOR_LIST_BYTES_MAX;
use crate::named_files;

/// Lines of one list that are named; the rest is counted.
const PROBLEMS_NAMED_MAX: usize = 5;

/// Everything in these files, and warnings about lines that cannot be used and lists that come to nothing.
///
/// # Errors
/// One finding for each file that cannot be read.
pub fn load(indicators: &[PathBuf], allow: &[PathBuf]) -> Result<(Indicators, Vec<Finding>), Vec<Finding>> {
    let (mut findings, mut warnings) = (Vec::new(), Vec::new());
    let mut allowed = AllowList::default();
    let mut parts = Vec::new();
    for (key, path, content) in contents("allow", allow, &mut findings) {
        let (substrings, problems) = read_allowed(&content, &mut allowed);
        parts.extend(substrings);
        warnings.extend(unusable(&key, path, &problems));
    }
    if let Err(problem) = allowed.set_parts(&parts) {
        findings.push(Finding::new("allow", problem, "leave out lists of type `substring`"));
    }
    let mut set = Indicators::new(allowed);
    for (key, path, content) in contents("indicators", indicators, &mut findings) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let before = set.len();
        let problems = read_indicators(&Arc::from(&*name), &content, &mut set);
        warnings.extend(unusable(&key, path, &problems));
        if set.len() == before {
            let problem = format!("the list {} adds no indicator: it detects nothing", path.display());
            warnings.push(Finding::new(key, problem, "name a list with addresses, names, pages or digests in it"));
        }
    }
    if findings.is_empty() { Ok((set, warnings)) } else { Err(findings) }
}

fn contents<'a>(key: &str, paths: &'a [PathBuf], findings: &mut Vec<Finding>) -> Vec<(String, &'a Path, String)> {
    let mut contents = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let key = format!("{key}[{index}]");
        match read(path) {
            Ok(content) => contents.push((key, path.as_path(), content)),
            Err(problem) => findings.push(Finding::new(
                key,
                format!("the list {} cannot be read: {problem}", path.display()),
                "expected a readable text, CSV or JSON file",
            )),
        }
    }
    contents
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = named_files::bytes(path, INDICATOR_LIST_BYTES_MAX).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn unusable(key: &str, path: &Path, problems: &[Problem]) -> Vec<Finding> {
    let path = path.display();
    let warning = |text: String| Finding::new(key, text, "correct or remove it; the other lines are used");
    let named = problems.iter().take(PROBLEMS_NAMED_MAX);
    let mut warnings: Vec<Finding> =
        named.map(|problem| warning(format!("{path}:{}: {}", problem.line, problem.text))).collect();
    if problems.len() > PROBLEMS_NAMED_MAX {
        let more = problems.len() - PROBLEMS_NAMED_MAX;
        warnings.push(warning(format!("{path}: {more} more lines cannot be used")));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::observable::Observable;
    use crate::event::Timestamp;

    #[test]
    fn every_unreadable_list_is_a_finding_at_its_key() {
        let missing = [PathBuf::from("/nonexistent/a"), PathBuf::from("/nonexistent/b")];
        let Err(findings) = load(&missing, &missing[..1]) else { panic!("nothing is there to be read") };
        let keys: Vec<&str> = findings.iter().map(|finding| finding.key.as_str()).collect();
        assert_eq!(keys, ["allow[0]", "indicators[0]", "indicators[1]"]);
    }

    #[test]
    fn a_list_with_bad_bytes_and_lines_still_gives_its_good_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, b"\xff\xfe nonsense\n203.0.113.9\n").unwrap();
        let (set, warnings) = load(&[path], &[]).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(set.look_up(&Observable::read("203.0.113.9").unwrap(), Timestamp::ZERO).is_some());
    }

    #[test]
    fn a_damaged_policy_zone_is_named_with_its_lines_and_the_others_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rpz.zone");
        std::fs::write(&path, "@ SOA a. b. 1\nevil.example CNAME .\nworse.example CNA\nx TXT (\n").unwrap();
        let (set, warnings) = load(&[path], &[]).unwrap();
        for (warning, place) in warnings.iter().zip(["rpz.zone:3: ", "rpz.zone:4: "]) {
            assert!(warning.key == "indicators[0]" && warning.problem.contains(place), "{warning:?}");
        }
        assert_eq!((warnings.len(), set.len()), (2, 1));
    }

    #[test]
    fn a_list_that_comes_to_nothing_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, "# nothing yet\n").unwrap();
        let (_, warnings) = load(&[path], &[]).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].key == "indicators[0]" && warnings[0].problem.contains("adds no indicator"));
    }
}
