//! Whether a value of an observed object passes the test of a comparison.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::error::MatchError;
use super::expression::Test;
use super::lexer::excerpt;
use super::literal::{Literal, from_latin1, latin1, time};
use crate::event::{base64, hex};

/// `property` is the last name on the way to the value: it tells how bytes are written.
///
/// # Errors
/// The value claims to be what it is not.
pub fn passes(test: &Test, property: &str, value: &Value) -> Result<bool, MatchError> {
    let actual = Actual::read(property, value)?;
    let order = |literal: &Literal| actual.order(literal);
    Ok(match test {
        Test::Exists => true,
        Test::Equal(literal) => order(literal)? == Some(Ordering::Equal),
        Test::NotEqual(literal) => order(literal)? != Some(Ordering::Equal),
        Test::Less(literal) => order(literal)?.is_some_and(Ordering::is_lt),
        Test::LessOrEqual(literal) => order(literal)?.is_some_and(Ordering::is_le),
        Test::Greater(literal) => order(literal)?.is_some_and(Ordering::is_gt),
        Test::GreaterOrEqual(literal) => order(literal)?.is_some_and(Ordering::is_ge),
        Test::In(set) => {
            let mut is_in = false;
            for literal in set {
                is_in |= order(literal)? == Some(Ordering::Equal);
            }
            is_in
        }
        Test::Matches { regex, fits_bytes } => {
            actual.text(*fits_bytes).is_some_and(|text| regex.is_match(&normal(&text)))
        }
        Test::Subset(net) => actual.network().is_some_and(|value| net.contains(&value)),
        Test::Superset(net) => actual.network().is_some_and(|value| value.contains(net)),
    })
}

/// An address is a network of one.
pub fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse().ok(),
    }
}

enum Actual<'a> {
    Text(&'a str),
    Bytes(Vec<u8>),
    Number(&'a serde_json::Number),
    Bool(bool),
    /// Null, a list or an object: equal to no constant.
    Other,
}

impl<'a> Actual<'a> {
    fn read(property: &str, value: &'a Value) -> Result<Self, MatchError> {
        Ok(match value {
            Value::String(text) => {
                let decode = match property.get(property.len().saturating_sub(4)..) {
                    Some("_hex") => hex::decode,
                    Some("_bin") => base64::decode,
                    _ => return Ok(Self::Text(text)),
                };
                Self::Bytes(decode(text).ok_or_else(|| MatchError::NoBytes(excerpt(text)))?)
            }
            Value::Number(number) => Self::Number(number),
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Null | Value::Array(_) | Value::Object(_) => Self::Other,
        })
    }

    /// `None` where the two are not of the same kind.
    fn order(&self, literal: &Literal) -> Result<Option<Ordering>, MatchError> {
        Ok(match (self, literal) {
            (Self::Text(text), Literal::Text(other)) => Some((*text).cmp(other.as_str())),
            (Self::Text(text), Literal::Bytes(other)) => latin1(text).map(|bytes| bytes.cmp(other)),
            (Self::Text(text), Literal::Time(other)) => {
                Some(time(text).ok_or_else(|| MatchError::NoTimestamp(excerpt(text)))?.cmp(other))
            }
            (Self::Bytes(bytes), Literal::Bytes(other)) => Some(bytes.cmp(other)),
            (Self::Bytes(bytes), Literal::Text(other)) => latin1(other).map(|other| bytes.cmp(&other)),
            (Self::Number(number), Literal::Int(other)) => match number.as_i64() {
                Some(number) => Some(number.cmp(other)),
                None => number.as_f64().and_then(|number| number.partial_cmp(&(*other as f64))),
            },
            (Self::Number(number), Literal::Float(other)) => {
                number.as_f64().and_then(|number| number.partial_cmp(other))
            }
            (Self::Bool(bool), Literal::Bool(other)) => Some(bool.cmp(other)),
            _ => None,
        })
    }

    /// As what an expression is matched with.
    fn text(&self, fits_bytes: bool) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Bytes(bytes) if fits_bytes => Some(Cow::Owned(from_latin1(bytes))),
            _ => None,
        }
    }

    fn network(&self) -> Option<IpNet> {
        if let Self::Text(text) = self { network(text) } else { None }
    }
}

/// Normalization form C, in which texts are matched.
fn normal(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}
