//! The templates behind the messages of one program, mined as they come: what stays the same in them, and where values stand.
//!
//! Messages that are the same once values are masked ([`log_masks`](super::log_masks)) have one template. Further values are found by
//! comparing templates of one length, as the family of Drain does (P. He, J. Zhu and others, IEEE ICWS 2017): where templates that
//! differ in one word alone have many words there, or one of them has a value, that word is a value. Which words stand before a value is
//! known for all templates from then on. A few words that each come again and again are a choice (`opened`, `closed`), and stay.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use super::log_masks::{Token, VALUE, is_word, masked};
use crate::limits::LOG_SHAPES_MAX;

/// More different words in one place are values …
const CHOICES_MAX: usize = 5;
/// … and so many already, when time has passed and one of them came only once: who names something new names it again and again.
const CHOICES_MAX_IF_ONCE: usize = 3;
/// That is looked at after so many messages, and each time that they are twice as many.
const SETTLES_AFTER: u64 = 128;

/// Templates of one program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogTemplates {
    /// The templates ever made, in their order; those that were found to be one refer to it.
    templates: Vec<Template>,
    /// Which template a masked message has: what was looked up before, by its fingerprint.
    shapes: BTreeMap<u64, u32>,
    /// Two words that a value stands behind.
    before_values: BTreeSet<(String, String)>,
    messages: u64,
    capacity: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Template {
    tokens: Vec<Piece>,
    messages: u64,
    merged_into: Option<u32>,
}

/// Text, and whether a blank stands before it.
type Piece = (String, bool);

/// What one message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mined {
    /// Of this template, as many before.
    Known(u32),
    /// The first of this template.
    New(u32),
    /// There is no room for more templates.
    Beyond,
}

impl LogTemplates {
    /// At most so many templates are made.
    pub fn new(capacity: usize) -> Self {
        let (templates, shapes, before_values) = Default::default();
        Self { templates, shapes, before_values, messages: 0, capacity }
    }

    /// Takes in a message.
    pub fn see(&mut self, message: &str) -> Mined {
        let tokens = masked(message);
        let shape = shape(&tokens);
        self.messages = self.messages.saturating_add(1);
        let mined = match self.shapes.get(&shape) {
            Some(template) => Mined::Known(self.of(*template)),
            None => self.place(shape, &tokens),
        };
        if let Mined::Known(at) | Mined::New(at) = mined
            && let Some(template) = self.templates.get_mut(at as usize)
        {
            template.messages = template.messages.saturating_add(1);
        }
        if self.messages >= SETTLES_AFTER && self.messages.is_power_of_two() {
            self.settle();
        }
        mined
    }

    /// The template that this one has become.
    pub fn of(&self, template: u32) -> u32 {
        let mut at = template;
        while let Some(next) = self.templates.get(at as usize).and_then(|template| template.merged_into) {
            at = next;
        }
        at
    }

    /// How it reads, and how many messages have it.
    pub fn shown(&self, template: u32) -> (String, u64) {
        let found = self.templates.get(self.of(template) as usize);
        found.map_or_else(Default::default, |it| (text(&it.tokens), it.messages))
    }

    /// Each with how it reads and how many messages have it, in the order in which they were made.
    pub fn all(&self) -> impl Iterator<Item = (u32, String, u64)> {
        let live = self.templates.iter().enumerate().filter(|(_, template)| template.merged_into.is_none());
        live.map(|(at, template)| (at as u32, text(&template.tokens), template.messages))
    }

    /// Of how many templates there was one message.
    pub fn seen_once(&self) -> usize {
        self.templates.iter().filter(|template| template.merged_into.is_none() && template.messages == 1).count()
    }

    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Looks for values once more: words that came once among others that come again.
    pub fn settle(&mut self) {
        let groups = self.alike();
        for members in groups {
            let is_once = |at: &u32| self.templates.get(*at as usize).is_some_and(|it| it.messages == 1);
            if members.at.len() > CHOICES_MAX_IF_ONCE && members.at.iter().any(is_once) {
                self.merge(members);
            }
        }
    }

    /// The template of a message whose shape is not known.
    fn place(&mut self, shape: u64, tokens: &[Token]) -> Mined {
        let fits = |template: &Template| template.merged_into.is_none() && template.covers(tokens);
        let known = self.templates.iter().position(fits).map(|at| at as u32);
        if known.is_none() && self.templates.len() >= self.capacity {
            return Mined::Beyond;
        }
        if self.shapes.len() >= LOG_SHAPES_MAX {
            self.shapes.clear();
        }
        let at = known.unwrap_or_else(|| self.add(tokens.iter().map(|it| (it.text.to_owned(), it.is_apart)).collect()));
        self.shapes.insert(shape, at);
        if known.is_some() {
            return Mined::Known(at);
        }
        let was = self.templates.len();
        self.compare(at);
        let now = self.of(at);
        // What was merged with one that had been there is no news.
        if now == at || now as usize >= was && self.is_made_of_one(now) { Mined::New(now) } else { Mined::Known(now) }
    }

    fn is_made_of_one(&self, template: u32) -> bool {
        self.templates.get(template as usize).is_some_and(|template| template.messages == 0)
    }

    fn add(&mut self, tokens: Vec<Piece>) -> u32 {
        self.templates.push(Template { tokens, messages: 0, merged_into: None });
        self.templates.len() as u32 - 1
    }

    /// Merges a new template with those that it covers, and where a word of it is one of many.
    fn compare(&mut self, new: u32) {
        let Some(template) = self.templates.get(new as usize).cloned() else { return };
        let covered = self.live().filter(|(at, it)| *at != new && template.covers_template(it)).map(|(at, _)| at);
        for at in covered.collect::<Vec<_>>() {
            self.join(at, new);
        }
        for place in 0..template.tokens.len() {
            if !template.tokens.get(place).is_some_and(|(text, _)| is_word(text)) {
                continue;
            }
            let alike = self.live().filter(|(_, it)| it.differs_at(place, &template)).map(|(at, _)| at);
            let members = Alike { place, at: alike.collect() };
            let is_before_value = template.words_before(place).is_some_and(|words| self.before_values.contains(&words));
            if members.at.len() > CHOICES_MAX || is_before_value && members.at.len() > 1 {
                self.merge(members);
                return;
            }
        }
    }

    fn live(&self) -> impl Iterator<Item = (u32, &Template)> {
        self.templates.iter().enumerate().filter(|(_, it)| it.merged_into.is_none()).map(|(at, it)| (at as u32, it))
    }

    /// Makes one template of those that differ in one word, with a value there.
    fn merge(&mut self, members: Alike) {
        let live: Vec<u32> = members.at.iter().map(|at| self.of(*at)).collect();
        let Some(first) = live.first().and_then(|at| self.templates.get(*at as usize)) else { return };
        let mut tokens = first.tokens.clone();
        let words = first.words_before(members.place);
        if let Some((text, _)) = tokens.get_mut(members.place) {
            VALUE.clone_into(text);
        }
        let merged = self.add(tokens);
        for at in live {
            self.join(at, merged);
        }
        self.compare(merged);
        if let Some(words) = words.filter(|words| !self.before_values.contains(words)) {
            self.before_values.insert(words.clone());
            for other in self.alike() {
                let stands_so = |at: &u32| self.templates.get(*at as usize)?.words_before(other.place);
                if other.at.len() > 1 && other.at.first().and_then(stands_so).as_ref() == Some(&words) {
                    self.merge(other);
                }
            }
        }
    }

    fn join(&mut self, at: u32, into: u32) {
        if self.of(at) == self.of(into) {
            return;
        }
        let into = self.of(into);
        let mut moved = 0;
        if let Some(template) = self.templates.get_mut(at as usize) {
            template.merged_into = Some(into);
            moved = std::mem::take(&mut template.messages);
            template.tokens = Vec::new();
        }
        if let Some(template) = self.templates.get_mut(into as usize) {
            template.messages = template.messages.saturating_add(moved);
        }
    }

    /// Templates that differ in one word alone, by its place.
    fn alike(&self) -> Vec<Alike> {
        let mut groups: BTreeMap<(usize, Vec<&str>), Vec<u32>> = BTreeMap::new();
        for (at, template) in self.live() {
            let texts: Vec<&str> = template.tokens.iter().map(|(text, _)| text.as_str()).collect();
            for place in (0..texts.len()).filter(|place| texts.get(*place).is_some_and(|text| is_word(text))) {
                let mut texts = texts.clone();
                if let Some(text) = texts.get_mut(place) {
                    *text = VALUE;
                }
                groups.entry((place, texts)).or_default().push(at);
            }
        }
        let several = groups.into_iter().filter(|(_, at)| at.len() > 1);
        several.map(|((place, _), at)| Alike { place, at }).collect()
    }
}

/// Templates that differ in the word at one place.
struct Alike {
    place: usize,
    at: Vec<u32>,
}

impl Template {
    fn covers(&self, tokens: &[Token]) -> bool {
        self.tokens.len() == tokens.len()
            && self.tokens.iter().zip(tokens).all(|((text, _), token)| text == token.text || text == VALUE && is_word(token.text))
    }

    fn covers_template(&self, other: &Self) -> bool {
        self.tokens.len() == other.tokens.len()
            && self.tokens.iter().zip(&other.tokens).all(|((text, _), (its, _))| text == its || text == VALUE && is_word(its))
    }

    /// Whether a word stands there in both, and all else is the same; also for itself.
    fn differs_at(&self, place: usize, other: &Self) -> bool {
        self.tokens.len() == other.tokens.len()
            && self.tokens.get(place).is_some_and(|(text, _)| is_word(text))
            && self.tokens.iter().zip(&other.tokens).enumerate().all(|(at, ((text, _), (its, _)))| at == place || text == its)
    }

    fn words_before(&self, place: usize) -> Option<(String, String)> {
        let word = |back: usize| {
            let (text, _) = self.tokens.get(place.checked_sub(back)?)?;
            is_word(text).then(|| text.clone())
        };
        Some((word(2)?, word(1)?))
    }
}

fn shape(tokens: &[Token]) -> u64 {
    let mut text = String::with_capacity(128);
    for token in tokens {
        text.push_str(token.text);
        text.push('\n');
    }
    fingerprint(&text)
}

fn text(tokens: &[Piece]) -> String {
    let mut shown = String::new();
    for (text, is_apart) in tokens {
        if *is_apart && !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(text);
    }
    shown
}
