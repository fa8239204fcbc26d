//! The types of fields.

use super::texts::Texts;

/// The longest of their kind; what is longer is none.
pub(super) const ADDRESS_BYTES: usize = 64;
pub(super) const HOST_BYTES: usize = 255;
pub(super) const NUMBER_BYTES: usize = 40;
pub(super) const HEX_BYTES: usize = 256;
pub(super) const TIME_BYTES: usize = 64;

/// How the bytes of a field are recognised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    // Strict types: from one start they have exactly one end.
    Ip,
    Port,
    IpPort,
    Host,
    Addr,
    Int,
    Number,
    Hex,
    Time,
    Duration,
    Mac,
    Space,
    Quoted,
    /// One of these texts, the longest that stands there.
    One(Texts),
    /// Words with this between them.
    List(Box<str>),
    /// `key=value` to the end.
    Pairs,
    /// A JSON object to the end.
    Json,
    // Free text: it ends wherever what follows it in the template fits.
    Word,
    Text,
    Rest,
    Path,
    Url,
    /// Anything without these characters, perhaps nothing.
    Not(Box<str>),
}

const PLAIN: &[(&str, Kind)] = &[
    ("ip", Kind::Ip),
    ("port", Kind::Port),
    ("ip_port", Kind::IpPort),
    ("host", Kind::Host),
    ("addr", Kind::Addr),
    ("int", Kind::Int),
    ("number", Kind::Number),
    ("hex", Kind::Hex),
    ("time", Kind::Time),
    ("duration", Kind::Duration),
    ("mac", Kind::Mac),
    ("space", Kind::Space),
    ("quoted", Kind::Quoted),
    ("kv", Kind::Pairs),
    ("json", Kind::Json),
    ("word", Kind::Word),
    ("text", Kind::Text),
    ("user", Kind::Text),
    ("rest", Kind::Rest),
    ("path", Kind::Path),
    ("url", Kind::Url),
];

impl Kind {
    /// The type that a template calls so, `arguments` being what stands in parentheses after it.
    ///
    /// # Errors
    /// There is no such type, or the arguments are not its own; the text says what was expected.
    pub fn named(name: &str, arguments: Option<&str>) -> Result<Self, String> {
        match (name, arguments.filter(|text| !text.is_empty())) {
            ("one", Some(texts)) => {
                if texts.split('|').any(str::is_empty) {
                    return Err("a text of `one(a|b)` is empty".to_owned());
                }
                Ok(Self::One(texts.split('|').collect()))
            }
            ("one", None) => Err("`one` needs its texts: one(a|b|c)".to_owned()),
            ("list", Some(separator)) => Ok(Self::List(separator.into())),
            ("not", Some(characters)) => Ok(Self::Not(characters.into())),
            ("not", None) => Err("`not` needs the characters that it has none of: not([\")".to_owned()),
            ("list", None) => Err("`list` needs its separator: list(,)".to_owned()),
            (name, None) => match PLAIN.iter().find(|(known, _)| *known == name) {
                Some((_, kind)) => Ok(kind.clone()),
                None => {
                    let known: Vec<_> = PLAIN.iter().map(|(name, _)| *name).collect();
                    Err(format!(
                        "`{name}` is no type; there are {}, one(a|b), list(,), not(characters)",
                        known.join(", ")
                    ))
                }
            },
            (name, Some(_)) => Err(format!("`{name}` takes nothing in parentheses")),
        }
    }

    /// Whether it may have several ends.
    pub fn is_free(&self) -> bool {
        matches!(self, Self::Word | Self::Text | Self::Rest | Self::Path | Self::Url | Self::Not(_))
    }

    /// Whether it always reaches to the end of the message.
    pub fn is_tail(&self) -> bool {
        matches!(self, Self::Pairs | Self::Json)
    }

    /// Whether a field of this type can begin with the byte; free text may also be empty.
    pub fn may_begin(&self, byte: u8) -> bool {
        let is_digit = byte.is_ascii_digit();
        match self {
            Self::Ip | Self::IpPort => byte.is_ascii_hexdigit() || matches!(byte, b'[' | b':'),
            Self::Port => is_digit,
            Self::Host => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Addr => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'[' | b':'),
            Self::Int | Self::Number | Self::Duration => is_digit || matches!(byte, b'-' | b'+'),
            Self::Hex | Self::Mac => byte.is_ascii_hexdigit(),
            Self::Time => byte.is_ascii_alphanumeric() || matches!(byte, b'[' | b'@'),
            Self::Space => matches!(byte, b' ' | b'\t'),
            Self::Quoted => matches!(byte, b'"' | b'\''),
            Self::One(texts) => texts.may_begin(byte),
            Self::Json => byte == b'{',
            Self::Path => byte == b'/',
            Self::List(_) | Self::Word | Self::Text | Self::Url => !byte.is_ascii_whitespace(),
            Self::Pairs | Self::Rest | Self::Not(_) => true,
        }
    }

    /// The least and the most bytes that it can have.
    pub fn lengths(&self) -> (usize, usize) {
        match self {
            Self::Ip => (2, ADDRESS_BYTES),
            Self::Port => (1, 5),
            Self::IpPort => (4, ADDRESS_BYTES + 6),
            Self::Host => (1, HOST_BYTES),
            Self::Addr => (1, HOST_BYTES),
            Self::Int | Self::Number => (1, NUMBER_BYTES),
            Self::Hex => (1, HEX_BYTES),
            Self::Time => (8, TIME_BYTES),
            Self::Duration => (1, TIME_BYTES),
            Self::Mac => (14, 17),
            Self::Quoted => (2, usize::MAX),
            Self::One(texts) => texts.lengths(),
            Self::Rest | Self::Not(_) => (0, usize::MAX),
            Self::Json => (2, usize::MAX),
            Self::Pairs => (2, usize::MAX),
            Self::Space | Self::List(_) | Self::Word | Self::Text | Self::Path | Self::Url => (1, usize::MAX),
        }
    }
}
