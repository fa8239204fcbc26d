//! Follows an object path from an object to values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::MatchError;
use super::expression::Step;
use crate::limits::STIX_VALUES_MAX;

/// The values that the path leads to, and the name of the property that holds them. A property whose name ends in `_ref`
/// or `_refs` holds ids of objects: a path that goes on goes on there.
///
/// # Errors
/// There are more than are looked at.
pub fn values<'a>(
    objects: &'a BTreeMap<String, Value>,
    root: &'a Value,
    path: &'a [Step],
) -> Result<(&'a str, Vec<&'a Value>), MatchError> {
    let mut property = "";
    let mut values = vec![root];
    for step in path {
        if let Step::Key(_) = step {
            resolve(objects, property, &mut values);
        }
        let mut next = Vec::new();
        for value in values {
            match (step, value) {
                (Step::Key(key), Value::Object(map)) => next.extend(map.get(key)),
                (Step::Index(index), Value::Array(list)) => {
                    next.extend(usize::try_from(*index).ok().and_then(|index| list.get(index)));
                }
                (Step::Each, Value::Array(list)) => next.extend(list),
                _ => {}
            }
            if next.len() > STIX_VALUES_MAX {
                return Err(MatchError::TooManyValues(STIX_VALUES_MAX));
            }
        }
        if let Step::Key(key) = step {
            property = key;
        }
        values = next;
    }
    Ok((property, values))
}

/// Puts objects in the place of their ids; ids of unknown objects lead nowhere.
fn resolve<'a>(objects: &'a BTreeMap<String, Value>, property: &str, values: &mut Vec<&'a Value>) {
    if !property.ends_with("_ref") && !property.ends_with("_refs") {
        return;
    }
    *values = values.iter().filter_map(|id| objects.get(id.as_str()?)).collect();
}
