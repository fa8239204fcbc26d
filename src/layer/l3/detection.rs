//! What Layer 3 found in a line.

use crate::event::Rule;

/// What detected something in a line: its name in `model` and its device, of which 15 to 22 are Layer 3's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    Sigma = 15,
    Formats = 18,
    Web = 19,
}

/// What one rule or detector found in a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    pub model: Model,
    pub score: f64,
    pub reason: String,
    pub techniques: Vec<String>,
    pub summary: String,
    /// It is about the address; the user that the line names is only the target.
    pub is_of_address: bool,
    /// That matched.
    pub rule: Option<Rule>,
}

impl Detection {
    /// What a format says of the line, without a summary of its own.
    pub fn of_format(reason: &str, score: f64) -> Self {
        Self {
            model: Model::Formats,
            score,
            reason: reason.to_owned(),
            techniques: Vec::new(),
            summary: String::new(),
            is_of_address: false,
            rule: None,
        }
    }
}
