//! Reads what stands between the brackets of an observation: comparisons of object paths with constants.

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use unicode_normalization::UnicodeNormalization;

use super::error::PatternError;
use super::expression::{Comparison, Comparisons, Step, Test};
use super::lexer::{Keyword, Token, excerpt};
use super::literal::{Literal, latin1};
use super::words::Words;
use crate::limits::{STIX_COMPARISONS_MAX, STIX_PATTERN_DEPTH_MAX, STIX_REGEX_BYTES_MAX};

/// # Errors
/// What stands there is no comparison, or there are more than are taken.
pub fn comparisons(words: &mut Words<'_>, depth: usize) -> Result<Comparisons, PatternError> {
    let first = all(words, depth)?;
    let mut parts = vec![first];
    while words.take_keyword(Keyword::Or)? {
        parts.push(all(words, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Comparisons::Any(parts) })
}

fn all(words: &mut Words<'_>, depth: usize) -> Result<Comparisons, PatternError> {
    let first = one(words, depth)?;
    let mut parts = vec![first];
    while words.take_keyword(Keyword::And)? {
        parts.push(one(words, depth)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Comparisons::All(parts) })
}

fn one(words: &mut Words<'_>, depth: usize) -> Result<Comparisons, PatternError> {
    if depth >= STIX_PATTERN_DEPTH_MAX {
        return Err(words.error(format!("the comparisons are nested more than {STIX_PATTERN_DEPTH_MAX} levels deep")));
    }
    if words.take_sign("(")? {
        let inner = comparisons(words, depth + 1)?;
        words.expect_sign(")")?;
        return Ok(inner);
    }
    words.comparisons += 1;
    if words.comparisons > STIX_COMPARISONS_MAX {
        return Err(words.error(format!("the pattern has more than {STIX_COMPARISONS_MAX} comparisons")));
    }
    comparison(words).map(Comparisons::One)
}

fn comparison(words: &mut Words<'_>) -> Result<Comparison, PatternError> {
    let is_negated = words.take_keyword(Keyword::Not)?;
    if words.take_keyword(Keyword::Exists)? {
        let (object, path) = object_path(words)?;
        return Ok(Comparison { object, path, is_negated, test: Test::Exists });
    }
    if is_negated {
        return Err(words.unexpected("EXISTS (elsewhere NOT stands behind the object path)"));
    }
    let (object, path) = object_path(words)?;
    let is_negated = words.take_keyword(Keyword::Not)?;
    let test = test(words)?;
    Ok(Comparison { object, path, is_negated, test })
}

/// `file:hashes.'SHA-256'`, `network-traffic:protocols[*]`
fn object_path(words: &mut Words<'_>) -> Result<(String, Vec<Step>), PatternError> {
    let Token::Name { text: object, .. } = words.token().clone() else {
        return Err(words.unexpected("an object path like ipv4-addr:value"));
    };
    words.next()?;
    words.expect_sign(":")?;
    let mut path = vec![key(words)?];
    loop {
        if words.take_sign(".")? {
            path.push(key(words)?);
        } else if words.take_sign("[")? {
            path.push(index(words)?);
            words.expect_sign("]")?;
        } else {
            return Ok((object, path));
        }
    }
}

fn key(words: &mut Words<'_>) -> Result<Step, PatternError> {
    let key = match words.token() {
        Token::Name { text, has_hyphen: false } | Token::Literal(Literal::Text(text)) => text.clone(),
        Token::Name { text, .. } => {
            return Err(words.error(format!("a property with a hyphen is written in quotes: '{}'", excerpt(text))));
        }
        _ => return Err(words.unexpected("the name of a property")),
    };
    words.next()?;
    Ok(Step::Key(key))
}

fn index(words: &mut Words<'_>) -> Result<Step, PatternError> {
    let step = match words.token() {
        Token::Sign("*") => Step::Each,
        Token::Literal(Literal::Int(index)) => Step::Index(*index),
        _ => return Err(words.unexpected("the number of an element, or `*`")),
    };
    words.next()?;
    Ok(step)
}

fn test(words: &mut Words<'_>) -> Result<Test, PatternError> {
    match words.token().clone() {
        Token::Sign(sign @ ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=")) => {
            words.next()?;
            let place = words.place();
            let literal = literal(words)?;
            if matches!(literal, Literal::Bool(_)) && sign.starts_with(['<', '>']) && sign != "<>" {
                return Err(words.error_at(place, "true and false are in no order"));
            }
            Ok(match sign {
                "=" | "==" => Test::Equal(literal),
                "!=" | "<>" => Test::NotEqual(literal),
                "<" => Test::Less(literal),
                "<=" => Test::LessOrEqual(literal),
                ">" => Test::Greater(literal),
                _ => Test::GreaterOrEqual(literal),
            })
        }
        Token::Keyword(Keyword::In) => {
            words.next()?;
            set(words).map(Test::In)
        }
        Token::Keyword(keyword) => of_text(words, keyword),
        _ => Err(words.unexpected("a comparison like `=`, IN or LIKE")),
    }
}

/// What is compared with a text alone.
fn of_text(words: &mut Words<'_>, keyword: Keyword) -> Result<Test, PatternError> {
    if !matches!(keyword, Keyword::Like | Keyword::Matches | Keyword::IsSubset | Keyword::IsSuperset) {
        return Err(words.unexpected("a comparison like `=`, IN or LIKE"));
    }
    words.next()?;
    let place = words.place();
    let Token::Literal(Literal::Text(text)) = words.token().clone() else {
        return Err(words.unexpected("a text in quotes"));
    };
    words.next()?;
    let read = match keyword {
        Keyword::Like => matches(&text, like),
        Keyword::Matches => matches(&text, compiled),
        Keyword::IsSubset => network(&text).map(Test::Subset),
        _ => network(&text).map(Test::Superset),
    };
    read.map_err(|problem| words.error_at(place, problem))
}

fn matches(text: &str, compile: impl Fn(&str) -> Result<Regex, String>) -> Result<Test, String> {
    let normal: String = text.nfc().collect();
    Ok(Test::Matches { regex: compile(&normal)?, fits_bytes: latin1(text).is_some() })
}

/// `%` is any text, `_` any character.
fn like(text: &str) -> Result<Regex, String> {
    let mut pattern = String::from(r"(?s)\A");
    for character in text.chars() {
        match character {
            '%' => pattern.push_str(".*"),
            '_' => pattern.push('.'),
            _ => pattern.push_str(&regex::escape(character.encode_utf8(&mut [0; 4]))),
        }
    }
    compiled(&(pattern + r"\z"))
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(STIX_REGEX_BYTES_MAX).dfa_size_limit(STIX_REGEX_BYTES_MAX).build().map_err(
        |error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("the expression `{}` cannot be used: {reason}", excerpt(pattern))
        },
    )
}

fn network(text: &str) -> Result<IpNet, String> {
    let net = super::compare::network(text);
    net.ok_or_else(|| format!("`{}` is no address and no network like 192.0.2.0/24", excerpt(text)))
}

fn literal(words: &mut Words<'_>) -> Result<Literal, PatternError> {
    let Token::Literal(literal) = words.token().clone() else {
        return Err(words.unexpected("a constant like 'text', 5 or true"));
    };
    words.next()?;
    Ok(literal)
}

/// `(1, 2, 3)`
fn set(words: &mut Words<'_>) -> Result<Vec<Literal>, PatternError> {
    words.expect_sign("(")?;
    let mut set: Vec<Literal> = Vec::new();
    if words.take_sign(")")? {
        return Ok(set);
    }
    loop {
        let place = words.place();
        let literal = literal(words)?;
        if set.first().is_some_and(|first| !literal.is_of_the_kind_of(first)) {
            return Err(words.error_at(place, "the constants of a set are of one kind"));
        }
        set.push(literal);
        if !words.take_sign(",")? {
            words.expect_sign(")")?;
            return Ok(set);
        }
    }
}
