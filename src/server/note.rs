//! What people send with what they decide: a small body, and in it a note.

use axum::body::Body;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::limits;

/// Of the body that brings a note, each character escaped.
const BODY_BYTES_MAX: usize = 12 * limits::AUDIT_NOTE_CHARS_MAX + 256;

/// Text of at most [`AUDIT_NOTE_CHARS_MAX`](limits::AUDIT_NOTE_CHARS_MAX) characters.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Note(pub String);

impl TryFrom<String> for Note {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (count, most) = (text.chars().count(), limits::AUDIT_NOTE_CHARS_MAX);
        if count > most { Err(format!("the note has {count} characters, of at most {most}")) } else { Ok(Self(text)) }
    }
}

/// A body with a note and nothing else.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noted {
    pub note: Note,
}

impl Noted {
    pub const SHAPE: &str = "none, or {\"note\":\"…\"}";
}

/// A body that may be missing; `shape` says what is to be sent.
pub async fn small_body<T: DeserializeOwned>(body: Body, shape: &str) -> Result<Option<T>, Problem> {
    let wrong = |what: String| Problem::bad_request(format!("the body is {what}; send {shape}"));
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| wrong(format!("not read ({error})")))?.to_bytes();
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&body).map(Some).map_err(|error| wrong(format!("something else than that ({error})")))
}
