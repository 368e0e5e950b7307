//! How far a commit lies from the one on which its data are based.
//!
//! Both number their sources alike, and what the later one did not touch is the same on both sides: it is read once, for
//! both. Of what was touched, the rows before come from the same blocks in the same pass.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use vecdelta::store::KeyTable;
use vecdelta::version::{CommitIndex, Repository, Rows, Steps, VersionError, read_keys, touched, within};

use super::drift::{State, keep_farthest, moved};
use super::sums::Sums;
use crate::ask::DriftSlice;

/// What one slice of a comparison leaves for the next.
#[derive(Default)]
pub(super) struct Kept {
    of: Option<([CommitIndex; 2], String)>,
    /// The lists that were read on the way.
    pub steps: Arc<Steps>,
    touched: Option<Vec<u32>>,
    buffer: Vec<u8>,
}

impl Kept {
    /// Lets go of what belongs to another comparison.
    pub fn is_for(&mut self, commits: [CommitIndex; 2], collection: &str) {
        if self.of.as_ref().is_none_or(|(c, name)| *c != commits || name != collection) {
            *self = Self { of: Some((commits, collection.to_owned())), ..Self::default() };
        }
    }
}

/// Compares neighbouring pieces of a commit with the commit on which its data are based.
pub(super) fn beside(
    repo: &Repository,
    kept: &mut Kept,
    state: &State<'_>,
    pieces: Vec<Range<u32>>,
) -> Result<Vec<DriftSlice>, VersionError> {
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(Vec::new()) };
    let (slots, ends) = (first.start..last.end, last.end == state.held);
    let collection = &state.table.collection;
    let touched = match &mut kept.touched {
        Some(touched) => touched,
        none => none.insert(touched(repo, state.commit, collection)?),
    };
    let own = within(touched, &slots);
    let buffer = std::mem::take(&mut kept.buffer);
    let (rows, keys) = rayon::join(
        || state.checkout.range_and_before(slots.clone(), own, buffer),
        || {
            if own.is_empty() {
                Ok(KeyTable::default())
            } else {
                read_keys(repo, state.commit, collection, slots.clone())
            }
        },
    );
    let [now, then] = rows?;
    let pair = Pair { state, now, then, touched: own, keys: keys? };
    let compared = pieces.into_par_iter().map(|slots| pair.piece(slots)).collect();
    if !ends {
        kept.buffer = pair.now.data;
    }
    Ok(compared)
}

/// Some slots of a commit, and those that it touched as they were before.
struct Pair<'s> {
    state: &'s State<'s>,
    now: Rows,
    then: Rows,
    touched: &'s [u32],
    keys: KeyTable,
}

impl Pair<'_> {
    fn piece(&self, slots: Range<u32>) -> DriftSlice {
        let (table, mut out) = (&self.state.table, DriftSlice::default());
        let mut sums = Sums::new(table);
        let mut at = self.touched.partition_point(|&s| s < slots.start);
        for slot in slots {
            let i = (slot - self.now.first) as usize;
            let new = row(&self.now, i, table.row_bytes());
            if self.touched.get(at) != Some(&slot) {
                new.into_iter().for_each(|row| sums.add_to_both(row));
                continue;
            }
            let old = row(&self.then, at, table.row_bytes());
            at += 1;
            old.into_iter().for_each(|row| sums.add(0, row));
            new.into_iter().for_each(|row| sums.add(1, row));
            match (old, new) {
                (Some(old), Some(new)) => {
                    moved(&table.collection, table, table, self.keys.get(i as u32), [old, new], &mut out);
                }
                (None, Some(_)) => out.counts[0] += 1,
                (Some(_), None) => out.counts[2] += 1,
                (None, None) => {}
            }
        }
        (0..2).for_each(|side| sums.finish(side, &mut out));
        keep_farthest(&mut out.farthest);
        out
    }
}

fn row(rows: &Rows, i: usize, size: usize) -> Option<&[u8]> {
    let alive = rows.alive.get(i).is_some_and(|&alive| alive);
    alive.then(|| &rows.data[i * size..(i + 1) * size])
}
