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

    /// Keeps the rows as they are now, at a commit against which others are coded.
    pub fn keep(&mut self, commit: CommitId) {
        self.kept.insert(commit, self.data.clone());
    }

    /// Takes over the rows as they were at a commit before the first one; those behind the end are zeros.
    pub fn keep_rows(&mut self, commit: CommitId, mut rows: Vec<u8>) {
        rows.resize(self.data.len(), 0);
        self.kept.insert(commit, rows);
    }

    /// Lets the rows of a commit go that is not needed again.
    pub fn forget(&mut self, commit: &CommitId) {
        self.kept.remove(commit);
    }

    /// Applies one commit and reports each slot it touched with the row it has now, or `None` when it went; `skip` is the
    /// commit against whose rows blocks of kind `Skip` are coded.
    ///
    /// # Errors
    /// When a block is damaged, or that commit's rows were not kept.
    pub fn apply(
        &mut self,
        (place, blocks): (Place, &[BlockRef]),
        parts: &[Part],
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
