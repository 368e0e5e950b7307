//! A checksum over deltas, which anybody can compute who has them.

use std::ops::Range;

use super::{Change, DeltaBatch};

/// The name from which BLAKE3 derives the key: `b3sum --derive-key` takes it.
const CONTEXT: &str = "vecdelta v1 batch";

/// The checksum of deltas in their order: BLAKE3, in its mode for derived keys, over what each of them says.
///
/// That is, of each: the collection, then the source key, both as their length (32 bits) and UTF-8; one letter, `i` for an
/// insert, `u` for an update, `d` for a delete; the element type's code (8 bits) and the width (32 bits); the bits before
/// it unless it is an insert, and those after it unless it is a delete. All numbers are little-endian. How the deltas are
/// divided into batches makes no difference.
pub struct BatchChecksum {
    hasher: blake3::Hasher,
    head: Vec<u8>,
}

impl Default for BatchChecksum {
    fn default() -> Self {
        Self { hasher: blake3::Hasher::new_derive_key(CONTEXT), head: Vec::new() }
    }
}

impl BatchChecksum {
    /// Goes on with deltas of a batch.
    pub fn add(&mut self, batch: &DeltaBatch, deltas: Range<usize>) {
        let table = &batch.table;
        for i in deltas {
            let delta = &batch.deltas[i];
            self.head.clear();
            for text in [table.collection.as_str(), batch.keys.get(i)] {
                self.head.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                self.head.extend_from_slice(text.as_bytes());
            }
            let (old, new) = batch.rows(i);
            let (letter, before, after) = match delta.change {
                Change::Insert => (b'i', &[][..], new),
                Change::Update => (b'u', old, new),
                Change::Delete => (b'd', old, &[][..]),
            };
            self.head.extend([letter, table.element.code()]);
            self.head.extend(table.dims.to_le_bytes());
            self.hasher.update(&self.head).update(before).update(after);
        }
    }

    /// Returns the checksum as 64 hexadecimal digits.
    pub fn finish(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
