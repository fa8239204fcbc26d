//! Under which names the public registers names of its own: `com`, `co.uk`, `dyndns.org`.

use std::sync::LazyLock;

use crate::hash_map::HashMap;

const LIST: &str = include_str!("../../config/public_suffix/list.txt");

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::read(LIST));

/// What the list has of a name that is in it, or above one that is.
#[derive(Default, Clone, Copy)]
struct Entry {
    is_suffix: bool,
    /// All its direct children are suffixes.
    is_wildcard: bool,
    /// It is no suffix although it is a child of a wildcard.
    is_exception: bool,
}

struct Rules(HashMap<&'static str, Entry>);

impl Rules {
    fn read(text: &'static str) -> Self {
        let mut entries: HashMap<&'static str, Entry> = HashMap::default();
        for rule in text.lines().filter(|line| !line.starts_with("//")) {
            let name = rule.trim_start_matches("*.").trim_start_matches('!');
            for (dot, _) in name.match_indices('.') {
                entries.entry(name.get(dot + 1..).unwrap_or_default()).or_default();
            }
            let entry = entries.entry(name).or_default();
            entry.is_wildcard |= rule.starts_with('*');
            entry.is_exception |= rule.starts_with('!');
            entry.is_suffix |= rule == name;
        }
        Self(entries)
    }

    /// `name` without a dot at its end. The longest rule decides, and an exception before every rule. Where no rule
    /// fits, the last label is the suffix.
    fn suffix_of<'a>(&self, name: &'a str) -> &'a str {
        let mut longest = name.rsplit('.').next().unwrap_or(name);
        let mut above = ("", Entry::default());
        for start in name.rmatch_indices('.').map(|(dot, _)| dot + 1).chain([0]) {
            let candidate = name.get(start..).unwrap_or_default();
            let entry = self.0.get(candidate);
            if entry.is_some_and(|entry| entry.is_exception) {
                return above.0;
            }
            if above.1.is_wildcard || entry.is_some_and(|entry| entry.is_suffix) {
                longest = candidate;
            }
            let Some(entry) = entry else { break };
            above = (candidate, *entry);
        }
        longest
    }
}

/// The public suffix of a name in lower case: `co.uk` of `www.example.co.uk`.
pub fn suffix(name: &str) -> Option<&str> {
    let suffix = RULES.suffix_of(name.strip_suffix('.').unwrap_or(name));
    (!suffix.is_empty()).then_some(suffix)
}

/// The part of a name in lower case that one owner has registered: `example.co.uk` of `www.example.co.uk`. A public
/// suffix alone has none.
pub fn registrable(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let below = name.strip_suffix(suffix(name)?)?.strip_suffix('.').filter(|below| !below.is_empty())?;
    name.get(below.rfind('.').map_or(0, |dot| dot + 1)..)
}

/// Whether the name is a public suffix itself, so that many owners share it.
pub fn is_public_suffix(name: &str) -> bool {
    suffix(name) == Some(name)
}

/// The name and the names above it that have the same owner, longest first.
pub fn names_of_owner(name: &str) -> impl Iterator<Item = &str> {
    let shortest = registrable(name).map_or(name.len(), str::len);
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent))
        .take_while(move |name| name.len() >= shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rule_decides_and_an_exception_before_every_rule() {
        let rules = "// comment\nck\n*.ck\n!www.ck\nuk\nco.uk\n*.city.jp\n!a.city.jp\nb.c.d\n";
        // A rule that stands twice in the list says the same.
        let rules = Rules::read(rules.repeat(2).leak());
        for (name, suffix) in [
            ("x.y.ck", "y.ck"),
            ("y.ck", "y.ck"),
            ("ck", "ck"),
            ("x.www.ck", "ck"),
            ("www.ck", "ck"),
            ("x.co.uk", "co.uk"),
            ("x.uk", "uk"),
            ("x.y.city.jp", "y.city.jp"),
            ("x.a.city.jp", "city.jp"),
            ("x.b.c.d", "b.c.d"),
            ("x.c.d", "d"),
            ("x.unknown", "unknown"),
        ] {
            assert_eq!(rules.suffix_of(name), suffix, "{name}");
        }
    }

    #[test]
    fn the_names_of_one_owner_end_where_many_owners_begin() {
        let names = |name| names_of_owner(name).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(names("a.www.example.co.uk"), ["a.www.example.co.uk", "www.example.co.uk", "example.co.uk"]);
        assert_eq!(names("tenant.github.io"), ["tenant.github.io"]);
        assert_eq!(names("github.io"), ["github.io"]);
        assert!(is_public_suffix("github.io") && !is_public_suffix("example.com"));
    }

    #[test]
    fn a_name_is_registered_one_label_below_its_public_suffix() {
        for (name, expected) in [
            ("www.example.com", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("a.b.example.co.uk", Some("example.co.uk")),
            ("host.dyndns.org", Some("host.dyndns.org")),
            ("dyndns.org", None),
            ("co.uk", None),
            ("com", None),
            ("", None),
            (".", None),
            (".com", None),
        ] {
            assert_eq!(registrable(name), expected, "{name}");
        }
    }

    #[test]
    fn every_child_of_a_wildcard_is_a_suffix_unless_it_is_an_exception() {
        assert_eq!(suffix("a.b.ck"), Some("b.ck"));
        assert_eq!(registrable("a.b.ck"), Some("a.b.ck"));
        assert_eq!(registrable("b.ck"), None);
        assert_eq!(suffix("www.ck"), Some("ck"));
        assert_eq!(registrable("a.www.ck"), Some("www.ck"));
        assert_eq!(registrable("city.kobe.jp"), Some("city.kobe.jp"));
        assert_eq!(registrable("a.other.kobe.jp"), Some("a.other.kobe.jp"));
    }

    #[test]
    fn a_name_that_no_rule_fits_is_registered_below_its_last_label() {
        assert_eq!(suffix("printer.lan"), Some("lan"));
        assert_eq!(registrable("www.printer.lan"), Some("printer.lan"));
        assert_eq!(registrable("printer"), None);
    }

    #[test]
    fn names_are_known_as_they_are_written_and_as_they_are_in_the_dns() {
        assert_eq!(suffix("www.例子.公司.cn"), Some("公司.cn"));
        assert_eq!(suffix("www.xn--fsqu00a.xn--55qx5d.cn"), Some("xn--55qx5d.cn"));
    }
}
