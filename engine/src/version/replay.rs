//! Replay: the states of a range of slots, commit after commit from the first one on.

use std::ops::Range;
use std::sync::Arc;

use super::data::{Part, damaged_in, with_block_in};
use super::error::Result;
use super::reading::NOT_ON_THE_WAY;
use super::repository::Repository;
use crate::delta::{CommitId, SortedMap, Table};
use crate::store::{BlockKind, BlockRef, Log, Place};

/// The rows of a range of slots, moved forward one commit at a time.
pub struct Replay<'r> {
    log: &'r Log,
    table: Arc<Table>,
    range: Range<u32>,
    data: Vec<u8>,
    /// The rows as they were at commits against which others are coded.
    kept: SortedMap<CommitId, Vec<u8>>,
}

/// Which of some commits that follow each other are coded against which earlier one.
pub struct Needed {
    of: Vec<Option<CommitId>>,
    /// The last that needs each of these.
    last: SortedMap<CommitId, usize>,
}

impl Needed {
    /// Takes for each commit the one against which its blocks of kind `Skip` are coded.
    pub fn new(of: Vec<Option<CommitId>>) -> Self {
        let mut last = SortedMap::default();
        for (i, earlier) in of.iter().enumerate() {
            earlier.map(|earlier| last.insert(earlier, i));
        }
        Self { of, last }
    }

    /// Returns the commits against which others are coded.
    pub fn earlier(&self) -> impl Iterator<Item = &CommitId> {
        self.last.iter().map(|(earlier, _)| earlier)
    }
}

/// A commit that is applied: which one of those that follow each other, and its blocks.
pub struct Applied<'a> {
    pub number: usize,
    pub id: CommitId,
    pub place: Place,
    pub blocks: &'a [BlockRef],
    pub parts: &'a [Part],
}

impl<'r> Replay<'r> {
    /// Begins before the first commit, with no rows.
    pub fn new(repo: &'r Repository, table: Arc<Table>, range: Range<u32>) -> Self {
        let data = vec![0; range.len() * table.row_bytes()];
        Self { log: repo.log(), table, range, data, kept: SortedMap::default() }
    }

    /// Begins with rows as they were before the first transaction of a log that will be applied; zeros where there is
    /// none.
    pub fn on(log: &'r Log, table: Arc<Table>, range: Range<u32>, mut data: Vec<u8>) -> Self {
        data.resize(range.len() * table.row_bytes(), 0);
        Self { log, table, range, data, kept: SortedMap::default() }
    }

    /// Takes over the rows as they were at a commit before the first one; those behind the end are zeros.
    pub fn keep(&mut self, commit: CommitId, mut rows: Vec<u8>) {
        rows.resize(self.data.len(), 0);
        self.kept.insert(commit, rows);
    }

    /// Applies one commit and reports each slot it touched with the row it has now, or `None` when it went.
    ///
    /// # Errors
    /// When a block is damaged, or is coded against a commit that was not applied or kept before.
    pub fn apply(
        &mut self,
        commit: &Applied<'_>,
        skips: &Needed,
        touched: &mut dyn FnMut(u32, Option<&[u8]>),
    ) -> Result<()> {
        let skip = skips.of[commit.number].as_ref();
        self.apply_parts(commit, skip, touched)?;
        if skips.last.contains_key(&commit.id) {
            self.kept.insert(commit.id, self.data.clone());
        }
        if let Some(earlier) = skip.filter(|earlier| skips.last.get(*earlier) == Some(&commit.number)) {
            self.kept.remove(earlier);
        }
        Ok(())
    }

    fn apply_parts(
        &mut self,
        &Applied { place, blocks, parts, .. }: &Applied<'_>,
        skip: Option<&CommitId>,
        touched: &mut dyn FnMut(u32, Option<&[u8]>),
    ) -> Result<()> {
        for part in parts {
            let mut block = part.index.slots + 1;
            for list in [&part.lists.fresh, &part.lists.change] {
                let mut rest = list.as_slice();
                while !rest.is_empty() {
                    let (slots, others) = rest.split_at((blocks[block].rows as usize).min(rest.len()));
                    self.block((place, blocks, block), slots, skip, touched)?;
                    rest = others;
                    block += 1;
                }
            }
            let size = self.table.row_bytes();
            for &slot in part.lists.deleted.iter().filter(|s| self.range.contains(s)) {
                // As whoever reads the commit sees it: nothing is left that a change could be based on.
                self.data[(slot - self.range.start) as usize * size..][..size].fill(0);
                touched(slot, None);
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        (place, blocks, i): (Place, &[BlockRef], usize),
        slots: &[u32],
        skip: Option<&CommitId>,
        touched: &mut dyn FnMut(u32, Option<&[u8]>),
    ) -> Result<()> {
        let from = slots.partition_point(|&s| s < self.range.start);
        let to = slots.partition_point(|&s| s < self.range.end);
        if from == to {
            return Ok(());
        }
        let (size, start, data) = (self.table.row_bytes(), self.range.start, &mut self.data);
        let mut earlier = None;
        if blocks[i].kind == BlockKind::Skip {
            earlier = skip.and_then(|commit| self.kept.get(commit));
            earlier.ok_or_else(|| damaged_in(self.log, place, NOT_ON_THE_WAY))?;
        }
        with_block_in(self.log, &self.table, place, blocks, i, |block| {
            for (r, &slot) in slots.iter().enumerate().take(to).skip(from) {
                let at = (slot - start) as usize * size;
                let row = &mut data[at..at + size];
                if let Some(earlier) = earlier {
                    row.copy_from_slice(&earlier[at..at + size]);
                }
                block.apply_row(r, row)?;
                touched(slot, Some(row));
            }
            Ok(())
        })
    }
}
