//! The table of a commit, collection by collection, in pieces of bounded size.

use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;

use super::checkout::{Checkout, number_of};
use super::error::{Result, VersionError};
use super::keys::read_keys;
use super::repository::{CommitIndex, Repository, table_of};
use crate::delta::{Keys, Table};
use crate::store::BLOCK_BYTES;

/// How many bytes of rows one task reads.
const TASK_BYTES: usize = 16 << 20;

/// Returns the shapes of the collections at a commit, by name.
///
/// # Errors
/// When the commit's record is damaged.
pub fn tables(repo: &Repository, commit: CommitIndex) -> Result<Vec<Table>> {
    repo.check_held(commit)?;
    repo.commit(commit)?.body.collections.iter().map(table_of).collect()
}

/// Finds the shape of a collection at a commit; without a name, of the only one there is.
///
/// # Errors
/// When there is none, or several to choose from.
pub fn table(repo: &Repository, commit: CommitIndex, name: Option<&str>) -> Result<Table> {
    repo.check_held(commit)?;
    let record = repo.commit(commit)?;
    let names = || record.body.collections.iter().map(|c| c.name.clone()).collect();
    let unknown = |name: &str| VersionError::UnknownCollection {
        name: name.to_owned(),
        revision: repo.entry(commit).id.to_hex()[..12].to_owned(),
        near: names(),
    };
    match (name, record.body.collections.as_slice()) {
        (Some(name), all) => {
            let number = number_of(&record, name).ok_or_else(|| unknown(name))?;
            table_of(&all[usize::from(number)])
        }
        (None, [one]) => table_of(one),
        (None, _) => {
            let names: Vec<String> = names();
            let text =
                format!("there are {} collections: choose one with --collection: {}", names.len(), names.join(", "));
            Err(VersionError::Refused(text))
        }
    }
}

/// Hands over the sources of a collection at a commit, in the order in which they first came.
///
/// # Errors
/// When the history is damaged, or `emit` fails.
pub fn read_table<E: From<VersionError>>(
    repo: &Repository,
    commit: CommitIndex,
    table: &Arc<Table>,
    emit: &mut dyn FnMut(&Keys, Bytes) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let checkout = Checkout::new(repo, commit, table.clone());
    let slots = checkout.slots();
    let task = task_rows(table.row_bytes());
    let starts: Vec<u32> = (0..slots).step_by(task as usize).collect();
    let read = |&start: &u32| -> Result<Piece> {
        let range = start..(start + task).min(slots);
        let rows = checkout.range(range.clone())?;
        let keys = read_keys(repo, commit, &table.collection, range)?;
        Ok(living(&keys, rows, table.row_bytes()))
    };
    let read_group = |group: &[u32]| -> Vec<Result<Piece>> { group.par_iter().map(read).collect() };
    let mut ready = Vec::new();
    // While one group is handed over, the next one is read.
    for group in starts.chunks(rayon::current_num_threads()).chain([&[][..]]) {
        let mut next = Vec::new();
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| next = read_group(group));
            ready.drain(..).try_for_each(|piece: Result<Piece>| {
                let (keys, rows) = piece?;
                emit(&keys, rows.into())
            })
        })?;
        ready = next;
    }
    Ok(())
}

/// Returns how many rows one task reads: whole blocks of a first epoch, which then no two tasks decode.
fn task_rows(row_bytes: usize) -> u32 {
    let block = (BLOCK_BYTES / row_bytes.max(1)).clamp(1, 1 << 20);
    let task = (TASK_BYTES / row_bytes.max(1)).clamp(1, 1 << 20);
    (task / block * block).max(1) as u32
}

/// Keys and their rows.
type Piece = (Keys, Vec<u8>);

/// Leaves out the slots that hold no row.
fn living(keys: &crate::store::KeyTable, rows: super::checkout::Rows, size: usize) -> Piece {
    let alive = || (0..rows.alive.len()).filter(|&i| rows.alive[i]);
    let names = Keys::from_texts(alive().map(|i| keys.get(i as u32)));
    if rows.alive.iter().all(|&a| a) {
        return (names, rows.data);
    }
    let mut data = Vec::with_capacity(names.len() * size);
    alive().for_each(|i| data.extend_from_slice(&rows.data[i * size..(i + 1) * size]));
    (names, data)
}
