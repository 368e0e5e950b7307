//! Compaction: the deltas of old commits composed, so that the way to a newer one is shorter.
//!
//! Commits that somebody may ask for are kept: heads, tagged ones, those where histories part or meet, those against whose
//! rows later ones are coded, and every so many of the others if wished. What lies between two of them is composed to one delta a source. Records stay, so every hash
//! and link does; the rows that nothing needs any more are there until [`collect`](super::collect), so that undoing is possible.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use rayon::prelude::*;
use vecdelta_kernels::measure;

use super::beside::{generations, last_notes};
use super::checkout::{Checkout, Rows};
use super::data::data_of;
use super::error::Result;
use super::repository::{Actor, CommitIndex, Repository, operation, table_of};
use super::stage::{COST_MAX, is_related};
use crate::delta::Table;
use crate::store::{
    Action, BlockKind, BlockRef, CollectionState, PartBlock, PartRow, Payloads, Span, Transaction, encode_part,
};

/// How many bytes of rows are composed at once.
const CHUNK_BYTES: usize = 32 << 20;

/// Which commits a compaction keeps beside those that have a name or where histories part or meet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// Commits from this number on are all kept.
    pub from: CommitIndex,
    /// Every so many commits along first parents one is kept; 0 for none.
    pub every: u32,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// How many commits are left out.
    pub commits: u64,
    /// How many ways were composed.
    pub ways: u64,
    /// How many bytes of rows the ways took.
    pub before: u64,
    /// How many they take now.
    pub after: u64,
}

/// A way that will be composed: the commits on it, oldest first, behind its base.
pub(super) struct Way {
    pub(super) base: Option<CommitIndex>,
    between: Vec<CommitIndex>,
    pub(super) end: CommitIndex,
}

/// Composes the deltas of commits that are not kept; `progress` hears how many of how many ways are done.
///
/// # Errors
/// When the history is damaged or the disk refuses; then all is as before.
pub fn compact(
    repo: &mut Repository,
    keep: Keep,
    actor: &Actor,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Compacted> {
    let ways = ways(repo, keep)?;
    let mut report = Compacted { ways: ways.len() as u64, ..Compacted::default() };
    if ways.is_empty() {
        return Ok(report);
    }
    let time = repo.next_time(actor.now_millis)?;
    let (place, record) = {
        let shared: &Repository = repo;
        let mut tx = shared.begin()?;
        let (mut spans, mut blocks) = (Vec::new(), Vec::new());
        for (done, way) in ways.iter().enumerate() {
            progress(done as u64, report.ways);
            let first = blocks.len();
            compose(shared, way, &mut tx, &mut blocks)?;
            let id = |c: CommitIndex| shared.entry(c).id;
            // One that an earlier compaction left out is counted there.
            report.commits += way.between.iter().filter(|&&c| shared.stands_for(c).is_none()).count() as u64;
            report.before += bytes_of(shared, way)?;
            spans.push(Span {
                commit: id(way.end),
                base: way.base.map(id),
                stands_for: way.between.iter().map(|&c| id(c)).collect(),
                blocks: (blocks.len() - first) as u32,
            });
        }
        report.after = blocks.iter().map(|b: &BlockRef| u64::from(b.len)).sum();
        let record = operation(tx.link(), time, actor, 0, Action::Compact { spans, blocks });
        (tx.finish(&record)?, record)
    };
    repo.written(place, record)?;
    Ok(report)
}

/// Finds the ways between kept commits that have something to leave out.
fn ways(repo: &Repository, keep: Keep) -> Result<Vec<Way>> {
    let kept = kept(repo, keep)?;
    let mut ways = Vec::new();
    for &end in &kept {
        let mut between = Vec::new();
        let mut base = repo.entry(end).parents.first().copied();
        while let Some(c) = base.filter(|c| !kept.contains(c)) {
            between.push(c);
            base = repo.entry(c).parents.first().copied();
        }
        between.reverse();
        if between.iter().any(|&c| repo.stands_for(c).is_none()) {
            ways.push(Way { base, between, end });
        }
    }
    Ok(ways)
}

fn kept(repo: &Repository, keep: Keep) -> Result<BTreeSet<CommitIndex>> {
    let mut kept: BTreeSet<CommitIndex> = repo.branches().values().chain(repo.tags().values()).copied().collect();
    kept.extend(repo.parked().values().flat_map(|p| [p.ours, p.theirs]));
    let mut parents = HashSet::new();
    let mut leaves: BTreeSet<CommitIndex> = (0..repo.len()).collect();
    for c in 0..repo.len() {
        let entry = repo.entry(c);
        for (i, &p) in entry.parents.iter().enumerate() {
            leaves.remove(&p);
            // What was merged, and where histories part: a later merge may start from there.
            if i > 0 || !parents.insert(p) {
                kept.insert(p);
            }
        }
        // Which generation a row stems from is told by the commit that wrote it, or by one that told more.
        if let Some(&p) = entry.parents.first()
            && changes_kind(repo, p, c)?
        {
            kept.extend([p, c]);
        }
        // Rows that are coded against those of an earlier commit need it, whatever lies between.
        kept.extend(entry.skips.iter().map(|&(_, earlier)| earlier as CommitIndex));
        let nth = keep.every > 0 && entry.depth.is_multiple_of(keep.every);
        if nth || c >= keep.from {
            kept.insert(c);
        }
    }
    kept.extend(leaves);
    // What an earlier compaction left out has no table of its own.
    kept.retain(|&c| repo.stands_for(c).is_none());
    Ok(kept)
}

/// Returns whether a collection has another generation, or another shape, at a commit than at its parent, or rows that stem
/// from another generation than the one in force came with it.
fn changes_kind(repo: &Repository, parent: CommitIndex, commit: CommitIndex) -> Result<bool> {
    let record = repo.commit(commit)?;
    if record.blocks.iter().any(|b| b.kind == BlockKind::Generations) {
        return Ok(true);
    }
    let (before, after) = (repo.commit(parent)?.body.collections, record.body.collections);
    let kind = |s: &CollectionState| (s.generation.clone(), s.made_by.clone(), s.element, s.dims);
    let other = |s: &CollectionState| after.iter().any(|a| a.name == s.name && kind(a) != kind(s));
    Ok(before.iter().any(other))
}

/// Writes the deltas from the base of a way to its end.
fn compose(repo: &Repository, way: &Way, tx: &mut Transaction<'_>, blocks: &mut Vec<BlockRef>) -> Result<()> {
    let states = repo.commit(way.end)?.body.collections;
    for (number, state) in (0u16..).zip(&states) {
        let table = Arc::new(table_of(state)?);
        let written = last_written(repo, way, &table.collection)?;
        let touched: Vec<u32> = written.keys().copied().collect();
        let base = way.base.map(|b| Checkout::new(repo, b, table.clone()));
        // Of a base in another shape nothing is left at the end: there the rows begin anew.
        let same = way.base.is_none_or(|b| has_shape(repo, b, &table));
        let base = base.filter(|_| same);
        let end = Checkout::new(repo, way.end, table.clone());
        let per_chunk = (CHUNK_BYTES / table.row_bytes().max(1)).clamp(1, 1 << 20);
        for slots in touched.chunks(per_chunk) {
            let old = base.as_ref().map(|b| read(b, slots)).transpose()?;
            let new = read(&end, slots)?;
            for (entry, block) in encode(number, &table, slots, old.as_ref(), &new) {
                tx.append(&block)?;
                blocks.push(entry);
            }
        }
        let beside =
            [last_notes(repo, way, number, state, &written)?, generations(repo, way, number, state, &written)?];
        for (entry, block) in beside.into_iter().flatten() {
            tx.append(&block)?;
            blocks.push(entry);
        }
    }
    Ok(())
}

fn has_shape(repo: &Repository, commit: CommitIndex, table: &Table) -> bool {
    let same = |t: &Table| t.collection != table.collection || t == table;
    super::table::tables(repo, commit).is_ok_and(|tables| tables.iter().all(same))
}

/// Reads rows in parallel; slots that do not exist there yet hold none.
fn read(checkout: &Checkout<'_>, slots: &[u32]) -> Result<Rows> {
    let per_task = slots.len().div_ceil(rayon::current_num_threads() * 4).max(64);
    let pieces: Vec<Result<Rows>> = slots.par_chunks(per_task).map(|s| checkout.list(s)).collect();
    let mut all: Option<Rows> = None;
    for piece in pieces {
        let piece = piece?;
        match &mut all {
            None => all = Some(piece),
            Some(all) => {
                all.data.extend_from_slice(&piece.data);
                all.alive.extend_from_slice(&piece.alive);
                all.cost.extend_from_slice(&piece.cost);
            }
        }
    }
    all.map_or_else(|| checkout.list(&[]), Ok)
}

fn encode(number: u16, table: &Table, slots: &[u32], old: Option<&Rows>, new: &Rows) -> Vec<PartBlock> {
    let size = table.row_bytes();
    let (mut fresh, mut change, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for (i, &slot) in slots.iter().enumerate() {
        let before = old.filter(|o| o.alive[i]);
        match (before, new.alive[i]) {
            (None, false) => {}
            (Some(_), false) => deleted.push(slot),
            (None, true) => fresh.push(PartRow { slot, old: None, new: &new.data, at: i }),
            (Some(o), true) => {
                let (a, b) = (&o.data[i * size..][..size], &new.data[i * size..][..size]);
                if a == b {
                    continue;
                }
                let m = measure(table.element, a, b);
                if is_related(table, m.changed, m.l2(), m.new_squared.sqrt()) && o.cost[i].bytes < COST_MAX {
                    change.push(PartRow { slot, old: Some(&o.data), new: &new.data, at: i });
                } else {
                    fresh.push(PartRow { slot, old: None, new: &new.data, at: i });
                }
            }
        }
    }
    if fresh.is_empty() && change.is_empty() && deleted.is_empty() {
        return Vec::new();
    }
    // What is coded against an earlier commit would tie this way to it.
    encode_part(number, table, &fresh, &change, &deleted, &|_| None, &Payloads::default())
}

/// Returns the slots that were touched on a way, and which commit did so last.
fn last_written(repo: &Repository, way: &Way, collection: &str) -> Result<BTreeMap<u32, CommitIndex>> {
    let mut slots = BTreeMap::new();
    for c in repo.bases(way.end).take_while(|&c| Some(c) != way.base) {
        for part in data_of(repo, c)?.parts(repo, c, collection)? {
            let lists = part.lists.fresh.iter().chain(&part.lists.change).chain(&part.lists.deleted);
            for &slot in lists {
                slots.entry(slot).or_insert(c);
            }
        }
    }
    Ok(slots)
}

fn bytes_of(repo: &Repository, way: &Way) -> Result<u64> {
    let mut bytes = 0;
    for c in repo.bases(way.end).take_while(|&c| Some(c) != way.base) {
        let data = data_of(repo, c)?;
        let rows = data.blocks[data.range.clone()].iter().filter(|b| b.kind != BlockKind::Keys);
        bytes += rows.map(|b| u64::from(b.len)).sum::<u64>();
    }
    Ok(bytes)
}
