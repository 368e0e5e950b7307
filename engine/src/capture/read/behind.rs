//! The part of a mapped file that has been read, given back to the system.

use crate::store::map::Mapping;

/// What stays mapped behind the reader, for the batches that are still being worked on.
const KEPT_BYTES: u64 = 64 << 20;

/// How much is given back at once.
const STEP_BYTES: u64 = 16 << 20;

/// Follows a reader through its file.
pub(super) struct Behind {
    mapping: Mapping,
    forgotten: u64,
}

impl Behind {
    pub fn new(mapping: Mapping) -> Self {
        Self { mapping, forgotten: 0 }
    }

    /// Says that the rows before byte `passed` have been handed on.
    pub fn pass(&mut self, passed: u64) {
        let end = passed.saturating_sub(KEPT_BYTES) & !(STEP_BYTES - 1);
        if end > self.forgotten {
            // Both are within the file, whose length is a `usize`.
            self.mapping.forget(self.forgotten as usize..end as usize);
            self.forgotten = end;
        }
    }
}
