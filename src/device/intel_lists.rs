//! The files of device 54: reads lists of indicators and allow lists into one set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::config::Finding;
use crate::detect::allow_list::AllowList;
use crate::detect::indicator_list::{Problem, Unused, read_allowed, read_indicators};
use crate::detect::indicators::Indicators;
use crate::detect::misp;
use crate::limits::INDICATOR_LIST_BYTES_MAX;
use crate::named_files;

/// Lines of one list that are named; the rest is counted.
const PROBLEMS_NAMED_MAX: usize = 5;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Lists of indicators: text, CSV, hosts files, response policy zones, STIX 2.1 bundles, MISP events, searches and
    /// manifests of feeds.
    pub indicators: Vec<PathBuf>,
    /// Lists that are fetched and may not be there yet; the daemon adds those of `[[intel.feed]]`.
    pub feeds: Vec<PathBuf>,
    /// Lists that win over the indicators: text, CSV, MISP warninglists, what response policy zones let through.
    pub allow: Vec<PathBuf>,
}

/// Everything in these files, and warnings about lines that cannot be used and lists that come to nothing.
///
/// # Errors
/// One finding for each file that cannot be read, but for those that are fetched.
pub fn load(settings: &Settings) -> Result<(Indicators, Vec<Finding>), Vec<Finding>> {
    let Settings { indicators, feeds, allow } = settings;
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
    let lists = contents("indicators", indicators, &mut findings);
    // No reason to refuse the configuration: the next fetch mends it.
    let there: Vec<PathBuf> = feeds.iter().filter(|path| path.exists()).cloned().collect();
    let fetched = contents("feeds", &there, &mut warnings);
    for (key, path, content) in lists.into_iter().chain(fetched) {
        let before = set.len();
        let unused = match misp::manifest(&content) {
            Some(events) => read_feed(path, events, &mut set),
            None => read_indicators(&name_of(path), &content, &mut set),
        };
        warnings.extend(unusable(&key, path, &unused.problems));
        warnings.extend(left_out(&key, path, &unused));
        if set.len() == before {
            warnings.push(comes_to_nothing(key, path, &unused));
        }
    }
    if findings.is_empty() { Ok((set, warnings)) } else { Err(findings) }
}

fn name_of(path: &Path) -> Arc<str> {
    Arc::from(&*path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
}

/// The events of a MISP feed, which lie beside its manifest, as one list. A problem of one is that of the line that its place in the
/// manifest is.
fn read_feed(manifest: &Path, events: Result<Vec<String>, String>, set: &mut Indicators) -> Unused {
    let mut unused = Unused::default();
    let events = match events {
        Ok(events) => events,
        Err(text) => {
            unused.problems.push(Problem { line: 1, text });
            return unused;
        }
    };
    let mut bytes_left = INDICATOR_LIST_BYTES_MAX;
    for (event, line) in events.into_iter().zip(1..) {
        let content = match named_files::bytes(&manifest.with_file_name(&event), bytes_left) {
            Ok(content) => content,
            Err(error) => {
                let text = format!("the event {event} of this feed cannot be read: {error}");
                unused.problems.push(Problem { line, text });
                continue;
            }
        };
        bytes_left = bytes_left.saturating_sub(content.len() as u64);
        let of_event = read_indicators(&Arc::from(event.as_str()), &String::from_utf8_lossy(&content), set);
        for (why, count) in of_event.left_out {
            *unused.left_out.entry(why).or_default() += count;
        }
        let named = of_event.problems.into_iter();
        unused
            .problems
            .extend(named.map(|problem| Problem { line, text: format!("{event}:{}: {}", problem.line, problem.text) }));
    }
    unused
}

/// `3 are revoked, 12 are deleted`
fn counts(unused: &Unused) -> String {
    let counts: Vec<String> = unused.left_out.iter().map(|(why, count)| format!("{count} {why}")).collect();
    counts.join(", ")
}

fn left_out(key: &str, path: &Path, unused: &Unused) -> Option<Finding> {
    let remedy = "nothing needs to be done if that is meant";
    let problem = || format!("{}: of what the list holds, {}: left out", path.display(), counts(unused));
    (!unused.left_out.is_empty()).then(|| Finding::new(key, problem(), remedy))
}

fn comes_to_nothing(key: String, path: &Path, unused: &Unused) -> Finding {
    let why = match (unused.problems.first(), unused.left_out.is_empty()) {
        (_, false) => format!(" ({})", counts(unused)),
        (Some(first), true) => format!(" ({} cannot be used, the first: {})", unused.problems.len(), first.text),
        (None, true) => " (nothing in it looks like one, or all of it is in lists before it)".to_owned(),
    };
    let problem = format!("the list {} adds no indicator{why}: it detects nothing", path.display());
    Finding::new(key, problem, "name a list with addresses, names, pages, digests or STIX patterns in it")
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

    fn with(indicators: &[PathBuf], allow: &[PathBuf]) -> Result<(Indicators, Vec<Finding>), Vec<Finding>> {
        load(&Settings { indicators: indicators.to_vec(), allow: allow.to_vec(), feeds: Vec::new() })
    }

    #[test]
    fn a_fetched_list_that_is_not_there_yet_or_damaged_keeps_nothing_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("good"), "203.0.113.9\n").unwrap();
        std::fs::create_dir(path("damaged")).unwrap();
        let feeds = vec![path("absent"), path("damaged"), path("good")];
        let (set, warnings) = load(&Settings { feeds, ..Settings::default() }).unwrap();
        assert_eq!((set.len(), warnings.len()), (1, 1), "{warnings:?}");
        let origin = set.look_up(&Observable::read("203.0.113.9").unwrap(), Timestamp::ZERO).unwrap();
        assert_eq!(&*origin.list, "good", "the name of the feed");
    }

    #[test]
    fn every_unreadable_list_is_a_finding_at_its_key() {
        let missing = [PathBuf::from("/nonexistent/a"), PathBuf::from("/nonexistent/b")];
        let Err(findings) = with(&missing, &missing[..1]) else { panic!("nothing is there to be read") };
        let keys: Vec<&str> = findings.iter().map(|finding| finding.key.as_str()).collect();
        assert_eq!(keys, ["allow[0]", "indicators[0]", "indicators[1]"]);
    }

    #[test]
    fn a_list_with_bad_bytes_and_lines_still_gives_its_good_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, b"\xff\xfe nonsense\n203.0.113.9\n").unwrap();
        let (set, warnings) = with(&[path], &[]).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(set.look_up(&Observable::read("203.0.113.9").unwrap(), Timestamp::ZERO).is_some());
    }

    #[test]
    fn a_damaged_policy_zone_is_named_with_its_lines_and_the_others_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rpz.zone");
        std::fs::write(&path, "@ SOA a. b. 1\nevil.example CNAME .\nworse.example CNA\nx TXT (\n").unwrap();
        let (set, warnings) = with(&[path], &[]).unwrap();
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
        let (_, warnings) = with(&[path], &[]).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].key == "indicators[0]" && warnings[0].problem.contains("adds no indicator"));
    }

    #[test]
    fn a_list_of_which_nothing_is_for_detection_says_why_it_adds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        let event = r#"{"Event":{"Attribute":[{"type":"domain","value":"a.example","to_ids":false}]}}"#;
        std::fs::write(&path, event).unwrap();
        let (_, warnings) = with(&[path], &[]).unwrap();
        let last = &warnings.last().unwrap().problem;
        assert!(last.contains("adds no indicator (1 are not meant for detection (`to_ids`))"), "{warnings:?}");
    }

    #[test]
    fn a_feed_is_read_by_its_manifest_and_an_event_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ids = ["56c0cc2b-1a2c-4e5f-9d0a-0123456789ab", "56c0cc2b-1a2c-4e5f-9d0a-0123456789ac"];
        let about = serde_json::json!({"info": "x", "timestamp": "1"});
        let manifest = folder.path().join("manifest.json");
        std::fs::write(&manifest, serde_json::json!({ids[0]: about, ids[1]: about}).to_string()).unwrap();
        let event = r#"{"Event":{"Attribute":[{"type":"domain","value":"evil.example","to_ids":true}]}}"#;
        std::fs::write(folder.path().join(format!("{}.json", ids[0])), event).unwrap();
        let (set, warnings) = with(&[manifest], &[]).unwrap();
        assert_eq!(set.len(), 1);
        assert!(warnings.len() == 1 && warnings[0].problem.contains(ids[1]), "{warnings:?}");
    }
}
