//! The formats that are asked together. They are compiled when the first line asks them: most formats are of programs that a
//! machine does not have.

use std::sync::OnceLock;

use super::compile::{Compiler, Place};
use super::expand::Expansion;
use super::file::{Format, Message, Template};
use super::tree::{NodeId, Tree};

#[derive(Debug, Default)]
pub struct Set {
    /// By number.
    formats: Vec<usize>,
    compiled: OnceLock<Compiled>,
}

/// Where the walk begins; `None`: the formats have no such templates.
#[derive(Debug, Default)]
pub struct Compiled {
    tree: Tree,
    main: Option<NodeId>,
    /// Asked where nothing else fits.
    fallback: Option<NodeId>,
}

/// Where the walk begins, and whether of the templates there only the first owner's count.
pub type Start<'a> = (&'a Tree, NodeId, bool);

impl Set {
    pub fn of(formats: Vec<usize>) -> Self {
        Self { formats, compiled: OnceLock::new() }
    }

    /// `formats`: those that the numbers are of. `owners`: of each template's owner the format and the message, in order.
    pub fn compiled(&self, formats: &[Format], owners: &[(usize, usize)]) -> &Compiled {
        self.compiled.get_or_init(|| {
            let first = |format: usize| owners.partition_point(|(owner, _)| *owner < format) as u32;
            Compiled::of(self.formats.iter().filter_map(|format| Some((first(*format), formats.get(*format)?))))
        })
    }
}

impl Compiled {
    pub fn main(&self) -> Option<Start<'_>> {
        Some((&self.tree, self.main?, false))
    }

    pub fn fallback(&self) -> Option<Start<'_>> {
        Some((&self.tree, self.fallback?, true))
    }

    /// Each format with the number of its first message.
    fn of<'a>(formats: impl Iterator<Item = (u32, &'a Format)>) -> Self {
        let mut compiler = Compiler::default();
        let messages = |(first, format): (u32, &'a Format)| (first..).zip(&format.messages).map(expanded).collect();
        let expanded: Vec<Vec<_>> = formats.map(messages).collect();
        let [main, fallback] = [false, true].map(|is_fallback| {
            let place = |messages: &Vec<(u32, &Message, Vec<Expansion>)>| -> Option<Place> {
                let of_kind = messages.iter().filter(|(_, message, _)| message.is_fallback == is_fallback);
                let mut all = of_kind.flat_map(|(owner, _, all)| all.iter().map(move |one| (*owner, one))).peekable();
                all.peek().is_some().then(|| compiler.format(all))
            };
            let places: Vec<Place> = expanded.iter().filter_map(place).collect();
            (!places.is_empty()).then(|| compiler.join(&places))
        });
        let tree = compiler.finish();
        drop(expanded);
        Self { tree, main, fallback }
    }
}

/// What the templates of a message stand for.
fn expanded((owner, message): (u32, &Message)) -> (u32, &Message, Vec<Expansion>) {
    (owner, message, message.templates.iter().flat_map(Template::expansions).collect())
}
