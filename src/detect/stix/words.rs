//! The words of a pattern with the one that stands next in sight.

use super::error::PatternError;
use super::lexer::{Keyword, Lexer, Token};

pub struct Words<'a> {
    lexer: Lexer<'a>,
    token: Token,
    /// The byte where it begins.
    place: usize,
    /// Comparisons read so far.
    pub comparisons: usize,
}

impl<'a> Words<'a> {
    /// # Errors
    /// As [`Words::next`].
    pub fn new(mut lexer: Lexer<'a>) -> Result<Self, PatternError> {
        let (token, place) = lexer.read()?;
        Ok(Self { lexer, token, place, comparisons: 0 })
    }

    pub fn token(&self) -> &Token {
        &self.token
    }

    pub fn place(&self) -> usize {
        self.place
    }

    /// Goes to the next word and returns the one before.
    ///
    /// # Errors
    /// The next is no word.
    pub fn next(&mut self) -> Result<Token, PatternError> {
        let (token, place) = self.lexer.read()?;
        self.place = place;
        Ok(std::mem::replace(&mut self.token, token))
    }

    pub fn take_keyword(&mut self, keyword: Keyword) -> Result<bool, PatternError> {
        self.take(&Token::Keyword(keyword))
    }

    pub fn take_sign(&mut self, sign: &'static str) -> Result<bool, PatternError> {
        self.take(&Token::Sign(sign))
    }

    fn take(&mut self, token: &Token) -> Result<bool, PatternError> {
        let is_next = self.token == *token;
        if is_next {
            self.next()?;
        }
        Ok(is_next)
    }

    pub fn expect_keyword(&mut self, keyword: Keyword, name: &str) -> Result<(), PatternError> {
        if self.take_keyword(keyword)? { Ok(()) } else { Err(self.unexpected(&format!("`{name}`"))) }
    }

    pub fn expect_sign(&mut self, sign: &'static str) -> Result<(), PatternError> {
        if self.take_sign(sign)? { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    pub fn expect_end(&self) -> Result<(), PatternError> {
        if self.token == Token::End {
            Ok(())
        } else {
            Err(self.unexpected("the end, a qualifier, AND, OR or FOLLOWEDBY"))
        }
    }

    /// Something else stands here than there must.
    pub fn unexpected(&self, expected: &str) -> PatternError {
        self.error(format!("{expected} is expected here"))
    }

    /// What is wrong where the next word begins.
    pub fn error(&self, problem: impl Into<String>) -> PatternError {
        self.error_at(self.place, problem)
    }

    pub fn error_at(&self, place: usize, problem: impl Into<String>) -> PatternError {
        self.lexer.error(place, problem)
    }
}
