//! What was observed: cyber observable objects that were seen together at one time.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::MatchError;
use super::literal;
use crate::limits::STIX_OBSERVATIONS_MAX;

/// Objects by their ids, as other objects refer to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    pub objects: BTreeMap<String, Value>,
    pub when: When,
}

/// Times are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    pub first: i64,
    pub last: i64,
    /// How many times it was observed: each counts.
    pub number: u32,
}

/// The observations of an `observed-data` object of STIX 2.0 (`objects`), or of a bundle of STIX 2.1, where an
/// `observed-data` object names others of the bundle (`object_refs`).
///
/// # Errors
/// It is neither, its times are no timestamps, or there are too many.
pub fn read(json: &Value) -> Result<Vec<Observation>, MatchError> {
    let Some(bundle) = json.get("objects").and_then(Value::as_array) else {
        return Ok(vec![Observation { objects: objects(json)?, when: when(json)? }]);
    };
    let is_observed = |object: &&Value| object.get("type").and_then(Value::as_str) == Some("observed-data");
    if bundle.iter().filter(is_observed).count() > STIX_OBSERVATIONS_MAX {
        return Err(MatchError::TooManyObservations(STIX_OBSERVATIONS_MAX));
    }
    let by_id: BTreeMap<&str, &Value> =
        bundle.iter().filter_map(|object| Some((object.get("id")?.as_str()?, object))).collect();
    let observed = bundle.iter().filter(is_observed).map(|observed| {
        let mut objects = objects(observed).unwrap_or_default();
        let references = observed.get("object_refs").and_then(Value::as_array).into_iter().flatten();
        for id in references.filter_map(Value::as_str) {
            if let Some(object) = by_id.get(id) {
                objects.insert(id.to_owned(), (*object).clone());
            }
        }
        Ok(Observation { objects, when: when(observed)? })
    });
    observed.collect()
}

fn objects(observed: &Value) -> Result<BTreeMap<String, Value>, MatchError> {
    let objects = observed.get("objects").and_then(Value::as_object);
    let objects = objects.ok_or(MatchError::NoObservedData("it has no `objects`"))?;
    Ok(objects.iter().map(|(id, object)| (id.clone(), object.clone())).collect())
}

fn when(observed: &Value) -> Result<When, MatchError> {
    let time = |name: &str| {
        let time = observed.get(name).and_then(Value::as_str).and_then(literal::time);
        let missing = MatchError::NoObservedData("`first_observed` or `last_observed` is no timestamp");
        time.map(|time| time.as_microsecond()).ok_or(missing)
    };
    let number = observed.get("number_observed").map_or(Some(1), Value::as_u64);
    let number = number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
    let number = number.ok_or(MatchError::NoObservedData("`number_observed` is no number from 1"))?;
    Ok(When { first: time("first_observed")?, last: time("last_observed")?, number })
}
