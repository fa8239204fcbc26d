//! A field of a template.

use super::kind::Kind;
use super::value::{self, Gives};

/// Its name, unless it is dropped, and what its bytes must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field {
    pub name: Option<Box<str>>,
    pub class: Class,
}

/// What a field's bytes must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    pub kind: Kind,
    /// Texts with which the message does not go on where the field begins.
    pub not_before: Vec<Box<str>>,
    /// Texts that the field does not end with.
    pub not_after: Vec<Box<str>>,
}

impl Field {
    /// What readings must agree in. Pairs and objects reach to the end: where they begin decides what they say.
    pub(super) fn gives(&self) -> Gives {
        value::gives(self.name.as_deref(), &self.class.kind)
    }
}

impl Class {
    pub(super) fn of(kind: Kind) -> Self {
        Self { kind, not_before: Vec::new(), not_after: Vec::new() }
    }
}
