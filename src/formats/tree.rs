//! Many templates as one prefix tree, so that a message is walked once.

use std::ops::Range;
use std::sync::Arc;

use super::expand::{Class, Element, Expansion};
use super::value;

/// Index of a node.
pub type NodeId = u32;

/// A compiled set of templates.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    ends: Vec<End>,
}

/// A place in one or more templates.
#[derive(Debug, Default)]
pub struct Node {
    pub literals: Vec<Literal>,
    pub fields: Vec<FieldEdge>,
    /// The templates that end here.
    pub ends: Range<u32>,
    /// The least and the most bytes that can follow.
    pub least: usize,
    pub most: usize,
}

/// A text that must stand here.
#[derive(Debug)]
pub struct Literal {
    pub text: Box<[u8]>,
    /// The place in the text of its rarest byte: searching for that one finds fewer wrong places.
    pub rare: (usize, u8),
    pub to: NodeId,
}

/// A field that must stand here.
#[derive(Debug)]
pub struct FieldEdge {
    pub class: Arc<Class>,
    pub to: NodeId,
    /// Whether one place of the end is enough: what follows has one way on, and no reading can disagree in who acted.
    pub settles: bool,
}

/// A field's name, unless it is dropped, and what its bytes must be.
pub type NamedField = (Option<Box<str>>, Arc<Class>);

/// The end of one expansion of a template.
#[derive(Debug, Clone)]
pub struct End {
    /// Whose template it is, in the numbering of whoever built the tree.
    pub owner: u32,
    /// Bytes of literal text: of two readings, the one with more is the more specific.
    pub literal_bytes: usize,
    /// The fields in their order.
    pub fields: Arc<[NamedField]>,
}

impl Tree {
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    pub fn ends(&self, range: &Range<u32>) -> &[End] {
        self.ends.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    pub fn end(&self, index: u32) -> Option<&End> {
        self.ends.get(index as usize)
    }
}

/// Collects expansions, then compiles.
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Growing>,
}

#[derive(Debug, Default)]
struct Growing {
    /// Behind free text literals are kept whole, so that what is searched for is as rare as possible.
    is_searched: bool,
    literals: Vec<(Vec<u8>, usize)>,
    fields: Vec<(Arc<Class>, usize)>,
    ends: Vec<End>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { nodes: vec![Growing::default()] }
    }
}

impl Builder {
    pub fn add(&mut self, expansion: &Expansion, owner: u32) {
        let mut at = 0;
        let mut fields = Vec::new();
        let mut literal_bytes = 0;
        for element in expansion {
            at = match element {
                Element::Literal(text) => {
                    literal_bytes += text.len();
                    self.literal(at, text.as_bytes())
                }
                Element::Field { name, class } => {
                    let (to, class) = self.field(at, class);
                    fields.push((name.clone(), class));
                    to
                }
            };
        }
        if let Some(node) = self.nodes.get_mut(at) {
            let end = End { owner, literal_bytes, fields: fields.into() };
            // The same sequence twice in one template's choices is one.
            let same = |other: &End| other.owner == owner && other.fields == end.fields;
            if !node.ends.iter().any(same) {
                node.ends.push(end);
            }
        }
    }

    fn grow(&mut self, is_searched: bool) -> usize {
        self.nodes.push(Growing { is_searched, ..Growing::default() });
        self.nodes.len() - 1
    }

    fn field(&mut self, at: usize, class: &Class) -> (usize, Arc<Class>) {
        let known = self.nodes.get(at).and_then(|node| node.fields.iter().find(|(other, _)| **other == *class));
        if let Some((class, to)) = known {
            return (*to, Arc::clone(class));
        }
        let class = Arc::new(class.clone());
        let to = self.grow(class.kind.is_free());
        if let Some(node) = self.nodes.get_mut(at) {
            node.fields.push((Arc::clone(&class), to));
        }
        (to, class)
    }

    fn literal(&mut self, mut at: usize, text: &[u8]) -> usize {
        let mut rest = text;
        while !rest.is_empty() {
            let Some(node) = self.nodes.get(at) else { return at };
            let whole = node.is_searched;
            let shared = node.literals.iter().enumerate().find_map(|(index, (other, to))| {
                let length = if whole { whole_length(other, rest) } else { common(other, rest) };
                (length > 0).then_some((index, length, *to, length == other.len()))
            });
            match shared {
                Some((_, length, to, true)) => {
                    rest = rest.get(length..).unwrap_or_default();
                    at = to;
                }
                Some((index, length, to, false)) => self.split(at, index, length, to),
                None => {
                    let to = self.grow(false);
                    if let Some(node) = self.nodes.get_mut(at) {
                        node.literals.push((rest.to_vec(), to));
                    }
                    return to;
                }
            }
        }
        at
    }

    fn split(&mut self, at: usize, index: usize, length: usize, to: usize) {
        let middle = self.grow(false);
        let Some((text, target)) = self.nodes.get_mut(at).and_then(|node| node.literals.get_mut(index)) else { return };
        let tail = text.split_off(length);
        *target = middle;
        if let Some(node) = self.nodes.get_mut(middle) {
            node.literals.push((tail, to));
        }
    }

    pub fn build(self) -> Tree {
        let mut tree = Tree::default();
        let count = self.nodes.len();
        let mut facts: Vec<Facts> = (0..count).map(|_| Facts::default()).collect();
        for node in self.nodes {
            let start = tree.ends.len() as u32;
            tree.ends.extend(node.ends);
            let mut literals: Vec<Literal> =
                node.literals.into_iter().map(|(text, to)| Literal::new(text, to as NodeId)).collect();
            // Found by their first byte; where they are searched, in an order that does not depend on that of the files.
            literals.sort_by(|left, right| left.text.cmp(&right.text));
            let fields = node.fields.into_iter();
            let fields = fields.map(|(class, to)| FieldEdge { class, to: to as NodeId, settles: false }).collect();
            let ends = start..tree.ends.len() as u32;
            tree.nodes.push(Node { literals, fields, ends, least: 0, most: 0 });
        }
        learn(&mut tree, 0, 0, &mut facts);
        tree
    }
}

/// What lies below a node.
#[derive(Debug, Clone, Default)]
struct Facts {
    ends: usize,
    /// The last field in the order of the message that says who acted, of any template below; counted from 1.
    identity: usize,
}

/// Fills in lengths and what settles, from the ends upwards. As deep as a template is long, which is bounded.
fn learn(tree: &mut Tree, id: NodeId, depth: usize, facts: &mut [Facts]) {
    let Some(node) = tree.nodes.get(id as usize) else { return };
    let own = tree.ends(&node.ends);
    let mut here = Facts { ends: own.len(), identity: own.iter().map(last_identity).max().unwrap_or(0) };
    let (mut least, mut most) = if own.is_empty() { (usize::MAX, 0) } else { (0, 0) };
    let literals = node.literals.iter().map(|literal| (literal.text.len(), literal.text.len(), literal.to, depth));
    let fields = node.fields.iter().map(|field| {
        let (shortest, longest) = field.class.kind.lengths();
        (shortest, longest, field.to, depth + 1)
    });
    let edges: Vec<(usize, usize, NodeId, usize)> = literals.chain(fields).collect();
    let mut settled = Vec::new();
    for (shortest, longest, to, below) in edges {
        learn(tree, to, below, facts);
        let (Some(facts), Some(child)) = (facts.get(to as usize), tree.nodes.get(to as usize)) else { return };
        here = Facts { ends: here.ends + facts.ends, identity: here.identity.max(facts.identity) };
        least = least.min(child.least.saturating_add(shortest));
        most = most.max(child.most.saturating_add(longest));
        if below > depth {
            // This field is number `below`, counted from 1.
            settled.push(facts.ends == 1 && facts.identity < below);
        }
    }
    if let Some(facts) = facts.get_mut(id as usize) {
        *facts = here;
    }
    if let Some(node) = tree.nodes.get_mut(id as usize) {
        node.least = least;
        node.most = most;
        for (field, settles) in node.fields.iter_mut().zip(settled) {
            field.settles = settles;
        }
    }
}

fn last_identity(end: &End) -> usize {
    let is_identity = |(name, class): &NamedField| {
        // Pairs and objects reach to the end: where they begin decides what they say.
        class.kind.is_tail() || name.as_deref().is_some_and(|name| value::is_identity(name, &class.kind))
    };
    end.fields.iter().rposition(is_identity).map_or(0, |at| at + 1)
}

impl Literal {
    fn new(text: Vec<u8>, to: NodeId) -> Self {
        let rare = text.iter().copied().enumerate().max_by_key(|(_, byte)| rarity(*byte)).unwrap_or((0, 0));
        Self { text: text.into(), rare, to }
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

fn whole_length(other: &[u8], text: &[u8]) -> usize {
    if other == text { other.len() } else { 0 }
}

/// Bytes that both begin with.
fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}
