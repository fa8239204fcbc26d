//! From a template to the plain sequences that it stands for: every choice of optional parts and alternatives once.
//!
//! A part of literal text alone is the program's wherever it stands: where it was left out, the free text beside that
//! place does not begin (or end) with it. So `for {?invalid user }{user:text}` reads one user out of `for invalid user
//! bob`. A part that holds fields says nothing of the kind: there both readings count.

use std::sync::Arc;

use super::field::{Class, Field};
use super::kind::Kind;
use super::names;
use super::template::{self, Part};
use crate::limits;

/// One plain sequence; the last of several literals that follow each other is joined to the first.
pub type Expansion = Vec<Element>;

/// Shared, since the sequences of one template have most of it in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    Literal(Arc<str>),
    Field(Arc<Field>),
}

impl Element {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Field(field) => field.name.as_deref(),
            Self::Literal(_) => None,
        }
    }
}

/// An expansion in the making.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Literal(Arc<str>),
    Field(Arc<Field>),
    LeftOut(Arc<LeftOut>),
}

/// What could have stood here beside the chosen literal: the text that would have followed it, and preceded it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LeftOut {
    after: Option<Box<str>>,
    before: Option<Box<str>>,
}

/// Every plain sequence of a template.
///
/// # Errors
/// There are too many, or in one of them free text has no end.
pub fn expand(parts: &[Part]) -> Result<Vec<Expansion>, String> {
    let mut expansions = Vec::new();
    for steps in sequences(parts)? {
        let expansion = plain(&steps);
        check(&expansion)?;
        expansions.push(expansion);
    }
    Ok(expansions)
}

fn sequences(parts: &[Part]) -> Result<Vec<Vec<Step>>, String> {
    let mut all: Vec<Vec<Step>> = vec![Vec::new()];
    for part in parts {
        let choices = match part {
            Part::Text(text) => vec![vec![Step::Literal(text.as_str().into())]],
            Part::Field(template::Field { name, kind }) => {
                let field = Field { name: name.clone(), class: Class::of(kind.clone()) };
                vec![vec![Step::Field(Arc::new(field))]]
            }
            Part::Either(parts) => choices(parts)?,
        };
        if all.len() * choices.len() > limits::FORMAT_EXPANSIONS_MAX {
            return Err(format!(
                "optional parts and alternatives make more than {} templates of this one; split it",
                limits::FORMAT_EXPANSIONS_MAX
            ));
        }
        match choices.as_slice() {
            [only] => all.iter_mut().for_each(|head| head.extend_from_slice(only)),
            _ => {
                all = all
                    .iter()
                    .flat_map(|head| choices.iter().map(|choice| [head.as_slice(), choice.as_slice()].concat()))
                    .collect();
            }
        }
    }
    Ok(all)
}

fn choices(parts: &[Vec<Part>]) -> Result<Vec<Vec<Step>>, String> {
    let mut choices = Vec::new();
    for part in parts {
        choices.extend(sequences(part)?);
    }
    let texts: Vec<String> = choices.iter().filter_map(|choice| literal(choice)).collect();
    for choice in &mut choices {
        let Some(chosen) = literal(choice) else { continue };
        let mut marked = Vec::new();
        for other in texts.iter().filter(|other| **other != chosen) {
            let after = other.strip_prefix(&chosen).filter(|rest| !rest.is_empty()).map(Box::from);
            let before = other.strip_suffix(&chosen).filter(|rest| !rest.is_empty()).map(Box::from);
            if after.is_some() || before.is_some() {
                marked.push(Step::LeftOut(Arc::new(LeftOut { after, before })));
            }
        }
        // On both sides of the chosen text: only the side that touches free text will matter.
        let text = (!chosen.is_empty()).then(|| Step::Literal(chosen.into()));
        let has_text = text.is_some();
        let behind = if has_text { marked.clone() } else { Vec::new() };
        *choice = marked.into_iter().chain(text).chain(behind).collect();
    }
    choices.sort();
    choices.dedup();
    Ok(choices)
}

/// The text of a choice that has no fields.
fn literal(steps: &[Step]) -> Option<String> {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Literal(more) => text.push_str(more),
            Step::Field(..) => return None,
            Step::LeftOut(_) => {}
        }
    }
    Some(text)
}

fn plain(steps: &[Step]) -> Expansion {
    let mut expansion: Expansion = Vec::with_capacity(steps.len());
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Literal(text) => match expansion.last_mut() {
                Some(Element::Literal(before)) => *before = [&**before, &**text].concat().into(),
                _ => expansion.push(Element::Literal(Arc::clone(text))),
            },
            Step::Field(field) => expansion.push(Element::Field(between(steps, at, field))),
            Step::LeftOut(_) => {}
        }
    }
    expansion
}

/// The field with what its free text does not touch.
fn between(steps: &[Step], at: usize, field: &Arc<Field>) -> Arc<Field> {
    let kind = &field.class.kind;
    if !kind.is_free() {
        return Arc::clone(field);
    }
    let not_before = touching(steps.get(..at).unwrap_or_default().iter().rev(), |left_out| left_out.after.clone());
    let not_after = touching(steps.get(at + 1..).unwrap_or_default().iter(), |left_out| left_out.before.clone());
    if not_before.is_empty() && not_after.is_empty() {
        return Arc::clone(field);
    }
    Arc::new(Field { name: field.name.clone(), class: Class { kind: kind.clone(), not_before, not_after } })
}

/// What was left out between a field and the next literal or field.
fn touching<'a>(steps: impl Iterator<Item = &'a Step>, side: impl Fn(&LeftOut) -> Option<Box<str>>) -> Vec<Box<str>> {
    let mut texts: Vec<Box<str>> = steps
        .map_while(|step| match step {
            Step::LeftOut(left_out) => Some(side(left_out)),
            _ => None,
        })
        .flatten()
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

fn check(expansion: &[Element]) -> Result<(), String> {
    let fields = expansion.iter().filter(|element| matches!(element, Element::Field(_))).count();
    if fields > limits::FORMAT_FIELDS_MAX {
        return Err(format!("there are more than {} fields", limits::FORMAT_FIELDS_MAX));
    }
    if expansion.is_empty() {
        return Err("everything is optional, so that the empty message would fit".to_owned());
    }
    let mut names: Vec<&str> = expansion.iter().filter_map(Element::name).collect();
    names.sort_unstable();
    let twice = names.array_windows().find(|[name, next]| name == next && names::identity(name).is_some());
    if let Some([name, _]) = twice {
        return Err(format!("`{name}` stands twice; who acted is said once"));
    }
    for (at, element) in expansion.iter().enumerate() {
        let Element::Field(field) = element else { continue };
        let (name, class) = (field.name.as_deref().unwrap_or("_"), &field.class);
        match expansion.get(at + 1) {
            None | Some(Element::Literal(_)) if !class.kind.is_tail() => {}
            Some(Element::Field(next))
                if next.class.kind == Kind::Space && !matches!(class.kind, Kind::Rest | Kind::Not(_)) => {}
            Some(_) if class.kind.is_tail() => {
                return Err(format!("`{name}` reaches to the end of the message, but something follows it"));
            }
            Some(_) if class.kind.is_free() => {
                return Err(format!(
                    "`{name}` is free text and is followed by another field with no text between; put a literal between them, or give `{name}` a strict type"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::template;

    /// `lit` for literals, `<name>` for fields, with what they do not touch.
    fn shown(template: &str) -> Vec<String> {
        let show = |element: &Element| match element {
            Element::Literal(text) => text.to_string(),
            Element::Field(field) => {
                let Field { name, class } = &**field;
                let list = |texts: &[Box<str>]| texts.join("/");
                let guard = match (class.not_before.is_empty(), class.not_after.is_empty()) {
                    (true, true) => String::new(),
                    _ => format!("!{}!{}", list(&class.not_before), list(&class.not_after)),
                };
                format!("<{}{guard}>", name.as_deref().unwrap_or("_"))
            }
        };
        let mut all: Vec<String> = expand(&template::read(template).unwrap())
            .unwrap()
            .iter()
            .map(|expansion| expansion.iter().map(show).collect())
            .collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn every_choice_is_one_sequence() {
        assert_eq!(shown("a{? b}{c|d}"), ["a bc", "a bd", "ac", "ad"]);
        assert_eq!(shown("a{?b|c}"), ["a", "ab", "ac"]);
        assert_eq!(shown("{a|b{?c}}"), ["a", "b", "bc"]);
    }

    #[test]
    fn literal_text_that_was_left_out_is_no_part_of_the_free_text_beside_it() {
        assert_eq!(shown("for {?invalid user }{u:text}!"), ["for <u!invalid user !>!", "for invalid user <u>!"]);
        assert_eq!(shown("{u:text}{? ssh2}"), ["<u!! ssh2>", "<u> ssh2"]);
        assert_eq!(shown("{u:text}{? (x)} at"), ["<u!! (x)> at", "<u> (x) at"]);
        assert_eq!(shown("{by|by user} {u:text}"), ["by <u>", "by user <u>"]);
        assert_eq!(shown("{by |by user }{u:text}"), ["by <u!user !>", "by user <u>"]);
        assert_eq!(shown("{?a }{?b }{u:text}"), ["<u!a /b !>", "a <u!b !>", "a b <u>", "b <u>"]);
    }

    #[test]
    fn a_part_with_fields_that_was_left_out_forbids_nothing() {
        assert_eq!(shown("{u:text}{? from {a:ip}}"), ["<u>", "<u> from <a>"]);
    }

    #[test]
    fn free_text_needs_an_end_and_expansions_are_bounded() {
        let problem = |template: &str| expand(&template::read(template).unwrap()).unwrap_err();
        assert!(problem("{a:text}{b:ip}").contains("`a` is free text"));
        assert!(problem("{a:text}{? }{b:ip}").contains("`a` is free text"));
        assert!(problem("{a:kv} x").contains("reaches to the end"));
        assert!(problem("{?a}{?b}").contains("everything is optional"));
        assert!(problem("x{?1}{?2}{?3}{?4}{?5}{?6}{?7}{?8}{?9}").contains("more than 256"));
        let most = expand(&template::read("x{?1}{?2}{?3}{?4}{?5}{?6}{?7}{?8}").unwrap()).unwrap();
        assert_eq!(most.len(), limits::FORMAT_EXPANSIONS_MAX);
        assert!(expand(&template::read("{a:text}{_:space}{b:word}").unwrap()).is_ok());
    }
}
