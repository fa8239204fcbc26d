//! Device 55: keystrokes of `L4_IN` that are unlike those of the account's owner.

use serde::{Deserialize, Serialize};

use super::common::{Finding, quote};
use crate::detect::acquainted::Acquainted;
use crate::detect::typing::{Typing, UNUSUAL_FROM};
use crate::event::{Evidence, Keystrokes, Measured, Raw};
use crate::layer::one_line;
use crate::limits::TYPED_TEXTS_MAX;

/// Of each text, by who types it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Keyboards {
    typists: Acquainted<Typing>,
}

impl Default for Keyboards {
    fn default() -> Self {
        Self { typists: Acquainted::new(TYPED_TEXTS_MAX) }
    }
}

impl Keyboards {
    /// Takes in an event of `L4_IN`. What cannot be read was refused where it came in.
    pub fn see(&mut self, raw: &Raw) -> Option<(Finding, Evidence)> {
        let Ok(Some(Measured::Keystrokes(typed))) = Measured::read(&raw.payload) else { return None };
        let found = self.typists.touch(&key(&typed), Typing::default).see(&typed)?;
        let text = if typed.text.is_empty() { String::new() } else { format!(" of {}", quote(&typed.text)) };
        let finding = Finding {
            flag: "UNUSUAL_TYPING",
            score: (0.5 + (found.distance - UNUSUAL_FROM) * 0.5).clamp(0.55, 0.85),
            summary: one_line(&format!(
                "typing{text} by {} is {:.1} times as far from the account's own as usual, {UNUSUAL_FROM} is too far ({} samples): {}",
                quote(&typed.user),
                found.distance,
                found.samples,
                found.features.join("; "),
            )),
            entity: raw.record().entity.clone(),
            attack: &["T1078"],
            reasons: vec!["keystroke-timing".to_owned()],
        };
        let evidence = Evidence { value: Some(found.distance), threshold: Some(UNUSUAL_FROM), ..Evidence::default() };
        Some((finding, evidence))
    }
}

/// Samples with more or fewer keys, or measured by another kind of device, are compared with their like.
fn key(typed: &Keystrokes) -> String {
    let measured = [typed.dwell_ms.len(), typed.pressure.len(), typed.area.len()];
    format!("{measured:?}\0{}\0{}", typed.user, typed.text)
}
