//! Reads the text of a STIX pattern, by recursive descent: `AND` binds tighter than `OR`, and `OR` than `FOLLOWEDBY`.

use super::error::PatternError;
use super::expression::{Comparisons, Expression};
use super::lexer::{Keyword, Lexer, Token, excerpt};
use super::literal::Literal;
use super::parse_comparison;
use super::words::Words;
use crate::limits::{STIX_LEAVES_MAX, STIX_PATTERN_BYTES_MAX, STIX_PATTERN_DEPTH_MAX, STIX_REPEATS_MAX};

/// A pattern as it was read: what is asked of observations, and of each of them.
#[derive(Debug)]
pub struct Parsed {
    pub expression: Expression,
    pub observations: Vec<Comparisons>,
}

/// # Errors
/// The text is no pattern, or a larger one than is taken.
pub fn parse(text: &str) -> Result<Parsed, PatternError> {
    if text.len() > STIX_PATTERN_BYTES_MAX {
        let problem = format!("the pattern has more than {STIX_PATTERN_BYTES_MAX} bytes");
        return Err(PatternError { at: 1, problem });
    }
    let mut parser = Parser { words: Words::new(Lexer::new(text))?, observations: Vec::new() };
    let expression = parser.in_order(0)?;
    parser.words.expect_end()?;
    Ok(Parsed { expression, observations: parser.observations })
}

struct Parser<'a> {
    words: Words<'a>,
    observations: Vec<Comparisons>,
}

impl Parser<'_> {
    fn in_order(&mut self, depth: usize) -> Result<Expression, PatternError> {
        self.joined(Keyword::FollowedBy, depth, Self::any, Expression::InOrder)
    }

    fn any(&mut self, depth: usize) -> Result<Expression, PatternError> {
        self.joined(Keyword::Or, depth, Self::all, Expression::Any)
    }

    fn all(&mut self, depth: usize) -> Result<Expression, PatternError> {
        self.joined(Keyword::And, depth, Self::qualified, Expression::All)
    }

    fn joined(
        &mut self,
        keyword: Keyword,
        depth: usize,
        part: fn(&mut Self, usize) -> Result<Expression, PatternError>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, PatternError> {
        let first = part(self, depth)?;
        let mut parts = vec![first];
        while self.words.take_keyword(keyword)? {
            parts.push(part(self, depth)?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => join(parts),
        })
    }

    /// `[…]` or `(…)` and the qualifiers behind it.
    fn qualified(&mut self, depth: usize) -> Result<Expression, PatternError> {
        let mut expression = self.primary(depth)?;
        let mut qualifiers = depth;
        loop {
            let wrapped = match self.words.token() {
                Token::Keyword(Keyword::Within) => self.within(expression)?,
                Token::Keyword(Keyword::Repeats) => self.repeats(expression)?,
                Token::Keyword(Keyword::Start) => self.between(expression)?,
                _ => return Ok(expression),
            };
            qualifiers += 1;
            self.check_depth(qualifiers)?;
            expression = wrapped;
        }
    }

    fn primary(&mut self, depth: usize) -> Result<Expression, PatternError> {
        self.check_depth(depth)?;
        if self.words.take_sign("(")? {
            let inner = self.in_order(depth + 1)?;
            self.words.expect_sign(")")?;
            return Ok(inner);
        }
        if !self.words.take_sign("[")? {
            return Err(self.words.unexpected("an observation in brackets, as in [ipv4-addr:value = '192.0.2.1']"));
        }
        if self.observations.len() >= STIX_LEAVES_MAX {
            return Err(self.words.error(format!("the pattern has more than {STIX_LEAVES_MAX} observations")));
        }
        let comparisons = parse_comparison::comparisons(&mut self.words, 0)?;
        self.words.expect_sign("]")?;
        self.observations.push(comparisons);
        Ok(Expression::Observation(self.observations.len() - 1))
    }

    fn check_depth(&self, depth: usize) -> Result<(), PatternError> {
        if depth < STIX_PATTERN_DEPTH_MAX {
            return Ok(());
        }
        Err(self.words.error(format!("the pattern is nested more than {STIX_PATTERN_DEPTH_MAX} levels deep")))
    }

    /// `WITHIN 5 SECONDS`
    fn within(&mut self, inner: Expression) -> Result<Expression, PatternError> {
        self.words.next()?;
        let seconds = match self.words.token() {
            Token::Literal(Literal::Int(seconds)) if *seconds > 0 => *seconds as f64,
            Token::Literal(Literal::Float(seconds)) if *seconds > 0.0 => *seconds,
            _ => return Err(self.words.unexpected("a number of seconds above 0")),
        };
        self.words.next()?;
        self.words.expect_keyword(Keyword::Seconds, "SECONDS")?;
        // A float that is too large becomes the largest integer: any time at all.
        Ok(Expression::Within(Box::new(inner), (seconds * 1e6) as i64))
    }

    /// `REPEATS 5 TIMES`
    fn repeats(&mut self, inner: Expression) -> Result<Expression, PatternError> {
        self.words.next()?;
        let times = match self.words.token() {
            Token::Literal(Literal::Int(times)) => u32::try_from(*times).ok().filter(|times| *times > 0),
            _ => None,
        };
        let Some(times) = times.filter(|times| *times <= STIX_REPEATS_MAX) else {
            return Err(self.words.unexpected(&format!("a whole number from 1 to {STIX_REPEATS_MAX}")));
        };
        self.words.next()?;
        self.words.expect_keyword(Keyword::Times, "TIMES")?;
        Ok(Expression::Repeated(Box::new(inner), times))
    }

    /// `START t'…' STOP t'…'`
    fn between(&mut self, inner: Expression) -> Result<Expression, PatternError> {
        self.words.next()?;
        let start = self.time()?;
        self.words.expect_keyword(Keyword::Stop, "STOP")?;
        let place = self.words.place();
        let stop = self.time()?;
        if stop < start {
            return Err(self.words.error_at(place, "the interval stops before it starts"));
        }
        Ok(Expression::Between { inner: Box::new(inner), start, stop })
    }

    fn time(&mut self) -> Result<i64, PatternError> {
        let time = match self.words.token() {
            Token::Literal(Literal::Time(time)) => time.as_microsecond(),
            // Patterns of STIX 2.0 write it as a text.
            Token::Literal(Literal::Text(text)) => match super::literal::time(text) {
                Some(time) => time.as_microsecond(),
                None => return Err(self.words.error(format!("`{}` is no timestamp", excerpt(text)))),
            },
            _ => return Err(self.words.unexpected("a timestamp like t'2024-01-31T12:00:00Z'")),
        };
        self.words.next()?;
        Ok(time)
    }
}
