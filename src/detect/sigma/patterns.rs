//! What the regular expressions of rules take in memory, before it is taken: a line of a rule can ask for megabytes.

use regex::{Error, RegexBuilder};
use rsigma_parser::{Detection, DetectionItem, Detections, Modifier, SigmaValue};

use crate::limits::RULE_PATTERNS_BYTES_MAX;

/// Sizes are told apart by powers of two from here on.
const SIZE_MIN: usize = 4096;

/// Bytes that are left for the regular expressions of a set of rules.
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(RULE_PATTERNS_BYTES_MAX)
    }
}

impl Room {
    /// # Errors
    /// There is not enough left for those of this rule; nothing is taken.
    pub fn take(&mut self, detections: &Detections) -> Result<(), String> {
        let mut patterns = Vec::new();
        // In the order of their names, so that the same rules are loaded each time.
        let mut named: Vec<_> = detections.named.iter().collect();
        named.sort_by_key(|(name, _)| *name);
        named.into_iter().for_each(|(_, detection)| collect(detection, &mut patterns));
        let mut left = self.0;
        for pattern in &patterns {
            let after = size(pattern, left).and_then(|size| left.checked_sub(size));
            left = after.ok_or_else(|| {
                let most = RULE_PATTERNS_BYTES_MAX / (1024 * 1024);
                let begin: String = pattern.chars().take(40).collect();
                format!(
                    "its regular expressions, with those of the rules before it, need more than {most} MiB: `{begin}…`"
                )
            })?;
        }
        self.0 = left;
        Ok(())
    }
}

/// At least as many bytes as it takes; `None` if that is more than `most`. What is no regular expression takes none.
fn size(pattern: &str, most: usize) -> Option<usize> {
    let mut limit = SIZE_MIN;
    while limit <= most {
        match RegexBuilder::new(pattern).size_limit(limit).build() {
            Err(Error::CompiledTooBig(_)) => limit *= 2,
            Ok(_) => return Some(limit),
            Err(_) => return Some(0),
        }
    }
    None
}

fn collect(detection: &Detection, patterns: &mut Vec<String>) {
    match detection {
        Detection::AllOf(items) => items.iter().for_each(|item| patterns.extend(of_item(item))),
        Detection::AnyOf(inner) | Detection::And(inner) => inner.iter().for_each(|it| collect(it, patterns)),
        Detection::ArrayMatch { body, .. } => collect(body, patterns),
        Detection::Conditional { named, .. } => {
            let mut named: Vec<_> = named.iter().collect();
            named.sort_by_key(|(name, _)| *name);
            named.into_iter().for_each(|(_, it)| collect(it, patterns));
        }
        Detection::Keywords(_) => {}
    }
}

fn of_item(item: &DetectionItem) -> impl Iterator<Item = String> {
    let has = |modifier: &Modifier| item.field.modifiers.contains(modifier);
    let flags = if has(&Modifier::IgnoreCase) { "(?i)" } else { "" };
    let values = if has(&Modifier::Re) { item.values.as_slice() } else { &[] };
    values.iter().filter_map(move |value| match value {
        SigmaValue::String(text) => Some(format!("{flags}{}", text.original)),
        _ => None,
    })
}
