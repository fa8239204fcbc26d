//! A pattern that is ready to be matched.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{MatchError, PatternError};
use super::expression::{Comparison, Comparisons, Test};
use super::observation::Observation;
use super::program::{Instruction, compile};
use super::search::{Seen, is_found};
use super::shape::{self, ListedValue};
use super::{compare, parser, path};
use crate::limits::STIX_OBSERVATIONS_MAX;

#[derive(Debug)]
pub struct Pattern {
    program: Vec<Instruction>,
    observations: Vec<Comparisons>,
    is_single: bool,
    listed: Option<Vec<ListedValue>>,
}

impl Pattern {
    /// # Errors
    /// The text is no pattern, or one that cannot be matched here.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let parsed = parser::parse(text)?;
        Ok(Self {
            program: compile(&parsed.expression),
            is_single: shape::is_single(&parsed.expression),
            listed: shape::listed(&parsed.expression, &parsed.observations),
            observations: parsed.observations,
        })
    }

    /// Whether one observation is enough to match.
    pub fn is_single(&self) -> bool {
        self.is_single
    }

    /// The values, where the pattern means that any of them is seen and nothing else.
    pub fn listed(&self) -> Option<&[ListedValue]> {
        self.listed.as_deref()
    }

    /// Texts of which one at least is a value of each observation that takes part in a match; `None` where that cannot be
    /// said beforehand.
    pub fn needed_texts(&self) -> Option<Vec<&str>> {
        shape::needed_texts(&self.observations)
    }

    /// Whether these observations, taken together, match.
    ///
    /// # Errors
    /// A value claims to be what it is not, or it would take too long to find out.
    pub fn matches(&self, observations: &[Observation]) -> Result<bool, MatchError> {
        if observations.len() > STIX_OBSERVATIONS_MAX {
            return Err(MatchError::TooManyObservations(STIX_OBSERVATIONS_MAX));
        }
        let seen: Result<Vec<Seen>, MatchError> = observations
            .iter()
            .map(|observation| Ok(Seen { when: observation.when, holds: self.holds(&observation.objects)? }))
            .collect();
        self.is_found(&seen?)
    }

    /// The same of observations of which it is known for what they hold.
    ///
    /// # Errors
    /// It would take too long to find out.
    pub fn is_found(&self, seen: &[Seen]) -> Result<bool, MatchError> {
        is_found(&self.program, seen)
    }

    /// For which of the pattern's observations these objects hold: bit n for the one with number n.
    ///
    /// # Errors
    /// A value claims to be what it is not.
    pub fn holds(&self, objects: &BTreeMap<String, Value>) -> Result<u64, MatchError> {
        let mut bits = 0;
        for (number, comparisons) in self.observations.iter().enumerate() {
            let mut is_any = false;
            for root in objects.values() {
                is_any |= hold(comparisons, objects, root)?;
            }
            bits |= u64::from(is_any) << number;
        }
        Ok(bits)
    }
}

/// Every comparison is made: what makes one of them impossible is an error wherever it stands.
fn hold(comparisons: &Comparisons, objects: &BTreeMap<String, Value>, root: &Value) -> Result<bool, MatchError> {
    let each = |parts: &[Comparisons]| -> Result<Vec<bool>, MatchError> {
        parts.iter().map(|part| hold(part, objects, root)).collect()
    };
    Ok(match comparisons {
        Comparisons::All(parts) => each(parts)?.into_iter().all(|holds| holds),
        Comparisons::Any(parts) => each(parts)?.into_iter().any(|holds| holds),
        Comparisons::One(comparison) => holds(comparison, objects, root)?,
    })
}

/// A path that leads nowhere compares with nothing, also where the comparison is negated.
fn holds(comparison: &Comparison, objects: &BTreeMap<String, Value>, root: &Value) -> Result<bool, MatchError> {
    if root.get("type").and_then(Value::as_str) != Some(comparison.object.as_str()) {
        return Ok(false);
    }
    let (property, values) = path::values(objects, root, &comparison.path)?;
    if let Test::Exists = comparison.test {
        return Ok(values.is_empty() == comparison.is_negated);
    }
    let mut is_any = false;
    for value in values {
        is_any |= compare::passes(&comparison.test, property, value)? != comparison.is_negated;
    }
    Ok(is_any)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::observation::When;
    use super::*;

    fn observed(second: i64, number: u32, object: Value) -> Observation {
        let time = second * 1_000_000;
        let objects = BTreeMap::from([("0".to_owned(), object)]);
        Observation { objects, when: When { first: time, last: time, number } }
    }

    fn matches(pattern: &str, observations: &[Observation]) -> bool {
        Pattern::parse(pattern).unwrap().matches(observations).unwrap()
    }

    fn machine() -> Vec<Observation> {
        vec![
            observed(0, 2, json!({"type": "x", "n": 1, "list": [1, 2], "tags": {"a-b": "yes"}, "raw_hex": "ff00"})),
            observed(10, 1, json!({"type": "x", "n": 2, "name": "a%b\nc", "none": null})),
            observed(20, 1, json!({"type": "y", "n": 3, "net": "2001:db8::/40"})),
        ]
    }

    #[test]
    fn a_value_is_compared_as_what_it_is() {
        for (pattern, is_match) in [
            ("[x:list[*] = 2]", true),
            ("[x:list[0] = 2]", false),
            ("[x:list[-1] = 2]", false),
            ("[x:list = 2]", false),
            ("[x:tags.'a-b' = 'yes']", true),
            ("[x:missing != 5]", false),
            ("[x:missing NOT = 5]", false),
            ("[EXISTS x:tags]", true),
            ("[EXISTS x:missing]", false),
            ("[NOT EXISTS y:missing]", true),
            ("[NOT EXISTS x:n]", false),
            ("[x:none != 'a']", true),
            ("[x:name LIKE 'a%c']", true),
            ("[x:name LIKE 'a%b']", false),
            ("[x:raw_hex = b'/wA=']", true),
            (r"[x:raw_hex MATCHES '^\\xff\\x00$']", true),
            ("[y:net ISSUBSET '2001:db8::/32']", true),
            ("[y:net ISSUPERSET '2001:db8::1']", true),
            ("[y:net ISSUBSET '192.0.2.0/24']", false),
            ("[x:n = 1 AND y:n = 3]", false),
            ("[x:n = 1 AND x:n = 2]", false),
        ] {
            assert_eq!(matches(pattern, &machine()), is_match, "{pattern}");
        }
    }

    #[test]
    fn observations_are_different_ones_in_order_and_in_time() {
        for (pattern, is_match) in [
            ("[x:n = 1] AND [x:n < 2] AND [x:n < 2]", false),
            ("[x:n = 1] AND [x:n < 2]", true),
            ("[x:n = 1] FOLLOWEDBY [x:n = 2] FOLLOWEDBY [y:n = 3]", true),
            ("[x:n = 1] FOLLOWEDBY [y:n = 3] FOLLOWEDBY [x:n = 2]", false),
            ("([x:n = 2] AND [y:n = 3]) WITHIN 10 SECONDS", true),
            ("([x:n = 2] AND [y:n = 3]) WITHIN 9.9 SECONDS", false),
            ("[x:n > 0] REPEATS 3 TIMES", true),
            ("[x:n > 0] REPEATS 4 TIMES", false),
            ("([x:n > 0] FOLLOWEDBY [y:n > 0]) REPEATS 2 TIMES", false),
            ("[x:n = 2] START t'1970-01-01T00:00:10Z' STOP t'1970-01-01T00:00:11Z'", true),
            ("[x:n = 2] START t'1970-01-01T00:00:09Z' STOP t'1970-01-01T00:00:10Z'", false),
            ("([x:n = 2] OR [y:n = 3]) START t'1970-01-01T00:00:15Z' STOP t'1970-01-01T00:01:00Z'", true),
            ("([y:n = 7] OR [y:n = 3]) AND ([y:n = 3] OR [x:n = 2])", true),
            ("([y:n = 7] OR [y:n = 3]) AND ([y:n = 3] OR [x:n = 7])", false),
        ] {
            assert_eq!(matches(pattern, &machine()), is_match, "{pattern}");
        }
    }

    #[test]
    fn references_lead_to_other_objects_also_in_circles() {
        let objects = json!({
            "1": {"type": "file", "name": "a", "parent_directory_ref": "2"},
            "2": {"type": "directory", "path": "/tmp", "contains_refs": ["1", "9"]},
        });
        let objects = objects.as_object().unwrap().iter().map(|(id, object)| (id.clone(), object.clone())).collect();
        let both = [Observation { objects, when: When { first: 0, last: 0, number: 1 } }];
        assert!(matches("[file:parent_directory_ref.path = '/tmp']", &both));
        assert!(matches("[file:parent_directory_ref = '2']", &both));
        assert!(matches("[directory:contains_refs[*].parent_directory_ref.contains_refs[0].name = 'a']", &both));
        assert!(!matches("[directory:contains_refs[1].name = 'a']", &both));
    }

    #[test]
    fn what_only_lists_values_and_which_texts_are_needed_is_known_beforehand() {
        for (pattern, listed, needed, is_single) in [
            ("[x:a.'b-c' = '1' OR y:d IN ('2', '3')] OR [z:e = '4']", Some(4), Some(4), true),
            ("[x:a = '1' AND x:b = 2]", None, Some(1), true),
            ("[x:a = '1' OR x:b LIKE '2']", None, None, true),
            ("[x:a NOT = '1']", None, None, true),
            ("[x:a_hex = '01']", None, None, true),
            ("[x:a[*] = '1']", None, Some(1), true),
            ("[x:a = '1'] FOLLOWEDBY [x:b IN ('1', '2')]", None, Some(3), false),
            ("[x:a = '1'] REPEATS 2 TIMES", None, Some(1), false),
            ("[x:a = '1'] WITHIN 5 SECONDS", None, Some(1), true),
        ] {
            let read = Pattern::parse(pattern).unwrap();
            let is = (read.listed().map(<[_]>::len), read.needed_texts().map(|texts| texts.len()), read.is_single());
            assert_eq!(is, (listed, needed, is_single), "{pattern}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (pattern, at, said) in [
            ("", 1, "in brackets"),
            ("[a:b = 1", 9, "`]`"),
            ("[a:b = 1]]", 10, "the end"),
            ("[a:b-c = 1]", 4, "quotes"),
            ("[a:b > true]", 8, "order"),
            ("[a:b IN (1, 'x')]", 13, "one kind"),
            ("[a:b MATCHES '(?=x)']", 14, "look-around"),
            ("[a:b MATCHES '(((a{1,99}){1,99}){1,99}){1,99}']", 14, "cannot be used"),
            ("[a:b ISSUBSET 'here']", 15, "network"),
            ("[a:b = 1] REPEATS 0 TIMES", 19, "from 1"),
            ("[a:b = 1] WITHIN 0 SECONDS", 18, "above 0"),
            ("[a:b = 1] START t'2020-01-01T00:00:00Z' STOP t'2019-01-01T00:00:00Z'", 46, "before"),
            ("[NOT a:b = 1]", 6, "EXISTS"),
            ("[é:b = 1]", 2, "nothing"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.at == at && error.problem.contains(said), "{pattern}: {error}");
        }
    }

    #[test]
    fn patterns_that_are_too_large_are_refused_and_not_followed() {
        for pattern in [
            "(".repeat(100_000),
            "(".repeat(60_000),
            format!("[{}a:b = 1]", "(".repeat(60_000)),
            format!("[a:b = 1]{}", " WITHIN 1 SECONDS".repeat(1000)),
            vec!["[a:b = 1]"; 1000].join(" AND "),
            format!("[{}]", vec!["a:b = 1"; 6000].join(" OR ")),
        ] {
            assert!(Pattern::parse(&pattern).is_err(), "{}", &pattern[..20]);
        }
    }

    #[test]
    fn what_would_need_too_many_combinations_is_said() {
        let many: Vec<Observation> =
            (0..40).map(|second| observed(second, 1, json!({"type": "x", "n": second}))).collect();
        let pattern =
            Pattern::parse("([x:n >= 0] AND [x:n >= 0]) REPEATS 9 TIMES AND ([x:n = 40] OR [x:n = 41])").unwrap();
        assert_eq!(pattern.matches(&many), Err(MatchError::TooManyCombinations(crate::limits::STIX_COMBINATIONS_MAX)));
        assert_eq!(Pattern::parse("[x:n >= 0] REPEATS 20 TIMES WITHIN 18 SECONDS").unwrap().matches(&many), Ok(false));
        assert_eq!(Pattern::parse("[x:n >= 0] REPEATS 20 TIMES WITHIN 19 SECONDS").unwrap().matches(&many), Ok(true));
        let often = [observed(0, u32::MAX, json!({"type": "x", "n": 1}))];
        assert_eq!(Pattern::parse("[x:n = 1] REPEATS 1000000 TIMES AND [x:n = 1]").unwrap().matches(&often), Ok(true));
    }

    #[test]
    fn a_path_to_very_many_values_is_an_error() {
        let list: Value = vec![json!(vec![1; 100]); 100].into();
        let pattern = Pattern::parse("[x:list[*][*] = 2]").unwrap();
        assert!(pattern.matches(&[observed(0, 1, json!({"type": "x", "list": list}))]).is_err());
    }

    const WORDS: &[&str] = &[
        "[",
        "]",
        "(",
        ")",
        ":",
        ".",
        ",",
        "*",
        "=",
        "!=",
        "<",
        ">=",
        "AND",
        "OR",
        "NOT",
        "FOLLOWEDBY",
        "LIKE",
        "MATCHES",
        "IN",
        "ISSUBSET",
        "EXISTS",
        "START",
        "STOP",
        "WITHIN",
        "SECONDS",
        "REPEATS",
        "TIMES",
        "x",
        "x:n",
        "[x:n = 1]",
        "x:list[*]",
        "'a'",
        "'é%'",
        "1",
        "2.5",
        "-1",
        "true",
        "t'1970-01-01T00:00:00Z'",
        "h'00'",
        "b'AA=='",
        "WITHIN 5 SECONDS",
        "REPEATS 2 TIMES",
        "§",
        "'",
    ];

    proptest! {
        #[test]
        fn no_text_breaks_it(words in prop::collection::vec(prop::sample::select(WORDS), 0..24), any in ".*") {
            for text in [words.join(" "), words.concat(), any] {
                if let Ok(pattern) = Pattern::parse(&text) {
                    let _ = pattern.matches(&machine());
                }
            }
        }
    }
}
