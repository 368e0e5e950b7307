//! Verify: every byte, every hash, every chain, and every state rebuilt from its deltas.

use std::sync::Arc;

use rayon::prelude::*;

use super::checkout::Checkout;
use super::data::{Data, Part, damaged, data_of, in_commit};
use super::error::{Result, VersionError};
use super::keys::{hashes_of, read_keys};
use super::noted::{check_noted, generations_told};
use super::replay::{Applied, Needed, Replay};
use super::repository::{CommitIndex, Repository, table_of};
use super::root::state_root;
use crate::delta::{RowHash, row_hash, row_hashes};
use crate::store::{
    CollectionState, CommitBody, Damage, Disk, EntryChange, Place, RowGenerations, StateTree, StoreError, check_files,
};

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many commits were rebuilt and compared with their state root.
    pub commits: u64,
    /// How many bytes were read and compared with their hash.
    pub bytes: u64,
    /// What is wrong.
    pub problems: Vec<Damage>,
}

/// Checks a repository; problems are in the report, and only a disk that cannot be read is an error.
///
/// # Errors
/// When there is no repository or the disk refuses.
pub fn verify(disk: &Arc<dyn Disk>) -> Result<Report> {
    let mut report = Report::default();
    let (bytes, problems) = check_files(disk.as_ref())?;
    report.bytes = bytes;
    report.problems = problems;
    let repo = match Repository::open_checked(disk.clone()) {
        Ok(repo) => repo,
        Err(VersionError::Store(StoreError::Corrupt(damage))) => {
            if !report.problems.contains(&damage) {
                report.problems.push(*damage);
            }
            return Ok(report);
        }
        Err(e) => return Err(e),
    };
    let mut done = vec![false; repo.len()];
    for leaf in leaves(&repo) {
        match verify_way(&repo, leaf, &mut done) {
            Ok(commits) => report.commits += commits,
            Err(VersionError::Store(StoreError::Corrupt(damage))) => report.problems.push(*damage),
            Err(e) => return Err(e),
        }
    }
    Ok(report)
}

/// Returns the commits that are no first parent of another one.
fn leaves(repo: &Repository) -> Vec<CommitIndex> {
    let mut leaf = vec![true; repo.len()];
    for c in 0..repo.len() {
        if let Some(&p) = repo.entry(c).parents.first() {
            leaf[p] = false;
        }
    }
    (0..repo.len()).filter(|&c| leaf[c]).collect()
}

/// Rebuilds every state on the way to a commit, and compares those that were not yet compared.
fn verify_way(repo: &Repository, leaf: CommitIndex, done: &mut [bool]) -> Result<u64> {
    let mut compared = 0;
    for commit in repo.first_parents(leaf) {
        let (record, place) = (repo.commit(commit)?, repo.entry(commit).place);
        if state_root(&record.body.collections) != record.body.state_root.0 {
            return Err(wrong(repo, commit, "the state root is not that of its collections"));
        }
        if !place.bare && !done[commit] {
            check_noted(repo.log(), place, &record).map_err(|e| in_commit(e, repo, commit))?;
        }
        compared += u64::from(!std::mem::replace(&mut done[commit], true));
    }
    let mut way = repo.bases(leaf).map(|c| Step::new(repo, c)).collect::<Result<Vec<_>>>()?;
    way.reverse();
    let last = way.last().expect("a way has a commit");
    for state in &last.body.collections {
        verify_collection(repo, &way, &state.name)?;
    }
    Ok(compared)
}

fn wrong(repo: &Repository, commit: CommitIndex, problem: &str) -> VersionError {
    in_commit(damaged(repo, repo.entry(commit).place, problem), repo, commit)
}

/// What one commit did to one slot: the row's new hash, or `None` when it went.
type Touch = (usize, u32, Option<RowHash>);

/// A commit on the way, and the blocks that lead to it.
struct Step {
    commit: CommitIndex,
    body: CommitBody,
    data: Data,
}

impl Step {
    fn new(repo: &Repository, commit: CommitIndex) -> Result<Self> {
        Ok(Self { commit, body: repo.commit(commit)?.body, data: data_of(repo, commit)? })
    }
}

fn verify_collection(repo: &Repository, way: &[Step], name: &str) -> Result<()> {
    let last = way.last().expect("a way has a commit");
    let leaf = last.commit;
    let Some(number) = last.body.collections.iter().position(|c| c.name == name) else { return Ok(()) };
    let table = Arc::new(table_of(&last.body.collections[number])?);
    let slots = repo.entry(leaf).slots[number].1;
    let keys = read_keys(repo, leaf, name, 0..slots)?;
    let hashes = hashes_of(&keys);
    let chunk = ((16 << 20) / table.row_bytes().max(1)).clamp(1, 1 << 16) as u32;
    let starts: Vec<u32> = (0..slots).step_by(chunk as usize).collect();
    let parts: Vec<Vec<Part>> =
        way.iter().map(|step| step.data.parts(repo, step.commit, name)).collect::<Result<_>>()?;
    let skip = |step: &Step| repo.skip_of(step.commit, repo.collection_number(name)?);
    let skips = Needed::new(way.iter().map(|step| skip(step).map(|c| repo.entry(c).id)).collect());
    let touches: Vec<Vec<Touch>> = starts
        .into_par_iter()
        .map(|start| {
            let range = start..(start + chunk).min(slots);
            let mut out = Vec::new();
            let mut replay = Replay::new(repo, table.clone(), range.clone());
            let mut table = table.clone();
            for (i, (Step { commit, data, body }, parts)) in way.iter().zip(&parts).enumerate() {
                let state = body.collections.iter().find(|c| c.name == name);
                let own = state.map(table_of).transpose()?;
                if let Some(own) = own.filter(|own| *own != *table) {
                    // A new shape: no row of the old one is a base for any of it.
                    table = Arc::new(own);
                    replay = Replay::new(repo, table.clone(), range.clone());
                }
                let hash = |slot: u32, row: &[u8]| row_hash(keys.get(slot), table.element, row);
                let mut touched = |slot, row: Option<&[u8]>| out.push((i, slot, row.map(|r| hash(slot, r))));
                let id = repo.entry(*commit).id;
                let applied = Applied { number: i, id, place: data.place, blocks: &data.blocks, parts };
                replay.apply(&applied, &skips, &mut touched).map_err(|e| in_commit(e, repo, *commit))?;
            }
            Ok(out)
        })
        .collect::<Result<_>>()?;
    let mut by_commit: Vec<Vec<EntryChange>> = vec![Vec::new(); way.len()];
    for (commit, slot, row) in touches.into_iter().flatten() {
        by_commit[commit].push(EntryChange { key: hashes[slot as usize], slot, row });
    }
    let (mut tree, mut rows) = (StateTree::default(), RowGenerations::default());
    for ((Step { commit, body, data }, changes), parts) in way.iter().zip(by_commit).zip(&parts) {
        let commit = *commit;
        tree.apply(changes);
        let state = body.collections.iter().find(|c| c.name == name);
        if let Some(state) = state {
            follow_generations(repo, commit, state, (data, parts), &mut rows)?;
            if rows.older(&state.generation) != state.older {
                return Err(wrong(repo, commit, "the rows of older generations are not as many as it counts"));
            }
        }
        let fits = state.is_none_or(|s| s.root == tree.root() && s.rows == tree.len() as u64);
        if !fits {
            return Err(wrong(repo, commit, "the table that its deltas rebuild is not the one it names"));
        }
        if let Some(snapshot) = repo.snapshot(commit) {
            verify_snapshot(repo, commit, &table, &keys, &hashes, tree.root())
                .map_err(|e| locate(e, repo, snapshot))?;
        }
    }
    Ok(())
}

/// Takes over what a commit does to the generations that rows stem from.
fn follow_generations(
    repo: &Repository,
    commit: CommitIndex,
    state: &CollectionState,
    (data, parts): (&Data, &[Part]),
    rows: &mut RowGenerations,
) -> Result<()> {
    for lists in parts.iter().map(|p| &p.lists) {
        lists.deleted.iter().for_each(|&slot| rows.set(slot, None));
        lists.fresh.iter().chain(&lists.change).for_each(|&slot| rows.set(slot, Some(&state.generation)));
    }
    for (name, slots) in generations_told(repo, commit, data, &state.name)?.0 {
        for slot in slots {
            if rows.is_alive(slot) {
                rows.set(slot, Some(&name));
            }
        }
    }
    Ok(())
}

fn locate(error: VersionError, repo: &Repository, place: Place) -> VersionError {
    match error {
        VersionError::Store(StoreError::Corrupt(mut damage)) => {
            damage.path = repo.disk().display(&format!("log/{:08}.vdlog", place.segment));
            damage.offset.get_or_insert(place.offset);
            StoreError::Corrupt(damage).into()
        }
        other => other,
    }
}

fn verify_snapshot(
    repo: &Repository,
    commit: CommitIndex,
    table: &Arc<crate::delta::Table>,
    keys: &crate::store::KeyTable,
    hashes: &[[u8; 16]],
    root: [u8; 32],
) -> Result<()> {
    let checkout = Checkout::new(repo, commit, table.clone());
    let slots = checkout.slots();
    let chunk = ((16 << 20) / table.row_bytes().max(1)).clamp(1, 1 << 16) as u32;
    let mut tree = StateTree::default();
    for start in (0..slots).step_by(chunk as usize) {
        let rows = checkout.range(start..(start + chunk).min(slots))?;
        let size = table.row_bytes();
        let alive: Vec<u32> = (start..).zip(&rows.alive).filter(|(_, alive)| **alive).map(|(slot, _)| slot).collect();
        let row = |slot: u32| &rows.data[(slot - start) as usize * size..][..size];
        let changes = alive.par_chunks(256).flat_map_iter(|slots| {
            let states = row_hashes(table.element, slots.iter().map(|&slot| (keys.get(slot), row(slot))));
            let change = |(&slot, row)| EntryChange { key: hashes[slot as usize], slot, row: Some(row) };
            slots.iter().zip(states).map(change).collect::<Vec<_>>()
        });
        tree.apply(changes.collect());
    }
    if tree.root() != root {
        return Err(wrong(repo, commit, "its snapshot is not the table it names"));
    }
    Ok(())
}
