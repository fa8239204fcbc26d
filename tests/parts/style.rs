//! Rules of the house that no linter knows.

use std::path::{Path, PathBuf};

const LINES_MAX: usize = 400;

/// Every Rust file below `folder` with its text.
pub fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    assert!(!sources.is_empty(), "no source below {folder}");
    sources
}

/// Every place in `folder` where `is_wrong` says so of a line and the line before it.
fn places(folder: &str, is_wrong: impl Fn(&Path, &str, &str) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for (path, text) in sources(folder) {
        let mut before = "";
        for (index, line) in text.lines().enumerate() {
            if is_wrong(&path, before, line) {
                places.push(format!("{}:{}: {}", path.display(), index + 1, line.trim()));
            }
            before = line;
        }
    }
    places
}

#[test]
fn a_file_has_at_most_400_lines() {
    let long: Vec<_> = sources("src")
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_is_left_to_do() {
    let markers = ["todo", "unimplemented"].map(|name| format!("{name}!"));
    let comments = ["TODO", "FIXME", "XXX"].map(|name| format!("// {name}"));
    let found = places("src", |_, _, line| markers.iter().chain(&comments).any(|marker| line.contains(marker)));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_lint_that_is_switched_off_says_why() {
    for folder in ["src", "tests"] {
        let found = places(folder, |_, before, line| {
            let line = line.trim();
            let switched_off = ["#[allow(", "#![allow(", "#[expect("].iter().any(|start| line.starts_with(start));
            switched_off && !line.contains("//") && !before.trim().starts_with("//") && !line.contains("reason")
        });
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// A bound outside `limits.rs` and its folder is not seen when the relations between bounds are checked.
#[test]
fn bounds_live_beside_the_relations_between_them() {
    let found = places("src", |path, _, line| {
        let public = line.trim().starts_with("pub const ") || line.trim().starts_with("pub(crate) const ");
        let name = line.split("const ").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or_default();
        let is_type = line.contains(": Self ") || name.starts_with("fn ");
        public
            && !is_type
            && name.ends_with("_MAX")
            && !path.ends_with("limits.rs")
            && !path.parent().is_some_and(|folder| folder.ends_with("limits"))
    });
    let known = ["DEVICE_MAX"]; // room in a bit set, not a limit on what is taken in
    let found: Vec<_> = found.into_iter().filter(|place| !known.iter().any(|name| place.contains(name))).collect();
    assert!(found.is_empty(), "{found:#?}");
}
