//! The templates behind the messages of one program, mined as they come: what stays the same in them, and where values stand.
//!
//! Messages that are the same once values are masked ([`log_masks`](super::log_masks)) have one template. Further values are found by
//! comparing templates of one length, as the family of Drain does (P. He and others, IEEE ICWS 2017): where templates that
//! differ in one word alone have many words there, or one of them has a value, that word is a value. Which words stand before a value is
//! known for all templates from then on. A few words that each come again and again are a choice (`opened`, `closed`), and stay.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use super::log_masks::{Token, VALUE, is_word, masked};
use crate::limits::{LOG_CONTEXTS_MAX, LOG_SHAPES_MAX};

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
        self.live().map(|(at, template)| (at, text(&template.tokens), template.messages))
    }

    /// Of how many templates there was one message.
    pub fn seen_once(&self) -> usize {
        self.live().filter(|(_, template)| template.messages == 1).count()
    }

    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Looks for values once more: words that came once among others that come again.
    pub fn settle(&mut self) {
        for members in self.alike(|_, _| true) {
            let is_once = |at: &u32| self.templates.get(*at as usize).is_some_and(|it| it.messages == 1);
            if members.at.len() > CHOICES_MAX_IF_ONCE && members.at.iter().any(is_once) {
                self.merge(members);
            }
        }
    }

    /// The template of a message whose shape is not known.
    fn place(&mut self, shape: u64, tokens: &[Token]) -> Mined {
        let fits = |template: &Template| template.covers(tokens.iter().map(|token| token.text));
        let known = self.live().find(|(_, template)| fits(template)).map(|(at, _)| at);
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
        if let Some(members) = self.compare(at) {
            self.merge(members);
        }
        let now = self.of(at);
        // What is one with templates that had messages is no news.
        let has_none = self.templates.get(now as usize).is_some_and(|template| template.messages == 0);
        if has_none { Mined::New(now) } else { Mined::Known(now) }
    }

    fn add(&mut self, tokens: Vec<Piece>) -> u32 {
        self.templates.push(Template { tokens, messages: 0, merged_into: None });
        self.templates.len() as u32 - 1
    }

    /// Joins a new template with those that it covers. Returns those that differ from it in one word, where that is a value.
    fn compare(&mut self, new: u32) -> Option<Alike> {
        let template = self.templates.get(new as usize)?.clone();
        let covered: Vec<u32> =
            self.live().filter(|(at, it)| *at != new && template.covers(it.texts())).map(|(at, _)| at).collect();
        for at in covered {
            self.join(at, new);
        }
        let mut by_place: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (at, other) in self.live() {
            if let Some(place) = template.differs_in(other) {
                by_place.entry(place).or_insert_with(|| vec![new]).push(at);
            }
        }
        by_place.into_iter().map(|(place, at)| Alike { place, at }).find(|members| {
            let is_before_value =
                || template.words_before(members.place).is_some_and(|it| self.before_values.contains(&it));
            members.at.len() > CHOICES_MAX || is_before_value()
        })
    }

    fn live(&self) -> impl Iterator<Item = (u32, &Template)> {
        self.templates.iter().enumerate().filter(|(_, it)| it.merged_into.is_none()).map(|(at, it)| (at as u32, it))
    }

    /// Makes one template of those that differ in one word, with a value there; and what follows from that.
    fn merge(&mut self, members: Alike) {
        let mut waiting = vec![members];
        while let Some(members) = waiting.pop() {
            let Some((merged, words)) = self.merge_one(&members) else { continue };
            waiting.extend(self.compare(merged));
            let is_new = |words: &(String, String)| !self.before_values.contains(words);
            if let Some(words) = words.filter(is_new).filter(|_| self.before_values.len() < LOG_CONTEXTS_MAX) {
                waiting.extend(self.alike(|it, place| it.words_before_are(place, &words)));
                self.before_values.insert(words);
            }
        }
    }

    /// The template made, and the words before the value in it; `None` where there is nothing to merge any more.
    fn merge_one(&mut self, members: &Alike) -> Option<(u32, Option<(String, String)>)> {
        let live: BTreeSet<u32> = members.at.iter().map(|at| self.of(*at)).collect();
        let first = self.templates.get(*live.first()? as usize)?.clone();
        let is_alike =
            |at: &&u32| self.templates.get(**at as usize).is_some_and(|it| first.differs_in(it) == Some(members.place));
        let others: Vec<u32> = live.iter().skip(1).filter(is_alike).copied().collect();
        if others.is_empty() {
            return None;
        }
        let words = first.words_before(members.place);
        let mut tokens = first.tokens;
        VALUE.clone_into(&mut tokens.get_mut(members.place)?.0);
        let merged = self.add(tokens);
        for at in live.first().into_iter().chain(&others) {
            self.join(*at, merged);
        }
        Some((merged, words))
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

    /// Templates that differ in one word alone, by its place, where that is wanted. Those whose sums are equal by accident may be among
    /// them.
    fn alike(&self, is_wanted: impl Fn(&Template, usize) -> bool) -> Vec<Alike> {
        let mut groups: BTreeMap<(usize, u64), Vec<u32>> = BTreeMap::new();
        for (at, template) in self.live() {
            let sum = |(place, (text, _)): (usize, &Piece)| sum_of(place, text);
            let all = template.tokens.iter().enumerate().map(sum).fold(0, u64::wrapping_add);
            for (place, (text, _)) in template.tokens.iter().enumerate() {
                if is_word(text) && is_wanted(template, place) {
                    let others = all.wrapping_sub(sum_of(place, text));
                    groups.entry((place, others)).or_default().push(at);
                }
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
    fn texts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tokens.iter().map(|(text, _)| text.as_str())
    }

    /// Whether these are its texts, with words for its values.
    fn covers<'a>(&self, texts: impl ExactSizeIterator<Item = &'a str>) -> bool {
        self.tokens.len() == texts.len()
            && self.texts().zip(texts).all(|(text, its)| text == its || text == VALUE && is_word(its))
    }

    /// The only place in which the two differ, if words stand there in both.
    fn differs_in(&self, other: &Self) -> Option<usize> {
        if self.tokens.len() != other.tokens.len() {
            return None;
        }
        let mut places =
            self.tokens.iter().zip(&other.tokens).enumerate().filter(|(_, ((text, _), (its, _)))| text != its);
        let (place, ((text, _), (its, _))) = places.next()?;
        (places.next().is_none() && is_word(text) && is_word(its)).then_some(place)
    }

    fn word_before(&self, place: usize, back: usize) -> Option<&str> {
        let (text, _) = self.tokens.get(place.checked_sub(back)?)?;
        is_word(text).then_some(text)
    }

    fn words_before(&self, place: usize) -> Option<(String, String)> {
        Some((self.word_before(place, 2)?.to_owned(), self.word_before(place, 1)?.to_owned()))
    }

    fn words_before_are(&self, place: usize, (first, second): &(String, String)) -> bool {
        self.word_before(place, 1) == Some(second) && self.word_before(place, 2) == Some(first)
    }
}

/// What a text at one place adds to the sum of its template (FNV-1a).
fn sum_of(place: usize, text: &str) -> u64 {
    let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(step(0xcbf2_9ce4_8422_2325, place as u8), step)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mined(messages: &[&str]) -> Vec<(String, u64)> {
        let mut templates = LogTemplates::new(100);
        for message in messages {
            templates.see(message);
        }
        templates.settle();
        templates.all().map(|(_, text, messages)| (text, messages)).collect()
    }

    #[test]
    fn a_word_of_which_there_are_many_is_a_value() {
        let users = ["ann", "bob", "cyn", "dan", "eve", "fay", "gus"];
        let messages = users.map(|user| format!("session of {user} closed"));
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        assert_eq!(mined(&messages), [("session of <*> closed".to_owned(), 7)]);
    }

    #[test]
    fn a_few_words_that_come_again_and_again_are_a_choice_and_one_that_comes_once_is_a_value() {
        let states = ["disk is up", "disk is down", "disk is busy", "disk is idle"];
        assert_eq!(mined(&[states, states].concat()).len(), 4);
        let again = ["for user ann", "for user bob", "for user cyn"];
        assert_eq!(mined(&[&again[..], &again[..], &["for user dan"]].concat()), [("for user <*>".to_owned(), 7)]);
    }

    #[test]
    fn a_word_in_the_place_of_a_number_is_a_value_and_so_is_what_stands_behind_the_same_words() {
        let found =
            mined(&["for user 0815 from a", "for user ann from a", "a door for user ann", "a door for user bob"]);
        assert_eq!(found[0], ("for user <*> from a".to_owned(), 2));
        assert_eq!(found.len(), 3, "a number alone says nothing of other templates: {found:?}");
        let many = ["ann", "bob", "cyn", "dan", "eve", "fay"].map(|user| format!("gone is user {user}"));
        let mut messages: Vec<&str> = many.iter().map(String::as_str).collect();
        messages.extend(["here is user ann", "here is user bob"]);
        assert_eq!(mined(&messages).len(), 2);
    }

    #[test]
    fn only_the_first_of_a_template_is_new_and_saved_templates_go_on() {
        let mut templates = LogTemplates::new(100);
        assert_eq!(templates.see("took 5 ms"), Mined::New(0));
        assert_eq!(templates.see("took 17 ms"), Mined::Known(0));
        let saved = rmp_serde::to_vec_named(&templates).unwrap();
        let mut loaded: LogTemplates = rmp_serde::from_slice(&saved).unwrap();
        assert_eq!((loaded.see("took 1 s"), loaded.see("gave up")), (Mined::Known(0), Mined::New(1)));
        assert_eq!((loaded.shown(0), loaded.seen_once(), loaded.messages()), (("took <*>".to_owned(), 3), 1, 4));
    }

    #[test]
    fn a_message_that_shows_where_a_value_stands_is_of_the_template_that_was_there() {
        let mut templates = LogTemplates::new(100);
        let users = ["ann", "bob", "cyn", "dan", "eve", "fay", "gus"];
        let new = users.map(|user| matches!(templates.see(&format!("{user} has left")), Mined::New(_)));
        assert_eq!(new, [true, true, true, true, true, false, false]);
    }

    #[test]
    fn a_program_that_never_says_the_same_fills_its_room_and_no_more() {
        let mut templates = LogTemplates::new(50);
        let word = |number: u32| -> String { number.to_string().bytes().map(|digit| char::from(digit + 50)).collect() };
        for number in 0..5000 {
            let message = [word(number), word(number * 7), word(number / 3)].join(" ");
            templates.see(&message);
            templates.see(&format!("the user {} left", word(number)));
        }
        assert!(templates.templates.len() <= 100 && templates.shapes.len() <= LOG_SHAPES_MAX);
        assert_eq!(templates.see("something else entirely"), Mined::Beyond);
        assert!(matches!(templates.see("the user x left"), Mined::Known(_)));
    }
}
