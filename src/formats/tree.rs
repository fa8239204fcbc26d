//! Many templates as one graph of prefixes, so that a message is walked once. What templates end alike in is there once.

use std::ops::Range;

use super::begins::{self, Begins, Pair};
use super::field::Field;
use super::grams::{Grams, Needs};
use super::value::Gives;
use crate::limits;

/// Index of a node.
pub type NodeId = u32;

/// Compiled templates. A set of formats is one of its nodes, where the walk begins.
///
/// A message meets some thirty nodes of many thousands: what a visit reads lies together, so that it waits for memory once.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    below: Vec<Below>,
    literals: Vec<Literal>,
    /// The first byte of each literal.
    firsts: Vec<u8>,
    /// The texts of all literals, one behind the other.
    texts: Vec<u8>,
    edges: Vec<FieldEdge>,
    fields: Vec<Field>,
    /// For each field, the number of its type, and what of it readings must agree in.
    kinds: Vec<(u32, Gives)>,
    /// What a field can begin with, by the number of its type.
    begins: Vec<Begins>,
    owners: Vec<u32>,
}

/// A place in one or more templates.
#[derive(Debug)]
#[repr(align(64))] // lies in one line of the processor's cache
pub struct Node {
    /// Sorted. Unless the node follows free text, where they are searched for and stand whole, no two begin alike.
    literals: Range<u32>,
    edges: Range<u32>,
    /// The owners of the templates that end here.
    ends: Range<u32>,
    /// The least and the most bytes that can follow; `u32::MAX`: no bound, since no message is so long.
    least: u32,
    most: u32,
    /// What can come next.
    begins: Pair,
    dispatch: Option<Box<Dispatch>>,
}

/// What lies behind a node. The edges that lead to it have what of this matters to a message.
#[derive(Debug, Clone, Copy)]
struct Below {
    needs: Needs,
    /// Ways on to an end; how many matters only up to two.
    ways: u32,
    /// Whether some field says who acted.
    has_identity: bool,
}

/// A text that must stand here.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))] // two lie in a line of the cache
pub struct Literal {
    /// Its first bytes, as [`head`] reads them.
    head: u64,
    start: u32,
    length: u32,
    /// The place in the text of its rarest byte: searching for that one finds fewer wrong places.
    pub rare: (u16, u8),
    pub grams: Grams,
    pub to: NodeId,
}

/// A field that must stand here.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))] // as a node
pub struct FieldEdge {
    /// Index of the field.
    pub field: u32,
    /// Index of its type.
    pub kind: u32,
    pub to: NodeId,
    /// What the field can begin with, and what can come behind it.
    pub begins: Begins,
    pub next: Pair,
    /// What the message must have for any way on.
    pub needs: Needs,
    pub is_free: bool,
    /// Whether one place of the end is enough: what follows has one way on, and no reading can disagree in who acted.
    pub settles: bool,
}

/// For a node with many fields: those that can begin with a class of bytes.
#[derive(Debug)]
struct Dispatch {
    /// Where the fields of each class begin in `edges`.
    starts: [u16; begins::CLASSES + 1],
    edges: Vec<u16>,
}

impl Tree {
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    pub fn literals(&self, node: &Node) -> &[Literal] {
        slice(&self.literals, &node.literals)
    }

    /// The literal of a node that begins with this byte, where no two begin alike.
    pub fn literal(&self, node: &Node, first: u8) -> Option<&Literal> {
        match self.literals(node) {
            [] => None,
            [only] => Some(only).filter(|only| only.head as u8 == first),
            several => several.get(slice(&self.firsts, &node.literals).binary_search(&first).ok()?),
        }
    }

    /// Whether the literal stands at the start of this, which begins with `head`.
    pub fn stands(&self, literal: &Literal, rest: &[u8], head: u64) -> bool {
        let differs = (head ^ literal.head) & literal.mask();
        differs == 0
            && match literal.length as usize {
                length @ ..=8 => rest.len() >= length,
                length => rest.get(8..length).zip(self.text(literal).get(8..)).is_some_and(|(rest, text)| rest == text),
            }
    }

    pub fn text(&self, literal: &Literal) -> &[u8] {
        slice(&self.texts, &(literal.start..literal.start + literal.length))
    }

    pub fn edges(&self, node: &Node) -> &[FieldEdge] {
        slice(&self.edges, &node.edges)
    }

    /// Hands over the fields of a node that can begin so; `None`: all.
    pub fn edges_from(&self, node: &Node, class: Option<Begins>, mut each: impl FnMut(&FieldEdge)) {
        let edges = self.edges(node);
        match (&node.dispatch, class) {
            (Some(dispatch), Some(class)) => {
                dispatch.of(class).iter().filter_map(|index| edges.get(usize::from(*index))).for_each(each);
            }
            (_, None) => edges.iter().for_each(each),
            (None, Some(class)) => {
                for edge in edges {
                    if edge.begins.has(class) {
                        each(edge);
                    }
                }
            }
        }
    }

    pub fn field(&self, index: u32) -> Option<&Field> {
        self.fields.get(index as usize)
    }

    /// What readings must agree in of the field.
    pub fn gives(&self, index: u32) -> Gives {
        self.kinds.get(index as usize).map(|(_, gives)| *gives).unwrap_or_default()
    }

    pub fn owners(&self, node: &Node) -> &[u32] {
        slice(&self.owners, &node.ends)
    }

    /// `kind` is the same for fields of the same type alone, and each that is new is one more than the last.
    pub(super) fn add_field(&mut self, field: Field, kind: u32) -> u32 {
        if kind as usize == self.begins.len() {
            self.begins.push(Begins::of(&field.class.kind));
        }
        self.kinds.push((kind, field.gives()));
        self.fields.push(field);
        self.fields.len() as u32 - 1
    }

    /// Adds a node whose targets are there already.
    pub(super) fn add(
        &mut self,
        literals: Vec<(Box<[u8]>, NodeId)>,
        fields: Vec<(u32, NodeId)>,
        owners: &[u32],
    ) -> NodeId {
        let ends = extend(&mut self.owners, owners.iter().copied());
        let (mut node, mut below) = Node::ending(ends);
        let first = self.literals.len() as u32;
        for (text, to) in literals {
            let Some((child, behind)) = self.child(to) else { continue };
            node.follow(child, Pair::of(&text, child.begins), (text.len(), text.len()));
            below.follow(behind, Needs::of(&text, behind.needs, rarity));
            self.add_literal(&text, to);
        }
        node.literals = first..self.literals.len() as u32;
        let mut edges = Vec::with_capacity(fields.len());
        for (index, to) in fields {
            let (Some(field), Some((child, behind))) = (self.field(index), self.child(to)) else { continue };
            let kind = &field.class.kind;
            let (number, gives) = self.kinds.get(index as usize).copied().unwrap_or_default();
            let own = self.begins.get(number as usize).copied().unwrap_or(Begins::ANYTHING);
            let begins = own.before(kind, child.begins.0);
            node.follow(child, Pair(begins, Begins::ANYTHING), kind.lengths());
            below.follow(behind, behind.needs);
            let is_identity = gives != Gives::Nothing;
            below.has_identity |= is_identity;
            edges.push(FieldEdge {
                field: index,
                kind: number,
                to,
                begins,
                next: child.begins,
                needs: behind.needs,
                is_free: kind.is_free(),
                settles: behind.ways == 1 && !behind.has_identity && !is_identity,
            });
        }
        // What ends at the same place stands together.
        edges.sort_by_key(|edge| edge.kind);
        node.dispatch = (edges.len() >= limits::FORMAT_DISPATCH_FROM).then(|| Box::new(Dispatch::of_edges(&edges)));
        node.edges = extend(&mut self.edges, edges);
        self.below.push(below);
        self.nodes.push(node);
        self.nodes.len() as NodeId - 1
    }

    fn child(&self, id: NodeId) -> Option<(&Node, &Below)> {
        self.node(id).zip(self.below.get(id as usize))
    }

    fn add_literal(&mut self, text: &[u8], to: NodeId) {
        let rarest = (0_u16..).zip(text).max_by_key(|(_, byte)| rarity(**byte));
        let rare = rarest.map_or((0, 0), |(at, byte)| (at, *byte));
        let (start, length) = (self.texts.len() as u32, text.len() as u32);
        self.texts.extend_from_slice(text);
        self.firsts.push(text.first().copied().unwrap_or_default());
        self.literals.push(Literal { head: head(text), start, length, rare, grams: Grams::of(text, rarity), to });
    }
}

fn slice<'a, T>(all: &'a [T], range: &Range<u32>) -> &'a [T] {
    all.get(range.start as usize..range.end as usize).unwrap_or_default()
}

fn extend<T>(all: &mut Vec<T>, more: impl IntoIterator<Item = T>) -> Range<u32> {
    let start = all.len() as u32;
    all.extend(more);
    start..all.len() as u32
}

/// The first eight bytes as one number, the first byte lowest; zeros for those that are missing.
pub fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => bytes.iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte)),
    }
}

impl Literal {
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// The bits of the head that the text has.
    fn mask(&self) -> u64 {
        if self.length < 8 { !(u64::MAX << (8 * self.length)) } else { u64::MAX }
    }
}

impl Below {
    /// Takes in a way on, and what messages need that go it.
    fn follow(&mut self, behind: &Self, needs: Needs) {
        self.ways = self.ways.saturating_add(behind.ways);
        self.has_identity |= behind.has_identity;
        self.needs = self.needs.or(needs);
    }
}

impl Node {
    /// Where templates of these owners end, and nothing goes on yet.
    fn ending(ends: Range<u32>) -> (Self, Below) {
        let ways = ends.end - ends.start;
        let (least, begins, needs) = match ways {
            0 => (u32::MAX, Pair::NOTHING, Needs::NEVER),
            _ => (0, Pair::END, Needs::NOTHING),
        };
        let node = Self { literals: 0..0, edges: 0..0, ends, least, most: 0, begins, dispatch: None };
        (node, Below { needs, ways, has_identity: false })
    }

    /// Takes in a way on.
    fn follow(&mut self, child: &Self, begins: Pair, (shortest, longest): (usize, usize)) {
        let bytes = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        self.least = self.least.min(child.least.saturating_add(bytes(shortest)));
        self.most = self.most.max(child.most.saturating_add(bytes(longest)));
        self.begins = self.begins.or(begins);
    }

    /// Whether so many bytes, which begin so, can be what follows.
    pub fn may_fit(&self, length: usize, class: Begins) -> bool {
        let (least, most) = self.lengths();
        self.begins.0.has(class) && (least..=most).contains(&length)
    }

    /// Whether what stands at this place can be what follows.
    pub fn goes_on(&self, message: &[u8], at: usize) -> bool {
        self.begins.fits(message, at)
    }

    /// The least and the most bytes that can follow.
    pub fn lengths(&self) -> (usize, usize) {
        (self.least as usize, self.most as usize)
    }

    pub fn is_end(&self) -> bool {
        !self.ends.is_empty()
    }
}

impl Dispatch {
    fn of_edges(edges: &[FieldEdge]) -> Self {
        let mut dispatch = Self { starts: [0; begins::CLASSES + 1], edges: Vec::new() };
        for (class, start) in Begins::classes().map(Some).chain([None]).zip(&mut dispatch.starts) {
            *start = dispatch.edges.len() as u16;
            let fitting = (0_u16..).zip(edges).filter(|(_, edge)| class.is_some_and(|class| edge.begins.has(class)));
            dispatch.edges.extend(fitting.map(|(index, _)| index));
        }
        dispatch
    }

    fn of(&self, class: Begins) -> &[u16] {
        let at = class.number();
        let range = self.starts.get(at).zip(self.starts.get(at + 1));
        let range = range.map_or(0..0, |(start, end)| usize::from(*start)..usize::from(*end));
        self.edges.get(range).unwrap_or_default()
    }
}

/// How seldom a byte stands in the words of a log.
fn rarity(byte: u8) -> u8 {
    match byte {
        b' ' | b'e' => 0,
        b't' | b'a' | b'o' | b'n' | b'i' | b's' | b'r' => 1,
        b'a'..=b'z' => 2,
        b'0'..=b'9' | b'.' | b'-' | b'/' => 3,
        b':' | b'=' | b',' => 4,
        b'A'..=b'Z' => 5,
        _ => 6,
    }
}
