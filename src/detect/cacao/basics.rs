//! Kinds of values that many objects of a playbook have.

use super::shape::{Field, Kind, Shape, may, needs};
use super::text::{is_identifier, is_time, is_variable, kind_of};

pub const IDENTIFIER: Kind = Kind::Like(is_identifier, "a type, two hyphens and a UUID");
pub const TIME: Kind = Kind::Like(is_time, "a time like 2026-11-23T00:00:00Z");
pub const PER_CENT: Kind = Kind::Whole(0, 100);
pub const TEXTS: Kind = Kind::List(1, &Kind::Text);
pub const IDENTIFIERS: Kind = Kind::List(1, &IDENTIFIER);
pub const VARIABLES: Kind = Kind::Named(0, variable, "that of a variable (__name__)");
pub const EXTENSIONS: Kind = Kind::Named(1, extension, "the identifier of an extension-definition");
pub const REFERENCES: Kind = Kind::List(1, &Kind::Object(&[REFERENCE]));

pub const REFERENCE: &[Field] = &[
    needs!("name", Kind::Text),
    may!("description", Kind::Text),
    may!("source", Kind::Text),
    may!("url", Kind::Text),
    may!("external_id", Kind::Text),
    may!("reference_id", Kind::Text),
];

const VARIABLE: &[Field] = &[
    needs!("type", Kind::Text),
    may!("description", Kind::Text),
    may!("value", Kind::TextOrNull),
    may!("constant", Kind::Switch),
    may!("external", Kind::Switch),
];

fn variable(name: &str) -> Option<Shape> {
    is_variable(name).then_some(&[VARIABLE])
}

fn extension(name: &str) -> Option<Shape> {
    (kind_of(name)? == "extension-definition").then_some(&[])
}
