//! What it costs to read a row from the log: how much lies between the row and where it was written whole.

use super::record::{BlockKind, BlockRef};

/// The cost of reading a row; none at all when it was written whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How long the changes are that have to be read, in 16ths of a whole row.
    pub bytes: u8,
    /// How many they are.
    pub steps: u8,
}

impl Cost {
    /// Returns the cost of a row in a block; `self` is that of the row against which it is coded there.
    pub fn after(self, block: &BlockRef, row_bytes: usize) -> Self {
        if block.kind == BlockKind::Fresh {
            return Self::default();
        }
        let raw = u64::from(block.rows) * row_bytes as u64;
        let own = (u64::from(block.len) * 16).div_ceil(raw.max(1)).clamp(1, 255) as u8;
        Self { bytes: self.bytes.saturating_add(own), steps: self.steps.saturating_add(1) }
    }
}
