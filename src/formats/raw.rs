//! The shape of a file of formats, as TOML has it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    pub about: String,
    #[serde(default)]
    pub programs: Vec<String>,
    #[serde(default)]
    pub untagged: bool,
    #[serde(default)]
    pub logsource: LogSource,
    #[serde(default)]
    pub message: Vec<Message>,
    #[serde(default)]
    pub record: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(from = "MessageKeys")]
pub struct Message {
    pub is: Spanned<Texts>,
    pub map: BTreeMap<String, Texts>,
    pub meaning: Meaning,
    pub fallback: bool,
    pub sample: Vec<Sample>,
}

// `flatten` and `deny_unknown_fields` exclude each other, so the keys of the meaning are written out twice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageKeys {
    is: Spanned<Texts>,
    #[serde(default)]
    map: BTreeMap<String, Texts>,
    action: Spanned<String>,
    #[serde(default)]
    outcome: Outcome,
    #[serde(default)]
    set: BTreeMap<String, Scalar>,
    severity: Option<Severity>,
    #[serde(default)]
    fallback: bool,
    #[serde(default)]
    sample: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
#[serde(from = "RecordKeys")]
pub struct Record {
    pub has: Vec<String>,
    pub when: BTreeMap<String, Texts>,
    pub map: BTreeMap<String, Texts>,
    pub message: Option<String>,
    pub meaning: Meaning,
    pub fallback: bool,
    pub sample: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordKeys {
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    when: BTreeMap<String, Texts>,
    #[serde(default)]
    map: BTreeMap<String, Texts>,
    message: Option<String>,
    action: Spanned<String>,
    #[serde(default)]
    outcome: Outcome,
    #[serde(default)]
    set: BTreeMap<String, Scalar>,
    severity: Option<Severity>,
    #[serde(default)]
    fallback: bool,
    #[serde(default)]
    sample: Vec<Sample>,
}

#[derive(Debug)]
pub struct Meaning {
    pub action: Spanned<String>,
    pub outcome: Outcome,
    pub set: BTreeMap<String, Scalar>,
    pub severity: Option<Severity>,
}

impl std::convert::From<MessageKeys> for Message {
    fn from(keys: MessageKeys) -> Self {
        let MessageKeys { is, map, action, outcome, set, severity, fallback, sample } = keys;
        Self { is, map, meaning: Meaning { action, outcome, set, severity }, fallback, sample }
    }
}

impl std::convert::From<RecordKeys> for Record {
    fn from(keys: RecordKeys) -> Self {
        let RecordKeys { has, when, map, message, action, outcome, set, severity, fallback, sample } = keys;
        Self { has, when, map, message, meaning: Meaning { action, outcome, set, severity }, fallback, sample }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub line: Option<Spanned<String>>,
    pub raw: Option<Spanned<String>>,
    pub program: Option<String>,
    pub action: Option<String>,
    pub outcome: Option<String>,
    #[serde(default)]
    pub ambiguous: bool,
    #[serde(default)]
    pub fields: BTreeMap<String, Scalar>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, or { by = \"field\", success = [\"1-399\"], failure = [\"400-599\"] }")]
pub enum Outcome {
    Name(String),
    By(By),
}

impl Default for Outcome {
    fn default() -> Self {
        Self::Name("unknown".to_owned())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    pub by: String,
    #[serde(default)]
    pub success: Texts,
    #[serde(default)]
    pub failure: Texts,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, or { from = \"field\", values = { \"1\" = \"high\" } }")]
pub enum Severity {
    Name(String),
    From(From),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    pub from: String,
    pub values: BTreeMap<String, String>,
}

/// One text or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum Texts {
    One(Scalar),
    Many(Vec<Scalar>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Texts {
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text.into_text()],
            Self::Many(texts) => texts.into_iter().map(Scalar::into_text).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, a number, true or false")]
pub enum Scalar {
    Text(String),
    Integer(i64),
    Bool(bool),
    Float(f64),
}

impl Scalar {
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Float(number) => number.to_string(),
        }
    }
}

/// The names as the file has them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSource {
    pub product: Option<String>,
    pub category: Option<String>,
    pub service: Option<String>,
}
