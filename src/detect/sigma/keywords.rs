//! Keywords are looked for in the message and in every field. Most fields are parts of the message: for keywords that are plain texts it is
//! enough to look there.

use std::borrow::Cow;

use rsigma_eval::{Event, EventValue};
use rsigma_parser::{Detection, Detections, SigmaValue};
use serde_json::Value;

use super::fields::SigmaRecord;

/// Whether all keywords of a rule are plain texts, which are found in a text if they are found in a part of it. What has wildcards or
/// modifiers may ask where the text begins and ends, and a number may be asked of all of it.
pub fn are_plain(detections: &Detections) -> bool {
    detections.named.values().all(is_plain)
}

fn is_plain(detection: &Detection) -> bool {
    match detection {
        Detection::AllOf(items) => items.iter().all(|item| item.field.name.is_some()),
        Detection::AnyOf(inner) | Detection::And(inner) => inner.iter().all(is_plain),
        Detection::Keywords(values) => {
            values.iter().all(|value| matches!(value, SigmaValue::String(text) if text.is_plain()))
        }
        Detection::ArrayMatch { body, .. } => is_plain(body),
        Detection::Conditional { named, .. } => named.values().all(is_plain),
    }
}

/// A record as rules see it whose keywords are plain.
pub struct Plain<'view, 'record>(pub &'view SigmaRecord<'record>);

impl Event for Plain<'_, '_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        self.0.get_field(path)
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.0.message_and_beside().any(pred)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.0.message_and_beside().map(Cow::Borrowed).collect()
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        self.0.message_and_beside().for_each(visit);
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rsigma_eval::Engine;

    use super::*;
    use crate::detect::sigma::logsource::Classes;
    use crate::event::Record;

    fn parsed(detection: &str) -> rsigma_parser::SigmaRule {
        let yaml = format!("title: T\nlogsource: {{product: linux}}\ndetection:\n{detection}");
        rsigma_parser::parse_sigma_yaml(&yaml).unwrap().rules.remove(0)
    }

    const PLAIN: [&str; 3] = [
        "  k: [ab, 'B c', 'é']\n  condition: k\n",
        "  k: [ab]\n  n: [c]\n  condition: k and not n\n",
        "  k:\n    - a\n    - 7x\n  f: {field: ab}\n  condition: 1 of *\n",
    ];

    #[test]
    fn what_may_ask_for_the_whole_of_a_text_is_not_plain() {
        assert!(PLAIN.iter().all(|detection| are_plain(&parsed(detection).detection)));
        for detection in ["  k: ['a*b']\n", "  k: [404]\n", "  k:\n    '|re': '^a$'\n", "  k:\n    '|all': [a, b]\n"] {
            assert!(!are_plain(&parsed(&format!("{detection}  condition: k\n")).detection), "{detection}");
        }
    }

    proptest! {
        #[test]
        fn plain_keywords_are_found_as_in_all_fields(
            message in "[aAbBcé7x ]{0,9}", values in prop::collection::vec(("[fg]", "[abBé7xcΣς]{0,4}"), 0..4), cut in 0..9usize,
        ) {
            let part = message.get(cut..).unwrap_or_default().to_owned();
            let fields = values.into_iter().chain([("part".to_owned(), part)]).collect();
            let record = Record { message, fields, ..Record::default() };
            let classes = Classes::of(&record);
            let view = SigmaRecord::new(&record, &classes);
            for detection in PLAIN {
                let mut engine = Engine::new();
                engine.add_rule(&parsed(detection)).unwrap();
                prop_assert_eq!(engine.evaluate(&Plain(&view)).len(), engine.evaluate(&view).len(), "{}: {:?}", detection, record);
            }
        }
    }
}
