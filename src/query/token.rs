//! From characters to tokens.

use super::error::QueryError;
use crate::detect::deceptive::excerpt;

/// Characters of a token that an error shows.
const SHOWN_CHARS: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Contains,
    ContainsNot,
}

impl Operator {
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Contains => "~",
            Self::ContainsNot => "!~",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Word(String),
    Quoted(String),
    Operator(Operator),
    And,
    Or,
    Not,
    Open,
    Close,
    Comma,
    End,
}

impl Token {
    /// How an error names it.
    pub fn shown(&self) -> String {
        match self {
            Self::Word(word) => format!("`{}`", excerpt(word, SHOWN_CHARS)),
            Self::Quoted(text) => format!("the text \"{}\"", excerpt(text, SHOWN_CHARS)),
            Self::Operator(operator) => format!("`{}`", operator.name()),
            Self::And => "`and`".to_owned(),
            Self::Or => "`or`".to_owned(),
            Self::Not => "`not`".to_owned(),
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::End => "the end".to_owned(),
        }
    }
}

/// All tokens with the columns where they begin; the last is [`Token::End`].
pub fn tokens(text: &str) -> Result<Vec<(Token, usize)>, QueryError> {
    let mut characters = Characters { rest: text.chars(), column: 1 };
    let mut tokens = Vec::new();
    loop {
        characters.skip_blanks();
        let column = characters.column;
        let token = characters.token()?;
        let is_end = token == Token::End;
        tokens.push((token, column));
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Characters<'a> {
    rest: std::str::Chars<'a>,
    column: usize,
}

impl Characters<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        self.column += 1;
        self.rest.next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.next();
        }
        is_there
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn token(&mut self) -> Result<Token, QueryError> {
        let column = self.column;
        let Some(first) = self.peek() else { return Ok(Token::End) };
        if is_word(first) && !self.is_negated_operator() {
            return Ok(self.word());
        }
        self.next();
        Ok(match first {
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '"' => Token::Quoted(self.quoted(column)?),
            '<' if self.take('=') => Token::Operator(Operator::AtMost),
            '<' => Token::Operator(Operator::Less),
            '>' if self.take('=') => Token::Operator(Operator::AtLeast),
            '>' => Token::Operator(Operator::Greater),
            '~' => Token::Operator(Operator::Contains),
            '!' if self.take('=') => Token::Operator(Operator::NotEqual),
            '!' => {
                self.next();
                Token::Operator(Operator::ContainsNot)
            }
            _ => {
                self.take('='); // `==`
                Token::Operator(Operator::Equal)
            }
        })
    }

    /// `!=` or `!~` begins here.
    fn is_negated_operator(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next() == Some('!') && matches!(ahead.next(), Some('=' | '~'))
    }

    fn word(&mut self) -> Token {
        if self.take('!') {
            return Token::Not;
        }
        let mut word = String::new();
        while let Some(character) = self.peek().filter(|character| is_word(*character)) {
            if self.is_negated_operator() {
                break;
            }
            word.push(character);
            self.next();
        }
        match word.to_ascii_lowercase().as_str() {
            "and" | "&&" => Token::And,
            "or" | "||" => Token::Or,
            "not" => Token::Not,
            _ => Token::Word(word),
        }
    }

    /// What stands behind the opening quote, which is at `column`.
    fn quoted(&mut self, column: usize) -> Result<String, QueryError> {
        let mut text = String::new();
        loop {
            let at = self.column;
            match self.next() {
                None => return Err(QueryError::at(column, "the text that begins here has no closing quote `\"`")),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape().ok_or_else(|| {
                    QueryError::at(at, "`\\` begins one of \\\" \\\\ \\n \\r \\t \\u{…}, like in \"C:\\\\Windows\"")
                })?),
                Some(character) => text.push(character),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        match self.next()? {
            same @ ('"' | '\\') => Some(same),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' if self.take('{') => {
                let mut code = 0;
                loop {
                    match self.next()? {
                        '}' => return char::from_u32(code),
                        digit => code = (code << 4 | digit.to_digit(16)?).min(u32::from(char::MAX) + 1),
                    }
                }
            }
            _ => None,
        }
    }
}

/// Stands in a word that needs no quotes.
fn is_word(character: char) -> bool {
    !character.is_whitespace() && !matches!(character, '(' | ')' | ',' | '"' | '=' | '<' | '>' | '~')
}
