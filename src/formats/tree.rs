//! Many templates as one graph of prefixes, so that a message is walked once. What templates end alike in is there once.

use std::ops::Range;

use super::field::Field;
use super::grams::Grams;
use super::kind::Kind;
use crate::limits;

/// Index of a node.
pub type NodeId = u32;

/// Compiled templates. A set of formats is one of its nodes, where the walk begins.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    fields: Vec<Field>,
    owners: Vec<u32>,
}

/// A place in one or more templates.
#[derive(Debug)]
pub struct Node {
    /// Sorted. Unless the node follows free text, where they are searched for and stand whole, no two begin alike.
    pub literals: Box<[Literal]>,
    pub fields: Box<[FieldEdge]>,
    /// The owners of the templates that end here.
    pub ends: Range<u32>,
    /// The least and the most bytes that can follow.
    pub least: usize,
    pub most: usize,
    dispatch: Option<Box<Dispatch>>,
    below: Below,
}

/// What lies behind a node.
#[derive(Debug, Clone, Copy, Default)]
struct Below {
    /// Ways on to an end; how many matters only up to two.
    ways: u32,
    /// Whether some field says who acted.
    has_identity: bool,
}

/// A text that must stand here.
#[derive(Debug)]
pub struct Literal {
    pub first: u8,
    pub text: Box<[u8]>,
    /// The place in the text of its rarest byte: searching for that one finds fewer wrong places.
    pub rare: (usize, u8),
    pub grams: Grams,
    pub to: NodeId,
}

/// A field that must stand here.
#[derive(Debug, Clone, Copy)]
pub struct FieldEdge {
    /// Index of the field.
    pub field: u32,
    pub to: NodeId,
    /// Whether one place of the end is enough: what follows has one way on, and no reading can disagree in who acted.
    pub settles: bool,
}

/// For a node with many fields: those that can begin with a byte.
#[derive(Debug)]
struct Dispatch {
    /// Where each byte's begin; the last is for the end of the message.
    starts: [u16; 258],
    edges: Vec<u16>,
}

impl Tree {
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    pub fn field(&self, index: u32) -> Option<&Field> {
        self.fields.get(index as usize)
    }

    pub fn owners(&self, ends: &Range<u32>) -> &[u32] {
        self.owners.get(ends.start as usize..ends.end as usize).unwrap_or_default()
    }

    pub(super) fn add_field(&mut self, field: Field) -> u32 {
        self.fields.push(field);
        self.fields.len() as u32 - 1
    }

    /// Adds a node whose targets are there already.
    pub(super) fn add(&mut self, literals: Vec<Literal>, fields: Vec<(u32, NodeId)>, owners: &[u32]) -> NodeId {
        let start = self.owners.len() as u32;
        self.owners.extend(owners);
        let ends = start..self.owners.len() as u32;
        let mut below = Below { ways: owners.len() as u32, has_identity: false };
        let (mut least, mut most) = if owners.is_empty() { (usize::MAX, 0) } else { (0, 0) };
        let mut follow = |child: &Node, shortest: usize, longest: usize| {
            below.ways = below.ways.saturating_add(child.below.ways);
            below.has_identity |= child.below.has_identity;
            least = least.min(child.least.saturating_add(shortest));
            most = most.max(child.most.saturating_add(longest));
        };
        for literal in &literals {
            if let Some(child) = self.node(literal.to) {
                follow(child, literal.text.len(), literal.text.len());
            }
        }
        let mut edges = Vec::with_capacity(fields.len());
        let mut has_identity = false;
        for (index, to) in fields {
            let (Some(field), Some(child)) = (self.field(index), self.node(to)) else { continue };
            let (shortest, longest) = field.class.kind.lengths();
            follow(child, shortest, longest);
            let is_identity = field.is_identity();
            has_identity |= is_identity;
            let settles = child.below.ways == 1 && !child.below.has_identity && !is_identity;
            edges.push(FieldEdge { field: index, to, settles });
        }
        below.has_identity |= has_identity;
        let dispatch = (edges.len() >= limits::FORMAT_DISPATCH_FROM).then(|| Box::new(self.dispatch(&edges)));
        self.nodes.push(Node { literals: literals.into(), fields: edges.into(), ends, least, most, dispatch, below });
        self.nodes.len() as NodeId - 1
    }

    fn dispatch(&self, edges: &[FieldEdge]) -> Dispatch {
        let kind = |edge: &FieldEdge| self.field(edge.field).map(|field| &field.class.kind);
        let mut dispatch = Dispatch { starts: [0; 258], edges: Vec::new() };
        for (first, start) in (0_u16..).zip(&mut dispatch.starts) {
            *start = dispatch.edges.len() as u16;
            let begins = |kind: &Kind| match u8::try_from(first) {
                Ok(byte) => kind.may_begin(byte),
                Err(_) => kind.lengths().0 == 0,
            };
            let fitting = (0_u16..).zip(edges).filter(|(_, edge)| kind(edge).is_some_and(begins));
            // The last start is the end of the one before it.
            if first < 257 {
                dispatch.edges.extend(fitting.map(|(index, _)| index));
            }
        }
        dispatch
    }
}

impl Node {
    /// The fields that can begin with this byte; `None`: at the end of the message.
    pub fn fields_from(&self, first: Option<u8>) -> impl Iterator<Item = &FieldEdge> {
        let chosen = self.dispatch.as_ref().map(|dispatch| {
            let at = first.map_or(256, usize::from);
            let range = dispatch.starts.get(at).zip(dispatch.starts.get(at + 1));
            let range = range.map_or(0..0, |(start, end)| usize::from(*start)..usize::from(*end));
            dispatch.edges.get(range).unwrap_or_default()
        });
        let all = if chosen.is_none() { self.fields.iter() } else { [].iter() };
        chosen.unwrap_or_default().iter().filter_map(|index| self.fields.get(usize::from(*index))).chain(all)
    }
}

impl Literal {
    pub(super) fn new(text: &[u8], to: NodeId) -> Self {
        let rare = text.iter().copied().enumerate().max_by_key(|(_, byte)| rarity(*byte)).unwrap_or((0, 0));
        let first = text.first().copied().unwrap_or_default();
        Self { first, rare, grams: Grams::of(text, rarity), text: text.into(), to }
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
