//! The slots that one commit wrote or deleted.

use super::data::parts_of;
use super::error::Result;
use super::repository::{CommitIndex, Repository};

/// Returns the slots of a collection that a commit wrote or deleted, ascending, on the way from the commit that its data
/// are based on: the second of [`Repository::bases`].
///
/// Only lists of slots are read, no rows. A row that was written may have the bits that it had.
///
/// # Errors
/// When a record or a list is damaged.
pub fn touched(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Vec<u32>> {
    repo.check_held(commit)?;
    let mut slots = Vec::new();
    for part in parts_of(repo, commit, collection)? {
        slots.extend([&part.lists.fresh, &part.lists.change, &part.lists.deleted].into_iter().flatten());
    }
    slots.sort_unstable();
    slots.dedup();
    Ok(slots)
}
