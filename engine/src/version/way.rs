//! The way of one row: the places in the log where it was written, back from a commit to where it was written whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::data::{Part, damaged, in_commit, parts_around, with_block};
use super::error::Result;
use super::graph::RecordOf;
use super::index::{Kind, Touch, words_of};
use super::reading::NOT_ON_THE_WAY;
use super::repository::{CommitIndex, Repository};
use crate::delta::{Table, key_hash};
use crate::store::{Action, BlockKind, BlockRef, Place};

/// A row as it was at a commit, and the commit that last wrote or deleted it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The bits; `None` when there was no row.
    pub row: Option<Vec<u8>>,
    /// The commit; `None` when none ever wrote it.
    pub commit: Option<CommitIndex>,
}

/// How many records of the way are named at once when one of them has to be waited for.
const AHEAD: usize = 64;

/// One step of the way: a row in a block.
struct Step {
    place: Place,
    blocks: Arc<Vec<BlockRef>>,
    block: usize,
    row: u32,
}

impl Step {
    /// Returns whether it is coded against another row than the one before.
    fn skips(&self) -> bool {
        self.blocks.get(self.block).is_some_and(|b| b.kind == BlockKind::Skip)
    }
}

/// Reads one row as it was at a commit by way of the index; `None` when there is no index to go by.
///
/// # Errors
/// When a block on the way is damaged.
pub fn read_row(
    repo: &Repository,
    commit: CommitIndex,
    table: &Table,
    collection: u16,
    slot: u32,
) -> Result<Option<Found>> {
    let Some(touches) = repo.index().touches_of(repo, collection, slot)? else {
        return Ok(None);
    };
    let (mut found, mut steps) = (Found::default(), Vec::new());
    // The commit as of which the row is wanted: an earlier one, once a change of what it was there was found.
    let (mut at, mut snapshot) = (commit, nearest_snapshot(repo, commit));
    let owned = |t: Touch| Some((owner(repo, &t).filter(|&c| counts(repo, &t, c, commit))?, t));
    let mut way: Vec<(CommitIndex, Touch)> = touches.into_iter().filter_map(owned).collect();
    // The record of a compaction is younger than the commits that come after its ways.
    way.sort_unstable_by_key(|(c, _)| std::cmp::Reverse(repo.entry(*c).depth));
    for (i, &(owner, touch)) in way.iter().enumerate() {
        if repo.entry(owner).depth > repo.entry(at).depth {
            continue;
        }
        let at_snapshot = snapshot.filter(|&s| repo.entry(s).depth >= repo.entry(owner).depth);
        if at_snapshot.is_some() && found.commit.is_some() {
            break;
        }
        let place = place_of(repo, touch);
        let blocks = Arc::new(repo.blocks_of(place).inspect_err(|e| {
            if e.is_waiting() {
                way[i..].iter().take(AHEAD).for_each(|(_, t)| repo.log().will_read(place_of(repo, *t)));
            }
        })?);
        let Some(touch) = resolve(repo, &touch, owner, collection, slot, place, &blocks)? else { continue };
        found.commit.get_or_insert(owner);
        if at_snapshot.is_some() {
            break;
        }
        if touch.kind == Kind::Delete {
            // What is coded against a row that was not there is coded against zeros.
            return if steps.is_empty() { Ok(Some(found)) } else { apply(repo, table, steps, found).map(Some) };
        }
        let (block, row) = (touch.block as usize, touch.row);
        let step = Step { place, blocks, block, row };
        let skips = step.skips();
        steps.push(step);
        if touch.kind == Kind::Whole {
            return apply(repo, table, steps, found).map(Some);
        }
        if skips {
            let to = repo.skip_of(owner, collection).filter(|&c| repo.stands_for(c).is_none());
            at = to.ok_or_else(|| in_commit(damaged(repo, place, NOT_ON_THE_WAY), repo, owner))?;
            snapshot = nearest_snapshot(repo, at);
        }
    }
    // Neither whole nor from the beginning: what is below the changes is in the snapshot, or there is nothing.
    match snapshot.map(|s| in_snapshot(repo, s, collection, slot)).transpose()?.flatten() {
        Some(step) => steps.push(step),
        None if steps.is_empty() => return Ok(Some(found)),
        None => {}
    }
    apply(repo, table, steps, found).map(Some)
}

/// A place on the way of a row: the commit, what it did, and where its bits are.
pub(super) struct Written {
    /// The commit.
    pub commit: CommitIndex,
    /// What was done.
    pub kind: Kind,
    step: Step,
}

impl Written {
    /// Returns whether it is coded against another row than the one before.
    pub fn skips(&self) -> bool {
        self.step.skips()
    }

    /// Applies it to the row before.
    pub fn apply(&self, repo: &Repository, table: &Table, row: &mut [u8]) -> Result<()> {
        let Step { place, blocks, block, row: at } = &self.step;
        with_block(repo, table, *place, blocks, *block, |b| b.apply_row(*at as usize, row))
    }
}

/// Returns all places on the way of a row to a commit, oldest first; `None` when there is no index to go by.
///
/// # Errors
/// When a record or a list is damaged.
pub(super) fn written(
    repo: &Repository,
    commit: CommitIndex,
    collection: u16,
    slot: u32,
) -> Result<Option<Vec<Written>>> {
    let Some(touches) = repo.index().touches_of(repo, collection, slot)? else { return Ok(None) };
    let mut ways = Vec::new();
    for touch in touches {
        let Some(owner) = owner(repo, &touch).filter(|&c| counts(repo, &touch, c, commit)) else { continue };
        let place = place_of(repo, touch);
        let blocks = Arc::new(repo.blocks_of(place)?);
        let Some(touch) = resolve(repo, &touch, owner, collection, slot, place, &blocks)? else { continue };
        let (block, row) = (touch.block as usize, touch.row);
        ways.push(Written { commit: owner, kind: touch.kind, step: Step { place, blocks, block, row } });
    }
    ways.sort_by_key(|w| repo.entry(w.commit).depth);
    Ok(Some(ways))
}

fn apply(repo: &Repository, table: &Table, steps: Vec<Step>, found: Found) -> Result<Found> {
    let mut row = vec![0; table.row_bytes()];
    for step in steps.iter().rev() {
        with_block(repo, table, step.place, &step.blocks, step.block, |b| b.apply_row(step.row as usize, &mut row))
            .inspect_err(|e| {
                if e.is_waiting() {
                    steps.iter().for_each(|s| repo.log().will_read_block(s.place, &s.blocks, s.block));
                }
            })?;
    }
    Ok(Found { row: Some(row), ..found })
}

fn place_of(repo: &Repository, touch: Touch) -> Place {
    repo.graph().place(u64::from(touch.record)).expect("the index names records of the log")
}

/// Returns the commit whose table a touch is part of.
fn owner(repo: &Repository, touch: &Touch) -> Option<CommitIndex> {
    match *repo.graph().records.get(touch.record as usize - 1)? {
        RecordOf::Commit(c) => Some(c),
        RecordOf::Operation(o) => {
            let Action::Compact { spans, .. } = &repo.operations()[o].action else { return None };
            let mut end = 0;
            let span = spans.iter().find(|s| {
                end += s.blocks;
                touch.block < end
            })?;
            repo.find(&span.commit)
        }
    }
}

/// Returns whether a touch is on the way back from a commit.
fn counts(repo: &Repository, touch: &Touch, owner: CommitIndex, commit: CommitIndex) -> bool {
    let active = match repo.composed(owner) {
        Some(composed) => composed.sequence == u64::from(touch.record),
        None => repo.entry(owner).sequence == u64::from(touch.record),
    };
    let passed = repo.stands_for(owner).is_some_and(|by| repo.is_before(by, commit));
    active && !passed && repo.is_before(owner, commit)
}

fn nearest_snapshot(repo: &Repository, commit: CommitIndex) -> Option<CommitIndex> {
    let mine = |&s: &CommitIndex| s <= commit && repo.stands_for(s).is_none() && repo.is_before(s, commit);
    repo.graph().snapshots.iter().map(|(s, _)| s).filter(mine).max_by_key(|&s| repo.entry(s).depth)
}

/// Finds the row of a touch that stands for a whole commit.
fn resolve(
    repo: &Repository,
    touch: &Touch,
    owner: CommitIndex,
    collection: u16,
    slot: u32,
    place: Place,
    blocks: &[BlockRef],
) -> Result<Option<Touch>> {
    if touch.kind != Kind::Dense {
        return Ok(Some(*touch));
    }
    let len = repo.composed(owner).filter(|c| c.sequence == u64::from(touch.record)).map(|c| c.blocks as usize);
    let start = touch.block as usize;
    let range = start..start + len.unwrap_or(blocks.len());
    let Some(own) = own_number(repo, owner, collection) else { return Ok(None) };
    let parts = parts_around(repo.log(), place, blocks, range, own, slot)?;
    Ok(find_row(&parts, blocks, slot).map(|(block, row, kind)| Touch { record: touch.record, block, row, kind }))
}

fn in_snapshot(repo: &Repository, commit: CommitIndex, collection: u16, slot: u32) -> Result<Option<Step>> {
    let (Some(place), Some(own)) = (repo.snapshot(commit), own_number(repo, commit, collection)) else {
        return Ok(None);
    };
    let blocks = Arc::new(repo.blocks_of(place)?);
    let parts = parts_around(repo.log(), place, &blocks, 0..blocks.len(), own, slot)?;
    let found = find_row(&parts, &blocks, slot);
    Ok(found.map(|(block, row, _)| Step { place, blocks, block: block as usize, row }))
}

/// Returns the number that a collection has in the lists of a commit.
fn own_number(repo: &Repository, commit: CommitIndex, collection: u16) -> Option<u16> {
    let at = repo.entry(commit).slots.iter().position(|(c, _)| *c == collection)?;
    Some(at as u16)
}

fn find_row(parts: &[Part], blocks: &[BlockRef], slot: u32) -> Option<(u32, u32, Kind)> {
    parts.iter().find_map(|p| p.find(blocks, slot))
}

/// Returns the commits in whose author, message or metadata all words of some texts stand; `None` without an index.
///
/// # Errors
/// When bytes of the index have not been brought yet.
pub fn commits_with(repo: &Repository, texts: &[&str]) -> Result<Option<BTreeSet<CommitIndex>>> {
    let words: Vec<String> = texts.iter().flat_map(|t| words_of(t)).collect();
    repo.index().commits_with(repo, &words)
}

/// Returns the commits that wrote or deleted a source, on any branch, in ascending order.
///
/// # Errors
/// When the data of a commit are damaged.
pub fn writers_of(repo: &Repository, collection: &str, key: &str) -> Result<Option<Vec<CommitIndex>>> {
    let Some(number) = repo.collection_number(collection) else { return Ok(Some(Vec::new())) };
    let Some(slots) = repo.index().slots_of(repo, number, &key_hash(key))? else { return Ok(None) };
    let mut commits = Vec::new();
    for (record, slot) in slots {
        let RecordOf::Commit(since) = repo.graph().records[record as usize - 1] else { continue };
        let Some(touches) = repo.index().touches_of(repo, number, slot)? else { return Ok(None) };
        for touch in touches {
            let Some(c) = owner(repo, &touch).filter(|&c| repo.is_before(since, c)) else { continue };
            let place = place_of(repo, touch);
            let real = touch.kind != Kind::Dense
                || resolve(repo, &touch, c, number, slot, place, &repo.blocks_of(place)?)?.is_some();
            if real {
                commits.push(c);
            }
        }
    }
    commits.sort_unstable();
    commits.dedup();
    Ok(Some(commits))
}
