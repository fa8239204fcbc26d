//! From expansions to the graph that is walked.
//!
//! In two steps. The sequences of one format become a graph in which equal ends are one node. Then, for each set of formats
//! that some program has, places that the same text leads to are joined (`Failed password for ` and `Failed none for ` differ
//! from their eighth byte on), as in the construction of a deterministic automaton; equal sets of places are one node again.

use std::sync::Arc;

use super::expand::{Element, Expansion};
use super::field::Field;
use super::kind::Kind;
use super::tree::{NodeId, Tree};
use crate::hash_map::HashMap;

/// A place in the graph of a format.
pub type Place = u32;
/// A literal or a field, by number.
type Symbol = u32;

#[derive(Debug, Default)]
pub struct Compiler {
    symbols: Vec<Part>,
    by_text: HashMap<Arc<[u8]>, Symbol>,
    by_field: HashMap<Arc<Field>, Symbol>,
    /// The same by the place in memory, for most sequences share their fields.
    by_place: HashMap<*const Field, Symbol>,
    places: Vec<Edges>,
    by_edges: HashMap<Edges, Place>,
    joined: HashMap<Key, NodeId>,
    /// For each symbol that is a field, its number in the tree.
    numbers: HashMap<Symbol, u32>,
    /// The number of each type of fields.
    kinds: HashMap<Kind, u32>,
    tree: Tree,
}

/// What a symbol stands for.
#[derive(Debug)]
enum Part {
    /// Bytes, since texts may part within a character.
    Text(Arc<[u8]>),
    Field(Arc<Field>),
}

/// What leads on from a place, and whose templates end there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Edges {
    next: Vec<(Symbol, Place)>,
    owners: Vec<u32>,
}

/// Places that are joined: each behind a text that is still to come, or right there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    items: Vec<(Option<Symbol>, Place)>,
    /// Behind free text literals are kept whole, so that what is searched for is as rare as possible.
    is_searched: bool,
}

impl Compiler {
    /// The sequences of one format, each with its owner, as a graph. They stay in memory until [`finish`](Self::finish).
    pub fn format<'e>(&mut self, expansions: impl Iterator<Item = (u32, &'e Expansion)>) -> Place {
        let mut sequences: Vec<(Vec<Symbol>, u32)> = expansions
            .map(|(owner, expansion)| (expansion.iter().map(|element| self.element(element)).collect(), owner))
            .collect();
        sequences.sort_unstable();
        sequences.dedup();
        self.place(&sequences, 0)
    }

    fn element(&mut self, element: &Element) -> Symbol {
        match element {
            Element::Literal(text) => self.text(text.as_bytes()),
            Element::Field(field) => self.field(field),
        }
    }

    fn text(&mut self, text: &[u8]) -> Symbol {
        if let Some(symbol) = self.by_text.get(text) {
            return *symbol;
        }
        let (symbol, text) = (self.symbols.len() as Symbol, Arc::<[u8]>::from(text));
        self.symbols.push(Part::Text(Arc::clone(&text)));
        self.by_text.insert(text, symbol);
        symbol
    }

    fn field(&mut self, field: &Arc<Field>) -> Symbol {
        if let Some(symbol) = self.by_place.get(&Arc::as_ptr(field)) {
            return *symbol;
        }
        let symbol = match self.by_field.get(field) {
            Some(symbol) => *symbol,
            None => {
                let symbol = self.symbols.len() as Symbol;
                self.symbols.push(Part::Field(Arc::clone(field)));
                self.by_field.insert(Arc::clone(field), symbol);
                symbol
            }
        };
        self.by_place.insert(Arc::as_ptr(field), symbol);
        symbol
    }

    /// The place behind the first `depth` symbols, which all sequences share.
    fn place(&mut self, sequences: &[(Vec<Symbol>, u32)], depth: usize) -> Place {
        let mut edges = Edges::default();
        for group in sequences.chunk_by(|left, right| left.0.get(depth) == right.0.get(depth)) {
            match group.first().and_then(|(symbols, _)| symbols.get(depth)) {
                Some(symbol) => {
                    let next = self.place(group, depth + 1);
                    edges.next.push((*symbol, next));
                }
                None => edges.owners.extend(group.iter().map(|(_, owner)| owner)),
            }
        }
        if let Some(place) = self.by_edges.get(&edges) {
            return *place;
        }
        let place = self.places.len() as Place;
        self.places.push(edges.clone());
        self.by_edges.insert(edges, place);
        place
    }

    /// Where the walk begins for all of these formats together.
    pub fn join(&mut self, formats: &[Place]) -> NodeId {
        self.node(formats.iter().map(|place| (None, *place)).collect(), false)
    }

    fn node(&mut self, mut items: Vec<(Option<Symbol>, Place)>, is_searched: bool) -> NodeId {
        items.sort_unstable();
        items.dedup();
        let key = Key { items, is_searched };
        if let Some(node) = self.joined.get(&key) {
            return *node;
        }
        let Edges { next, mut owners } = self.edges(&key.items);
        let (mut texts, mut fields) = (Vec::new(), Vec::new());
        for (symbol, place) in next {
            match self.symbols.get(symbol as usize) {
                Some(Part::Text(text)) => texts.push((Arc::clone(text), place)),
                Some(Part::Field(_)) => fields.push((symbol, place)),
                None => {}
            }
        }
        let literals = self.literals(texts, is_searched);
        let fields = self.field_edges(fields);
        owners.sort_unstable();
        owners.dedup();
        let node = self.tree.add(literals, fields, &owners);
        self.joined.insert(key, node);
        node
    }

    /// What leads on from all of the items.
    fn edges(&self, items: &[(Option<Symbol>, Place)]) -> Edges {
        let mut all = Edges::default();
        for (text, place) in items {
            match (text, self.places.get(*place as usize)) {
                (Some(text), _) => all.next.push((*text, *place)),
                (None, Some(edges)) => {
                    all.next.extend(&edges.next);
                    all.owners.extend(&edges.owners);
                }
                (None, None) => {}
            }
        }
        all
    }

    fn literals(&mut self, mut texts: Vec<(Arc<[u8]>, Place)>, is_searched: bool) -> Vec<(Box<[u8]>, NodeId)> {
        texts.sort_unstable();
        let mut literals = Vec::new();
        let begin_alike = |left: &(Arc<[u8]>, Place), right: &(Arc<[u8]>, Place)| match is_searched {
            true => left.0 == right.0,
            false => left.0.first() == right.0.first(),
        };
        for group in texts.chunk_by(begin_alike) {
            let (Some((first, _)), Some((last, _))) = (group.first(), group.last()) else { continue };
            // They are sorted: what the first and the last share, all share.
            let length = common(first, last);
            let items = group.iter().map(|(text, place)| {
                let rest = text.get(length..).filter(|rest| !rest.is_empty());
                (rest.map(|rest| self.text(rest)), *place)
            });
            let items = items.collect();
            let to = self.node(items, false);
            literals.push((first.get(..length).unwrap_or_default().into(), to));
        }
        literals
    }

    fn field_edges(&mut self, mut fields: Vec<(Symbol, Place)>) -> Vec<(u32, NodeId)> {
        fields.sort_unstable();
        let mut edges = Vec::new();
        for group in fields.chunk_by(|left, right| left.0 == right.0) {
            let Some((symbol, _)) = group.first() else { continue };
            let Some(Part::Field(field)) = self.symbols.get(*symbol as usize) else { continue };
            let field = Arc::clone(field);
            let items = group.iter().map(|(_, place)| (None, *place)).collect();
            let to = self.node(items, field.class.kind.is_free());
            let index = match self.numbers.get(symbol) {
                Some(index) => *index,
                None => {
                    let next = self.kinds.len() as u32;
                    let kind = *self.kinds.entry(field.class.kind.clone()).or_insert(next);
                    let index = self.tree.add_field(Field::clone(&field), kind);
                    self.numbers.insert(*symbol, index);
                    index
                }
            };
            edges.push((index, to));
        }
        edges
    }

    pub fn finish(self) -> Tree {
        self.tree
    }
}

/// Bytes that both begin with.
fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}
