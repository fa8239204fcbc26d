//! What all readings of one message agree in.
//!
//! Who acted and from where is taken only where every reading says the same: what an attacker writes can make a second
//! reading, but never be the only one. Everything else is of the reading with the most literal text; so is a user's name
//! where all readings are of one entry, since there the choice is only how much of the text round it belongs to it.

use std::cmp::Ordering;

use super::claims::{Claims, claims};
use super::grams::Text;
use super::names::{Identities, Identity};
use super::tree::{NodeId, Tree};
use super::walk::{Span, Visit, walk};

/// The outcome of a search.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    /// The most specific reading; `None`: the message fits no template.
    pub best: Option<Reading>,
    /// The owners of all templates that the message fits, sorted.
    pub owners: Vec<u32>,
    /// What readings disagree in.
    pub disagreed: Identities,
    /// The budget ended before all readings were found.
    pub is_exhausted: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub owner: u32,
    pub literal_bytes: usize,
    pub spans: Vec<Span>,
}

/// Whether a line that is one owner's cannot be the other's as well.
type AreRivals<'a> = dyn Fn(u32, u32) -> bool + 'a;

impl Readings {
    pub fn of(tree: &Tree, start: NodeId, message: &Text<'_>) -> Self {
        Self::collect(tree, start, message, None)
    }

    /// The readings of one owner alone: the one with the smallest number that has any. Where a rival of it names another source, nobody
    /// knows which of the two the program has written, and readings disagree.
    pub fn of_first_owner(tree: &Tree, start: NodeId, message: &Text<'_>, are_rivals: &AreRivals<'_>) -> Self {
        Self::collect(tree, start, message, Some(are_rivals))
    }

    fn collect(tree: &Tree, start: NodeId, message: &Text<'_>, are_rivals: Option<&AreRivals<'_>>) -> Self {
        let found = Self::default();
        let mut collect = Collect { tree, message: message.text, are_rivals, all: Vec::new(), compared: None, found };
        let complete = walk(tree, start, message, &mut collect);
        let mut found = collect.finish();
        found.is_exhausted = !complete;
        found
    }
}

/// Compared when there is more than one reading.
struct Compared {
    first: Claims,
    /// Fields in which some reading differs from the first.
    disagreed: Identities,
    /// The most literal text of all readings, the first that has so much, and what others with as much say otherwise.
    literal_bytes: usize,
    top: Claims,
    disagreed_at_top: Identities,
}

struct Collect<'a> {
    tree: &'a Tree,
    message: &'a str,
    /// Known where only the first owner's templates count.
    are_rivals: Option<&'a AreRivals<'a>>,
    /// What the readings of all owners say, where only the first one's count.
    all: Vec<(u32, Claims)>,
    compared: Option<Compared>,
    found: Readings,
}

impl Collect<'_> {
    fn compare(&mut self, literal_bytes: usize, spans: &[Span]) {
        let Some(best) = &self.found.best else { return };
        let (tree, message) = (self.tree, self.message);
        let compared = self.compared.get_or_insert_with(|| {
            let first = claims(tree, &best.spans, message);
            let disagreed = Identities::default();
            Compared { first, disagreed, literal_bytes: best.literal_bytes, top: first, disagreed_at_top: disagreed }
        });
        let other = claims(tree, spans, message);
        compared.first.differs(&other, tree, message, &mut compared.disagreed);
        match literal_bytes.cmp(&compared.literal_bytes) {
            Ordering::Less => {}
            Ordering::Equal => compared.top.differs(&other, tree, message, &mut compared.disagreed_at_top),
            Ordering::Greater => {
                compared.literal_bytes = literal_bytes;
                compared.top = other;
                compared.disagreed_at_top = Identities::default();
            }
        }
    }

    /// Whether the owner's readings count, where only the first one's do: those of later ones are forgotten.
    fn counts(&mut self, owner: u32) -> bool {
        match self.found.owners.first().filter(|_| self.are_rivals.is_some()) {
            Some(first) if owner > *first => false,
            Some(first) if owner < *first => {
                self.found = Readings::default();
                self.compared = None;
                true
            }
            _ => true,
        }
    }

    /// Whether a rival of the first owner names another source than it does.
    fn has_rival(&self) -> bool {
        let Some((best, are_rivals)) = self.found.best.as_ref().zip(self.are_rivals) else { return false };
        let own = claims(self.tree, &best.spans, self.message);
        let mut rivals = self.all.iter().filter(|(owner, _)| are_rivals(best.owner, *owner));
        rivals.any(|(_, says)| own.names_another_source(says, self.tree, self.message))
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

    fn finish(self) -> Readings {
        let has_rival = self.has_rival();
        let mut found = self.settled();
        if has_rival {
            found.disagreed = Identities::ALL;
        }
        found
    }

    fn settled(mut self) -> Readings {
        let Some(compared) = self.compared else { return self.found };
        // Where only names differ, within one entry, the words that the program may put beside a name are its own: the
        // reading that knows most of them cuts the name right. Where from is never taken so.
        let mut disagreed = compared.disagreed.iter();
        let only_names = disagreed.all(|identity| matches!(identity, Identity::User | Identity::TargetUser));
        self.found.disagreed = match only_names && self.found.owners.len() == 1 {
            true => compared.disagreed_at_top,
            false => compared.disagreed,
        };
        self.found
    }
}

impl Visit for Collect<'_> {
    fn reading(&mut self, owner: u32, literal_bytes: usize, spans: &[Span]) {
        if self.are_rivals.is_some() {
            self.all.push((owner, claims(self.tree, spans, self.message)));
        }
        if !self.counts(owner) {
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
