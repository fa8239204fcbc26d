//! Why a message fits no template: the one that came furthest, and where it stopped.

use super::compile::Compiler;
use super::expand::{Expansion, expand};
use super::file::Format;
use super::grams::Text;
use super::template;
use super::tree::{NodeId, Tree};
use super::walk::{Span, Visit, walk};

/// The template that came furthest.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest<'a> {
    pub format: &'a Format,
    pub template: &'a str,
    /// Of the template, in its file.
    pub line: usize,
    /// Where in the message it stopped.
    pub at: usize,
    /// What would have had to stand there.
    pub expected: Vec<String>,
    literal_bytes: usize,
}

/// Tries every template alone. For people who ask, not for every line.
pub fn nearest<'a>(formats: impl Iterator<Item = &'a Format>, message: &str) -> Option<Nearest<'a>> {
    let mut best: Option<Nearest<'a>> = None;
    for format in formats {
        for template in format.messages.iter().flat_map(|message| &message.templates) {
            let expansions = template::read(&template.text).ok().and_then(|parts| expand(&parts).ok());
            for expansion in expansions.unwrap_or_default() {
                let (literal_bytes, at, expected) = furthest(&expansion, message);
                let found =
                    Nearest { format, template: &template.text, line: template.line, at, expected, literal_bytes };
                let is_better = |known: &Nearest| (found.literal_bytes, found.at) > (known.literal_bytes, known.at);
                if literal_bytes > 0 && best.as_ref().is_none_or(is_better) {
                    best = Some(found);
                }
            }
        }
    }
    best
}

fn furthest(expansion: &Expansion, message: &str) -> (usize, usize, Vec<String>) {
    let mut compiler = Compiler::default();
    let place = compiler.format(std::iter::once((0, expansion)));
    let start = compiler.join(&[place]);
    let tree = compiler.finish();
    let mut stops = Stops { best: (0, 0), node: start };
    walk(&tree, start, &Text::new(message), &mut stops);
    let mut at = stops.best.1;
    while !message.is_char_boundary(at) {
        at -= 1;
    }
    (stops.best.0, at, expected(&tree, stops.node, message.get(at..).unwrap_or_default()))
}

struct Stops {
    best: (usize, usize),
    node: NodeId,
}

impl Visit for Stops {
    const PERSISTS: bool = true;

    fn reading(&mut self, _owner: u32, _literal_bytes: usize, _spans: &[Span]) {}

    fn stopped(&mut self, node: NodeId, at: usize, literal_bytes: usize) {
        if (literal_bytes, at) >= self.best {
            self.best = (literal_bytes, at);
            self.node = node;
        }
    }
}

fn expected(tree: &Tree, node: NodeId, rest: &str) -> Vec<String> {
    let Some(node) = tree.node(node) else { return Vec::new() };
    let texts = tree.literals(node).iter().map(|literal| String::from_utf8_lossy(tree.text(literal)));
    let literals = texts.map(|text| format!("the text `{text}`"));
    let kinds = tree.edges(node).iter().filter_map(|edge| tree.field(edge.field)).map(|field| &field.class.kind);
    let fields = kinds.map(|kind| format!("a field of type {kind:?}").to_lowercase());
    let end = (node.is_end() && !rest.is_empty()).then(|| "the end of the message".to_owned());
    literals.chain(fields).chain(end).collect()
}
