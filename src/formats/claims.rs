//! What a reading says of who acted, by the places in the message; the values are read only where the places differ.

use std::borrow::Cow;

use super::names::{IDENTITIES, Identities, Identity, identity};
use super::tree::Tree;
use super::value::{self, Gives};
use super::walk::Span;

/// For each identity the field that says it, and where pairs or an object begin: what those say is known later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claims {
    by: [Option<Span>; IDENTITIES],
    tail: Option<u32>,
}

/// What the fields of a reading say.
pub fn claims(tree: &Tree, spans: &[Span], message: &str) -> Claims {
    let mut claims = Claims { by: [None; IDENTITIES], tail: None };
    for span in spans {
        let mut says = |identity: Identity| {
            if let Some(place) = claims.by.get_mut(identity as usize) {
                *place = Some(*span);
            }
        };
        match tree.gives(span.field) {
            Gives::Nothing => {}
            Gives::One(identity) => says(identity),
            Gives::Both(ip, port) => {
                says(ip);
                says(port);
            }
            Gives::Either(ip, host) => {
                let kind = tree.field(span.field).map(|field| &field.class.kind);
                let is_address = kind.is_some_and(|kind| value::is_address(kind, span.of(message)));
                says(if is_address { ip } else { host });
            }
            Gives::Tail(identity) => {
                identity.into_iter().for_each(says);
                claims.tail = Some(span.start);
            }
        }
    }
    claims
}

impl Claims {
    /// Whether both say where somebody acted from, and it is not the same place.
    pub fn names_another_source(&self, other: &Self, tree: &Tree, message: &str) -> bool {
        [Identity::SourceIp, Identity::SourceHost].into_iter().any(|identity| {
            let value = |claims: &Self| {
                let span = claims.by.get(identity as usize).copied().flatten()?;
                said(tree, &span, message, identity).map(Cow::into_owned)
            };
            value(self).zip(value(other)).is_some_and(|(left, right)| left != right)
        })
    }

    /// Adds the identities that the other says otherwise to those that are known to differ.
    pub fn differs(&self, other: &Self, tree: &Tree, message: &str, known: &mut Identities) {
        if self.tail != other.tail {
            *known = Identities::ALL;
        }
        for ((index, left), right) in self.by.iter().enumerate().zip(&other.by) {
            let Some(identity) = Identity::at(index).filter(|identity| left != right && !known.has(*identity)) else {
                continue;
            };
            let text = |span: &Option<Span>| span.map(|span| (span.field, span.of(message)));
            let value = |span: &Option<Span>| span.as_ref().and_then(|span| said(tree, span, message, identity));
            if text(left) != text(right) && value(left) != value(right) {
                known.insert(identity);
            }
        }
    }
}

fn said<'a>(tree: &Tree, span: &Span, message: &'a str, wanted: Identity) -> Option<Cow<'a, str>> {
    let field = tree.field(span.field)?;
    let mut found = None;
    value::values(field.name.as_deref()?, &field.class.kind, span.of(message), |name, value| {
        if identity(&name) == Some(wanted) {
            found = Some(value);
        }
    });
    found
}
