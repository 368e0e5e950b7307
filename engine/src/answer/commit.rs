//! Commits as JSON.

use serde_json::{Value, json};

use super::Failure;
use crate::delta::{Element, SortedMap, Timestamp};
use crate::store::CommitRecord;
use crate::version::{CommitIndex, Repository, default_head, resolve};

/// Finds the commit that a revision names, or the head when none is given; `None` without commits.
///
/// # Errors
/// When the revision names none, or several.
pub fn commit(repo: &Repository, revision: Option<&str>) -> Result<Option<CommitIndex>, Failure> {
    match revision {
        Some(text) => Ok(Some(resolve(repo, text)?)),
        None => Ok(default_head(repo)),
    }
}

/// Returns a time in RFC 3339, UTC.
pub fn time(time: Timestamp) -> String {
    time.rfc3339()
}

/// Returns the size of what was written for a commit, in bytes.
pub fn delta_bytes(record: &CommitRecord) -> u64 {
    record.blocks.iter().map(|b| u64::from(b.len)).sum()
}

fn texts(map: &SortedMap<String, String>) -> Value {
    map.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

/// Describes a commit.
///
/// # Errors
/// When its record is damaged.
pub fn commit_json(repo: &Repository, commit: CommitIndex) -> Result<Value, Failure> {
    let record = repo.commit(commit)?;
    let body = &record.body;
    let counts = &body.counts;
    Ok(json!({
        "commit": repo.entry(commit).id.to_hex(),
        "parents": body.parents.iter().map(|p| p.to_hex()).collect::<Vec<_>>(),
        "branch": body.branch,
        "time": time(body.time),
        "author": body.author,
        "message": body.message,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "deleted": counts.deleted,
        "unchanged": counts.unchanged,
        "delta_bytes": delta_bytes(&record),
        "raw_bytes": counts.raw_bytes,
        "l2_max": f64::from_bits(record.l2_max),
        "state_root": body.state_root.to_hex(),
        "metadata": texts(&body.metadata),
        "collections": body.collections.iter().map(|c| json!({
            "name": c.name,
            "dtype": Element::from_code(c.element).map_or("unknown", Element::name),
            "dims": c.dims,
            "rows": c.rows,
            "generation": (!c.generation.is_empty()).then(|| json!({ "name": c.generation, "made_by": texts(&c.made_by) })),
            "older": c.older.iter().map(|o| json!({
                "generation": (!o.generation.is_empty()).then_some(&o.generation),
                "rows": o.rows,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    }))
}
