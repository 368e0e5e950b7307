//! What a commit did to one source, as JSON.

use serde_json::{Value, json};
use vecdelta_kernels::RowChange;

use super::{Failure, numbers, time};
use crate::delta::{DeltaId, hex};
use crate::version::{HeldDelta, Repository, parent_of};

/// Describes a delta, with its parent.
///
/// # Errors
/// When the history is damaged.
pub fn delta_json(repo: &Repository, delta: &HeldDelta) -> Result<Value, Failure> {
    let (d, entry, element) = (&delta.difference, repo.entry(delta.commit), delta.table.element);
    let vector = (!d.new.is_empty()).then(|| numbers(element, &d.new));
    Ok(json!({
        "delta": delta.id(repo).to_hex(),
        "source": delta.source.to_string(),
        "change": d.change.name(),
        "commit": entry.id.to_hex(),
        "time": time(entry.time),
        "parent": parent_of(repo, delta)?.map(DeltaId::to_hex),
        "base": delta.base.map(|h| h.to_hex()),
        "result": delta.result.map(|h| h.to_hex()),
        "changed_dims": d.changed_dims,
        "l2": d.l2,
        "cosine": d.measures.as_ref().and_then(RowChange::cosine),
        "max_abs": d.measures.as_ref().map(|m| m.max_abs),
        "dtype": element.name(),
        "dims": delta.table.dims,
        "vector": vector,
        "bits": (!d.new.is_empty()).then(|| hex(&d.new)),
    }))
}
