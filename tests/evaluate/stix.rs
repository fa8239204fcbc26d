//! Patterns with what was observed, and whether that matches, from the tests of OASIS's own matcher (which is right about 891 of
//! all 910 of them).

use dsmild::detect::stix::{Pattern, observation};
use serde_json::Value;

use crate::data;
use crate::table::{Goal, Table};

fn result(case: &Value) -> Result<bool, String> {
    let pattern = Pattern::parse(case["pattern"].as_str().unwrap()).map_err(|error| error.to_string())?;
    let mut observed = Vec::new();
    for json in case["observed"].as_array().unwrap() {
        observed.extend(observation::read(json).map_err(|error| error.to_string())?);
    }
    pattern.matches(&observed).map_err(|error| error.to_string())
}

fn is_right(case: &Value) -> bool {
    match result(case) {
        Ok(is_match) => case["expected"] == is_match,
        Err(_) => case["expected"] == "error",
    }
}

#[test]
#[ignore = "needs DSMIL_DATA: run tests/eval"]
fn stix_patterns_match_what_they_describe() {
    let text = std::fs::read_to_string(data("stix-patterns/cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut table = Table::default();
    let show = |case: &Value| format!("{} {} {:?}", case["pattern"], case["expected"], result(case));
    let row = ("STIX patterns", "matched, not matched or refused as expected", Goal::AtLeast(900.0 / 910.0));
    table.share(row, &cases, is_right, show);
    table.finish();
}
