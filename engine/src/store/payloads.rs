//! Memory of payloads that goes round: what one part was coded into, the next one uses again.
//!
//! Memory that is given back and asked for anew costs a page fault every 4 KiB.

use std::sync::Mutex;

use super::part::PartBlock;

/// How many buffers are kept at most: the blocks of a part and a half.
const KEPT: usize = 128;

/// A smaller buffer is not worth keeping, and a larger one is rare.
const WORTH: std::ops::RangeInclusive<usize> = 64 << 10..=256 << 10;

/// Buffers of payloads that are not needed any more.
#[derive(Debug, Default)]
pub struct Payloads(Mutex<Vec<Vec<u8>>>);

impl Payloads {
    /// Returns an empty buffer with room for so many bytes.
    pub(super) fn take(&self, bytes: usize) -> Vec<u8> {
        let kept = if WORTH.contains(&bytes) { self.lock().pop() } else { None };
        let mut buffer = kept.unwrap_or_default();
        buffer.clear();
        buffer.reserve(bytes);
        buffer
    }

    /// Takes back what blocks were coded into.
    pub fn give(&self, blocks: Vec<PartBlock>) {
        let mut kept = self.lock();
        let buffers = blocks.into_iter().map(|(_, block)| block.payload);
        let room = KEPT.saturating_sub(kept.len());
        kept.extend(buffers.filter(|buffer| WORTH.contains(&buffer.capacity())).take(room));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // A thread that panicked while it held them cannot have left half a buffer.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
