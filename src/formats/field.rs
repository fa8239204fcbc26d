//! A field of a template.

use super::kind::Kind;
use super::value;

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
    /// Whether readings must agree in it. Pairs and objects reach to the end: where they begin decides what they say.
    pub(super) fn is_identity(&self) -> bool {
        let kind = &self.class.kind;
        kind.is_tail() || self.name.as_deref().is_some_and(|name| value::is_identity(name, kind))
    }
}

impl Class {
    pub(super) fn of(kind: Kind) -> Self {
        Self { kind, not_before: Vec::new(), not_after: Vec::new() }
    }
}
