//! A delta, or a row of a table, as one JSON object.

use serde_json::{Map, Value, json};

use super::Delivered;
use crate::delta::{CommitId, Table, Timestamp, hex};
use crate::pipeline::config::SinkField;

/// Writes the fields of a delta.
pub fn delta_line(fields: &[SinkField], d: &Delivered) -> Value {
    let delta = d.delta();
    let hashes = fields.iter().any(|f| matches!(f, SinkField::Base | SinkField::Result));
    let (base, result) = if hashes { d.base_and_result() } else { (None, None) };
    line(fields, |field| match field {
        SinkField::Change => json!(delta.change.name()),
        SinkField::ChangedDims => json!(delta.changed_dims),
        SinkField::L2 => json!(delta.l2),
        SinkField::Cosine => json!(delta.cosine),
        SinkField::MaxAbs => json!(measured(d).then_some(delta.max_abs)),
        SinkField::Route => json!(d.route()),
        SinkField::Base => json!(base),
        SinkField::Result => json!(result),
        SinkField::Delta => json!(d.id()),
        SinkField::Meta => meta(d),
        other => row_value(other, &d.commit(), d.millis(), d.table(), d.key(), d.new_bits()),
    })
}

/// Only an update has a largest move.
fn measured(d: &Delivered) -> bool {
    d.delta().change == crate::delta::Change::Update
}

fn meta(d: &Delivered) -> Value {
    let note = d.note();
    Value::Object(note.values().map(|(name, value)| (name.to_owned(), json!(value))).collect())
}

/// Writes the fields of a row of a table.
pub fn row_line(fields: &[SinkField], commit: &CommitId, millis: u64, table: &Table, key: &str, row: &[u8]) -> Value {
    line(fields, |field| row_value(field, commit, millis, table, key, Some(row)))
}

/// Returns a field that a row of a table has as well.
fn row_value(field: SinkField, commit: &CommitId, millis: u64, table: &Table, key: &str, row: Option<&[u8]>) -> Value {
    let numbers = |row: &[u8]| -> Vec<Value> {
        row.chunks_exact(table.element.size()).map(|bits| json!(table.element.to_f64(bits))).collect()
    };
    match field {
        SinkField::Source => json!(format!("{}/{key}", table.collection)),
        SinkField::Collection => json!(table.collection),
        SinkField::Id => json!(key),
        SinkField::Commit => json!(commit.to_hex()),
        SinkField::Time => json!(Timestamp { physical_millis: millis, ..Timestamp::default() }.rfc3339()),
        SinkField::Vector => json!(row.map(numbers)),
        SinkField::Bits => json!(row.map(hex)),
        // The configuration refuses a field of a change for rows of a table.
        _ => Value::Null,
    }
}

/// Writes fields in their order; `vector` brings `bits` along, on which exactness is checked.
fn line(fields: &[SinkField], value: impl Fn(SinkField) -> Value) -> Value {
    let bits = fields.contains(&SinkField::Vector) && !fields.contains(&SinkField::Bits);
    let fields = fields.iter().copied().chain(bits.then_some(SinkField::Bits));
    Value::Object(fields.map(|field| (field.name().to_owned(), value(field))).collect::<Map<_, _>>())
}
