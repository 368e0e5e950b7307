//! Buffers of bytes that stay with their thread: memory that is asked for anew for each block has to be cleared for each.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// How many buffers a thread keeps, and how long they may be.
const KEPT: usize = 6;
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    static KEPT_BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with what it held before, which goes back to the thread that drops it.
#[derive(Default)]
pub(super) struct SpareBytes(Vec<u8>);

impl SpareBytes {
    /// Returns a buffer of this thread which has room for so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        let kept = KEPT_BUFFERS.with_borrow_mut(|kept| {
            let at = kept.iter().rposition(|buffer| buffer.capacity() >= bytes)?;
            Some(kept.swap_remove(at))
        });
        Self(kept.unwrap_or_else(|| Vec::with_capacity(bytes)))
    }

    /// Returns an empty buffer with room for so many bytes.
    pub(super) fn empty(bytes: usize) -> Self {
        let mut taken = Self::with_room(bytes);
        taken.clear();
        taken
    }
}

impl Drop for SpareBytes {
    fn drop(&mut self) {
        KEPT_BUFFERS.with_borrow_mut(|kept| {
            if kept.len() < KEPT && (1..=KEPT_BYTES).contains(&self.0.capacity()) {
                kept.push(std::mem::take(&mut self.0));
            }
        });
    }
}

impl Deref for SpareBytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for SpareBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}
