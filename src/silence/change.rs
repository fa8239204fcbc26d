//! What somebody has done about a silence, as an event says it.

use serde::{Deserialize, Serialize};

use super::spec::Silence;
use crate::event::stream::OPERATORS;
use crate::event::{Category, Severity, Soc, Verdict};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Add(Silence),
    End { id: String, who: String, note: String },
}

impl Change {
    /// Information, which is nothing that any stage judges.
    pub fn event(&self) -> Soc {
        let (flag, who, summary) = match self {
            Self::Add(silence) => {
                let until = silence.until.map_or_else(String::new, |until| format!(" until {until}"));
                let comment = after_colon(&silence.comment);
                let Silence { id, who, .. } = silence;
                ("SILENCE_ADDED", who, format!("silence {id} by {who}{until}: {}{comment}", silence.what()))
            }
            Self::End { id, who, note } => {
                ("SILENCE_ENDED", who, format!("silence {id} ended by {who}{}", after_colon(note)))
            }
        };
        Soc {
            src_layer: "8".to_owned(),
            src_device: OPERATORS,
            decision: Verdict::Benign,
            severity: Severity::Info,
            category: Category::System,
            summary,
            flags: vec![flag.to_owned()],
            reasons: vec![format!("by:{who}")],
            silence: serde_json::to_value(self).ok(),
            ..Soc::default()
        }
    }

    /// `None` for an event that says something else.
    pub fn read(soc: &Soc) -> Option<Self> {
        let silence = soc.silence.as_ref().filter(|_| soc.producer() == OPERATORS)?;
        Self::deserialize(silence).ok()
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
