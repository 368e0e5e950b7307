//! One vector, as JSON.

use serde_json::{Value, json};

use crate::delta::{Element, Source, hex, row_hash};
use crate::version::{self, Repository};

/// Describes a vector: its numbers, and its bits.
pub fn vector_json(repo: &Repository, source: &Source, found: &version::Value) -> Value {
    let element = found.table.element;
    json!({
        "source": source.to_string(),
        "commit": repo.entry(found.commit).id.to_hex(),
        "dtype": element.name(),
        "dims": found.table.dims,
        "hash": row_hash(&source.key, element, &found.row).to_hex(),
        "vector": numbers(element, &found.row),
        "bits": hex(&found.row),
    })
}

/// Returns the components of a row as JSON numbers; what is not finite is null.
pub fn numbers(element: Element, row: &[u8]) -> Vec<Value> {
    row.chunks_exact(element.size()).map(|bits| json!(element.to_f64(bits))).collect()
}
