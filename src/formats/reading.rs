//! What all readings of one message agree in.
//!
//! Who acted and from where is taken only where every reading says the same: what an attacker writes can make a second
//! reading, but never be the only one. Everything else is of the reading with the most literal text; so is a user's name
//! where all readings are of one entry, since there the choice is only how much of the text round it belongs to it.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::grams::Text;
use super::names::{self, IDENTITIES, Identity, identity};
use super::tree::{NodeId, Tree};
use super::value;
use super::walk::{Span, Visit, walk};

/// The outcome of a search.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    /// The most specific reading; `None`: the message fits no template.
    pub best: Option<Reading>,
    /// The owners of all templates that the message fits, sorted.
    pub owners: Vec<u32>,
    /// What readings disagree in.
    pub disagreed: names::Identities,
    /// The budget ended before all readings were found.
    pub is_exhausted: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub owner: u32,
    pub literal_bytes: usize,
    pub spans: Vec<Span>,
}

impl Readings {
    pub fn of(tree: &Tree, start: NodeId, message: &Text<'_>) -> Self {
        Self::collect(tree, start, message, None)
    }

    /// The readings of one owner alone: the one with the smallest number that has any.
    pub fn of_first_owner(tree: &Tree, start: NodeId, message: &Text<'_>) -> Self {
        let all = Self::of(tree, start, message);
        match all.owners.first() {
            Some(first) if all.owners.len() > 1 => Self::collect(tree, start, message, Some(*first)),
            _ => all,
        }
    }

    fn collect(tree: &Tree, start: NodeId, message: &Text<'_>, only: Option<u32>) -> Self {
        let mut collect = Collect { tree, message: message.text, only, compared: None, found: Self::default() };
        let complete = walk(tree, start, message, &mut collect);
        let mut found = collect.finish();
        found.is_exhausted = !complete;
        found
    }
}

type Identities<'a> = [Option<Cow<'a, str>>; IDENTITIES];

/// What one reading says of who acted, and where pairs or an object begin in it: what those say is known later.
#[derive(Debug, PartialEq)]
struct Says<'a> {
    identities: Identities<'a>,
    tail: Option<u32>,
}

impl Says<'_> {
    fn differs(&self, other: &Self) -> [bool; IDENTITIES] {
        let mut differs = [self.tail != other.tail; IDENTITIES];
        for (differs, (left, right)) in differs.iter_mut().zip(self.identities.iter().zip(&other.identities)) {
            *differs |= left != right;
        }
        differs
    }
}

/// Compared when there is more than one reading.
struct Compared<'a> {
    first: Says<'a>,
    /// Fields in which some reading differs from the first.
    disagreed: [bool; IDENTITIES],
    /// The most literal text of all readings, the first that has so much, and what others with as much say otherwise.
    literal_bytes: usize,
    top: Says<'a>,
    disagreed_at_top: [bool; IDENTITIES],
}

struct Collect<'a> {
    tree: &'a Tree,
    message: &'a str,
    /// Of all owners, only this one's templates.
    only: Option<u32>,
    compared: Option<Compared<'a>>,
    found: Readings,
}

impl Collect<'_> {
    fn compare(&mut self, literal_bytes: usize, spans: &[Span]) {
        let Some(best) = &self.found.best else { return };
        let compared = self.compared.get_or_insert_with(|| Compared {
            first: says(self.tree, &best.spans, self.message),
            disagreed: [false; IDENTITIES],
            literal_bytes: best.literal_bytes,
            top: says(self.tree, &best.spans, self.message),
            disagreed_at_top: [false; IDENTITIES],
        });
        let other = says(self.tree, spans, self.message);
        merge(&mut compared.disagreed, compared.first.differs(&other));
        match literal_bytes.cmp(&compared.literal_bytes) {
            Ordering::Less => {}
            Ordering::Equal => merge(&mut compared.disagreed_at_top, compared.top.differs(&other)),
            Ordering::Greater => {
                compared.literal_bytes = literal_bytes;
                compared.top = other;
                compared.disagreed_at_top = [false; IDENTITIES];
            }
        }
    }

    /// More literal text; else longer fields, compared from the first on; else an earlier entry.
    fn is_better(&self, owner: u32, literal_bytes: usize, spans: &[Span]) -> bool {
        let Some(best) = &self.found.best else { return true };
        literal_bytes
            .cmp(&best.literal_bytes)
            .then_with(|| spans.iter().map(|span| span.end).cmp(best.spans.iter().map(|span| span.end)))
            .then_with(|| best.owner.cmp(&owner))
            .is_gt()
    }

    fn finish(mut self) -> Readings {
        let Some(compared) = self.compared else { return self.found };
        let differing = |differs: [bool; IDENTITIES]| {
            let all = differs.into_iter().enumerate().filter(|(_, differs)| *differs);
            all.filter_map(|(at, _)| Identity::at(at)).collect::<names::Identities>()
        };
        let disagreed = differing(compared.disagreed);
        // Where only names differ, within one entry, the words that the program may put beside a name are its own: the
        // reading that knows most of them cuts the name right. Where from is never taken so.
        let only_names = disagreed.iter().all(|identity| matches!(identity, Identity::User | Identity::TargetUser));
        self.found.disagreed = match only_names && self.found.owners.len() == 1 {
            true => differing(compared.disagreed_at_top),
            false => disagreed,
        };
        self.found
    }
}

fn merge(known: &mut [bool; IDENTITIES], more: [bool; IDENTITIES]) {
    for (known, more) in known.iter_mut().zip(more) {
        *known |= more;
    }
}

impl Visit for Collect<'_> {
    fn reading(&mut self, owner: u32, literal_bytes: usize, spans: &[Span]) {
        if self.only.is_some_and(|only| only != owner) {
            return;
        }
        if let Err(place) = self.found.owners.binary_search(&owner) {
            self.found.owners.insert(place, owner);
        }
        self.compare(literal_bytes, spans);
        if self.is_better(owner, literal_bytes, spans) {
            self.found.best = Some(Reading { owner, literal_bytes, spans: spans.to_vec() });
        }
    }
}

fn says<'a>(tree: &Tree, spans: &[Span], message: &'a str) -> Says<'a> {
    let mut says = Says { identities: Identities::default(), tail: None };
    for span in spans.iter().filter(|span| tree.is_identity(span.field)) {
        let Some(field) = tree.field(span.field) else { continue };
        if field.class.kind.is_tail() {
            says.tail = Some(span.start);
        }
        let Some(name) = &field.name else { continue };
        value::values(name, &field.class.kind, span.of(message), |name, value| {
            if let Some(place) = identity(&name).and_then(|identity| says.identities.get_mut(identity as usize)) {
                *place = Some(value);
            }
        });
    }
    says
}
