//! One source's value at a commit.

use std::sync::Arc;

use super::checkout::Checkout;
use super::data::parts_of;
use super::error::{Result, VersionError};
use super::keys::find_slot;
use super::repository::{CommitIndex, Repository};
use super::table::table;
use crate::delta::{Source, Table};

/// The value of a source.
#[derive(Clone, Debug)]
pub struct Value {
    /// The collection's shape.
    pub table: Table,
    /// The commit that last changed it.
    pub commit: CommitIndex,
    /// Its bits.
    pub row: Vec<u8>,
}

/// Reads one source as it was at a commit.
///
/// # Errors
/// When it was not there, or a block on the way is damaged.
pub fn value(repo: &Repository, commit: CommitIndex, source: &Source) -> Result<Value> {
    let unknown = || VersionError::UnknownSource {
        name: source.to_string(),
        revision: repo.entry(commit).id.to_hex()[..12].to_owned(),
    };
    let table = table(repo, commit, Some(&source.collection))?;
    let slot = find_slot(repo, commit, &source.collection, &source.key)?.ok_or_else(unknown)?;
    let rows = Checkout::new(repo, commit, Arc::new(table.clone())).list(&[slot])?;
    if !rows.alive[0] {
        return Err(unknown());
    }
    Ok(Value {
        commit: last_change(repo, rows.changed_by[0] as CommitIndex, &source.collection, slot)?,
        table,
        row: rows.data,
    })
}

/// Finds the commit that wrote a row: a snapshot holds rows that earlier commits wrote.
fn last_change(repo: &Repository, from: CommitIndex, collection: &str, slot: u32) -> Result<CommitIndex> {
    if repo.snapshot(from).is_none() {
        return Ok(from);
    }
    for commit in repo.first_parents(from) {
        let record = repo.commit(commit)?;
        let parts = parts_of(repo, commit, &record, collection)?;
        let holds = |list: &Vec<u32>| list.binary_search(&slot).is_ok();
        if parts.iter().any(|p| holds(&p.lists.fresh) || holds(&p.lists.change)) {
            return Ok(commit);
        }
    }
    Ok(from)
}

/// Returns whether a commit changed a source.
///
/// # Errors
/// When the commit's data are damaged.
pub fn touches(repo: &Repository, commit: CommitIndex, source: &Source) -> Result<bool> {
    let Some(slot) = find_slot(repo, commit, &source.collection, &source.key)? else {
        return Ok(false);
    };
    let record = repo.commit(commit)?;
    let parts = parts_of(repo, commit, &record, &source.collection)?;
    let holds = |list: &Vec<u32>| list.binary_search(&slot).is_ok();
    Ok(parts.iter().any(|p| [&p.lists.fresh, &p.lists.change, &p.lists.deleted].into_iter().any(holds)))
}
