//! How far two commits lie apart, some slots at a time.
//!
//! Slots number the sources of a collection as they came. Two commits of one line number alike; on two branches the same
//! number may stand for two sources. So both sides of a slot are compared by key, and what stands elsewhere is looked up.

use std::sync::Arc;

use vecdelta::delta::Table;
use vecdelta::store::KeyTable;
use vecdelta::version::{
    Checkout, CommitIndex, Repository, Rows, VersionError, find_slot, number_of, read_keys, table_of,
};
use vecdelta_kernels::{all_finite, measure, widen};

use crate::ask::DriftSlice;

/// How many bytes of rows one slice compares on either side, about.
const PIECE: usize = 4 << 20;

/// How many of the farthest moves a slice names.
const FARTHEST: usize = 32;

/// One side of a comparison: some slots of a collection at a commit.
struct Side<'r> {
    commit: CommitIndex,
    table: Arc<Table>,
    checkout: Checkout<'r>,
    keys: KeyTable,
    rows: Rows,
    start: u32,
}

/// Compares a collection at two commits from a slot on.
pub fn drift(
    repo: &Repository,
    commits: [CommitIndex; 2],
    collection: &str,
    from: u32,
) -> Result<DriftSlice, VersionError> {
    let shapes = [shape(repo, commits[0], collection)?, shape(repo, commits[1], collection)?];
    if shapes.iter().all(Option::is_none) {
        return Err(VersionError::Refused(format!("neither commit has a collection `{collection}`")));
    }
    let held = |i: usize| -> u32 {
        repo.collection_number(collection).filter(|_| shapes[i].is_some()).map_or(0, |n| repo.slots(commits[i], n))
    };
    let slots = held(0).max(held(1));
    let bytes = shapes.iter().flatten().map(|t| t.row_bytes()).max().unwrap_or(1).max(1);
    let end = slots.min(from.saturating_add((PIECE / bytes).clamp(16, 1 << 16) as u32));
    let mut sides: [Option<Side<'_>>; 2] = [None, None];
    for (i, shape) in shapes.iter().enumerate() {
        if let Some(table) = shape {
            sides[i] = Some(Side::read(repo, commits[i], table.clone(), from..end.min(held(i)).max(from))?);
        }
    }
    let mut out = DriftSlice { next: if end < slots { end } else { 0 }, slots, ..DriftSlice::default() };
    for (i, side) in sides.iter().enumerate() {
        if let Some(side) = side {
            out.dims[i] = side.table.dims;
            side.sum(i, &mut out);
        }
    }
    let [before, after] = &sides;
    for slot in from..end {
        compare(repo, collection, before.as_ref(), after.as_ref(), slot, &mut out)?;
    }
    out.farthest.sort_by(|a, b| f64::from_bits(b.1).total_cmp(&f64::from_bits(a.1)).then_with(|| a.0.cmp(&b.0)));
    out.farthest.truncate(FARTHEST);
    Ok(out)
}

fn shape(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Option<Arc<Table>>, VersionError> {
    repo.check_held(commit)?;
    let record = repo.commit(commit)?;
    let number = number_of(&record, collection);
    number.map(|n| Ok(Arc::new(table_of(&record.body.collections[usize::from(n)])?))).transpose()
}

impl<'r> Side<'r> {
    fn read(
        repo: &'r Repository,
        commit: CommitIndex,
        table: Arc<Table>,
        slots: std::ops::Range<u32>,
    ) -> Result<Self, VersionError> {
        let checkout = Checkout::new(repo, commit, table.clone());
        let keys = read_keys(repo, commit, &table.collection, slots.clone())?;
        let rows = checkout.range(slots.clone())?;
        Ok(Self { commit, table, checkout, keys, rows, start: slots.start })
    }

    /// Returns the key and the row of a slot, if it holds one.
    fn at(&self, slot: u32) -> Option<(&str, &[u8])> {
        let i = (slot - self.start) as usize;
        let size = self.table.row_bytes();
        let alive = *self.rows.alive.get(i)?;
        alive.then(|| (self.keys.get(i as u32), &self.rows.data[i * size..(i + 1) * size]))
    }

    /// Reads a source that may stand at another slot.
    fn find(&self, repo: &Repository, key: &str) -> Result<Option<Vec<u8>>, VersionError> {
        let Some(slot) = find_slot(repo, self.commit, &self.table.collection, key)? else { return Ok(None) };
        let rows = self.checkout.list(&[slot])?;
        Ok(rows.alive.first().is_some_and(|&a| a).then_some(rows.data))
    }

    /// Adds the finite rows to the sums of a side.
    fn sum(&self, side: usize, out: &mut DriftSlice) {
        let (size, mut wide) = (self.table.row_bytes(), Vec::new());
        let mut sums = vec![0.0_f64; self.table.dims as usize];
        for (i, _) in self.rows.alive.iter().enumerate().filter(|(_, alive)| **alive) {
            let row = &self.rows.data[i * size..(i + 1) * size];
            out.rows[side] += 1;
            if !all_finite(self.table.element, row) {
                out.not_finite[side] += 1;
                continue;
            }
            widen(self.table.element, row, &mut wide);
            let values = wide.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b));
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        out.sums[side] = sums.into_iter().map(f64::to_bits).collect();
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
            (Some(old), Some(b), Some(a)) => moved(collection, &b.table, &a.table, key, [old, row], out),
            _ => out.counts[0] += 1,
        }
    }
    if let Some((key, _)) = old.filter(|(k, _)| new.is_none_or(|(n, _)| n != *k)) {
        let kept = after.map(|s| s.find(repo, key)).transpose()?.flatten();
        out.counts[2] += u64::from(kept.is_none());
    }
    Ok(())
}

fn moved(collection: &str, before: &Table, after: &Table, key: &str, rows: [&[u8]; 2], out: &mut DriftSlice) {
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
            out.farthest
                .sort_by(|a, b| f64::from_bits(b.1).total_cmp(&f64::from_bits(a.1)).then_with(|| a.0.cmp(&b.0)));
            out.farthest.truncate(FARTHEST);
        }
        out.farthest.push((format!("{collection}/{key}"), l2.to_bits()));
    }
}
