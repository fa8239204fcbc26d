//! What fields are compared with.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::net::IpAddr;

use ipnet::IpNet;

use super::facts::{Fact, outcome};
use super::kind::Kind;
use crate::detect::deceptive::is_deceptive;
use crate::event::{Category, Severity, Verdict};

const VERDICTS: [Verdict; 3] = [Verdict::Benign, Verdict::Suspicious, Verdict::Malicious];
const CATEGORIES: [Category; 7] = [
    Category::Auth,
    Category::Network,
    Category::System,
    Category::App,
    Category::Intel,
    Category::Crypto,
    Category::Operator,
];

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Severity(Severity),
    Verdict(Verdict),
    Category(Category),
    Outcome(bool),
    Number(f64),
    Address(IpAddr),
    Network(IpNet),
    /// In upper case.
    Technique(String),
    Text(String),
}

fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|one| name(*one).eq_ignore_ascii_case(text))
}

fn is_technique(text: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = text.strip_prefix(['T', 't']) else { return false };
    let (technique, below) = number.split_once('.').unwrap_or((number, "000"));
    digits(technique, 4) && digits(below, 3)
}

impl Value {
    /// Reads a value; networks only where they may stand, and never of what is in quotes.
    pub fn read(kind: Kind, text: &str, is_quoted: bool, may_be_network: bool) -> Option<Self> {
        let network = || text.parse().ok().filter(|_| may_be_network && !is_quoted).map(|net: IpNet| net.trunc());
        match kind {
            Kind::Severity => named(&Severity::ALL, Severity::name, text).map(Self::Severity),
            Kind::Verdict => named(&VERDICTS, Verdict::name, text).map(Self::Verdict),
            Kind::Category => named(&CATEGORIES, Category::name, text).map(Self::Category),
            Kind::Outcome => named(&[false, true], outcome, text).map(Self::Outcome),
            Kind::Number => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Number),
            Kind::Address => address(text).map(Self::Address).or_else(|| network().map(Self::Network)),
            Kind::Technique => is_technique(text).then(|| Self::Technique(text.to_ascii_uppercase())),
            Kind::Text => Some(network().map_or_else(|| Self::Text(text.to_owned()), Self::Network)),
        }
    }

    /// What an event says is this, or is in it.
    pub fn covers(&self, fact: &Fact<'_>) -> bool {
        match (self, fact) {
            (Self::Severity(value), Fact::Severity(fact)) => value == fact,
            (Self::Verdict(value), Fact::Verdict(fact)) => value == fact,
            (Self::Category(value), Fact::Category(fact)) => value == fact,
            (Self::Outcome(value), Fact::Outcome(fact)) => value == fact,
            (Self::Number(value), Fact::Number(fact)) => value == fact,
            (Self::Text(value), Fact::Text(fact)) => value == fact,
            (Self::Address(value), Fact::Text(fact)) => address(fact) == Some(*value),
            (Self::Network(value), Fact::Text(fact)) => address(fact).is_some_and(|fact| value.contains(&fact)),
            (Self::Technique(value), Fact::Text(fact)) => {
                fact.split_at_checked(value.len()).is_some_and(|(start, below)| {
                    start.eq_ignore_ascii_case(value) && (below.is_empty() || below.starts_with('.'))
                })
            }
            _ => false,
        }
    }

    /// How what an event says stands to this.
    pub fn order_of(&self, fact: &Fact<'_>) -> Option<Ordering> {
        match (self, fact) {
            (Self::Severity(value), Fact::Severity(fact)) => Some(fact.cmp(value)),
            (Self::Verdict(value), Fact::Verdict(fact)) => Some(fact.cmp(value)),
            (Self::Number(value), Fact::Number(fact)) => fact.partial_cmp(value),
            _ => None,
        }
    }
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// As it is read again; texts in quotes.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Severity(value) => formatter.write_str(value.name()),
            Self::Verdict(value) => formatter.write_str(value.name()),
            Self::Category(value) => formatter.write_str(value.name()),
            Self::Outcome(value) => formatter.write_str(outcome(*value)),
            Self::Number(value) => value.fmt(formatter),
            Self::Address(value) => value.fmt(formatter),
            Self::Network(value) => value.fmt(formatter),
            Self::Technique(value) => formatter.write_str(value),
            Self::Text(value) => quote(value, formatter),
        }
    }
}

/// In quotes, with escapes for what would end them or deceive who reads it.
pub fn quote(text: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    formatter.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(formatter, "\\{character}")?,
            _ if is_deceptive(character) => write!(formatter, "{}", character.escape_unicode())?,
            _ => formatter.write_char(character)?,
        }
    }
    formatter.write_char('"')
}
