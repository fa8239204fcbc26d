//! Events column by column, as UNNEST takes them: for rows whose keys may be taken. Pure.

use super::item::Item;
use super::values::{clean, small};
use crate::store::rows::{ControlRow, FormatNames, OutputRow, RawRow, Row};

/// Rows of `raw_events_fast`.
#[derive(Debug, Default)]
pub struct RawColumns {
    pub ts: Vec<f64>,
    pub arrival: Vec<i64>,
    pub believed: Vec<i64>,
    pub source: Vec<String>,
    pub compartment: Vec<String>,
    pub payload: Vec<Vec<u8>>,
    pub id: Vec<i64>,
    pub layer: Vec<i16>,
    pub root: Vec<Option<i64>>,
    pub format: Vec<String>,
    pub attributes: Vec<i16>,
    pub provenance: Vec<Option<String>>,
}

/// Rows of `model_outputs_fast`.
#[derive(Debug, Default)]
pub struct OutputColumns {
    pub ts: Vec<f64>,
    pub arrival: Vec<i64>,
    pub believed: Vec<i64>,
    pub layer: Vec<i16>,
    pub model: Vec<String>,
    pub input_ref: Vec<Option<String>>,
    pub output_json: Vec<String>,
    pub score: Vec<f64>,
    pub id: Vec<i64>,
    pub root: Vec<i64>,
    pub producer: Vec<i16>,
}

/// Rows of `control_events_fast`.
#[derive(Debug, Default)]
pub struct ControlColumns {
    pub id: Vec<i64>,
    pub ts: Vec<f64>,
    pub arrival: Vec<i64>,
    pub believed: Vec<i64>,
    pub stream: Vec<String>,
    pub root: Vec<Option<i64>>,
    pub body_json: Vec<String>,
}

/// Rows of both tables.
#[derive(Debug, Default)]
pub struct Columns {
    pub raw: RawColumns,
    pub outputs: OutputColumns,
}

impl Columns {
    pub fn of(items: &[Item]) -> Self {
        let (mut columns, mut formats) = (Self::default(), FormatNames::default());
        for item in items {
            item.with_row(&mut formats, |row| match row {
                Row::Raw(row) => columns.raw.push(row),
                Row::Output(row) => columns.outputs.push(row),
                Row::Control(_) => {}
            });
        }
        columns
    }
}

impl RawColumns {
    fn push(&mut self, row: &RawRow<'_>) {
        self.ts.push(row.ts);
        self.arrival.push(row.arrival);
        self.believed.push(row.believed);
        self.source.push(clean(&row.source).into_owned());
        self.compartment.push(clean(&row.compartment).into_owned());
        self.payload.push(row.payload.to_vec());
        self.id.push(row.id);
        self.layer.push(small(row.layer));
        self.root.push(row.root);
        self.format.push(clean(&row.format).into_owned());
        self.attributes.push(small(row.attributes));
        self.provenance.push(row.provenance.as_deref().map(|text| clean(text).into_owned()));
    }
}

impl OutputColumns {
    fn push(&mut self, row: &OutputRow) {
        self.ts.push(row.ts);
        self.arrival.push(row.arrival);
        self.believed.push(row.believed);
        self.layer.push(small(row.layer));
        self.model.push(clean(&row.model).into_owned());
        self.input_ref.push(row.input_ref.as_deref().map(|text| clean(text).into_owned()));
        self.output_json.push(row.output_json.clone());
        self.score.push(row.score);
        self.id.push(row.id);
        self.root.push(row.root);
        self.producer.push(small(row.producer));
    }
}

impl ControlColumns {
    pub(super) fn push(&mut self, row: &ControlRow) {
        self.id.push(row.id);
        self.ts.push(row.ts);
        self.arrival.push(row.arrival);
        self.believed.push(row.believed);
        self.stream.push(row.stream.to_owned());
        self.root.push(row.root);
        self.body_json.push(row.body_json.clone());
    }
}
