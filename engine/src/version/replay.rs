//! Replay: the states of a range of slots, commit after commit from the first one on.

use std::ops::Range;
use std::sync::Arc;

use super::data::{Part, with_block_in};
use super::error::Result;
use super::repository::Repository;
use crate::delta::Table;
use crate::store::{BlockRef, Log, Place};

/// The rows of a range of slots, moved forward one commit at a time.
pub struct Replay<'r> {
    log: &'r Log,
    table: Arc<Table>,
    range: Range<u32>,
    data: Vec<u8>,
}

impl<'r> Replay<'r> {
    /// Begins before the first commit, with no rows.
    pub fn new(repo: &'r Repository, table: Arc<Table>, range: Range<u32>) -> Self {
        let data = vec![0; range.len() * table.row_bytes()];
        Self { log: repo.log(), table, range, data }
    }

    /// Begins with rows as they were before the first transaction of a log that will be applied; zeros where there is
    /// none.
    pub fn on(log: &'r Log, table: Arc<Table>, range: Range<u32>, mut data: Vec<u8>) -> Self {
        data.resize(range.len() * table.row_bytes(), 0);
        Self { log, table, range, data }
    }

    /// Applies one commit and reports each slot it touched with the row it has now, or `None` when it went.
    ///
    /// # Errors
    /// When a block is damaged.
    pub fn apply(
        &mut self,
        place: Place,
        blocks: &[BlockRef],
        parts: &[Part],
        touched: &mut dyn FnMut(u32, Option<&[u8]>),
    ) -> Result<()> {
        for part in parts {
            let mut block = part.index.slots + 1;
            for list in [&part.lists.fresh, &part.lists.change] {
                let mut rest = list.as_slice();
                while !rest.is_empty() {
                    let (slots, others) = rest.split_at((blocks[block].rows as usize).min(rest.len()));
                    self.block(place, blocks, block, slots, touched)?;
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
        place: Place,
        blocks: &[BlockRef],
        i: usize,
        slots: &[u32],
        touched: &mut dyn FnMut(u32, Option<&[u8]>),
    ) -> Result<()> {
        let from = slots.partition_point(|&s| s < self.range.start);
        let to = slots.partition_point(|&s| s < self.range.end);
        if from == to {
            return Ok(());
        }
        let (size, start, data) = (self.table.row_bytes(), self.range.start, &mut self.data);
        with_block_in(self.log, &self.table, place, blocks, i, |block| {
            for (r, &slot) in slots.iter().enumerate().take(to).skip(from) {
                let at = (slot - start) as usize * size;
                let row = &mut data[at..at + size];
                block.apply_row(r, row)?;
                touched(slot, Some(row));
            }
            Ok(())
        })
    }
}
