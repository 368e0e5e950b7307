//! The state tree of a collection, rebuilt from its rows.

use std::sync::Arc;

use rayon::prelude::*;

use super::checkout::Checkout;
use super::error::Result;
use super::keys::read_keys;
use super::repository::{CommitIndex, Repository};
use crate::delta::{Table, key_hashes, row_hashes};
use crate::store::{EntryChange, StateTree};

/// How many bytes of rows one task reads.
const TASK_BYTES: usize = 8 << 20;

/// Rebuilds the state tree of a collection at a commit; `seen` is told how many slots were looked at, from any thread.
///
/// # Errors
/// When the commit was compacted away or a block on the way is damaged.
pub fn state_tree(
    repo: &Repository,
    commit: CommitIndex,
    table: &Arc<Table>,
    seen: &(dyn Fn(u64) + Sync),
) -> Result<StateTree> {
    let checkout = Checkout::new(repo, commit, table.clone());
    let (slots, size) = (checkout.slots(), table.row_bytes());
    let task = (TASK_BYTES / size.max(1)).clamp(1, 1 << 20) as u32;
    let entries = |start: u32| -> Result<Vec<EntryChange>> {
        let range = start..(start + task).min(slots);
        let rows = checkout.range(range.clone())?;
        let keys = read_keys(repo, commit, &table.collection, range.clone())?;
        seen(range.len() as u64);
        let alive = (0..rows.alive.len()).filter(|&i| rows.alive[i]);
        let alive: Vec<usize> = alive.collect();
        let key = |&i: &usize| keys.get(i as u32);
        let hashes = row_hashes(table.element, alive.iter().map(|i| (key(i), &rows.data[i * size..(i + 1) * size])));
        let places = alive.iter().zip(key_hashes(alive.iter().map(key)));
        let entry = |((&i, key), row)| EntryChange { key, slot: start + i as u32, row: Some(row) };
        Ok(places.zip(hashes).map(entry).collect())
    };
    let starts: Vec<u32> = (0..slots).step_by(task as usize).collect();
    let all: Vec<Vec<EntryChange>> = starts.into_par_iter().map(entries).collect::<Result<_>>()?;
    let mut tree = StateTree::default();
    tree.apply(all.concat());
    Ok(tree)
}
