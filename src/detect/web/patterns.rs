//! Patterns, compiled: one pass over the decoded request finds which of them may fit, and only those are looked at closely.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use regex::Regex;

use super::decode::{Decoded, decoded};
#[cfg(test)]
use super::file::Sample;
use super::file::{File, Level, Mistake, Pattern, Technique, WebText};
use super::request::{Place, Request};
use crate::detect::sigma;

/// What a request was found to be.
#[derive(Debug, Clone, PartialEq)]
pub struct WebAttack {
    pub name: String,
    pub title: String,
    pub attack: String,
    /// 0 to 1.
    pub score: f64,
}

/// Everything that is known of attacks in requests.
pub struct Patterns {
    /// Finds the texts that patterns ask for.
    finder: Option<AhoCorasick>,
    /// By text: the pattern that asks for it.
    asks: Vec<usize>,
    checks: Vec<Check>,
    techniques: Vec<Technique>,
}

struct Check {
    technique: usize,
    pattern: Pattern,
    /// Compiled when a request asks for it: most never are, and together they take megabytes.
    regex: OnceLock<Option<Regex>>,
}

/// The decoded parts of a request.
struct View {
    url: String,
    /// Only where it is another than `url`.
    commands: Option<String>,
    path: String,
    query: String,
    agent: String,
    referrer: String,
    method: String,
}

impl Patterns {
    /// Compiles all that can be.
    pub fn compile(texts: &[WebText]) -> (Self, Vec<Mistake>) {
        let mut mistakes = Vec::new();
        // Each with the file that it is from.
        let mut read: Vec<(&WebText, Technique)> = Vec::new();
        for text in texts {
            match toml::from_str::<File>(&text.toml) {
                // Of two with one name the later counts; one file may hold the patterns of a name in several pieces.
                Ok(file) => {
                    let named: BTreeSet<&str> = file.technique.iter().map(|new| new.name.as_str()).collect();
                    read.retain(|(_, known)| !named.contains(known.name.as_str()));
                    read.extend(file.technique.into_iter().map(|new| (text, new)));
                }
                Err(error) => mistakes.push(Mistake { file: text.file.clone(), problem: error.to_string() }),
            }
        }
        let mut literals: Vec<String> = Vec::new();
        let (mut asks, mut checks, mut techniques) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (text, mut technique)) in read.into_iter().enumerate() {
            for pattern in std::mem::take(&mut technique.pattern) {
                match check(index, pattern, text.is_tested) {
                    Ok(check) => {
                        let texts = check.literals();
                        asks.extend(texts.iter().map(|_| checks.len()));
                        literals.extend(texts);
                        checks.push(check);
                    }
                    Err(problem) => {
                        let problem = format!("`{}`: {problem}", technique.name);
                        mistakes.push(Mistake { file: text.file.clone(), problem });
                    }
                }
            }
            techniques.push(technique);
        }
        let finder = AhoCorasick::new(&literals);
        if let Err(error) = &finder {
            mistakes.push(Mistake { file: "all files".to_owned(), problem: error.to_string() });
        }
        let finder = finder.ok();
        (Self { finder, asks, checks, techniques }, mistakes)
    }

    /// The strongest of what the request is; of equals the one that was read first. A function of the request alone.
    pub fn find(&self, request: &Request<'_>) -> Vec<WebAttack> {
        let view = View::of(request);
        let mut found: BTreeSet<usize> = BTreeSet::new();
        for index in self.candidates(&view) {
            let Some(check) = self.checks.get(index) else { continue };
            if !found.contains(&check.technique) && check.fits(&view) {
                found.insert(check.technique);
            }
        }
        let is_meant = |technique: &&Technique| !technique.refused || !request.is_welcome();
        let techniques = found.into_iter().filter_map(|index| self.techniques.get(index)).filter(is_meant);
        let mut attacks: Vec<WebAttack> = techniques.map(|technique| technique.attack(request)).collect();
        attacks.sort_by(|left, right| right.score.total_cmp(&left.score));
        attacks
    }

    /// The patterns one of whose texts is in the request, in the order that they were read.
    fn candidates(&self, view: &View) -> BTreeSet<usize> {
        let mut candidates = BTreeSet::new();
        let Some(finder) = &self.finder else { return candidates };
        let texts =
            [Some(&view.url), view.commands.as_ref(), Some(&view.agent), Some(&view.referrer), Some(&view.method)];
        for text in texts.into_iter().flatten() {
            for hit in finder.find_overlapping_iter(text.as_str()) {
                candidates.extend(self.asks.get(hit.pattern().as_usize()));
            }
        }
        candidates
    }

    /// Every technique's own requests, with its name: those that are it, and those that only look like it.
    #[cfg(test)]
    pub fn samples(&self) -> impl Iterator<Item = (&str, &Sample, bool)> {
        self.techniques.iter().flat_map(|technique| {
            let name = technique.name.as_str();
            let attacks = technique.sample.iter().map(move |sample| (name, sample, true));
            attacks.chain(technique.harmless.iter().map(move |sample| (name, sample, false)))
        })
    }
}

fn check(technique: usize, pattern: Pattern, is_tested: bool) -> Result<Check, String> {
    if !is_tested {
        pattern.regex.as_deref().map(Regex::new).transpose().map_err(|error| error.to_string())?;
    }
    let check = Check { technique, pattern, regex: OnceLock::new() };
    let literals = check.literals();
    if literals.is_empty() {
        return Err("a pattern needs a text to look for in `any`, `begins`, `ends` or `is`".to_owned());
    }
    match literals.iter().find(|text| text.is_empty() || **text != text.to_lowercase()) {
        Some(text) => Err(format!("`{text}` is empty or not in lower case")),
        None => Ok(check),
    }
}

impl Check {
    fn literals(&self) -> Vec<String> {
        let Pattern { any, begins, ends, is, .. } = &self.pattern;
        [any, begins, ends, is].into_iter().flatten().cloned().collect()
    }

    fn matches(&self, regex: &str, text: &str) -> bool {
        self.regex.get_or_init(|| Regex::new(regex).ok()).as_ref().is_some_and(|regex| regex.is_match(text))
    }

    fn fits(&self, view: &View) -> bool {
        let pattern = &self.pattern;
        let text = view.part(pattern.place);
        let has_one = pattern.any.iter().any(|it| text.contains(it.as_str()))
            || pattern.begins.iter().any(|it| text.starts_with(it.as_str()))
            || pattern.ends.iter().any(|it| text.ends_with(it.as_str()))
            || pattern.is.iter().any(|it| text == it);
        has_one
            && pattern.regex.as_ref().is_none_or(|regex| self.matches(regex, text))
            && (pattern.with.is_empty() || pattern.with.iter().any(|it| view.url.contains(it.as_str())))
            && pattern.method.as_ref().is_none_or(|method| view.method.eq_ignore_ascii_case(method))
    }
}

impl View {
    fn of(request: &Request<'_>) -> Self {
        let (path, query) = request.split();
        let (path, query) = (Decoded::of(path, false), Decoded::of(query, true));
        let joined =
            |path: &str, query: &str| if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let commands = (path.commands.is_some() || query.commands.is_some()).then(|| {
            let as_commands = |part: &Decoded| part.commands.clone().unwrap_or_else(|| part.text.clone());
            joined(&as_commands(&path), &as_commands(&query))
        });
        Self {
            url: joined(&path.text, &query.text),
            commands,
            path: path.text,
            query: query.text,
            agent: decoded(request.agent, false),
            referrer: decoded(request.referrer, false),
            method: request.method.to_lowercase(),
        }
    }

    fn part(&self, place: Place) -> &str {
        match place {
            Place::Url => &self.url,
            Place::Commands => self.commands.as_ref().unwrap_or(&self.url),
            Place::Path => &self.path,
            Place::Query => &self.query,
            Place::Agent => &self.agent,
            Place::Referrer => &self.referrer,
            Place::Method => &self.method,
        }
    }
}

impl Technique {
    fn attack(&self, request: &Request<'_>) -> WebAttack {
        WebAttack {
            name: self.name.clone(),
            title: self.title.clone(),
            attack: self.attack.clone(),
            score: self.level.score(request.is_answered()),
        }
    }
}

/// What is tried all day by everybody is worth a look; where the server did something, the more.
const ANSWERED: f64 = 0.15;

impl Level {
    fn score(self, is_answered: bool) -> f64 {
        match self {
            Self::Low => sigma::LOW,
            Self::Medium if is_answered => sigma::MEDIUM + ANSWERED,
            Self::Medium => sigma::MEDIUM - 0.1,
            Self::High if is_answered => sigma::MEDIUM + ANSWERED,
            Self::High => sigma::MEDIUM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_answered_weighs_more_but_for_what_is_of_no_weight() {
        for level in [Level::Medium, Level::High] {
            assert!(level.score(true) > level.score(false));
        }
        assert!((Level::Low.score(true) - Level::Low.score(false)).abs() < f64::EPSILON);
        for is_answered in [true, false] {
            let scores = [Level::Low, Level::Medium, Level::High].map(|level| level.score(is_answered));
            assert!(scores.is_sorted(), "{scores:?}");
        }
    }
}
