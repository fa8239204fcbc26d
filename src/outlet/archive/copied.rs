//! Rows in the binary form of COPY, which Postgres takes at half the cost of arrays: it neither unpacks them nor looks for each key
//! twice. Pure. <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use crate::store::rows::{OutputRow, RawRow};

use super::values::{clean, small};

/// The signature, no flags, no extension of the header.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Instead of the number of columns of a row.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Instead of the length of a value.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Rows of one table, all with the same columns.
#[derive(Debug, Default)]
pub struct Copied {
    bytes: Vec<u8>,
    pub rows: usize,
}

impl Copied {
    /// The columns of [`COPY_RAW`](super::sql::COPY_RAW).
    pub fn push_raw(&mut self, row: &RawRow<'_>, instance: &str) {
        self.begin_row(13);
        self.number(row.ts.to_be_bytes());
        self.number(row.id.to_be_bytes());
        self.text(&row.source);
        self.text(&row.compartment);
        self.bytes(&row.payload);
        self.number(small(row.layer).to_be_bytes());
        self.optional(row.root, |this, root| this.number(root.to_be_bytes()));
        self.text(&row.format);
        self.number(small(row.attributes).to_be_bytes());
        self.number(row.arrival.to_be_bytes());
        self.number(row.believed.to_be_bytes());
        self.optional(row.provenance.as_deref(), Self::text);
        self.text(instance);
    }

    /// The columns of [`COPY_OUTPUTS`](super::sql::COPY_OUTPUTS).
    pub fn push_output(&mut self, row: &OutputRow, instance: &str) {
        self.begin_row(12);
        self.number(row.ts.to_be_bytes());
        self.number(row.id.to_be_bytes());
        self.number(small(row.layer).to_be_bytes());
        self.text(&row.model);
        self.optional(row.input_ref.as_deref(), Self::text);
        self.bytes(row.output_json.as_bytes());
        self.number(row.score.to_be_bytes());
        self.number(row.root.to_be_bytes());
        self.number(small(row.producer).to_be_bytes());
        self.number(row.arrival.to_be_bytes());
        self.number(row.believed.to_be_bytes());
        self.text(instance);
    }

    /// The whole, in pieces of about this size.
    pub fn pieces(&self, size: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(size).chain(std::iter::once(&TRAILER[..]))
    }

    fn begin_row(&mut self, columns: i16) {
        if self.rows == 0 {
            self.bytes.extend_from_slice(HEADER);
        }
        self.rows += 1;
        self.bytes.extend_from_slice(&columns.to_be_bytes());
    }

    fn number<const BYTES: usize>(&mut self, number: [u8; BYTES]) {
        self.bytes(&number);
    }

    fn text(&mut self, text: &str) {
        self.bytes(clean(text).as_bytes());
    }

    fn optional<Value>(&mut self, value: Option<Value>, push: impl FnOnce(&mut Self, Value)) {
        match value {
            Some(value) => push(self, value),
            None => self.bytes.extend_from_slice(&NULL),
        }
    }

    fn bytes(&mut self, value: &[u8]) {
        // Lines, and what is said of them, are bounded far below.
        let length = i32::try_from(value.len()).unwrap_or_default();
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_on_in_pieces_is_a_header_rows_and_a_trailer() {
        let row = || OutputRow {
            id: 1,
            ts: 0.5,
            arrival: 2,
            believed: 3,
            layer: 3,
            model: "m\0".into(),
            input_ref: None,
            output_json: "{}".to_owned(),
            score: 1.0,
            root: 4,
            producer: 0,
        };
        let mut copied = Copied::default();
        copied.push_output(&row(), "one");
        copied.push_output(&row(), "one");
        let whole: Vec<u8> = copied.pieces(7).flatten().copied().collect();
        let rows = whole.strip_prefix(HEADER).and_then(|rest| rest.strip_suffix(&TRAILER)).unwrap();
        let (first, second) = rows.split_at(rows.len() / 2);
        assert_eq!((first, copied.rows), (second, 2));
        let mut rest = &first[2..];
        let mut values = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            values.push(length.map(|length| &after[..length]));
            rest = &after[length.unwrap_or_default()..];
        }
        assert_eq!((first[..2].to_vec(), values.len()), (12_i16.to_be_bytes().to_vec(), 12));
        assert_eq!(values[0], Some(&0.5_f64.to_be_bytes()[..]));
        assert_eq!((values[3], values[4], values[5]), (Some("m\u{fffd}".as_bytes()), None, Some(&b"{}"[..])));
        assert_eq!((values[8], values[11]), (Some(&[0, 0][..]), Some(&b"one"[..])));
    }
}
