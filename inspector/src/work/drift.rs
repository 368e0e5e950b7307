//! How far two commits lie apart, some slots at a time.
//!
//! A slice is cut into pieces for all cores, which share what is read on the way to either commit.
//!
//! Slots number the sources of a collection as they came. Two commits of one line number alike; on two branches the same
//! number may stand for two sources. So both sides of a slot are compared by key, and what stands elsewhere is looked up.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use vecdelta::delta::Table;
use vecdelta::store::KeyTable;
use vecdelta::version::{
    Checkout, CommitIndex, Repository, Rows, VersionError, find_slot, number_of, read_keys, table_of,
};
use vecdelta_kernels::measure;

use super::beside::{Kept, beside};
use super::sums::Sums;
use crate::ask::DriftSlice;

/// How many bytes of rows one piece compares on either side, about.
const PIECE: usize = 4 << 20;

/// How many pieces a slice has: so many that the way to a commit is not looked for too often, and so few that a newer wish
/// soon comes first. In a browser there is one core.
const PIECES: u32 = if cfg!(target_arch = "wasm32") { 1 } else { 8 };

/// How many of the farthest moves a slice names.
const FARTHEST: usize = 32;

/// A collection at a commit.
pub(super) struct State<'r> {
    pub commit: CommitIndex,
    pub table: Arc<Table>,
    pub checkout: Checkout<'r>,
    /// How many slots it has.
    pub held: u32,
}

/// One side of a comparison: some slots of a collection at a commit.
struct Side<'s> {
    state: &'s State<'s>,
    keys: KeyTable,
    rows: Rows,
    start: u32,
}

/// Compares a collection at two commits from a slot on.
pub(super) fn drift(
    repo: &Repository,
    kept: &mut Kept,
    commits: [CommitIndex; 2],
    collection: &str,
    from: u32,
) -> Result<DriftSlice, VersionError> {
    kept.is_for(commits, collection);
    let states = [state(repo, kept, commits[0], collection)?, state(repo, kept, commits[1], collection)?];
    if states.iter().all(Option::is_none) {
        return Err(VersionError::Refused(format!("neither commit has a collection `{collection}`")));
    }
    let slots = states.iter().flatten().map(|s| s.held).max().unwrap_or(0);
    let bytes = states.iter().flatten().map(|s| s.table.row_bytes()).max().unwrap_or(1).max(1);
    let step = (PIECE / bytes).clamp(16, 1 << 16) as u32;
    let end = slots.min(from.saturating_add(step * PIECES));
    let pieces: Vec<Range<u32>> =
        (from..end).step_by(step as usize).map(|start| start..end.min(start.saturating_add(step))).collect();
    let states = states.each_ref().map(Option::as_ref);
    let compared = match states {
        [Some(before), Some(after)] if is_next(repo, before, after) => beside(repo, kept, after, pieces)?,
        _ => {
            let compared = pieces.into_par_iter().map(|slots| piece(repo, collection, states, slots));
            compared.collect::<Result<Vec<_>, _>>()?
        }
    };
    let mut out = DriftSlice { next: if end < slots { end } else { 0 }, slots, ..DriftSlice::default() };
    out.dims = states.map(|s| s.map_or(0, |s| s.table.dims));
    compared.into_iter().for_each(|piece| add(&mut out, piece));
    Ok(out)
}

/// Compares some slots.
fn piece(
    repo: &Repository,
    collection: &str,
    states: [Option<&State<'_>>; 2],
    slots: Range<u32>,
) -> Result<DriftSlice, VersionError> {
    let read = |state: &State<'_>| slots.start..slots.end.min(state.held).max(slots.start);
    let [before, after] = states.map(|s| s.map(|state| Side::read(repo, state, read(state))).transpose());
    let (before, after) = (before?, after?);
    let mut out = DriftSlice::default();
    for (i, side) in [&before, &after].into_iter().enumerate() {
        side.iter().for_each(|side| side.sum(i, &mut out));
    }
    for slot in slots {
        compare(repo, collection, before.as_ref(), after.as_ref(), slot, &mut out)?;
    }
    keep_farthest(&mut out.farthest);
    Ok(out)
}

/// Adds what a piece found to what those before it did.
fn add(all: &mut DriftSlice, piece: DriftSlice) {
    (0..3).for_each(|i| all.counts[i] += piece.counts[i]);
    for i in 0..2 {
        all.rows[i] += piece.rows[i];
        all.not_finite[i] += piece.not_finite[i];
        all.sums[i].resize(piece.sums[i].len().max(all.sums[i].len()), 0);
        let sum = |(sum, more): (&mut u64, &u64)| *sum = (f64::from_bits(*sum) + f64::from_bits(*more)).to_bits();
        all.sums[i].iter_mut().zip(&piece.sums[i]).for_each(sum);
    }
    all.l2.extend(piece.l2);
    all.cosine.extend(piece.cosine);
    all.farthest.extend(piece.farthest);
    keep_farthest(&mut all.farthest);
}

pub(super) fn keep_farthest(moves: &mut Vec<(String, u64)>) {
    moves.sort_by(|a, b| f64::from_bits(b.1).total_cmp(&f64::from_bits(a.1)).then_with(|| a.0.cmp(&b.0)));
    moves.truncate(FARTHEST);
}

/// Returns whether one commit's data are based on the other's, and they number alike.
fn is_next(repo: &Repository, before: &State<'_>, after: &State<'_>) -> bool {
    let next = repo.bases(after.commit).nth(1) == Some(before.commit);
    next && before.table == after.table && before.held <= after.held
}

/// Finds a collection at a commit, if it is there.
fn state<'r>(
    repo: &'r Repository,
    kept: &Kept,
    commit: CommitIndex,
    collection: &str,
) -> Result<Option<State<'r>>, VersionError> {
    let Some(table) = shape(repo, commit, collection)? else { return Ok(None) };
    let held = repo.collection_number(collection).map_or(0, |number| repo.slots(commit, number));
    let checkout = Checkout::with_steps(repo, commit, table.clone(), kept.steps.clone());
    Ok(Some(State { commit, checkout, table, held }))
}

fn shape(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Option<Arc<Table>>, VersionError> {
    repo.check_held(commit)?;
    let record = repo.commit(commit)?;
    let number = number_of(&record, collection);
    number.map(|n| Ok(Arc::new(table_of(&record.body.collections[usize::from(n)])?))).transpose()
}

impl<'s> Side<'s> {
    fn read(repo: &Repository, state: &'s State<'s>, slots: Range<u32>) -> Result<Self, VersionError> {
        let keys = read_keys(repo, state.commit, &state.table.collection, slots.clone())?;
        let rows = state.checkout.range(slots.clone())?;
        Ok(Self { state, keys, rows, start: slots.start })
    }

    /// Returns the key and the row of a slot, if it holds one.
    fn at(&self, slot: u32) -> Option<(&str, &[u8])> {
        let i = (slot - self.start) as usize;
        let size = self.state.table.row_bytes();
        let alive = *self.rows.alive.get(i)?;
        alive.then(|| (self.keys.get(i as u32), &self.rows.data[i * size..(i + 1) * size]))
    }

    /// Reads a source that may stand at another slot.
    fn find(&self, repo: &Repository, key: &str) -> Result<Option<Vec<u8>>, VersionError> {
        let Some(slot) = find_slot(repo, self.state.commit, &self.state.table.collection, key)? else {
            return Ok(None);
        };
        let rows = self.state.checkout.list(&[slot])?;
        Ok(rows.alive.first().is_some_and(|&a| a).then_some(rows.data))
    }

    /// Adds the finite rows to the sums of a side.
    fn sum(&self, side: usize, out: &mut DriftSlice) {
        let size = self.state.table.row_bytes();
        let mut sums = Sums::new(&self.state.table);
        for (i, _) in self.rows.alive.iter().enumerate().filter(|(_, alive)| **alive) {
            sums.add(side, &self.rows.data[i * size..(i + 1) * size]);
        }
        sums.finish(side, out);
    }
}

/// Compares what stands at a slot after, and counts what stood there before and went.
fn compare(
    repo: &Repository,
    collection: &str,
    before: Option<&Side<'_>>,
    after: Option<&Side<'_>>,
    slot: u32,
    out: &mut DriftSlice,
) -> Result<(), VersionError> {
    let old = before.and_then(|s| s.at(slot));
    let new = after.and_then(|s| s.at(slot));
    if let Some((key, row)) = new {
        let elsewhere = match (old, before) {
            (Some((k, _)), _) if k == key => None,
            (_, Some(side)) => side.find(repo, key)?,
            (_, None) => None,
        };
        let old = old.filter(|(k, _)| *k == key).map(|(_, row)| row).or(elsewhere.as_deref());
        match (old, before, after) {
            (Some(old), Some(b), Some(a)) => moved(collection, &b.state.table, &a.state.table, key, [old, row], out),
            _ => out.counts[0] += 1,
        }
    }
    if let Some((key, _)) = old.filter(|(k, _)| new.is_none_or(|(n, _)| n != *k)) {
        let kept = after.map(|s| s.find(repo, key)).transpose()?.flatten();
        out.counts[2] += u64::from(kept.is_none());
    }
    Ok(())
}

/// Measures how far a source moved, if it did.
pub(super) fn moved(
    collection: &str,
    before: &Table,
    after: &Table,
    key: &str,
    rows: [&[u8]; 2],
    out: &mut DriftSlice,
) {
    let same_shape = before.element == after.element && before.dims == after.dims;
    if same_shape && rows[0] == rows[1] {
        return;
    }
    out.counts[1] += 1;
    if !same_shape {
        return;
    }
    let measured = measure(before.element, rows[0], rows[1]);
    if let Some(cosine) = measured.cosine() {
        out.cosine.push(cosine.to_bits());
    }
    let l2 = measured.l2();
    if l2.is_finite() {
        out.l2.push(l2.to_bits());
        let least = out.farthest.len() >= 8 * FARTHEST;
        if least {
            keep_farthest(&mut out.farthest);
        }
        out.farthest.push((format!("{collection}/{key}"), l2.to_bits()));
    }
}
