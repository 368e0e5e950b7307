//! One source's value at a commit.

use std::sync::Arc;

use super::checkout::Checkout;
use super::data::parts_of;
use super::error::{Result, VersionError};
use super::keys::find_slot;
use super::repository::{CommitIndex, Repository};
use super::table::table;
use super::way::{Found, read_row};
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
    let short = || repo.entry(commit).id.to_hex()[..12].to_owned();
    let unknown = || VersionError::UnknownSource { name: source.to_string(), revision: short() };
    repo.check_held(commit)?;
    let table = table(repo, commit, Some(&source.collection))?;
    let number = repo.collection_number(&source.collection).ok_or_else(unknown)?;
    let slot = find_slot(repo, commit, &source.collection, &source.key)?.ok_or_else(unknown)?;
    let found = match read_row(repo, commit, &table, number, slot)? {
        Some(found) => found,
        None => walk(repo, commit, &table, slot)?,
    };
    match found {
        Found { row: Some(row), commit: Some(commit) } => Ok(Value { table, commit, row }),
        _ => Err(unknown()),
    }
}

/// Reads a source that may not be there.
///
/// # Errors
/// When a block on the way is damaged, or the commit was compacted away.
pub fn held(repo: &Repository, commit: CommitIndex, source: &Source) -> Result<Option<Value>> {
    match value(repo, commit, source) {
        Ok(value) => Ok(Some(value)),
        Err(VersionError::UnknownSource { .. } | VersionError::UnknownCollection { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a row without an index: commit by commit.
fn walk(repo: &Repository, commit: CommitIndex, table: &Table, slot: u32) -> Result<Found> {
    let mut rows = Checkout::new(repo, commit, Arc::new(table.clone())).list(&[slot])?;
    if !rows.alive[0] {
        return Ok(Found::default());
    }
    let by = last_change(repo, rows.changed_by[0] as CommitIndex, &table.collection, slot)?;
    Ok(Found { row: Some(std::mem::take(&mut rows.data)), commit: Some(by) })
}

/// Finds the commit that last wrote or deleted a source before or at another one.
///
/// # Errors
/// When a block on the way is damaged.
pub fn last_writer(repo: &Repository, commit: CommitIndex, table: &Table, key: &str) -> Result<Option<CommitIndex>> {
    let Some(slot) = find_slot(repo, commit, &table.collection, key)? else { return Ok(None) };
    let Some(number) = repo.collection_number(&table.collection) else { return Ok(None) };
    if let Some(found) = read_row(repo, commit, table, number, slot)? {
        return Ok(found.commit);
    }
    for c in repo.bases(commit) {
        if writes(repo, c, &table.collection, slot)? {
            return Ok(Some(c));
        }
    }
    Ok(None)
}

/// Finds the commit that wrote a row: a snapshot holds rows that earlier commits wrote.
fn last_change(repo: &Repository, from: CommitIndex, collection: &str, slot: u32) -> Result<CommitIndex> {
    if repo.snapshot(from).is_none() {
        return Ok(from);
    }
    for commit in repo.bases(from) {
        if writes(repo, commit, collection, slot)? {
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
    writes(repo, commit, &source.collection, slot)
}

fn writes(repo: &Repository, commit: CommitIndex, collection: &str, slot: u32) -> Result<bool> {
    let parts = parts_of(repo, commit, collection)?;
    let holds = |list: &Vec<u32>| list.binary_search(&slot).is_ok();
    Ok(parts.iter().any(|p| [&p.lists.fresh, &p.lists.change, &p.lists.deleted].into_iter().any(holds)))
}
