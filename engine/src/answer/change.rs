//! What differs between two revisions, as JSON.

use serde_json::{Value, json};

use crate::delta::Table;
use crate::store::Measure;

/// Describes how one source differs.
pub fn change_json(table: &Table, measure: &Measure) -> Value {
    json!({
        "source": format!("{}/{}", table.collection, measure.key),
        "change": measure.change.name(),
        "changed_dims": measure.changed_dims,
        "l2": measure.l2,
        "cosine": measure.cosine,
        "max_abs": measure.max_abs,
    })
}
