//! Skips: which rows of a commit are coded against an earlier one than its parent.
//!
//! Where every commit changes every row a little, each would be coded against the one before, and an old table would
//! cost as many steps as there are commits since its rows were written whole. Every few steps a block is therefore coded
//! against those whole rows. It takes more bytes than a small step, for the noise of all steps between has added up,
//! and far fewer than the rows themselves.
//!
//! Source: the skip-deltas of Subversion.

use std::sync::{Arc, OnceLock};

use super::checkout::{Checkout, Steps};
use super::data::{data_of, snapshot_data};
use super::error::Result;
use super::repository::{CommitIndex, Repository};
use super::table::tables;
use crate::codec;
use crate::delta::Table;
use crate::store::{BlockKind, Cost, Mirror, PartRow};

/// So many changes behind a row are read one after another; then one is coded against where it was written whole.
const STEPS: u32 = 3;

/// How many commits back are looked at for whole rows.
const BACK: usize = 64;

/// Rows of a block are at most so many times as far apart as neighbours are: each lies in a block of its own else, which would have to be
/// read for it.
const SPREAD: usize = 4;

/// So many rows of a block are tried.
const TRIED: usize = 4;

/// A skip may be so much larger than a step, in quarters of the step.
const QUARTERS: usize = 6;

/// The way back from the head of a branch, as far as somebody asked for it.
pub(super) struct Skips<'r> {
    repo: &'r Repository,
    head: Option<CommitIndex>,
    table: Arc<Table>,
    /// The commit at which rows were last written whole, once it was looked for.
    whole: OnceLock<Option<CommitIndex>>,
    steps: Arc<Steps>,
}

impl<'r> Skips<'r> {
    /// Begins at the commit on which the next one builds.
    pub fn new(repo: &'r Repository, head: Option<CommitIndex>, table: Arc<Table>) -> Self {
        Self { repo, head, table, whole: OnceLock::new(), steps: Arc::default() }
    }

    /// Returns the commit against whose rows blocks may be coded, if it was looked for and found.
    pub fn commit(&self) -> Option<CommitIndex> {
        self.whole.get().copied().flatten()
    }

    /// Returns what the rows of a block were where they were last written whole, if they had better be coded against that.
    pub fn rows(&self, mirror: &Mirror, rows: &[PartRow<'_>]) -> Option<Vec<u8>> {
        let head = self.head.filter(|_| self.is_due(mirror, rows))?;
        // What cannot be read is no base; whoever reads or verifies that commit is told.
        let whole = (*self.whole.get_or_init(|| self.find(head).ok().flatten()))?;
        let checkout = Checkout::with_steps(self.repo, whole, self.table.clone(), self.steps.clone());
        let slots: Vec<u32> = rows.iter().map(|r| r.slot).collect();
        let earlier = checkout.list(&slots).ok()?;
        let found = earlier.cost.iter().all(|&cost| cost == Cost::default());
        (found && self.is_small(rows, &earlier.data)).then_some(earlier.data)
    }

    /// Returns whether many changes lie behind rows that are near each other, and they change as a whole again.
    fn is_due(&self, mirror: &Mirror, rows: &[PartRow<'_>]) -> bool {
        let steps = rows.iter().map(|r| u32::from(mirror.cost(r.slot).steps)).sum::<u32>();
        // On average, rounded: some rows of a block may have come later.
        let many = 2 * steps >= (2 * STEPS - 1) * rows.len() as u32;
        let span = (rows[rows.len() - 1].slot - rows[0].slot) as usize;
        // Changes of few cells soon add up to many.
        let is_dense =
            |row: &PartRow<'_>| row.old.is_some() && row.changed_cells(&self.table) * 2 >= self.table.dims as usize;
        many && span < SPREAD * rows.len() && rows.iter().step_by(rows.len().div_ceil(TRIED)).all(is_dense)
    }

    /// Tries how much larger a change of earlier rows is than one of the rows just before.
    fn is_small(&self, rows: &[PartRow<'_>], earlier: &[u8]) -> bool {
        let size = self.table.row_bytes();
        let (mut before, mut then, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (row, earlier) in rows.iter().zip(earlier.chunks_exact(size)).step_by(rows.len().div_ceil(TRIED)) {
            before.extend_from_slice(&row.old.unwrap_or_default()[row.at * size..][..size]);
            then.extend_from_slice(earlier);
            new.extend_from_slice(row.row(size));
        }
        let len = |old: &[u8]| {
            let mut out = Vec::new();
            codec::encode_change(self.table.element, self.table.dims as usize, old, &new, &mut out);
            out.len()
        };
        len(&then) * 4 <= len(&before) * QUARTERS
    }

    /// Finds the newest commit up to one at which most rows were written whole, or of which there is a snapshot.
    fn find(&self, head: CommitIndex) -> Result<Option<CommitIndex>> {
        let Some(collection) = self.repo.collection_number(&self.table.collection) else { return Ok(None) };
        for commit in self.repo.bases(head).take(BACK) {
            let slots = &self.repo.entry(commit).slots;
            let Some(own) = slots.iter().position(|(c, _)| *c == collection) else { return Ok(None) };
            if let Some(earlier) = self.repo.skip_of(commit, collection) {
                return Ok(Some(earlier));
            }
            let data = match self.repo.snapshot(commit) {
                Some(place) => snapshot_data(self.repo, place)?,
                None => data_of(self.repo, commit)?,
            };
            let blocks = data.blocks[data.range].iter();
            let fresh = blocks.filter(|b| usize::from(b.collection) == own && b.kind == BlockKind::Fresh);
            if fresh.map(|b| u64::from(b.rows)).sum::<u64>() * 2 >= u64::from(slots[own].1) {
                let same = tables(self.repo, commit)?.contains(&self.table);
                return Ok(Some(commit).filter(|_| same));
            }
        }
        Ok(None)
    }
}
