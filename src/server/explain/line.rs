//! A line as the leaf of a tree: its bytes, and where it was read. Pure.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::event::{Provenance, Raw, base64};
use crate::limits::EXPLAIN_LINE_BYTES_MAX;

/// What the names of sources that are files begin with.
const FILE: &str = "file:";

pub fn line(raw: &Raw) -> Value {
    let shown = raw.payload.get(..EXPLAIN_LINE_BYTES_MAX).unwrap_or(&raw.payload);
    let text = String::from_utf8_lossy(shown);
    let mut line = json!({ "source": &*raw.source, "text": &*text, "bytes": raw.payload.len() });
    if let Some(members) = line.as_object_mut() {
        if matches!(text, Cow::Owned(_)) {
            members.insert("base64".to_owned(), json!(base64::encode(shown)));
        }
        if shown.len() < raw.payload.len() {
            members.insert("cut_at".to_owned(), json!(shown.len()));
        }
        if let Some(provenance) = &raw.provenance {
            members.insert("read_at".to_owned(), place(provenance, &raw.source));
        }
    }
    line
}

fn place(provenance: &Provenance, source: &str) -> Value {
    match provenance {
        Provenance::File(place) => {
            let path = place.path.as_deref().unwrap_or(source.strip_prefix(FILE).unwrap_or(source));
            json!({
                "kind": "file", "path": path, "inode": place.inode, "offset": place.offset, "length": place.length,
                "unpacked": place.is_packed, "goes_on_in_next_file": place.is_carried,
            })
        }
        Provenance::Journal(cursor) => json!({ "kind": "journal", "cursor": cursor }),
        Provenance::Redis { ms, n } => json!({ "kind": "redis", "entry": format!("{ms}-{n}") }),
        Provenance::Syslog(peer) => json!({ "kind": "syslog", "peer": peer.to_string() }),
        Provenance::Http { peer, line } => json!({ "kind": "http", "peer": peer, "line": line }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Format, InFile};
    use crate::parse::built_in;

    fn shown(payload: &[u8]) -> Value {
        let raw = Raw::new(
            "file:/var/log/a".into(),
            "".into(),
            Format::Text,
            payload.to_vec().into(),
            Vec::new(),
            built_in(),
        );
        let place = InFile { inode: Some(7), offset: 3, length: payload.len() as u64, ..InFile::default() };
        line(&raw.read_at(Some(Provenance::in_file(place))))
    }

    #[test]
    fn a_line_says_where_it_stands() {
        let line = shown(b"text");
        assert_eq!((&line["text"], &line["bytes"], line.get("base64")), (&json!("text"), &json!(4), None));
        let place = &line["read_at"];
        assert_eq!((&place["path"], &place["offset"], &place["inode"]), (&json!("/var/log/a"), &json!(3), &json!(7)));
    }

    #[test]
    fn what_is_not_utf_8_comes_as_its_bytes_as_well_and_what_is_long_is_cut_and_says_so() {
        let line = shown(b"a\xff");
        assert_eq!((line["text"].as_str(), line["base64"].as_str()), (Some("a\u{fffd}"), Some("Yf8=")));
        let line = shown(&vec![b'x'; EXPLAIN_LINE_BYTES_MAX + 1]);
        assert_eq!(line["text"].as_str().map(str::len), Some(EXPLAIN_LINE_BYTES_MAX));
        assert_eq!(
            (&line["cut_at"], &line["bytes"]),
            (&json!(EXPLAIN_LINE_BYTES_MAX), &json!(EXPLAIN_LINE_BYTES_MAX + 1))
        );
    }
}
