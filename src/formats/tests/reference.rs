//! The search, against a matcher that tries everything.

use proptest::prelude::*;

use crate::formats::compile::Compiler;
use crate::formats::expand::{Element, Expansion, expand};
use crate::formats::field::Class;
use crate::formats::grams::Text;
use crate::formats::kind::Kind;
use crate::formats::names::IDENTITIES;
use crate::formats::reading::Readings;
use crate::formats::tree::{NodeId, Tree};
use crate::formats::{names, strict, template, value};

/// Every list of ends of the fields of an expansion with which it is the whole message.
fn readings(rest: &[Element], message: &str, at: usize, ends: &mut Spans, found: &mut Vec<Spans>) {
    let Some((element, after)) = rest.split_first() else {
        if at == message.len() {
            found.push(ends.clone());
        }
        return;
    };
    match element {
        Element::Literal(text) => {
            if message[at..].starts_with(&**text) {
                readings(after, message, at + text.len(), ends, found);
            }
        }
        Element::Field(field) => {
            let class = &field.class;
            for end in (at..=message.len()).filter(|end| message.is_char_boundary(*end)) {
                let begins_blanks = !matches!(after.first(), Some(Element::Field(next)) if next.class.kind == Kind::Space)
                    || !message[..end].ends_with([' ', '\t']);
                if is(class, message, at, end) && begins_blanks {
                    ends.push((at, end));
                    readings(after, message, end, ends, found);
                    ends.pop();
                }
            }
        }
    }
}

fn is(class: &Class, message: &str, at: usize, end: usize) -> bool {
    let text = &message[at..end];
    let space = |c: char| c.is_ascii_whitespace();
    let fits = match &class.kind {
        Kind::Word | Kind::Url => !text.is_empty() && !text.contains(space),
        Kind::Text => !text.is_empty() && !text.starts_with(space) && !text.ends_with(space),
        Kind::Path => text.starts_with('/') && !text.ends_with(space),
        Kind::Rest => true,
        Kind::Not(characters) => !text.contains(|c| characters.contains(c)),
        strict => strict::end(strict, message, at) == Some(end),
    };
    fits && !class.not_before.iter().any(|other| message[at..].starts_with(&**other))
        && !class.not_after.iter().any(|other| text.ends_with(&**other))
}

type Spans = Vec<(usize, usize)>;
type Identities = [Option<String>; IDENTITIES];

fn identities(expansion: &Expansion, ends: &[(usize, usize)], message: &str) -> Identities {
    let mut found = Identities::default();
    let fields = expansion.iter().filter_map(|element| match element {
        Element::Field(field) => Some((&field.name, &field.class)),
        Element::Literal(_) => None,
    });
    for ((name, class), (start, end)) in fields.zip(ends) {
        let Some(name) = name else { continue };
        value::values(name, &class.kind, &message[*start..*end], |name, value| {
            if let Some(identity) = names::identity(&name) {
                found[identity as usize] = Some(value.into_owned());
            }
        });
    }
    found
}

/// What the naive matcher says: the fields in which readings disagree, and the spans of the best reading.
fn naive(expansions: &[Expansion], message: &str) -> Option<(Vec<usize>, Spans)> {
    let message = message.trim_end_matches(|c: char| c.is_ascii_whitespace());
    let mut all = Vec::new();
    for expansion in expansions {
        let mut found = Vec::new();
        readings(expansion, message, 0, &mut Vec::new(), &mut found);
        let literal: usize =
            expansion.iter().map(|element| if let Element::Literal(text) = element { text.len() } else { 0 }).sum();
        all.extend(found.into_iter().map(|ends| (literal, ends, expansion)));
    }
    let says: Vec<Identities> = all.iter().map(|(_, ends, expansion)| identities(expansion, ends, message)).collect();
    let first = says.first()?;
    let most = all.iter().map(|(literal, _, _)| *literal).max()?;
    let top: Vec<&Identities> =
        says.iter().zip(&all).filter(|(_, (literal, _, _))| *literal == most).map(|(says, _)| says).collect();
    let differs = |at: usize, says: &[&Identities]| says.iter().any(|other| other[at] != says[0][at]);
    let is_name =
        |at: usize| matches!(names::Identity::at(at), Some(names::Identity::User | names::Identity::TargetUser));
    let mut disagreed: Vec<usize> =
        (0..IDENTITIES).filter(|at| says.iter().any(|other| other[*at] != first[*at])).collect();
    if disagreed.iter().all(|at| is_name(*at)) {
        disagreed.retain(|at| differs(*at, &top));
    }
    let key = |(literal, ends, _): &(usize, Spans, &Expansion)| {
        (*literal, ends.iter().map(|(_, end)| *end).collect::<Vec<_>>())
    };
    let best = all.iter().max_by_key(|reading| key(reading))?;
    Some((disagreed, best.1.clone()))
}

fn piece() -> impl Strategy<Value = String> {
    let field = (
        prop::sample::select(vec!["user", "src_ip", "x", "_", "target_user", "y"]),
        prop::sample::select(vec![
            "word", "text", "rest", "path", "int", "ip", "host", "quoted", "space", "addr", "hex",
        ]),
    );
    let literal = prop::sample::select(vec![" ", "a", " a ", "b", ": ", "/", "1", "a b", "."]);
    prop_oneof![
        3 => literal.clone().prop_map(str::to_owned),
        3 => field.clone().prop_map(|(name, kind)| format!("{{{name}:{kind}}}")),
        1 => literal.clone().prop_map(|text| format!("{{?{text}}}")),
        1 => (literal.clone(), field).prop_map(|(text, (name, kind))| format!("{{?{text}{{{name}:{kind}}}}}")),
        1 => (literal.clone(), literal).prop_map(|(one, other)| format!("{{{one}|{other}}}")),
    ]
}

fn message() -> impl Strategy<Value = String> {
    let part =
        prop::sample::select(vec![" ", "a", "b", "a b", ": ", "/", "1", "192.0.2.1", "\"a b\"", ".", "  ", "é", "\""]);
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn compiled(templates: &[String]) -> Vec<Expansion> {
    templates.iter().filter_map(|text| expand(&template::read(text).ok()?).ok()).flatten().collect()
}

fn graph(expansions: &[Expansion]) -> (Tree, NodeId) {
    let mut compiler = Compiler::default();
    let place = compiler.format(expansions.iter().map(|expansion| (0, expansion)));
    let start = compiler.join(&[place]);
    (compiler.finish(), start)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_search_finds_what_trying_everything_finds(
        templates in prop::collection::vec(prop::collection::vec(piece(), 1..5).prop_map(|pieces| pieces.concat()), 1..4),
        message in message(),
    ) {
        let expansions = compiled(&templates);
        let (tree, start) = graph(&expansions);
        let found = Readings::of(&tree, start, &Text::new(&message));
        prop_assume!(!found.is_exhausted);
        let spans = found.best.as_ref().map(|best| {
            best.spans.iter().map(|span| (span.start as usize, span.end as usize)).collect::<Vec<_>>()
        });
        let disagreed: Vec<usize> = found.disagreed.iter().map(|identity| identity as usize).collect();
        match naive(&expansions, &message) {
            Some((expected, best)) => {
                prop_assert_eq!(disagreed, expected, "{:?} {:?}", templates, message);
                let ends = |spans: &[(usize, usize)]| spans.iter().map(|span| span.1).collect::<Vec<_>>();
                prop_assert_eq!(spans.map(|spans| ends(&spans)), Some(ends(&best)), "{:?} {:?}", templates, message);
            }
            None => prop_assert_eq!(spans, None, "{:?} {:?}", templates, message),
        }
    }

    #[test]
    fn no_template_and_no_message_make_it_panic(template in ".{0,40}", message in ".{0,200}") {
        let expansions = compiled(&[template]);
        let (tree, start) = graph(&expansions);
        let _ = Readings::of(&tree, start, &Text::new(&message));
    }

    #[test]
    fn whatever_a_client_calls_itself_the_source_is_the_program_s(name in "[ -~]{1,60}", at in 0_usize..4) {
        let forged = [" from 198.51.100.66 port 1 ssh2", " from 198.51.100.66 port 1", ": x y", " [preauth]"];
        let name = format!("{}{}", name.trim(), forged[at]);
        prop_assume!(!name.trim().is_empty());
        let (library, _) = super::Library::new(&[super::text("sshd.toml", super::SSHD)]);
        let message = format!("Failed password for invalid user {} from 192.0.2.1 port 22 ssh2", name.trim());
        let answer = library.understand(super::line("sshd", &message));
        let understood = answer.understood.unwrap();
        let source = understood.field("src_ip");
        prop_assert!(source == Some("192.0.2.1") || (source.is_none() && understood.is_ambiguous), "{source:?} {message}");
    }
}
