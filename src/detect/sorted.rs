//! Hash maps in a saved form that is the same in each process.

use std::collections::HashMap;
use std::hash::BuildHasher;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// For `serialize_with`: in the order of the keys.
pub fn serialize<Key, Value, Hash, S>(map: &HashMap<Key, Value, Hash>, serializer: S) -> Result<S::Ok, S::Error>
where
    Key: Serialize + Ord,
    Value: Serialize,
    Hash: BuildHasher,
    S: Serializer,
{
    let mut entries: Vec<(&Key, &Value)> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    let mut saved = serializer.serialize_map(Some(entries.len()))?;
    for (key, value) in entries {
        saved.serialize_entry(key, value)?;
    }
    saved.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Saved(#[serde(serialize_with = "serialize")] HashMap<u64, u64>);

    #[test]
    fn what_came_in_another_order_is_saved_as_the_same_bytes() {
        let bytes = |numbers: &mut dyn Iterator<Item = u64>| {
            rmp_serde::to_vec(&Saved(numbers.map(|number| (number, number)).collect())).unwrap()
        };
        assert_eq!(bytes(&mut (0..100)), bytes(&mut (0..100).rev()));
    }
}
