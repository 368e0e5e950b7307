//! The table of a commit, collection by collection, in pieces of bounded size.

use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;

use super::checkout::{Checkout, Rows, number_of};
use super::error::{Result, VersionError};
use super::keys::read_keys;
use super::repository::{CommitIndex, Repository, table_of};
use crate::delta::{Keys, Table};
use crate::store::{BLOCK_BYTES, KeyTable};

/// How many bytes of rows one task reads: blocks of few rows of later commits lie across as many slots, and a block that lies across
/// two tasks is read for both.
const TASK_BYTES: usize = 8 << 20;

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
    let range = |start: u32| start..(start + task).min(slots);
    let read_group = |group: Vec<(u32, Vec<u8>)>| -> Result<Vec<Piece>> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(Vec::new()) };
        let (first, end) = (first.0, range(last.0).end);
        let keys = || read_keys(repo, commit, &table.collection, first..end);
        let (keys, rows) = rayon::join(keys, || {
            let read = |(start, buffer)| checkout.range_into(range(start), buffer);
            group.into_par_iter().map(read).collect::<Result<Vec<_>>>()
        });
        let keys = keys?;
        Ok(rows?.into_iter().map(|rows| living(&keys, first, rows, table.row_bytes())).collect())
    };
    // While one group is handed over, the next one is read, into memory that was handed over before.
    let (mut ready, mut spare) = (Ok(Vec::<Piece>::new()), Vec::new());
    for group in starts.chunks(rayon::current_num_threads()).chain([&[][..]]) {
        let group = group.iter().map(|&start| (start, spare.pop().unwrap_or_default())).collect();
        let mut next = Ok(Vec::new());
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| next = read_group(group));
            std::mem::replace(&mut ready, Ok(Vec::new()))?.into_iter().try_for_each(|(keys, rows)| {
                let rows = Arc::new(rows);
                emit(&keys, Bytes::from_owner(Lent(rows.clone())))?;
                spare.extend(Arc::try_unwrap(rows));
                Ok::<_, E>(())
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

/// Rows that come back when nobody needs them any more.
struct Lent(Arc<Vec<u8>>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Keys and their rows.
type Piece = (Keys, Vec<u8>);

/// Leaves out the slots that hold no row; `first` is the slot of the first key.
fn living(keys: &KeyTable, first: u32, rows: Rows, size: usize) -> Piece {
    let alive = || (0..rows.alive.len()).filter(|&i| rows.alive[i]);
    let names = Keys::from_texts(alive().map(|i| keys.get(rows.first - first + i as u32)));
    if rows.alive.iter().all(|&a| a) {
        return (names, rows.data);
    }
    let Rows { mut data, alive, .. } = rows;
    // In place: the memory is used again for the rows that are read next.
    let (mut from, mut to) = (0, 0);
    for run in alive.chunk_by(|a, b| a == b) {
        let len = run.len() * size;
        if run[0] {
            data.copy_within(from..from + len, to);
            to += len;
        }
        from += len;
    }
    data.truncate(to);
    (names, data)
}
