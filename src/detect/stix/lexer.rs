//! The words of a STIX pattern, each with the place where it begins.

use super::error::PatternError;
use super::literal::{self, Literal};
use crate::event::{base64, hex};

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name of an object type or a property; `has_hyphen` ones are types alone.
    Name {
        text: String,
        has_hyphen: bool,
    },
    Keyword(Keyword),
    Literal(Literal),
    /// `[ ] ( ) : . , *` and comparisons.
    Sign(&'static str),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    And,
    Or,
    Not,
    FollowedBy,
    Like,
    Matches,
    IsSubset,
    IsSuperset,
    Exists,
    In,
    Start,
    Stop,
    Within,
    Seconds,
    Repeats,
    Times,
}

const KEYWORDS: &[(&str, Keyword)] = &[
    ("AND", Keyword::And),
    ("OR", Keyword::Or),
    ("NOT", Keyword::Not),
    ("FOLLOWEDBY", Keyword::FollowedBy),
    ("LIKE", Keyword::Like),
    ("MATCHES", Keyword::Matches),
    ("ISSUBSET", Keyword::IsSubset),
    ("ISSUPERSET", Keyword::IsSuperset),
    ("EXISTS", Keyword::Exists),
    ("IN", Keyword::In),
    ("START", Keyword::Start),
    ("STOP", Keyword::Stop),
    ("WITHIN", Keyword::Within),
    ("SECONDS", Keyword::Seconds),
    ("REPEATS", Keyword::Repeats),
    ("TIMES", Keyword::Times),
];

/// Longer ones before those that they begin with.
const SIGNS: &[&str] = &["==", "!=", "<>", "<=", ">=", "[", "]", "(", ")", ":", ".", ",", "*", "=", "<", ">"];

/// What is read next of a text.
#[derive(Debug)]
pub struct Lexer<'a> {
    text: &'a str,
    /// In bytes, at the beginning of a character.
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word, and the byte where it begins; [`Token::End`] for ever behind the last.
    ///
    /// # Errors
    /// What stands there is no word of the language.
    pub fn read(&mut self) -> Result<(Token, usize), PatternError> {
        self.skip_blanks()?;
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        let token = match first {
            '\'' => Token::Literal(Literal::Text(self.quoted(start)?)),
            't' | 'h' | 'b' if rest.get(1..2) == Some("'") => Token::Literal(self.encoded(first, start)?),
            '0'..='9' | '+' | '-' => Token::Literal(self.number(start)?),
            '.' if rest.get(1..2).is_some_and(|next| next.bytes().all(|digit| digit.is_ascii_digit())) => {
                Token::Literal(self.number(start)?)
            }
            'a'..='z' | 'A'..='Z' | '_' => self.name(),
            _ => self.sign(start)?,
        };
        Ok((token, start))
    }

    /// What is wrong at a byte of the text.
    pub fn error(&self, byte: usize, problem: impl Into<String>) -> PatternError {
        let before = self.text.get(..byte).unwrap_or(self.text);
        PatternError { at: before.chars().count() + 1, problem: problem.into() }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// White space, `/* … */` and `// …`.
    fn skip_blanks(&mut self) -> Result<(), PatternError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if let Some(comment) = trimmed.strip_prefix("/*") {
                let end = comment.find("*/").ok_or_else(|| self.error(self.at, "the comment has no end (`*/`)"))?;
                self.at += end + 4;
            } else if trimmed.starts_with("//") {
                self.at += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
            } else {
                return Ok(());
            }
        }
    }

    /// The text between two `'`, in which a backslash stands before `'` and `\`.
    fn quoted(&mut self, start: usize) -> Result<String, PatternError> {
        let mut text = String::new();
        let body = self.at + 1;
        let mut characters = self.text.get(body..).unwrap_or_default().char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\'' => {
                    self.at = body + at + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('\'' | '\\'))) => text.push(escaped),
                    _ => {
                        let problem = "a backslash stands before `'` or another backslash alone: double it";
                        return Err(self.error(body + at, problem));
                    }
                },
                _ => text.push(character),
            }
        }
        Err(self.error(start, "the text has no end (`'`)"))
    }

    fn encoded(&mut self, kind: char, start: usize) -> Result<Literal, PatternError> {
        self.at += 1;
        let text = self.quoted(start)?;
        let (read, problem) = match kind {
            't' => (literal::time(&text).map(Literal::Time), "is no timestamp like t'2024-01-31T12:00:00Z'"),
            'h' => (hex::decode(&text).map(Literal::Bytes), "is no hexadecimal with two digits a byte"),
            _ => (base64::decode(&text).map(Literal::Bytes), "is no base64"),
        };
        read.ok_or_else(|| self.error(start, format!("`{}` {problem}", excerpt(&text))))
    }

    fn number(&mut self, start: usize) -> Result<Literal, PatternError> {
        let rest = self.rest();
        let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(unsigned);
        let after = unsigned.get(whole..).unwrap_or_default();
        let fraction = after.strip_prefix('.').map_or(0, digits);
        let length = rest.len() - after.len() + if fraction > 0 { fraction + 1 } else { 0 };
        let text = rest.get(..length).unwrap_or_default();
        self.at += length;
        let leads_with_zero = fraction == 0 && whole > 1 && unsigned.starts_with('0');
        let problem = || self.error(start, format!("`{}` is no number", excerpt(text)));
        if leads_with_zero || whole + fraction == 0 {
            return Err(problem());
        }
        match text.parse::<i64>() {
            Ok(int) => Ok(Literal::Int(int)),
            Err(_) => text.parse().map(Literal::Float).map_err(|_| problem()),
        }
    }

    fn name(&mut self) -> Token {
        let rest = self.rest();
        let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        let text = rest.get(..rest.find(|character| !is_part(character)).unwrap_or(rest.len())).unwrap_or_default();
        self.at += text.len();
        if let Some((_, keyword)) = KEYWORDS.iter().find(|(name, _)| *name == text) {
            return Token::Keyword(*keyword);
        }
        match text {
            "true" | "false" => Token::Literal(Literal::Bool(text == "true")),
            _ => Token::Name { text: text.to_owned(), has_hyphen: text.contains('-') },
        }
    }

    fn sign(&mut self, start: usize) -> Result<Token, PatternError> {
        let rest = self.rest();
        let Some(sign) = SIGNS.iter().copied().find(|sign| rest.starts_with(sign)) else {
            let shown: String = rest.chars().take(1).flat_map(char::escape_debug).collect();
            return Err(self.error(start, format!("`{shown}` means nothing here")));
        };
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }
}

/// So much of a text of others as a message shows.
pub fn excerpt(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token>, PatternError> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            match lexer.read()?.0 {
                Token::End => return Ok(tokens),
                token => tokens.push(token),
            }
        }
    }

    #[test]
    fn every_kind_of_literal_is_read() {
        let read =
            tokens(r"'it\'s \\ é' 5 -4 +3 .5 -0.25 12.658 true false h'6162' b'YWI=' 99999999999999999999").unwrap();
        let expected = [
            Literal::Text(r"it's \ é".into()),
            Literal::Int(5),
            Literal::Int(-4),
            Literal::Int(3),
            Literal::Float(0.5),
            Literal::Float(-0.25),
            Literal::Float(12.658),
            Literal::Bool(true),
            Literal::Bool(false),
            Literal::Bytes(b"ab".to_vec()),
            Literal::Bytes(b"ab".to_vec()),
            Literal::Float(1e20),
        ];
        assert_eq!(read, expected.map(Token::Literal));
        assert!(matches!(tokens("t'2010-05-21T13:21:43Z'").unwrap()[..], [Token::Literal(Literal::Time(_))]));
    }

    #[test]
    fn names_keywords_signs_and_comments_are_told_apart() {
        let read = tokens("/* why */ [x-own:a_b\n // more\r <> 1]").unwrap();
        assert_eq!(read[1], Token::Name { text: "x-own".into(), has_hyphen: true });
        assert_eq!(read[3], Token::Name { text: "a_b".into(), has_hyphen: false });
        assert_eq!(read[4], Token::Sign("<>"));
        assert_eq!(tokens("FOLLOWEDBY followedby").unwrap()[0], Token::Keyword(Keyword::FollowedBy));
    }

    #[test]
    fn what_is_no_word_is_named_with_its_character() {
        for (text, at) in [
            ("'no end", 1),
            ("é", 1),
            ("'é' §", 5),
            (r"'C:\Windows'", 4),
            ("  h'1'", 3),
            ("t'yesterday'", 1),
            ("b'a'", 1),
            ("/* x", 1),
            ("007", 1),
            ("-", 1),
        ] {
            assert_eq!(tokens(text).unwrap_err().at, at, "{text}");
        }
    }
}
