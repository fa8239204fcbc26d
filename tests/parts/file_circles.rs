//! No two files of the crate need each other, over however many others.
//!
//! Names are resolved as far as that takes: modules, `use` with its aliases and globs, re-exports. What only tests use does not
//! count.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::style::sources;

type Path = Vec<String>;

#[derive(Default)]
struct Module {
    text: String,
    modules: BTreeSet<String>,
    /// Private and public `use`, by the name under which the module has it.
    names: BTreeMap<String, Path>,
    globs: Vec<Path>,
    definitions: BTreeSet<String>,
    uses: Vec<Path>,
}

/// Without comments, texts, and what is built for tests alone.
fn plain(text: &str) -> String {
    let noise = Regex::new(
        r##"(?s)//[^\n]*|b?r#"(.*?)"#|b?r"[^"]*"|b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\[^u]|\\x..|\\u\{[^}]*\})'"##,
    );
    let mut text = noise.unwrap().replace_all(text, "").into_owned();
    while let Some(start) = text.find("#[cfg(test)]").or_else(|| text.find("#[cfg(any(test")) {
        let end = end_of_item(&text, start);
        text.replace_range(start..end, "");
    }
    text
}

/// Behind the first semicolon or block that no bracket is open round.
fn end_of_item(text: &str, start: usize) -> usize {
    let (mut depth, mut is_use) = (0, false);
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < start) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                is_use = text[start..at].contains("use ") && !text[start..at].contains("mod ");
            }
            _ => {}
        }
        if depth == 0 && (c == ';' || (c == '}' && !is_use)) {
            return at + 1;
        }
    }
    text.len()
}

/// The paths of a `use`, each with the name it is known by; `*` for all names.
fn leaves(tree: &str, before: &[String], found: &mut Vec<(Path, String)>) {
    let (mut depth, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        let (head, inner) = part.split_once('{').unwrap_or((part, ""));
        let (head, alias) = head.split_once(" as ").map_or((head, None), |(head, alias)| (head, Some(alias.trim())));
        let mut path = before.to_vec();
        path.extend(head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        if !inner.is_empty() {
            leaves(inner.rsplit_once('}').unwrap().0, &path, found);
            continue;
        }
        if path.last().is_some_and(|name| name == "self") {
            path.pop();
        }
        let name = alias.or(path.last().map(String::as_str)).unwrap_or_default().to_owned();
        found.push((path, name));
    }
}

fn modules() -> BTreeMap<Path, (String, Module)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let definition = Regex::new(r"\b(?:fn|struct|enum|trait|type|const|static)\s+(?:mut\s+)?(\w+)").unwrap();
    let (module, using) =
        (Regex::new(r"\bmod\s+(\w+)\s*;").unwrap(), Regex::new(r"(pub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);").unwrap());
    let path_like = Regex::new(r"\w+(?:\s*::\s*\w+)+").unwrap();
    let mut all = BTreeMap::new();
    for (file, text) in sources("src") {
        let name = file.strip_prefix(&root).unwrap().with_extension("").display().to_string();
        let mut path: Path = name.split('/').map(str::to_owned).collect();
        if path.last().is_some_and(|last| ["mod", "lib"].contains(&last.as_str())) {
            path.pop();
        }
        let is_test = path
            .iter()
            .any(|part| ["tests", "testing", "under_test"].contains(&part.as_str()) || part.ends_with("_tests"));
        if name == "main" || is_test {
            continue;
        }
        let mut of = Module { text: plain(&text), ..Module::default() };
        let texts = |regex: &Regex| regex.captures_iter(&of.text).map(|it| it[1].to_owned()).collect::<BTreeSet<_>>();
        (of.definitions, of.modules) = (texts(&definition), texts(&module));
        for found in using.captures_iter(&of.text) {
            let mut names = Vec::new();
            leaves(&found[2], &[], &mut names);
            for (mut path, name) in names {
                if name == "*" {
                    path.pop();
                    of.globs.push(path.clone());
                } else if name != "_" {
                    of.names.insert(name, path.clone());
                }
                if found.get(1).is_none() {
                    of.uses.push(path);
                }
            }
        }
        let rest = using.replace_all(&of.text, "");
        of.uses.extend(
            path_like.find_iter(&rest).map(|it| it.as_str().split("::").map(|part| part.trim().to_owned()).collect()),
        );
        all.insert(path, (format!("src/{name}.rs"), of));
    }
    all
}

/// The module that defines what `path` names, seen from `from`; `None`: another crate's, or a module itself.
fn resolve(all: &BTreeMap<Path, (String, Module)>, from: &[String], path: &[String], depth: usize) -> Option<Path> {
    let (mut at, mut is_first) = (from.to_vec(), true);
    for (index, name) in path.iter().enumerate() {
        match name.as_str() {
            "crate" if is_first => at.clear(),
            "self" if is_first => continue,
            "super" => drop(at.pop()),
            _ => {
                let (_, module) = all.get(&at)?;
                let inner = [at.as_slice(), std::slice::from_ref(name)].concat();
                if module.modules.contains(name) && all.contains_key(&inner) {
                    at = inner;
                } else {
                    return defined(all, &at, &path[index..], depth);
                }
            }
        }
        is_first = false;
    }
    None
}

fn defined(all: &BTreeMap<Path, (String, Module)>, at: &[String], rest: &[String], depth: usize) -> Option<Path> {
    let module = &all.get(at)?.1;
    let name = rest.first().filter(|_| depth < 20)?;
    if let Some(known) = module.names.get(name).filter(|known| known.as_slice() != [name.clone()]) {
        return resolve(all, at, &[known.as_slice(), &rest[1..]].concat(), depth + 1);
    }
    if module.definitions.contains(name) {
        return Some(at.to_vec());
    }
    module.globs.iter().find_map(|glob| resolve(all, at, &[glob.as_slice(), rest].concat(), depth + 1))
}

#[test]
fn no_files_need_each_other_in_a_circle() {
    let all = modules();
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, (file, module)) in &all {
        let found = module.uses.iter().filter_map(|used| resolve(&all, path, used, 0));
        let files = found.map(|path| all[&path].0.as_str()).filter(|other| other != file);
        needs.insert(file, files.collect());
    }
    let edges: usize = needs.values().map(BTreeSet::len).sum();
    assert!(edges > 3 * needs.len(), "{edges} uses between {} files: names are no longer resolved", needs.len());
    // What needs nothing that is left can be in no circle.
    while let Some(done) = needs.iter().find(|(_, needed)| needed.is_empty()).map(|(file, _)| *file) {
        needs.remove(done);
        needs.values_mut().for_each(|needed| {
            needed.remove(done);
        });
    }
    // Nor can what nothing needs.
    while let Some(top) = needs.keys().find(|file| !needs.values().any(|needed| needed.contains(*file))).copied() {
        needs.remove(top);
    }
    assert!(needs.is_empty(), "these files need each other: {needs:#?}");
}
