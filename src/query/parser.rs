//! From tokens to a filter.

use super::error::QueryError;
use super::expr::{Expr, Order, Test};
use super::field::{FIELDS, Field, similar};
use super::moment::Moment;
use super::token::{Operator, Token, tokens};
use super::value::Value;
use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX};

const EXAMPLE: &str = "for example `severity >= HIGH and not user = backup`";

/// # Errors
/// The text is no filter, or a longer or deeper one than there may be.
pub fn parse(text: &str) -> Result<Expr, QueryError> {
    if text.len() > FILTER_BYTES_MAX {
        let what = format!("a filter has at most {FILTER_BYTES_MAX} bytes, this one has {}", text.len());
        return Err(QueryError::at(1, what));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, terms: 0, depth: 0 };
    if *parser.peek() == Token::End {
        return Ok(Expr::all(Vec::new()));
    }
    let expr = parser.any()?;
    match parser.peek() {
        Token::End => Ok(expr),
        Token::Close => Err(parser.wrong("this `)` closes nothing: take it away, or open it with `(`")),
        _ => Err(parser.expected("`and`, `or` or the end", EXAMPLE)),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    terms: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn peek_behind(&self) -> &Token {
        self.tokens.get(self.at + 1).map_or(&Token::End, |(token, _)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, column)| *column)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn take(&mut self, token: &Token) -> bool {
        let is_there = self.peek() == token;
        self.at += usize::from(is_there);
        is_there
    }

    /// The mistake is at the token that is next.
    fn wrong(&self, what: impl Into<String>) -> QueryError {
        QueryError::at(self.column(), what)
    }

    fn expected(&self, what: &str, example: &str) -> QueryError {
        self.wrong(format!("expected {what}, found {}; {example}", self.peek().shown()))
    }

    fn any(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.all()?];
        while self.take(&Token::Or) {
            parts.push(self.all()?);
        }
        Ok(Expr::any(parts))
    }

    fn all(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.part()?];
        while self.take(&Token::And) || !matches!(self.peek(), Token::Or | Token::Close | Token::Comma | Token::End) {
            parts.push(self.part()?);
        }
        Ok(Expr::all(parts))
    }

    fn part(&mut self) -> Result<Expr, QueryError> {
        match self.peek() {
            Token::Not => self.deeper(|parser| {
                parser.next();
                parser.part().map(Expr::not)
            }),
            Token::Open => self.deeper(|parser| {
                parser.next();
                let inner = parser.any()?;
                if !parser.take(&Token::Close) {
                    return Err(parser.expected("`and`, `or` or `)`", EXAMPLE));
                }
                Ok(inner)
            }),
            _ => self.term(),
        }
    }

    fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Result<Expr, QueryError>) -> Result<Expr, QueryError> {
        if self.depth == FILTER_DEPTH_MAX {
            return Err(self.wrong(format!("`not` and parentheses are at most {FILTER_DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let expr = inner(self);
        self.depth -= 1;
        expr
    }

    fn count_term(&mut self) -> Result<(), QueryError> {
        self.terms += 1;
        if self.terms > FILTER_TERMS_MAX {
            return Err(self.wrong(format!("a filter has at most {FILTER_TERMS_MAX} terms and values")));
        }
        Ok(())
    }

    fn term(&mut self) -> Result<Expr, QueryError> {
        let is_compared = matches!(self.peek_behind(), Token::Operator(_)) || word_is(self.peek_behind(), "in");
        match self.peek().clone() {
            Token::Word(word) if is_compared => self.comparison(&word),
            Token::Word(word) if word.eq_ignore_ascii_case("since") => self.moment(Expr::Since),
            Token::Word(word) if word.eq_ignore_ascii_case("until") => self.moment(Expr::Until),
            Token::Word(word) if Field::named(&word).is_some() => {
                let field = word.to_ascii_lowercase();
                self.next();
                let example = format!("for example `{field} = …`; the word itself is searched for as \"{field}\"");
                Err(self.expected(&format!("an operator behind `{field}`: = != in ~ !~ < <= > >="), &example))
            }
            Token::Word(text) | Token::Quoted(text) if !is_compared => {
                self.count_term()?;
                self.next();
                Ok(Expr::anywhere(&text))
            }
            _ => Err(self.expected("a field, a text, `not` or `(`", EXAMPLE)),
        }
    }

    fn moment(&mut self, made: fn(Moment) -> Expr) -> Result<Expr, QueryError> {
        self.count_term()?;
        self.next();
        match self.peek() {
            Token::Word(text) | Token::Quoted(text) => match text.parse() {
                Ok(moment) => {
                    self.next();
                    Ok(made(moment))
                }
                Err(error) => Err(self.wrong(format!("{error}; found {}", self.peek().shown()))),
            },
            _ => Err(self.expected("a duration or a time", "for example `since 2h` or `until 2026-11-18T02:00Z`")),
        }
    }

    /// At a word behind which an operator stands.
    fn comparison(&mut self, word: &str) -> Result<Expr, QueryError> {
        let field = Field::named(word).ok_or_else(|| self.unknown(word))?;
        self.next();
        match self.peek().clone() {
            Token::Operator(operator) => self.compared(field, operator),
            _ => {
                self.next();
                let values = if self.take(&Token::Open) { self.list(field)? } else { vec![self.value(field, true)?] };
                Ok(Expr::Is(field, Test::OneOf(values)))
            }
        }
    }

    fn unknown(&self, word: &str) -> QueryError {
        let hint = match similar(word) {
            _ if ["time", "ts", "since", "until"].iter().any(|name| word.eq_ignore_ascii_case(name)) => {
                "times are asked for with `since 2h` and `until 2026-11-18T02:00Z`".to_owned()
            }
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("fields are {}", FIELDS.iter().map(Field::text).collect::<Vec<_>>().join(", ")),
        };
        let shown = self.peek().shown();
        self.wrong(format!("{shown} is not a field; {hint} (a text that is searched for stands in quotes)"))
    }

    /// At the operator.
    fn compared(&mut self, field: &'static Field, operator: Operator) -> Result<Expr, QueryError> {
        let order = match operator {
            Operator::Less => Order::Less,
            Operator::AtMost => Order::AtMost,
            Operator::Greater => Order::Greater,
            Operator::AtLeast => Order::AtLeast,
            Operator::Equal => {
                self.next();
                return self.value(field, false).map(|value| Expr::Is(field, Test::OneOf(vec![value])));
            }
            Operator::Contains => return self.contains(field),
            Operator::NotEqual => return self.deeper(|parser| parser.compared(field, Operator::Equal).map(Expr::not)),
            Operator::ContainsNot => return self.deeper(|parser| parser.contains(field).map(Expr::not)),
        };
        if !field.kind.is_ordered() {
            let (name, kind, operator) = (field.text(), field.kind.name(), operator.name());
            return Err(self.wrong(format!(
                "`{operator}` compares numbers, severities and decisions, and `{name}` is {kind}: expected =, != or in, \
                 for example `{name} = …`"
            )));
        }
        self.next();
        self.value(field, false).map(|value| Expr::Is(field, Test::Order(order, value)))
    }

    /// At `~`.
    fn contains(&mut self, field: &'static Field) -> Result<Expr, QueryError> {
        if !field.kind.is_text() {
            let (name, kind) = (field.text(), field.kind.name());
            let what = format!("`~` looks into texts, and `{name}` is {kind}: expected =, != or in, like `{name} = …`");
            return Err(self.wrong(what));
        }
        self.next();
        self.count_term()?;
        match self.peek().clone() {
            Token::Word(text) | Token::Quoted(text) => {
                self.next();
                Ok(Expr::contains(field, &text))
            }
            _ => Err(self.expected("a text", &format!("for example `{} ~ \"some words\"`", field.text()))),
        }
    }

    /// Behind the parenthesis that opens it.
    fn list(&mut self, field: &'static Field) -> Result<Vec<Value>, QueryError> {
        let mut values = vec![self.value(field, true)?];
        while self.take(&Token::Comma) {
            values.push(self.value(field, true)?);
        }
        if !self.take(&Token::Close) {
            return Err(self.expected("`,` or `)`", &format!("for example `{} in (A, B)`", field.text())));
        }
        Ok(values)
    }

    fn value(&mut self, field: &'static Field, may_be_network: bool) -> Result<Value, QueryError> {
        self.count_term()?;
        let value = match self.peek() {
            Token::Word(text) => Value::read(field.kind, text, false, may_be_network),
            Token::Quoted(text) => Value::read(field.kind, text, true, may_be_network),
            _ => None,
        };
        let value = value.ok_or_else(|| {
            let (kind, found) = (field.kind, self.peek().shown());
            self.wrong(format!("expected {}: {}; found {found}", kind.name(), kind.examples()))
        })?;
        self.next();
        Ok(value)
    }
}

fn word_is(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(text))
}
