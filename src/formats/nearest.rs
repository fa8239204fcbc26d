//! Why a message fits no template: the one that came furthest, and where it stopped.

use std::cell::OnceCell;

use super::compile::Compiler;
use super::expand::Expansion;
use super::file::{Format, Template};
use super::grams::Text;
use super::tree::{NodeId, Tree};
use super::walk::{Span, Visit, walk};
use crate::limits;

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
    /// How many graphs were walked to find it: one for each format that was asked, and one for each sequence of its template.
    pub walks: usize,
}

/// Finds the nearest misses in formats, each of which is compiled once, when it is first asked.
#[derive(Debug)]
pub struct Misses<'a> {
    formats: Vec<(&'a Format, OnceCell<Compiled<'a>>)>,
}

/// All templates of a format as one graph, in which each template is an owner of its own.
#[derive(Debug)]
struct Compiled<'a> {
    tree: Tree,
    start: NodeId,
    templates: Vec<(&'a Template, Vec<Expansion>)>,
}

impl<'a> Misses<'a> {
    pub fn of(formats: impl IntoIterator<Item = &'a Format>) -> Self {
        Self { formats: formats.into_iter().map(|format| (format, OnceCell::new())).collect() }
    }

    /// The template that comes furthest in the message, of those formats that are asked. For people who ask, not for every line.
    pub fn nearest(&self, message: &str, is_asked: impl Fn(&Format) -> bool) -> Option<Nearest<'a>> {
        let mut best: Option<(&'a Format, &Compiled<'a>, Stops)> = None;
        let mut walks = 0;
        for (format, compiled) in self.formats.iter().filter(|(format, _)| is_asked(format)) {
            let compiled = compiled.get_or_init(|| Compiled::of(format));
            let stops = compiled.stops(message);
            walks += 1;
            let best_yet = best.as_ref().map_or((0, 0), |(_, _, stops)| stops.furthest);
            if stops.furthest.0 > 0 && stops.furthest > best_yet {
                best = Some((format, compiled, stops));
            }
        }
        let (format, compiled, stops) = best?;
        let (template, expansions) = compiled.first_of(&stops)?;
        let (at, expected) = furthest(expansions, message)?;
        let walks = walks + expansions.len();
        Some(Nearest { format, template: &template.text, line: template.line, at, expected, walks })
    }
}

impl<'a> Compiled<'a> {
    fn of(format: &'a Format) -> Self {
        let templates = format.messages.iter().flat_map(|message| &message.templates);
        let templates: Vec<_> = templates.map(|it| (it, it.expansions())).collect();
        let all = (0_u32..).zip(&templates).flat_map(|(owner, (_, all))| all.iter().map(move |one| (owner, one)));
        let (tree, start) = graph(all);
        Self { tree, start, templates }
    }

    /// Where the templates stop that come furthest.
    fn stops(&self, message: &str) -> Stops {
        let templates = u32::try_from(self.templates.len()).unwrap_or(u32::MAX);
        let steps = limits::FORMAT_STEPS_MAX.saturating_mul(templates);
        let mut stops = Stops { furthest: (0, 0), nodes: Vec::new() };
        walk(&self.tree, self.start, &Text::with_steps(message, steps), &mut stops);
        stops
    }

    /// The first template in the file that leads through one of the places.
    fn first_of(&self, stops: &Stops) -> Option<&(&'a Template, Vec<Expansion>)> {
        let mut todo: Vec<NodeId> = stops.nodes.iter().map(|(_, toward)| *toward).collect();
        let mut seen = todo.clone();
        seen.sort_unstable();
        let mut first = usize::MAX;
        while let Some(node) = todo.pop().and_then(|id| self.tree.node(id)) {
            first = self.tree.owners(node).iter().fold(first, |first, owner| first.min(*owner as usize));
            let literals = self.tree.literals(node).iter().map(|literal| literal.to);
            for next in literals.chain(self.tree.edges(node).iter().map(|edge| edge.to)) {
                if let Err(place) = seen.binary_search(&next) {
                    seen.insert(place, next);
                    todo.push(next);
                }
            }
        }
        self.templates.get(first)
    }
}

fn graph<'e>(expansions: impl Iterator<Item = (u32, &'e Expansion)>) -> (Tree, NodeId) {
    let mut compiler = Compiler::default();
    let place = compiler.format(expansions);
    let start = compiler.join(&[place]);
    (compiler.finish(), start)
}

/// Where the best of one template's sequences stops, and what it would have had to meet there.
fn furthest(expansions: &[Expansion], message: &str) -> Option<(usize, Vec<String>)> {
    let mut best: Option<((usize, usize), Vec<String>)> = None;
    for expansion in expansions {
        let (tree, start) = graph(std::iter::once((0, expansion)));
        let mut stops = Stops { furthest: (0, 0), nodes: vec![(start, start)] };
        walk(&tree, start, &Text::new(message), &mut stops);
        if best.as_ref().is_none_or(|(furthest, _)| stops.furthest > *furthest) {
            let rest = message.get(message.floor_char_boundary(stops.furthest.1)..).unwrap_or_default();
            let expected = stops.nodes.last().map(|(node, _)| expected(&tree, *node, rest)).unwrap_or_default();
            best = Some((stops.furthest, expected));
        }
    }
    best.map(|((_, at), expected)| (message.floor_char_boundary(at), expected))
}

/// The places that have the most literal text before them and, of those, that come furthest, in the order of the last visits.
struct Stops {
    furthest: (usize, usize),
    /// With the way on of which a part stood there.
    nodes: Vec<(NodeId, NodeId)>,
}

impl Visit for Stops {
    const PERSISTS: bool = true;

    fn reading(&mut self, _owner: u32, _literal_bytes: usize, _spans: &[Span]) {}

    fn stopped(&mut self, node: NodeId, toward: NodeId, at: usize, literal_bytes: usize) {
        if (literal_bytes, at) > self.furthest {
            self.furthest = (literal_bytes, at);
            self.nodes.clear();
        }
        if (literal_bytes, at) == self.furthest {
            self.nodes.retain(|known| *known != (node, toward));
            self.nodes.push((node, toward));
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
