//! States: which delta led to the exact bits of a row, by the hash of those.
//!
//! Whoever makes a commit has hashed its rows and says so; then the index knows them for nothing. Of commits that came
//! another way, from another repository or before the cache was lost, rows are read and hashed when somebody asks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use super::checkout::Checkout;
use super::data::parts_of;
use super::error::Result;
use super::keys::read_keys;
use super::repository::{CommitIndex, Repository, table_of};
use super::way::read_row;
use crate::delta::{RowHash, Table, row_hash};
use crate::store::KeyTable;

/// The first bytes of a row's hash, by which it is looked up.
pub type StatePrefix = [u8; 8];

/// The first bytes of a row's hash, collection, slot, commit.
pub type StateRow = [u8; 8 + 2 + 4 + 4];

/// A commit that wrote fewer rows of a collection may have each of them read on its own way.
const FEW_ROWS: usize = 4096;
/// About how many bytes of rows are read at once.
const TASK_BYTES: usize = 8 << 20;
/// A writer finds out the states of at most so many rows before it ends; for more, `reindex` does, or whoever asks.
const ROWS_MAX: u64 = 1 << 17;

/// The states to which the deltas of a commit led, in one collection.
#[derive(Clone, Debug)]
pub struct NewStates {
    /// The collection.
    pub collection: String,
    /// Slots and the hashes of their rows.
    pub rows: Vec<(u32, StatePrefix)>,
}

/// Returns the bytes of a row's hash by which it is looked up.
pub fn prefix(hash: &RowHash) -> StatePrefix {
    std::array::from_fn(|i| hash.0[i])
}

/// Makes the row of a delta that led to a state.
pub fn state_row(collection: u16, slot: u32, state: &StatePrefix, commit: CommitIndex) -> StateRow {
    let mut row = StateRow::default();
    row[..8].copy_from_slice(state);
    row[8..10].copy_from_slice(&collection.to_be_bytes());
    row[10..14].copy_from_slice(&slot.to_be_bytes());
    row[14..].copy_from_slice(&(commit as u32).to_be_bytes());
    row
}

/// Sorts rows of the index; their first bytes are compared as numbers, which is faster and nearly always enough.
pub fn sort_rows<const N: usize>(rows: &mut [[u8; N]]) {
    let first = |row: &[u8; N]| row.first_chunk().map_or(0, |first| u128::from_be_bytes(*first));
    rows.par_sort_unstable_by(|a, b| first(a).cmp(&first(b)).then_with(|| a.cmp(b)));
}

/// Deltas that may have led to a state: collection, slot and commit.
pub type StateDeltas = Vec<(u16, u32, CommitIndex)>;

/// Finds the deltas that may have led to a state; `None` without an index.
///
/// # Errors
/// When states have to be found out, and a block on the way is damaged.
pub fn deltas_to(repo: &Repository, state: &RowHash) -> Result<Option<StateDeltas>> {
    loop {
        find_out_all(repo)?;
        let found = repo.index().deltas_to(repo, &prefix(state))?;
        // A file that turned out to be damaged takes all it knew along: then everything is found out anew, once.
        if found.is_none() || repo.index().unstated().is_empty() {
            return Ok(found);
        }
    }
}

/// Finds out the states of all commits, those in index files without states included.
///
/// # Errors
/// When a block on the way is damaged.
pub fn find_out_all(repo: &Repository) -> Result<()> {
    find_out(repo)?;
    let files = repo.index().unstated_files(repo);
    for (file, commits) in files {
        let rows = states_of(repo, &commits)?;
        repo.index().make_up(Some(file), rows);
    }
    Ok(())
}

/// Finds out the states of all commits of which no index file tells yet, so that the next one tells of them.
///
/// # Errors
/// When a block on the way is damaged.
pub fn find_out(repo: &Repository) -> Result<()> {
    let commits = repo.index().unstated();
    if !commits.is_empty() {
        let rows = states_of(repo, &commits)?;
        repo.index().make_up(None, rows);
    }
    Ok(())
}

/// The same for a writer that ends: only if there are few, and it does not matter if there are none.
pub fn find_out_few(repo: &Repository) {
    let commits = repo.index().unstated();
    let mut left = ROWS_MAX;
    for &c in &commits {
        let Ok(counts) = repo.commit(c).map(|r| r.body.counts) else { return };
        match left.checked_sub(counts.inserted.saturating_add(counts.updated)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
    let _ = find_out(repo);
}

/// Returns the commit in whose table a delta counts: its own, or the one that a compaction left in its place.
pub fn held_by(repo: &Repository, commit: CommitIndex) -> CommitIndex {
    std::iter::successors(Some(commit), |&c| repo.stands_for(c)).last().expect("it begins with one")
}

/// Reads the rows that commits wrote, and hashes them.
fn states_of(repo: &Repository, commits: &[CommitIndex]) -> Result<Vec<StateRow>> {
    let (mut found, mut keys) = (Vec::new(), HashMap::new());
    let commits: BTreeSet<CommitIndex> = commits.iter().map(|&c| held_by(repo, c)).collect();
    for c in commits {
        for (state, &(number, count)) in repo.commit(c)?.body.collections.iter().zip(repo.entry(c).slots.iter()) {
            let parts = parts_of(repo, c, &state.name)?;
            let lists = parts.iter().flat_map(|p| [&p.lists.fresh, &p.lists.change]);
            let mut slots: Vec<u32> = lists.flatten().copied().collect();
            if slots.is_empty() {
                continue;
            }
            slots.sort_unstable();
            let table = Arc::new(table_of(state)?);
            let keys = keys_at(repo, c, (&state.name, number), count, &mut keys)?;
            let hash = |slot: u32, row: &[u8]| {
                state_row(number, slot, &prefix(&row_hash(keys.get(slot), table.element, row)), c)
            };
            found.extend(rows_of(repo, c, &table, number, &slots, &hash)?);
        }
    }
    Ok(found)
}

fn rows_of(
    repo: &Repository,
    commit: CommitIndex,
    table: &Arc<Table>,
    number: u16,
    slots: &[u32],
    hash: &(dyn Fn(u32, &[u8]) -> StateRow + Sync),
) -> Result<Vec<StateRow>> {
    // A row on its own way costs a block of some commits; a table, one of every commit before it.
    let few = slots.len() < FEW_ROWS.min(commit.max(1));
    let checkout = Checkout::new(repo, commit, table.clone());
    let size = table.row_bytes();
    let one = |&slot: &u32| -> Result<Option<StateRow>> {
        let row = match read_row(repo, commit, table, number, slot)? {
            Some(found) => found.row,
            None => {
                let rows = checkout.list(&[slot])?;
                rows.alive[0].then_some(rows.data)
            }
        };
        Ok(row.map(|row| hash(slot, &row)))
    };
    if few {
        let rows: Vec<Option<StateRow>> = slots.par_iter().map(one).collect::<Result<_>>()?;
        return Ok(rows.into_iter().flatten().collect());
    }
    let many = |slots: &[u32]| -> Result<Vec<StateRow>> {
        let rows = checkout.list(slots)?;
        let held = slots.iter().zip(rows.data.chunks_exact(size)).zip(&rows.alive).filter(|(_, alive)| **alive);
        Ok(held.map(|((&slot, row), _)| hash(slot, row)).collect())
    };
    let task = (TASK_BYTES / size.max(1)).max(16);
    let rows: Vec<Vec<StateRow>> = slots.par_chunks(task).map(many).collect::<Result<_>>()?;
    Ok(rows.concat())
}

/// Returns the keys of a collection at a commit, going on from those of an earlier one where that leads to it.
fn keys_at<'k>(
    repo: &Repository,
    commit: CommitIndex,
    (name, number): (&str, u16),
    count: u32,
    known: &'k mut HashMap<u16, (CommitIndex, KeyTable)>,
) -> Result<&'k KeyTable> {
    let (before, table) = known.entry(number).or_insert_with(|| (commit, KeyTable::default()));
    if !repo.is_before(*before, commit) {
        *table = KeyTable::default();
    }
    *before = commit;
    if table.len() < count {
        let more = read_keys(repo, commit, name, table.len()..count)?;
        table.extend(&more.between(0..more.len()));
    }
    Ok(table)
}
