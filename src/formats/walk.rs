//! Finds every way in which a message fits the templates of a tree, within a budget. No allocation.

use super::begins::Begins;
use super::field::{Class, Field};
use super::grams::Text;
use super::kind::Kind;
use super::strict;
use super::tree::{self, FieldEdge, Literal, Node, NodeId, Tree};
use crate::limits;

/// Where a field is in the message, and which of the tree's it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub field: u32,
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn of<'a>(&self, message: &'a str) -> &'a str {
        message.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Told of what is found.
pub trait Visit {
    /// Whether to go on where the message is too short or too long for what follows, to see how far it comes.
    const PERSISTS: bool = false;

    /// The message fits a template of this owner; there is one span for each field.
    fn reading(&mut self, owner: u32, literal_bytes: usize, spans: &[Span]);

    /// Nothing of what must follow at `node` stands at `at`. `toward`: of the ways on from there, the one of which a part stood there.
    fn stopped(&mut self, _node: NodeId, _toward: NodeId, _at: usize, _literal_bytes: usize) {}
}

/// Visits all readings of a message, the white space at its end aside. `false`: the budget ended before all were found.
pub fn walk(tree: &Tree, start: NodeId, text: &Text<'_>, visit: &mut impl Visit) -> bool {
    let message = text.text.trim_end_matches(|c: char| c.is_ascii_whitespace());
    if u32::try_from(message.len()).is_err() {
        return false;
    }
    text.walk(std::ptr::from_ref(tree).addr());
    let spans = [Span::default(); limits::FORMAT_FIELDS_MAX];
    let mut walk = Walk { tree, text, message, readings: 0, spans, visit };
    walk.node(start, Place { at: 0, depth: 0, literal_bytes: 0 });
    text.spend(0)
}

#[derive(Clone, Copy)]
struct Place {
    at: usize,
    /// Fields before it.
    depth: usize,
    literal_bytes: usize,
}

struct Walk<'a, V> {
    tree: &'a Tree,
    text: &'a Text<'a>,
    message: &'a str,
    readings: u32,
    spans: [Span; limits::FORMAT_FIELDS_MAX],
    visit: &'a mut V,
}

impl<V: Visit> Walk<'_, V> {
    fn spend(&mut self, steps: usize) -> bool {
        self.text.spend(steps)
    }

    /// Whether what stands behind a field can be what must follow it.
    fn goes_on(&self, edge: &FieldEdge, end: usize) -> bool {
        V::PERSISTS || edge.next.fits(self.message.as_bytes(), end)
    }

    /// Visits a node unless it is known that no reading goes on from there: free text before it may have many ends.
    fn go_on(&mut self, id: NodeId, place: Place) {
        if !V::PERSISTS && self.text.is_dead_end(id, place.at) {
            return;
        }
        let before = self.readings;
        self.node(id, place);
        if self.readings == before && self.spend(0) {
            self.text.note_dead_end(id, place.at);
        }
    }

    fn node(&mut self, mut id: NodeId, mut place: Place) {
        let (tree, bytes) = (self.tree, self.message.as_bytes());
        while let Some(node) = tree.node(id).filter(|_| self.spend(1)) {
            let Some(rest) = bytes.get(place.at..) else { return };
            let class = Begins::at(rest, 0);
            if !V::PERSISTS && !node.may_fit(rest.len(), class) {
                return;
            }
            if rest.is_empty() {
                self.fits(node, place);
            }
            tree.edges_from(node, Some(class).filter(|_| !V::PERSISTS), |edge| self.edge(edge, place));
            let literal = rest.first().and_then(|first| tree.literal(node, *first));
            if let Some(literal) = literal.filter(|literal| tree.stands(literal, rest, tree::head(rest))) {
                place.at += literal.len();
                place.literal_bytes += literal.len();
                id = literal.to;
                continue;
            }
            if V::PERSISTS {
                let (length, toward) = match literal {
                    Some(literal) => (common(tree.text(literal), rest), literal.to),
                    None => (0, id),
                };
                self.visit.stopped(id, toward, place.at + length, place.literal_bytes + length);
            }
            return;
        }
    }

    fn fits(&mut self, node: &Node, place: Place) {
        for owner in self.tree.owners(node) {
            self.readings += 1;
            self.spend(limits::FORMAT_STEPS_PER_READING);
            self.visit.reading(*owner, place.literal_bytes, self.spans.get(..place.depth).unwrap_or_default());
        }
    }

    fn edge(&mut self, edge: &FieldEdge, place: Place) {
        if !self.spend(1) || (!V::PERSISTS && !self.text.may_meet(&edge.needs)) {
            return;
        }
        let tree = self.tree;
        if edge.is_free {
            if let Some(Field { class, .. }) = tree.field(edge.field) {
                self.free(edge, class, place);
            }
            return;
        }
        let read = || {
            self.text.spend(limits::FORMAT_STEPS_PER_SEARCH);
            strict::end(&tree.field(edge.field)?.class.kind, self.message, place.at)
        };
        if let Some(end) = self.text.end(edge.kind, place.at, read) {
            self.field(edge, place, end);
        }
    }

    /// Goes on behind a field.
    fn field(&mut self, edge: &FieldEdge, place: Place, end: usize) {
        if self.goes_on(edge, end) {
            let behind = self.capture(edge, place, end);
            self.go_on(edge.to, behind);
        }
    }

    fn capture(&mut self, edge: &FieldEdge, place: Place, end: usize) -> Place {
        if let Some(span) = self.spans.get_mut(place.depth) {
            // The message is shorter than 4 GiB.
            *span = Span { field: edge.field, start: place.at as u32, end: end as u32 };
        }
        Place { at: end, depth: place.depth + 1, ..place }
    }

    /// Free text: all places where what follows it fits, the last first.
    #[inline(never)]
    fn free(&mut self, edge: &FieldEdge, class: &Class, place: Place) {
        let (tree, bytes) = (self.tree, self.message.as_bytes());
        let Some(node) = tree.node(edge.to) else { return };
        let Some(limit) = reach(class, self.message, place.at) else { return };
        let before = self.readings;
        if node.is_end() && limit == bytes.len() && may_end(class, bytes, place.at, limit) {
            let behind = self.capture(edge, place, limit);
            self.fits(node, behind);
        }
        let (literals, fields) = (tree.literals(node), tree.edges(node));
        for literal in literals {
            if edge.settles && self.readings > before {
                return;
            }
            if V::PERSISTS || self.text.may_have(&literal.grams) {
                self.search(edge, class, literal, place, limit);
            }
        }
        for next in fields {
            self.before_space((edge, class), next, place, limit);
        }
        if literals.is_empty() && fields.is_empty() && limit < bytes.len() {
            self.visit.stopped(edge.to, edge.to, limit, place.literal_bytes);
        }
    }

    /// Every place, from the last to the first, where the literal stands and the field may end.
    fn search(&mut self, edge: &FieldEdge, class: &Class, literal: &Literal, place: Place, limit: usize) {
        let (tree, bytes) = (self.tree, self.message.as_bytes());
        let Some(child) = tree.node(literal.to) else { return };
        let text = tree.text(literal);
        let (least, most) = if V::PERSISTS { (0, usize::MAX) } else { child.lengths() };
        let Some(high) = bytes.len().checked_sub(text.len().saturating_add(least)) else {
            return self.visit.stopped(edge.to, edge.to, place.at, place.literal_bytes);
        };
        let mut high = high.min(limit);
        let mut low =
            (place.at + class.kind.lengths().0).max(bytes.len().saturating_sub(text.len().saturating_add(most)));
        // A word before white space ends at its first.
        if is_word(&class.kind) && text.first().is_some_and(u8::is_ascii_whitespace) {
            low = low.max(limit);
        }
        let (offset, rare) = (usize::from(literal.rare.0), literal.rare.1);
        let mut found = false;
        self.spend(limits::FORMAT_STEPS_PER_SEARCH + high.saturating_sub(low) / limits::FORMAT_BYTES_PER_STEP);
        while low <= high && self.spend(1) {
            let region = bytes.get(low + offset..=high + offset).unwrap_or_default();
            let Some(at) = memchr::memrchr(rare, region) else { break };
            let end = low + at;
            let behind = end + text.len();
            let stands = bytes.get(end..).is_some_and(|rest| tree.stands(literal, rest, tree::head(rest)));
            if stands && (V::PERSISTS || child.goes_on(bytes, behind)) && may_end(class, bytes, place.at, end) {
                found = true;
                let before = self.readings;
                let captured = self.capture(edge, place, end);
                let literal_bytes = place.literal_bytes + text.len();
                self.go_on(literal.to, Place { at: behind, literal_bytes, ..captured });
                if edge.settles && self.readings > before {
                    return;
                }
            }
            let Some(next) = end.checked_sub(1) else { break };
            high = next;
        }
        if !found {
            self.visit.stopped(edge.to, edge.to, place.at, place.literal_bytes);
        }
    }

    /// Free text before blanks: it ends where a run of them begins.
    fn before_space(&mut self, free: (&FieldEdge, &Class), next: &FieldEdge, place: Place, limit: usize) {
        let ((edge, class), bytes) = (free, self.message.as_bytes());
        let low = place.at + class.kind.lengths().0;
        let mut high = limit.saturating_add(1).min(bytes.len());
        while let Some(at) = bytes.get(low..high).and_then(|region| memchr::memrchr2(b' ', b'\t', region)) {
            let end = low + at;
            high = end;
            if !may_end(class, bytes, place.at, end) {
                continue;
            }
            if !self.spend(1) {
                return;
            }
            if let Some(after) = strict::end(&Kind::Space, self.message, end) {
                let behind = self.capture(edge, place, end);
                self.field(next, behind, after);
            }
        }
    }
}

fn is_word(kind: &Kind) -> bool {
    matches!(kind, Kind::Word | Kind::Url)
}

/// How far free text may reach from here; `None` where none can begin.
fn reach(class: &Class, message: &str, at: usize) -> Option<usize> {
    let bytes = message.as_bytes();
    let rest = bytes.get(at..)?;
    if class.not_before.iter().any(|text| rest.starts_with(text.as_bytes())) {
        return None;
    }
    let first = rest.first();
    match class.kind {
        Kind::Word | Kind::Url => {
            let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            (length > 0).then_some(at + length)
        }
        Kind::Text => first.filter(|byte| !byte.is_ascii_whitespace()).map(|_| bytes.len()),
        Kind::Not(ref characters) => {
            let found = message.get(at..)?.find(|c| characters.contains(c));
            Some(at + found.unwrap_or(rest.len()))
        }
        Kind::Path => first.filter(|byte| **byte == b'/').map(|_| bytes.len()),
        _ => Some(bytes.len()),
    }
}

fn may_end(class: &Class, bytes: &[u8], start: usize, end: usize) -> bool {
    let Some(text) = bytes.get(start..end) else { return false };
    let fits = match class.kind {
        Kind::Rest | Kind::Not(_) => true,
        _ => text.last().is_some_and(|byte| !byte.is_ascii_whitespace()),
    };
    fits && !class.not_after.iter().any(|tail| text.ends_with(tail.as_bytes()))
}

fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}
