//! The history of a target: a bounded ring of what was applied, with what takes it back.

use std::collections::VecDeque;

use super::LastApplied;
use crate::delta::{DeltaId, DeltaVector, RowHash, VectorError};

/// One applied delta.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The delta.
    pub id: DeltaId,
    /// What was applied before it.
    pub previous: Option<LastApplied>,
    /// The state before it.
    pub before: Option<RowHash>,
    /// The XOR from the state after it to the state before it; nothing when the source was absent before.
    pub undo: Option<DeltaVector>,
    /// The row that the delta leads to, where a resolved conflict made another one of it: its sender goes on from there.
    pub theirs: Option<(RowHash, Vec<u8>)>,
}

/// The last applied deltas, the newest at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
}

impl History {
    /// Adds the newest entry. The ring is not cut before [`cut`](Self::cut), so that a window can be taken back whole.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Drops the oldest entries above a limit, which may be 0.
    pub fn cut(&mut self, limit: usize) {
        let over = self.entries.len().saturating_sub(limit);
        self.entries.drain(..over);
    }

    /// Removes the newest entries.
    pub fn forget(&mut self, count: usize) {
        self.entries.truncate(self.entries.len().saturating_sub(count));
    }

    /// Returns how many are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the entries, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// Returns the row of a state that the target was in, or that a sender goes on from; `now` is the present row.
    pub fn row_of(&self, hash: RowHash, now: &Option<Vec<u8>>) -> Result<Option<Vec<u8>>, VectorError> {
        let mut row = now.clone();
        for entry in self.newest() {
            if let Some((_, theirs)) = entry.theirs.as_ref().filter(|(theirs, _)| *theirs == hash) {
                return Ok(Some(theirs.clone()));
            }
            row = entry.take_back(row)?;
            if entry.before == Some(hash) {
                return Ok(row);
            }
        }
        Ok(None)
    }
}

impl Entry {
    /// Returns the row before this delta from the row after it.
    pub fn take_back(&self, row: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, VectorError> {
        let Some(undo) = &self.undo else { return Ok(None) };
        let mut row = row.unwrap_or_else(|| vec![0; undo.dims() as usize * undo.element().size()]);
        undo.apply(&mut row)?;
        Ok(Some(row))
    }
}
